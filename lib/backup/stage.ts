/**
 * Building a database directory so that it appears whole or not at all.
 *
 * ```
 * DEST/.stage-<id>/     all files are made here, synced and checked
 * DEST/                 then they are renamed into place, the marker last: from that rename on it is a database
 * ```
 *
 * Inside the destination, so that it works on mount points and where only the destination may be written to.
 * While names move `DEST/.stage-lock` is locked: of two that publish, the second finds the first one's database.
 *
 * Over an old database whose file names meet those of the new one, the old files are set aside first, in
 * `DEST/.stage-<id>-old` (`former.ts`); a failure puts them back, and a crash leaves them there, whole, a database that opens;
 * the next try begins from there. Where no
 * names meet but for files that are the same or grew (an export over an earlier export of the same database), the old
 * database opens until the very rename of the marker. `CURRENT.replaced` in the stage, a copy of the old marker, tells after
 * a crash whose log is whose (`replaced.ts`).
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { equalBytes } from "../base/bytes.ts";
import { ExistsError, LockedError, NotFoundError, PermissionError } from "../base/errors.ts";
import {
  FORMER_SUFFIX,
  LOCK_NAME,
  MARKER_NAME,
  parseFileName,
  REPLACED_NAME,
  STAGE_PREFIX,
} from "../engine/file_names.ts";
import { removeLeftovers } from "../engine/leftovers.ts";
import { lockFor } from "../engine/lock_for.ts";
import type { FileLock, FileSystem } from "../files/file_system.ts";
import { dirname, join } from "../files/paths.ts";
import { removeIfThere, removeTree, writeSynced } from "../files/publish.ts";
import { readRange } from "../files/read.ts";
import { checkDirectory, type DirectoryState, firstWrite } from "./destination.ts";
import { putBack, setAside } from "./former.ts";

/**
 * The file whose lock one holds who publishes: a stage by its name, so that what a crash leaves of it is no one's. Not
 * `LOCK`, for that must never be removed where a database may be opened.
 */
const PUBLISH_LOCK_NAME = `${STAGE_PREFIX}lock`;

/** Every file begins with a header that says whose it is and what number it has. */
const HEADER_BYTES = 64;

/** A directory in the making. */
export class Stage {
  /** Where the files are made. */
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #destination: string;
  readonly #state: DirectoryState;
  readonly #lock: FileLock | undefined;
  readonly #leftBehind: readonly string[];
  #done = false;
  /** Whether the stage tells whose the files are that could not be taken back. */
  #needed = false;

  private constructor(
    fs: FileSystem,
    destination: string,
    path: string,
    found: { state: DirectoryState; lock: FileLock | undefined; leftBehind: readonly string[] },
  ) {
    this.#fs = fs;
    this.#destination = destination;
    this.path = path;
    this.#state = found.state;
    this.#lock = found.lock;
    this.#leftBehind = found.leftBehind;
  }

  /** Checks the destination and begins. `id` makes the stage's name unlike that of any other. */
  static async begin(
    call: string,
    fs: FileSystem,
    destination: string,
    options: { id: string; overwrite: boolean; source?: string | undefined },
  ): Promise<Stage> {
    const state = await checkDirectory(call, fs, destination, options);
    const lock = state === "database" ? await lockOld(fs, destination) : undefined;
    const leftBehind = state === "empty" ? (await fs.list(destination)).filter(isDatabaseFile) : [];
    const path = join(destination, `.stage-${options.id}`);
    try {
      if (state === "missing") await firstWrite(destination, () => fs.makeDirectory(destination));
      await firstWrite(destination, () => fs.makeDirectory(path));
    } catch (error) {
      lock?.release();
      // It may not have been made; or by another, who is about to fill it.
      if (state === "missing" && !(error instanceof ExistsError)) await fs.removeDirectory(destination).catch(() => {});
      throw error;
    }
    return new Stage(fs, destination, path, { state, lock, leftBehind });
  }

