/**
 * What a database must be able to do to be measured, and what each driver promises so that rows compare:
 *
 *   1. A key is a string of 16 ASCII characters, a value one that the caller may keep and change.
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

/** What not every database has; rows that need it leave the others out. */
export type Feature = "large values" | "snapshots" | "tags" | "transactions";

/** A value as it was read: `undefined` or `null` where there is none. */
export type Found = Uint8Array | undefined | null;

/** Takes an entry that a scan comes to. */
export type Visit = (key: string, value: Uint8Array) => void;

/** A point in time that goes on being readable. */
export interface Snapshot {
  /** Reads one as it was. */
  get(key: string): Found | Promise<Found>;
  /** Lets go of it. */
  release(): unknown;
}

/** An open database. Those with a question mark are left out where a database has no such call. */
export interface Driver {
  /** Writes all of them, or none. */
  putBatch(pairs: readonly Pair[]): void | Promise<void>;
  /** Writes one, as durable as the mode says. */
  put(key: string, value: Uint8Array): void | Promise<unknown>;
  /** Deletes one. */
  delete(key: string): void | Promise<unknown>;
  /** Deletes all of them, or none. */
  deleteBatch(keys: readonly string[]): void | Promise<unknown>;
  /** Reads one at once. */
  getSync?(key: string): Found;
  /** Reads one by a promise. */
  get?(key: string): Promise<Found>;
  /** Visits up to `limit` entries from `start` on, in key order; returns how many there were. */
  scan(start: string | undefined, limit: number, visit: Visit): number | Promise<number>;
  /** Reads two, which are there, and writes what `change` makes of them: all of it, as if nothing else went on. */
  transaction?(
    keys: readonly [string, string],
    change: (first: Found, second: Found) => readonly [Uint8Array, Uint8Array],
  ): void | Promise<unknown>;
  /** The state of this moment. */
  snapshot?(): Snapshot;
  /** Writes all of them, or none, with a tag each by which they are found. */
  putTagged?(entries: readonly (readonly [key: string, value: Uint8Array, tag: string])[]): void | Promise<unknown>;
  /** Visits up to `limit` entries with this tag, in key order; returns how many there were. */
  scanTag?(tag: string, limit: number, visit: Visit): number | Promise<number>;
  /** Gives an entry, which has this value, another tag for the one that it has. */
  retag?(key: string, value: Uint8Array, from: string, to: string): void | Promise<unknown>;
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
  /** What it has of what not all have. */
  readonly features: readonly Feature[];
  /** Opens the database in `directory`, which exists. */
  open(directory: string, mode: Mode): Promise<Driver>;
}
