/**
 * The shapes of Deno KV's interface. They are those of `Deno.Kv`, so that a program's types go on holding; only here they
 * exist in Node and Bun too.
 *
 * @module
 */
import type { OpenOptions } from "../../db/options.ts";
import type { KvU64 } from "./u64.ts";

/**
 * A part of a key. Parts of different types are ordered `Uint8Array` < `string` < `bigint` < `number` < `boolean`, parts of
 * one type by their value. A symbol is accepted as the last part of a key to set, and only the one that
 * `commitVersionstamp()` gives.
 */
export type KvKeyPart = Uint8Array | string | number | bigint | boolean | symbol;

/** A key: a sequence of parts, ordered part by part. */
export type KvKey = readonly KvKeyPart[];

/** How fresh a read must be. Every read here is as fresh as `"strong"` asks for. */
export type KvConsistencyLevel = "strong" | "eventual";

/** Which entries a list gives. `start` belongs to it, `end` does not; an entry at `prefix` itself doesn't either. */
export type KvListSelector =
  | { prefix: KvKey }
  | { prefix: KvKey; start: KvKey }
  | { prefix: KvKey; end: KvKey }
  | { start: KvKey; end: KvKey };

/** A key with its value. */
export interface KvEntry<T> {
  /** The key. */
  key: KvKey;
  /** The value. */
  value: T;
  /** Of the commit that wrote it: 20 hexadecimal digits that grow with each commit. */
  versionstamp: string;
}

/** A key with its value, or with nulls where there is none. */
export type KvEntryMaybe<T> = KvEntry<T> | { key: KvKey; value: null; versionstamp: null };

/** Options of a read. */
export interface KvReadOptions {
  /** Default: `"strong"`; both read the newest. */
  consistency?: KvConsistencyLevel;
}

/** Options of a list. */
export interface KvListOptions extends KvReadOptions {
  /** At most so many entries. Default: all. */
  limit?: number;
  /** Goes on behind the entry at which another list, of the same selector, had this cursor. */
  cursor?: string;
  /** From the last key to the first. Default: false. */
  reverse?: boolean;
  /**
   * How many entries are read at once, each time from the newest state; fewer once their values take 64 MiB. Default: 100, or
   * `limit` up to 500.
   */
  batchSize?: number;
}

/** The entries of a list, one after the other. */
export interface KvListIterator<T> extends AsyncIterableIterator<KvEntry<T>> {
  /** Where the list stands; `""` once it has come to its end. Throws before the first step. */
  readonly cursor: string;
  /** The next entry. */
  next(): Promise<IteratorResult<KvEntry<T>, undefined>>;
  /** The list itself. */
  [Symbol.asyncIterator](): AsyncIterableIterator<KvEntry<T>>;
}

/** What must hold for an atomic operation to be made. */
export interface AtomicCheck {
  /** The entry's key. */
  key: KvKey;
  /** The versionstamp that it must have; null: it must not exist. */
  versionstamp: string | null;
}

/** A change of one key. The value of a sum is a `KvU64`, ours or Deno's. */
export type KvMutation =
  & { key: KvKey }
  & (
    | { type: "set"; value: unknown; expireIn?: number }
    | { type: "delete" }
    | { type: "sum"; value: Pick<KvU64, "value"> }
    | { type: "max"; value: Pick<KvU64, "value"> }
    | { type: "min"; value: Pick<KvU64, "value"> }
  );

/** A commit that was made. */
export interface KvCommitResult {
  /** It was made. */
  ok: true;
  /** Its versionstamp, which all entries that it wrote have. */
  versionstamp: string;
}

/** A commit that was not made, because a check did not hold. */
export interface KvCommitError {
  /** It was not made. */
  ok: false;
}

/** Options of a write. */
export interface KvSetOptions {
  /** The entry vanishes so many ms after the commit. */
  expireIn?: number;
}

/** Options of a message. */
export interface KvEnqueueOptions {
  /** It is delivered so many ms later, at most 30 days. Default: 0. */
  delay?: number;
  /** The keys that are set to the message when it could not be delivered. Default: none; then it is dropped. */
  keysIfUndelivered?: KvKey[];
  /** ms to wait before each further attempt: as many attempts, at most five, each after an hour at most. */
  backoffSchedule?: number[];
}

/** What a handler makes of a message: what it throws, or rejects with, is a failed delivery. */
// deno-lint-ignore no-explicit-any -- as Deno has it, so that a handler may name what it expects
export type KvQueueHandler = (value: any) => Promise<void> | void;

/** Options of `openKv`: those of `DB.open` but for the encoding of keys, and what is told. */
export interface KvOptions extends Omit<OpenOptions, "keyEncoding"> {
  /**
   * Hears of what nobody waits for: an error that a queue's handler ended with, an entry of the queue that could not be
   * removed or rescheduled. What it throws, or rejects with, is ignored. Default: nobody hears of it.
   */
  onError?: ((error: unknown) => void) | undefined;
}
