/**
 * A store of objects: bytes under keys, put whole or not at all. What a repository lies in: a directory, memory, a bucket.
 *
 * Rules for every kind (`tests/storage/store_suite.ts` checks them):
 *
 * 1. A put is atomic: until it resolves, readers see what was there before, or the new bytes whole; one that fails or is
 *    aborted leaves no part that any call shows. Once it resolves, the bytes are durable.
 * 2. `ifAbsent` and `ifMatch` are decided by the store in one step with the put, also between processes. One that can't says
 *    so in `capabilities`; a repository there has one writer at a time, and clocks of its programs are less than an hour apart.
 * 3. `list` is complete: it gives every key there is at its call, in the order of their bytes, or rejects. Never a part.
 * 4. A put that rejects may have taken effect all the same (its answer was lost): callers look before they conclude.
 * 5. Failures are `StorageError` (operation, key, status, retryable), `NoSpaceError` or `PermissionError`.
 *
 * A key is 1 to 512 characters of `A-Z a-z 0-9 . _ -` in parts separated by single slashes; no part is `.` or `..`. Others
 * are a `TypeError`.
 *
 * @module
 */

/** What `head` and `list` tell of an object. */
export interface ObjectInfo {
  /** Its key. */
  key: string;
  /** Its length in bytes. */
  size: number;
}

/** What a store can do. */
export interface StoreCapabilities {
  /** `put` with `ifAbsent` is atomic. */
  ifAbsent: boolean;
  /** `put` with `ifMatch` is atomic. */
  ifMatch: boolean;
  /** `get` of a range transfers only that range. */
  ranges: boolean;
  /**
   * Whoever keeps the bytes checks them against a hash that was made of the body as it was given, and refuses a put that does
   * not match. A repository reads back what it puts into other stores. False unless given.
   */
  checksums?: boolean | undefined;
}

/** What a body may be: bytes, or pieces of them. */
export type ObjectBody = Uint8Array | AsyncIterable<Uint8Array>;

/** Options of `put`. */
export interface PutOptions {
  /** Only when nothing is there. */
  ifAbsent?: boolean | undefined;
  /** Only over the object with this tag, as `get` or `put` told it. Not together with `ifAbsent`. */
  ifMatch?: string | undefined;
  /** `false`: nobody asks for the tag; where telling it costs time, the store may answer with `""`. */
  tag?: boolean | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Options of `get`. */
export interface GetOptions {
  /** Where to begin, bytes; 0 unless given. At or beyond the end: an empty body. */
  offset?: number | undefined;
  /** How many bytes at most; all that follow unless given. */
  length?: number | undefined;
  /** `true`: each piece of the body is used up when the next is asked for, so the store may use its memory again. */
  reuse?: boolean | undefined;
  /** `true`: the caller holds the bytes against a digest of its own, so the store need not. They must be as many as they should. */
  unchecked?: boolean | undefined;
  /** Gives up, also while the body is read. */
  signal?: AbortSignal | undefined;
}

/** An object being read. */
export interface StoredObject {
  /** Its whole length in bytes, also when a range was asked for. */
  size: number;
  /** Names these bytes, for `ifMatch`. Opaque; given where the whole object is read, unless the store decides no conditions. */
  etag: string | undefined;
  /** The bytes asked for; read once, or ended by leaving the loop. */
  body: AsyncIterable<Uint8Array>;
}

/** Options of `list`. */
export interface ListOptions {
  /** Only keys that begin with this; any beginning, it need not end at a slash. */
  prefix?: string | undefined;
  /** Only keys after this one. */
  after?: string | undefined;
  /** At most so many in one page, 1 to 1000; 1000 unless given. A store may give fewer. */
  limit?: number | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Options of `probe`. */
export interface ProbeOptions {
  /** Whether something may be written to find out; false unless given. */
  write?: boolean | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Options of `cleanUp`. */
export interface CleanUpOptions {
  /** Only what was begun before this time, ms since the Unix epoch. */
  before: number;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** A page of a listing. */
export interface ListPage {
  /** In the order of their keys. */
  objects: ObjectInfo[];
  /** The `after` of the next page; undefined when this is the last. */
  next: string | undefined;
}

/** A store of objects. Write your own kind by implementing it and running the suite over it. */
export interface ObjectStore {
  /** What it is, for messages: `"directory ./backups"`. Never a secret. */
  readonly name: string;
  /** What it can do; where that has to be found out, what is known so far. */
  readonly capabilities: StoreCapabilities;
  /** Writes an object; undefined when the condition did not hold, and then nothing was written. */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined>;
  /** Reads an object or a part of it; undefined when there is none. */
  get(key: string, options?: GetOptions): Promise<StoredObject | undefined>;
  /** What is known of an object; undefined when there is none. */
  head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined>;
  /** One page of the keys there are. */
  list(options?: ListOptions): Promise<ListPage>;
  /** Removes an object; one that is not there is fine. */
  delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Removes objects by fewer requests than one each; gives the keys that may still be there, which `delete` then removes, or
   * says why it can't. Where the service has nothing like that: all of them.
   */
  deleteMany?(keys: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<string[]>;
  /** Bytes that can still be stored, where that is known. */
  freeSpace?(): Promise<number | undefined>;
  /**
   * Finds out whether the store can be reached and what it can do, which `capabilities` says afterwards; `write` allows to
   * write for that, and to remove it again. Awaited when a repository is opened; rejects where the store can't be used.
   */
  probe?(options?: ProbeOptions): Promise<StoreCapabilities>;
  /**
   * Removes what puts left that never ended, such as parts of an upload, and no object; gives how many there were. Called
   * behind a prune. Who may not do it may still prune.
   */
  cleanUp?(options: CleanUpOptions): Promise<number>;
}
