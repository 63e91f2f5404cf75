/**
 * What a database must be able to do to be measured, and what each driver promises so that rows compare:
 *
 *   1. A key is a string of 16 ASCII characters, a value 100 bytes that the caller may keep and change.
 *   2. Cache and, where there is one, write buffer have 64 MiB each.
 *   3. `load`: what a batch wrote survives the process being killed; `settle` makes it survive a power cut.
 *   4. `durable`: a put that resolved survives a power cut.
 *   5. Each call is the fastest documented one that a program would use for this.
 *
 * @module
 */
import type { Pair } from "../data.ts";
import type { Runtime } from "../runtime.ts";

/** The cache of every database, and its write buffer where it has one. */
export const CACHE_BYTES = 64 * 2 ** 20;

/** How a database is opened: to be loaded fast and then read, or to make every put durable. */
export type Mode = "load" | "durable";

/** An open database. */
export interface Driver {
  /** Writes all of them, or none. */
  putBatch(pairs: readonly Pair[]): void | Promise<void>;
  /** Writes one, as durable as the mode says. */
  put(key: string, value: Uint8Array): void | Promise<unknown>;
  /** Reads one at once; left out where a database has no such call. */
  getSync?(key: string): Uint8Array | undefined | null;
  /** Reads one by a promise; left out where a database has no such call. */
  get?(key: string): Promise<Uint8Array | undefined | null>;
  /** Visits up to `limit` entries from `start` on, in key order; returns how many there were. */
  scan(
    start: string | undefined,
    limit: number,
    visit: (key: string, value: Uint8Array) => void,
  ): number | Promise<number>;
  /** Makes everything so far survive a power cut. */
  settle(): void | Promise<unknown>;
  /** Closes it. */
  close(): void | Promise<unknown>;
}

/** A kind of database. */
export interface DriverKind {
  /** Its name in tables. */
  readonly name: string;
  /** Where it is measured. */
  readonly runtimes: readonly Runtime[];
  /** Opens the database in `directory`, which exists. */
  open(directory: string, mode: Mode): Promise<Driver>;
}
