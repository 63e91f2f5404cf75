/**
 * A megabyte put by while there is space, so that a full disk still lets deletes in and the database close.
 *
 * @module
 */
import { NoSpaceError } from "../base/errors.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { RESERVE_NAME } from "./file_names.ts";

/** How much is put by: room for thousands of deletes, too little to be missed. */
const RESERVE_BYTES = 1024 * 1024;

/** The reserve of one database. */
export class Reserve {
  /** Only writes up to this size may use it: deletes, not data. */
  static readonly SMALL_BYTES: number = 64 * 1024;

  readonly #fs: FileSystem;
  readonly #path: string;
  /** Whether it was given and should be taken again. */
  given = false;

  constructor(fs: FileSystem, directory: string) {
    this.#fs = fs;
    this.#path = join(directory, RESERVE_NAME);
  }

  /** Puts the reserve by, when it isn't yet. Fails on a full disk, leaving nothing. */
  async take(): Promise<void> {
    this.given = false;
    const there = await this.#fs.stat(this.#path);
    if (there !== undefined && there.size >= RESERVE_BYTES) return;
    if (there !== undefined) await this.#fs.remove(this.#path);
    const handle = await this.#fs.open(this.#path, "create");
    try {
      // Written, not just lengthened: a hole would reserve nothing. Not zeros: some file systems store those as holes.
      await handle.append(new Uint8Array(RESERVE_BYTES).fill(0x52));
      await handle.close();
    } catch (error) {
      this.given = true;
      await handle.close();
      await this.#fs.remove(this.#path).catch(() => {});
      throw error;
    }
  }

  /** Does what a full disk must not keep anyone from: where there is no space for it, the reserve makes some. */
  async help<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NoSpaceError) || !await this.give()) throw error;
      return await work();
    }
  }

  /** Frees the reserve; false when there was none. */
  async give(): Promise<boolean> {
    this.given = true;
    try {
      await this.#fs.remove(this.#path);
      return true;
    } catch {
      return false;
    }
  }
}
