/**
 * Reading a key space: what a database, a namespace, a snapshot and a transaction have in common.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import type { FoundRow } from "../../tree/cursor.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import { type Entry, isBlob, rowEntry, rowEntryAsync, rowValue, rowValueAsync } from "../data/entries.ts";
import { decodeKey, encodeKey, type Key, lookupKey } from "../data/keys.ts";
import { ChunkedList, countSteps, entryItems, keyItems, type ListItem, listNow, type ListPlan } from "./list.ts";
import { listBounds, type ListRange, movedBounds } from "../data/ranges.ts";
import { lookupMany, type RowItem, valueItem } from "./many.ts";
import { type ListOptions, listOptions, type PointInTime, type ReadOptions, readOptions } from "./read_options.ts";
import type { ReadSource } from "./read_source.ts";
import type { Value } from "../data/values.ts";

/** How a handle gets at its rows. @internal */
export interface ReadAccess {
  /** The inside of the database. */
  readonly context: Context;
  /** The key space. */
  readonly definition: Definition;
  /** What is read from now, or at a snapshot; throws when the handle may not read any more. */
  open(call: string, at?: PointInTime): ReadSource;
}

let insideOf: (reader: object) => ReadAccess | undefined;

/** The inside of a handle, for the files of this folder; `TypeError` when `reader` is none. @internal */
export function accessOf(call: string, reader: unknown): ReadAccess {
  const access = typeof reader === "object" && reader !== null ? insideOf(reader) : undefined;
  if (access === undefined) {
    throw new TypeError(`${call}: expected a database or a namespace, not ${describeValue(reader)}`);
  }
  return access;
}

/**
 * What all that can be read has in common. Asynchronous forms reject, synchronous ones throw: `TypeError` or `RangeError`
 * for a key or option that makes no sense, `ClosedError` when the handle was closed, `CorruptionError` when what is on
 * disk is not what was written.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.set("fruit/apple", 3);
 * await db.set("fruit/pear", 5);
 * for await (const { key, value } of db.list({ prefix: "fruit/" })) console.log(key, value);
 * ```
 */
export abstract class Reader<K extends Key = string> {
  readonly #access: ReadAccess;

  static {
    insideOf = (reader) => #access in reader ? reader.#access : undefined;
  }

  /** Handles are made by the database. @internal */
  constructor(access: ReadAccess) {
    this.#access = access;
  }

