/**
 * Whether this process still is the one that writes the database.
 *
 * The lock sees to that, while it holds. A process loses it without a word as soon as anything in it has opened and closed
 * `LOCK`, as a program does that copies the directory of its own database, and some network file systems only pretend to
 * lock. Then another process may open the database: it reads manifest and log, and switches the marker to a manifest of its
 * own. From there on nothing that this one writes is read by anyone, and the files that it would remove may be the other
 * one's. So it looks at the marker after each sync, before it tells anyone that something is kept, and before it removes a
 * file.
 *
 * The marker is never written over by us but replaced, by a rename: as long as its path leads to the file that named the
 * right manifest, not written since, nobody has come. To ask for that takes some microseconds.
 *
 * @module
 */
import { LockedError, NotFoundError } from "../../base/errors.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { putInPlace, removeIfThere, writeAside } from "../../files/publish.ts";
import { readRangeSync } from "../../files/read.ts";
import { readMarker } from "../../format/manifest/marker.ts";
import { filePath, MARKER_NAME } from "../file_names.ts";

/** The marker is a few lines; more is not one. */
export const MARKER_BYTES_MAX = 64 * 1024;

/** The marker of one database, as the process that writes there looks at it. */
export class MarkerWatch {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #database: string;
  #manifest: number;
  /** The manifest that the marker may name as well, while this process replaces it. */
  #next: number | undefined;
  /** The marker that was read last, and named the right manifest. */
  #seen: FileHandle | undefined;
  #isClosed = false;

  /** Of a marker that names this database and manifest; 0 while a repair has none yet. Opens nothing. */
  constructor(fs: FileSystem, directory: string, database: string, manifest: number) {
    this.#fs = fs;
    this.#directory = directory;
    this.#database = database;
    this.#manifest = manifest;
  }

  /** Whether the marker is gone, or another program has put its own there. One that can't be read says nothing. */
  get isReplaced(): boolean {
    if (this.#manifest === 0) return false;
    try {
      return !this.#isSeenInPlace() && !this.isOurs();
    } catch (error) {
      return error instanceof NotFoundError;
    }
  }

  /** Throws `LockedError` when it is replaced. */
  assertOurs(): void {
    if (!this.isReplaced) return;
    throw new LockedError(
      `Cannot go on in ${this.#directory}: another program has opened it for writing, replaced or removed it; ` +
        "close it and open it again (LOCKED)",
      { path: this.#directory },
    );
  }

  /** Reads the marker: whether it names the manifest. Throws when it can't be read. */
  isOurs(): boolean {
    this.forget();
    const handle = this.#fs.openSync(join(this.#directory, MARKER_NAME), "read");
    try {
      const bytes = readRangeSync(handle, 0, Math.min(handle.sizeSync(), MARKER_BYTES_MAX));
      const { database, manifest } = readMarker(bytes, MARKER_NAME);
      if (database !== this.#database || manifest !== this.#manifest && manifest !== this.#next) return false;
      // Asked at once: what it is like now is what it is compared with later.
      if (!this.#isClosed && handle.isInPlaceSync?.() === true) this.#seen = handle;
      return true;
    } finally {
      if (this.#seen !== handle) handle.closeSync();
    }
  }

  /**
   * Puts the marker at `aside` in place, which names another manifest. `untouched` throws if another process has written to
   * what was found here. It is asked in one step with the rename: nothing that is written behind that step will be told as
   * kept. And once more behind it, for something may have come into the step itself, however short it is; then the marker
   * becomes again what it was, `before`.
   */
  async switchTo(manifest: number, aside: string, before: Uint8Array, untouched: () => void): Promise<void> {
    this.assertOurs();
    untouched();
    this.forget();
    this.#next = manifest;
    try {
      let come: unknown;
      let failure: unknown;
      const marker = join(this.#directory, MARKER_NAME);
      await putInPlace(this.#fs, aside, marker, () => come = thrownBy(untouched)).catch((error) => failure = error);
      // Also where the directory could not be synced: the marker names this one's manifest all the same.
      if (come !== undefined && await this.#putBack(before, `${manifest}`)) throw come;
      if (failure !== undefined) throw failure;
      this.#manifest = manifest;
    } finally {
      this.#next = undefined;
    }
  }

  /** Whether the marker is as it was again: not where that would name nothing, nor where a third process has put its own. */
  async #putBack(before: Uint8Array, unique: string): Promise<boolean> {
    const marker = join(this.#directory, MARKER_NAME);
    const back = await writeAside(this.#fs, marker, before, unique);
    const isThere = this.#fs.statSync(filePath(this.#directory, "manifest", this.#manifest)) !== undefined;
    if (isThere && !this.isReplaced) {
      await putInPlace(this.#fs, back, marker);
      return true;
    }
    await removeIfThere(this.#fs, back);
    return false;
  }

  /** Whether that can be told without reading. A network may have lost the file that is open: then it is read again. */
  #isSeenInPlace(): boolean {
    try {
      return this.#seen?.isInPlaceSync?.() === true;
    } catch {
      return false;
    }
  }

  /** Lets go of the marker that was seen; the next look opens it again. */
  forget(): void {
    this.#seen?.closeSync();
    this.#seen = undefined;
  }

  /** Keeps no file open from here on; files that are let go of late still ask. */
  close(): void {
    this.#isClosed = true;
    this.forget();
  }
}

function thrownBy(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}
