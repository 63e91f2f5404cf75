/**
 * Typed reading: what a space, a snapshot and a transaction have in common.
 *
 * @module
 */
import type { Entry } from "../../db/data/entries.ts";
import type { Key } from "../../db/data/keys.ts";
import type { ListRange } from "../../db/data/ranges.ts";
import { lookupMany, ofValues } from "../../db/reading/many.ts";
import type { ListOptions, ReadOptions } from "../../db/reading/read_options.ts";
import { openMany, type Reader } from "../../db/reading/reader.ts";
import { Mapped, MappedNow } from "./mapped.ts";
import type { Shape } from "./shape.ts";

/**
 * The reading methods of a database or namespace, with values of one type. They do what those beneath do. With
 * `validateReads` they reject with `InvalidValueError` for what does not match the schema; the synchronous ones throw
 * `AsyncSchemaError` when that can't answer at once.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { typed } from "@holdfast/db/typed";
 *
 * await using db = await DB.open(":memory:");
 * const stock = typed<number>(db.namespace("stock"));
 * await stock.setMany([["apples", 12], ["pears", 5]]);
 * for await (const { key, value } of stock.list()) console.log(key, value.toFixed(1)); // apples 12.0, pears 5.0
 * ```
 */
export abstract class TypedReader<K extends Key, In, Out> {
  readonly #reader: Reader<K>;
  readonly #shape: Shape<In, Out>;

  /** Made by `typed`. @internal */
  constructor(reader: Reader<K>, shape: Shape<In, Out>) {
    this.#reader = reader;
    this.#shape = shape;
  }

  /** The value at a key; undefined when there is none. */
  async get(key: K, options?: ReadOptions): Promise<Out | undefined> {
    const stored = await this.#reader.get(key, options);
    return stored === undefined ? undefined : await this.#shape.decode("get", key, stored);
  }

  /** As `get`, at once. */
  getSync(key: K, options?: ReadOptions): Out | undefined {
    const stored = this.#reader.getSync(key, options);
    return stored === undefined ? undefined : this.#shape.decodeNow("getSync", key, stored);
  }

  /** The values at several keys, in their order, all of one version. */
  async getMany(keys: Iterable<K>, options?: ReadOptions): Promise<(Out | undefined)[]> {
    const asked = listed(keys);
    const source = openMany("getMany", this.#reader, asked, options);
    const item = ofValues<Out | undefined>((stored, index) => {
      return stored === undefined ? undefined : this.#shape.decode("getMany", keyAt(asked, index), stored);
    });
    return await lookupMany("getMany", source, asked, item);
  }

  /** As `getMany`, at once. */
  getManySync(keys: Iterable<K>, options?: ReadOptions): (Out | undefined)[] {
    const asked = listed(keys);
    return this.#reader.getManySync(asked, options).map((stored, index) => {
      return stored === undefined ? undefined : this.#shape.decodeNow("getManySync", keyAt(asked, index), stored);
    });
  }

  /** Whether there is an entry at a key. Its value is not looked at. */
  async has(key: K, options?: ReadOptions): Promise<boolean> {
    return await this.#reader.has(key, options);
  }

  /** As `has`, at once. */
  hasSync(key: K, options?: ReadOptions): boolean {
    return this.#reader.hasSync(key, options);
  }

  /** The entry at a key, with version, time, tags and expiry; undefined when there is none. */
  async getEntry(key: K, options?: ReadOptions): Promise<Entry<K, Out> | undefined> {
    const entry = await this.#reader.getEntry(key, options);
    return entry === undefined ? undefined : await entryOf(this.#shape, "getEntry", entry);
  }

  /** As `getEntry`, at once. */
  getEntrySync(key: K, options?: ReadOptions): Entry<K, Out> | undefined {
    const entry = this.#reader.getEntrySync(key, options);
    return entry && { ...entry, value: this.#shape.decodeNow("getEntrySync", entry.key, entry.value) };
  }

  /** The entries of a range in key order, all of one version: that of the first step. */
  list(range?: ListRange<K>, options?: ListOptions): AsyncIterableIterator<Entry<K, Out>, undefined> {
    return new Mapped(this.#reader.list(range, options), (entry) => entryOf(this.#shape, "list", entry));
  }

  /** As `list`, each step at once. */
  listSync(range?: ListRange<K>, options?: ListOptions): IterableIterator<Entry<K, Out>, undefined> {
    return new MappedNow(this.#reader.listSync(range, options), (entry) => {
      return { ...entry, value: this.#shape.decodeNow("listSync", entry.key, entry.value) };
    });
  }

  /** The keys that `list` would give, without reading values. */
  keys(range?: ListRange<K>, options?: ListOptions): AsyncIterableIterator<K, undefined> {
    return this.#reader.keys(range, options);
  }

  /** As `keys`, each step at once. */
  keysSync(range?: ListRange<K>, options?: ListOptions): IterableIterator<K, undefined> {
    return this.#reader.keysSync(range, options);
  }

  /** How many entries `list` would give. */
  async count(range?: ListRange<K>, options?: ListOptions): Promise<number> {
    return await this.#reader.count(range, options);
  }
}

/** An entry with its value as the program has it. @internal */
export async function entryOf<K extends Key, In, Out>(
  shape: Shape<In, Out>,
  call: string,
  entry: Entry<K>,
): Promise<Entry<K, Out>> {
  return { ...entry, value: await shape.decode(call, entry.key, entry.value) };
}

/** The keys, kept for messages; what is no list of keys is left for the call beneath to refuse. */
function listed<K>(keys: Iterable<K>): Iterable<K> {
  const isList = typeof keys === "object" && keys !== null && Symbol.iterator in keys && !(keys instanceof Uint8Array);
  return isList && !Array.isArray(keys) ? [...keys] : keys;
}

function keyAt<K>(keys: Iterable<K>, index: number): K {
  return (keys as readonly K[])[index]!;
}