  /**
   * The value at a key; undefined when there is none. `T` is what you know it to be; nothing checks it. Bytes are yours to
   * change; their `buffer` may be longer than they are, so views of it take `byteOffset` and `byteLength`.
   */
  get<T = Value>(key: K, options?: ReadOptions): Promise<T | undefined> {
    try {
      const row = this.#row("get", key, options);
      if (row === undefined) return Promise.resolve(undefined);
      const { engine } = this.#access.context;
      return (isBlob(row) ? rowValueAsync(engine, row) : Promise.resolve(rowValue(engine, row))) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `get`, at once. A large value is read from disk on the main thread. */
  getSync<T = Value>(key: K, options?: ReadOptions): T | undefined {
    const row = this.#row("getSync", key, options);
    return row === undefined ? undefined : rowValue(this.#access.context.engine, row) as T;
  }

  /** The values at several keys, in their order, all of one version. */
  async getMany<T = Value>(keys: Iterable<K>, options?: ReadOptions): Promise<(T | undefined)[]> {
    const source = openMany("getMany", this, keys, options);
    return await lookupMany("getMany", source, keys, valueItem as RowItem<T | undefined>);
  }

  /** As `getMany`, at once. */
  getManySync<T = Value>(keys: Iterable<K>, options?: ReadOptions): (T | undefined)[] {
    const source = openMany("getManySync", this, keys, options);
    const internal = Array.from(keys, (key) => encodeKey("getManySync", source.encoding, source.prefix, key));
    const rows = internal.map((key) => source.row(key));
    return rows.map((row) => row && rowValue(source.context.engine, row)) as (T | undefined)[];
  }

  /** Whether there is an entry at a key. */
  async has(key: K, options?: ReadOptions): Promise<boolean> {
    return this.#row("has", key, options) !== undefined;
  }

  /** As `has`, at once. */
  hasSync(key: K, options?: ReadOptions): boolean {
    return this.#row("hasSync", key, options) !== undefined;
  }

  /** The entry at a key, with version, time, tags and expiry; undefined when there is none. */
  async getEntry<T = Value>(key: K, options?: ReadOptions): Promise<Entry<K, T> | undefined> {
    const { source, row, internal } = this.#find("getEntry", key, options);
    if (row === undefined) return undefined;
    return await rowEntryAsync(source.context.engine, keyIn(source, internal), row) as Entry<K, T>;
  }

  /** As `getEntry`, at once. */
  getEntrySync<T = Value>(key: K, options?: ReadOptions): Entry<K, T> | undefined {
    const { source, row, internal } = this.#find("getEntrySync", key, options);
    if (row === undefined) return undefined;
    return rowEntry(source.context.engine, keyIn(source, internal), row) as Entry<K, T>;
  }

  /**
   * The entries of a range in key order, all of one version: that of the first step. Until then nothing is held; leaving
   * the loop early lets go of everything. Whatever is written meanwhile, in the loop or elsewhere, is not seen.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * await db.set("a", 1, { tags: ["odd"] });
   * await db.set("b", 2);
   * await db.set("c", 3, { tags: ["odd"] });
   * for await (const { key } of db.list({ start: "b" }, { reverse: true, limit: 1 })) console.log(key); // c
   * console.log(await Array.fromAsync(db.list({ tag: "odd" }), ({ key }) => key)); // [ "a", "c" ]
   * ```
   */
  list<T = Value>(range?: ListRange<K>, options?: ListOptions): AsyncIterableIterator<Entry<K, T>, undefined> {
    const item = entryItems<K>() as ListItem<Entry<K, T>>;
    return new ChunkedList(this.#plan("list", range, options), item);
  }

  /** As `list`, each step at once. */
  listSync<T = Value>(range?: ListRange<K>, options?: ListOptions): IterableIterator<Entry<K, T>, undefined> {
    const item = entryItems<K>() as ListItem<Entry<K, T>>;
    return listNow(this.#plan("listSync", range, options), item);
  }

  /** The keys that `list` would give, without reading values. */
  keys(range?: ListRange<K>, options?: ListOptions): AsyncIterableIterator<K, undefined> {
    return new ChunkedList(this.#plan("keys", range, options), keyItems<K>());
  }

  /** As `keys`, each step at once. */
  keysSync(range?: ListRange<K>, options?: ListOptions): IterableIterator<K, undefined> {
    return listNow(this.#plan("keysSync", range, options), keyItems<K>());
  }

  /** How many entries `list` would give. It walks over them, in slices. */
  async count(range?: ListRange<K>, options?: ListOptions): Promise<number> {
    return await countSteps(this.#plan("count", range, options));
  }

  #row(call: string, key: K, options: ReadOptions | undefined): FoundRow | undefined {
    const source = this.#access.open(call, readOptions(call, options));
    return source.row(lookupKey(call, source.encoding, source.prefix, key));
  }

  #find(call: string, key: K, options: ReadOptions | undefined): Found {
    const source = this.#access.open(call, readOptions(call, options));
    const internal = encodeKey(call, source.encoding, source.prefix, key);
    return { source, row: source.row(internal), internal };
  }

  #plan(call: string, range: ListRange<K> | undefined, options: ListOptions | undefined): ListPlan {
    const access = this.#access;
    const checked = listOptions(call, options, range);
    // Checked now, so that a mistake shows where it was made, and later changes of the range's arrays change nothing.
    const { encoding, prefix } = access.open(call, checked.snapshot);
    const bounds = listBounds(call, encoding, prefix, range);
    return {
      call,
      open: () => access.open(call, checked.snapshot),
      bounds: (source) => source.prefix === prefix ? bounds : movedBounds(bounds, prefix, source.prefix),
      options: checked,
    };
  }
}

/** What several keys are looked up in; `TypeError` where `keys` is no list of them. @internal */
export function openMany(call: string, reader: object, keys: unknown, options: ReadOptions | undefined): ReadSource {
  if (typeof keys !== "object" || keys === null || !(Symbol.iterator in keys) || keys instanceof Uint8Array) {
    throw new TypeError(`${call}: keys must be an array of keys, not ${describeValue(keys)}`);
  }
  return accessOf(call, reader).open(call, readOptions(call, options));
}

interface Found {
  source: ReadSource;
  row: FoundRow | undefined;
  internal: Uint8Array;
}

function keyIn(source: ReadSource, internal: Uint8Array): Key {
  return decodeKey(source.encoding, internal, source.prefix.length);
}