  /**
   * Publishes the files named, which lie in the stage (or in `from`, inside it); others there are dropped. An abort counts
   * until files begin to move.
   */
  async publish(names: readonly string[], signal?: AbortSignal, from: string = this.path): Promise<void> {
    await this.#fs.syncDirectory(from);
    if (from !== this.path) await this.#fs.syncDirectory(this.path);
    // Whatever a power cut leaves of the names that follow, the stage is there to tell whose they are.
    await this.#fs.syncDirectory(this.#destination);
    throwIfAborted(signal);
    const path = join(this.#destination, PUBLISH_LOCK_NAME);
    const lock = await this.#lockAlone(path);
    try {
      if (this.#state !== "database") await this.#checkAlone();
      await this.#publish(names, from);
    } finally {
      if (lock !== undefined) {
        lock.release();
        await removeIfThere(this.#fs, path).catch(() => {}); // Whoever opens the database removes it.
      }
    }
  }

  async #publish(names: readonly string[], from: string): Promise<void> {
    const fs = this.#fs;
    // The manifest first, for good: it says whose the others are, should this be interrupted.
    const isManifest = (name: string): boolean => parseFileName(name)?.kind === "manifest";
    const others = names.filter((name) => name !== MARKER_NAME && !isManifest(name));
    const files = [...names.filter(isManifest), ...others];
    const old = this.#state === "database" ? (await fs.list(this.#destination)).filter(isDatabaseFile) : [];
    const aside = await this.#meet(files, old, from) ? `${this.path}${FORMER_SUFFIX}` : undefined;
    if (aside !== undefined) await setAside(fs, this.#destination, old, aside);
    const moved: string[] = [];
    try {
      if (old.length > 0 && aside === undefined) await this.#noteReplaced();
      for (const name of files) {
        // Noted beforehand: a call that fails may have taken effect.
        if (!old.includes(name) || aside !== undefined) moved.push(name);
        await fs.rename(join(from, name), join(this.#destination, name));
        if (isManifest(name)) await fs.syncDirectory(this.#destination);
      }
      await fs.syncDirectory(this.#destination);
      await fs.rename(join(from, MARKER_NAME), join(this.#destination, MARKER_NAME));
    } catch (error) {
      // A rename that failed may have taken effect, and then these are the files of the database that is there.
      this.#done = await this.#isSwitched(from);
      if (!this.#done) {
        this.#needed = !await this.#takeBack(moved);
        // The first failure is the one to tell.
        if (aside !== undefined) await putBack(fs, this.#destination, old, aside).catch(() => {});
      }
      throw error;
    }
    this.#done = true;
    await fs.syncDirectory(this.#destination);
    await this.#tidy(files, aside === undefined ? [...old, ...this.#leftBehind] : []);
  }

  /** Gives up: removes all that was made, unless it was published, or is to be `keep`t for another try. */
  async end({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    if (!this.#done && !keep && !this.#needed) {
      await removeTree(this.#fs, this.path).catch(() => {}); // The first failure is the one to tell.
      if (this.#state === "missing") await this.#fs.removeDirectory(this.#destination).catch(() => {});
    }
    this.#lock?.release();
  }

  /** Another program may have been faster, or be about to; its files must not be mixed with ours. */
  async #checkAlone(): Promise<void> {
    const there = (await this.#fs.list(this.#destination)).filter(isDatabaseFile);
    if (there.every((name) => this.#leftBehind.includes(name))) return;
    await checkDirectory("publish", this.#fs, this.#destination, { overwrite: false });
    throw this.#notAlone();
  }

  /** Keeps others out from the look at what is there to the marker's rename. */
  async #lockAlone(path: string): Promise<FileLock | undefined> {
    try {
      return await this.#fs.lock(path);
    } catch (error) {
      if (error instanceof LockedError) throw this.#notAlone();
      return undefined; // A copy may go where files can't be locked, and a database could not be opened.
    }
  }

  #notAlone(): ExistsError {
    return new ExistsError(
      `Cannot publish ${this.#destination}: another program writes there; choose another (EXISTS)`,
      {
        path: this.#destination,
      },
    );
  }

  /** Keeps a copy of the old marker: from it one can tell, after a crash, which files were the old database's. */
  async #noteReplaced(): Promise<void> {
    const fs = this.#fs;
    const marker = await fs.open(join(this.#destination, MARKER_NAME), "read");
    try {
      await writeSynced(fs, join(this.path, REPLACED_NAME), await readRange(marker, 0, marker.sizeSync()));
    } finally {
      await marker.close();
    }
    await fs.syncDirectory(this.path);
  }

  /** Whether the marker may have been renamed. */
  async #isSwitched(from: string): Promise<boolean> {
    try {
      return await this.#fs.stat(join(from, MARKER_NAME)) === undefined;
    } catch {
      return true; // Unknown, so nothing is taken back.
    }
  }

  /**
   * Removes what was moved already; whether all of it is gone for good. The manifest, which was the first, stays until the
   * others are: without it the stage tells nothing of them.
   */
  async #takeBack([manifest, ...others]: readonly string[]): Promise<boolean> {
    const fs = this.#fs;
    let gone = true;
    for (const names of [others.reverse(), manifest === undefined ? [] : [manifest]]) {
      for (const name of names) await removeIfThere(fs, join(this.#destination, name)).catch(() => gone = false);
      await fs.syncDirectory(this.#destination).catch(() => gone = false);
      if (!gone) break;
    }
    return gone;
  }

  /** Whether a new file would take the name of an old one that the old database needs as it is. */
  async #meet(files: readonly string[], old: readonly string[], from: string): Promise<boolean> {
    for (const name of files) {
      if (!old.includes(name)) continue;
      const [mine, theirs] = await Promise.all([
        this.#head(join(from, name)),
        this.#head(join(this.#destination, name)),
      ]);
      const kind = parseFileName(name)?.kind;
      const grew = kind === "log" && mine.size >= theirs.size;
      const same = (kind === "table" || kind === "blob") && mine.size === theirs.size;
      if (!(grew || same) || !equalBytes(mine.head, theirs.head)) return true;
    }
    return false;
  }

  async #head(path: string): Promise<{ head: Uint8Array; size: number }> {
    const file = await this.#fs.open(path, "read");
    try {
      return { head: await readRange(file, 0, HEADER_BYTES), size: file.sizeSync() };
    } finally {
      await file.close();
    }
  }

  /** Removes what no one needs any more; failing at that is no failure of the whole. */
  async #tidy(files: readonly string[], old: readonly string[]): Promise<void> {
    const fs = this.#fs;
    const stale = old.filter((name) => name !== MARKER_NAME && !files.includes(name));
    const stages = (await fs.list(this.#destination).catch(() => [])).filter((name) => name.startsWith(".stage-"));
    await removeLeftovers(fs, this.#destination, [...stale, ...stages]); // What stays, the next export tries again.
    // Also when it was there: an earlier try that failed may have made it.
    await fs.syncDirectory(dirname(fs.resolve(this.#destination))).catch((error) => {
      if (!(error instanceof PermissionError)) throw error; // Narrow permissions end at the destination.
    });
  }
}

/** Whether a name in a database directory is a part of the database, and not the lock or an export's stage. */
export function isDatabaseFile(name: string): boolean {
  return name === MARKER_NAME || parseFileName(name) !== undefined;
}

/** The lock of a database about to be replaced, so that no one has it open meanwhile. */
async function lockOld(fs: FileSystem, destination: string): Promise<FileLock> {
  if (fs.lockedHere(join(destination, LOCK_NAME))) {
    throw new LockedError(`Cannot replace ${destination}: this process has it open; close it first (LOCKED)`, {
      path: destination,
    });
  }
  try {
    return await lockFor("replace", fs, destination, destination);
  } catch (error) {
    if (error instanceof NotFoundError) {
      throw new NotFoundError(`Cannot replace ${destination}: it is gone (NOT_FOUND)`);
    }
    throw error;
  }
}
