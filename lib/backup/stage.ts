/**
 * Building a database directory so that it appears whole or not at all.
 *
 * ```
 * DEST/.stage-<id>/     all files are made here, synced and checked
 * DEST/                 then they are renamed into place, the marker last: from that rename on it is a database
 * ```
 *
 * Inside the destination, so that it works on mount points and where only the destination may be written to.
 *
 * Over an old database whose file names meet those of the new one, the old files first move to `DEST/.stage-<id>-old`, the
 * marker first of all; a failure moves them back, and a crash leaves them there, whole, a database that opens. Where no
 * names meet but for files that are the same or grew (an export over an earlier export of the same database), the old
 * database opens until the very rename of the marker.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { equalBytes } from "../base/bytes.ts";
import { LockedError, NotFoundError, PermissionError } from "../base/errors.ts";
import { LOCK_NAME, MARKER_NAME, parseFileName } from "../engine/file_names.ts";
import type { FileLock, FileSystem } from "../files/file_system.ts";
import { dirname, join } from "../files/paths.ts";
import { removeTree } from "../files/publish.ts";
import { readRange } from "../files/read.ts";
import { checkDirectory, type DirectoryState, firstWrite } from "./destination.ts";

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
  #done = false;

  private constructor(fs: FileSystem, destination: string, path: string, state: DirectoryState, lock?: FileLock) {
    this.#fs = fs;
    this.#destination = destination;
    this.path = path;
    this.#state = state;
    this.#lock = lock;
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
    const path = join(destination, `.stage-${options.id}`);
    try {
      if (state === "missing") await firstWrite(destination, () => fs.makeDirectory(destination));
      await firstWrite(destination, () => fs.makeDirectory(path));
    } catch (error) {
      lock?.release();
      if (state === "missing") await fs.removeDirectory(destination).catch(() => {}); // It may not have been made.
      throw error;
    }
    return new Stage(fs, destination, path, state, lock);
  }

  /**
   * Publishes the files named, which lie in the stage (or in `from`, inside it); others there are dropped. An abort counts
   * until files begin to move.
   */
  async publish(names: readonly string[], signal?: AbortSignal, from: string = this.path): Promise<void> {
    const fs = this.#fs;
    await fs.syncDirectory(from);
    throwIfAborted(signal);
    const files = names.filter((name) => name !== MARKER_NAME);
    const old = this.#state === "database" ? (await fs.list(this.#destination)).filter(isDatabaseFile) : [];
    if (this.#state !== "database" && await fs.stat(join(this.#destination, MARKER_NAME)) !== undefined) {
      // Another program was faster; its database must not be mixed with ours.
      await checkDirectory("publish", fs, this.#destination, { overwrite: false });
    }
    const aside = await this.#meet(files, old, from) ? await this.#moveAside(old) : undefined;
    const moved: string[] = [];
    try {
      for (const name of files) {
        await fs.rename(join(from, name), join(this.#destination, name));
        if (!old.includes(name) || aside !== undefined) moved.push(name);
      }
      await fs.syncDirectory(this.#destination);
      await fs.rename(join(from, MARKER_NAME), join(this.#destination, MARKER_NAME));
    } catch (error) {
      for (const name of moved) await fs.remove(join(this.#destination, name)).catch(() => {});
      if (aside !== undefined) await this.#moveBack(aside, old);
      throw error;
    }
    this.#done = true;
    await fs.syncDirectory(this.#destination);
    await this.#tidy(files, aside === undefined ? old : []);
  }

  /** Gives up: removes all that was made, unless it was published, or is to be `keep`t for another try. */
  async end({ keep = false }: { keep?: boolean } = {}): Promise<void> {
    if (!this.#done && !keep) {
      await removeTree(this.#fs, this.path).catch(() => {}); // The first failure is the one to tell.
      if (this.#state === "missing") await this.#fs.removeDirectory(this.#destination).catch(() => {});
    }
    this.#lock?.release();
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

  async #moveAside(old: readonly string[]): Promise<string> {
    const fs = this.#fs;
    const aside = `${this.path}-old`;
    await fs.makeDirectory(aside);
    try {
      for (const name of [MARKER_NAME, ...old.filter((each) => each !== MARKER_NAME)]) {
        await fs.rename(join(this.#destination, name), join(aside, name));
      }
      await fs.syncDirectory(aside);
      await fs.syncDirectory(this.#destination);
    } catch (error) {
      await this.#moveBack(aside, old);
      throw error;
    }
    return aside;
  }

  async #moveBack(aside: string, old: readonly string[]): Promise<void> {
    const fs = this.#fs;
    for (const name of [...old.filter((each) => each !== MARKER_NAME), MARKER_NAME]) {
      const from = join(aside, name);
      if (await fs.stat(from) === undefined) continue;
      await fs.rename(from, join(this.#destination, name));
    }
    await fs.syncDirectory(this.#destination);
    await fs.removeDirectory(aside).catch(() => {}); // Empty now, and harmless if it stays.
  }

  /** Removes what no one needs any more; failing at that is no failure of the whole. */
  async #tidy(files: readonly string[], old: readonly string[]): Promise<void> {
    const fs = this.#fs;
    const stale = old.filter((name) => name !== MARKER_NAME && !files.includes(name));
    const stages = (await fs.list(this.#destination).catch(() => [])).filter((name) => name.startsWith(".stage-"));
    for (const name of [...stale, ...stages]) {
      await removeTree(fs, join(this.#destination, name)).catch(() => {}); // The next export tries again.
    }
    if (this.#state === "missing") {
      await fs.syncDirectory(dirname(fs.resolve(this.#destination))).catch((error) => {
        if (!(error instanceof PermissionError)) throw error; // Narrow permissions end at the destination.
      });
    }
  }
}

/** Whether a name in a database directory is a part of the database, and not the lock or an export's stage. */
export function isDatabaseFile(name: string): boolean {
  return name === MARKER_NAME || parseFileName(name) !== undefined;
}

/** The lock of a database about to be replaced, so that no one has it open meanwhile. */
async function lockOld(fs: FileSystem, destination: string): Promise<FileLock> {
  const path = join(destination, LOCK_NAME);
  if (fs.lockedHere(path)) {
    throw new LockedError(`Cannot replace ${destination}: this process has it open; close it first (LOCKED)`, {
      path: destination,
    });
  }
  try {
    return await fs.lock(path);
  } catch (error) {
    if (error instanceof NotFoundError) {
      throw new NotFoundError(`Cannot replace ${destination}: it is gone (NOT_FOUND)`);
    }
    throw error;
  }
}
