/**
 * A megabyte put by while there is space, so that a full disk still lets deletes in and the database close.
 *
 * @module
 */
import { NoSpaceError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { RESERVE_NAME } from "../file_names.ts";
import { dropHistory } from "./log_retention.ts";
import type { Store } from "../store.ts";

/** How much is put by: room for thousands of deletes, too little to be missed. */
const RESERVE_BYTES = 1024 * 1024;

/** What is given at a time: room for many deletes. */
const PART_BYTES = 128 * 1024;

/** The reserve of one database. */
export class Reserve {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #store: Store;
  /** Whether it was given and should be taken again. */
  given = false;

  constructor(store: Store) {
    this.#store = store;
    this.#fs = store.fs;
    this.#path = join(store.path, RESERVE_NAME);
  }

  /** Puts by what is missing of the reserve. Fails on a full disk, keeping what there is. */
  async take(): Promise<void> {
    this.given = false;
    if (((await this.#fs.stat(this.#path))?.size ?? 0) >= RESERVE_BYTES) return;
    const handle = await this.#fs.open(this.#path, "append");
    const size = handle.sizeSync();
    try {
      // Written, not just lengthened: a hole would reserve nothing. Not zeros: some file systems store those as holes.
      await handle.append(new Uint8Array(RESERVE_BYTES - size).fill(0x52));
    } catch (error) {
      this.given = true;
      await handle.truncate(size);
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** Does what a full disk must not keep anyone from: as long as there is no space for it, some is freed. */
  async help<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof NoSpaceError) || !await this.give()) throw error;
      }
    }
  }

  /**
   * Frees what can be spared on a full disk: log kept for `changes()` alone, and when there is none, or no space even for
   * the edit that lets it go, a part of the reserve, if the write is one that may have it (a delete, not data). Only a part, because whatever
   * else waits for space would take all. False when nothing was freed.
   */
  async give(mayHaveReserve = true): Promise<boolean> {
    if (await dropHistory(this.#store)) return true;
    const size = (await this.#fs.stat(this.#path))?.size ?? 0;
    if (!mayHaveReserve || size === 0) return false;
    this.given = true;
    const handle = await this.#fs.open(this.#path, "append");
    try {
      await handle.truncate(Math.max(0, size - PART_BYTES));
    } finally {
      await handle.close();
    }
    return true;
  }
}
