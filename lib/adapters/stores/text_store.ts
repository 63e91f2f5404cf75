/**
 * Entries with text keys, as caches and key-value interfaces have them, in a key space of either kind. Only the space's own
 * entries are meant, never those of namespaces inside.
 *
 * @module
 */
import { decodeText, encodeText, isText, prefixEnd } from "../../base/bytes.ts";
import { Slicer } from "../../base/yield.ts";
import { decodeKey, type Key } from "../../db/data/keys.ts";
import { decodeValue, encodeValue, type Storable, type Value } from "../../db/data/values.ts";
import type { Entry } from "../../db/data/entries.ts";
import { Batches } from "../../db/reading/batches.ts";
import type { ListItem } from "../../db/reading/list.ts";
import { isThereItem, lookupMany, ofValues, type RowItem } from "../../db/reading/many.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import { accessOf } from "../../db/reading/reader.ts";
import { commitAll } from "../../db/writing/commit.ts";
import { deletePresent } from "../../db/writing/delete_present.ts";
import { builderOptions, type EntryOptions } from "../../db/writing/write_options.ts";
import { Writes } from "../../db/writing/writes.ts";
import type { Durability } from "../../engine/types.ts";
import { cellExpiry } from "../../format/cell.ts";
import type { Space } from "./store_place.ts";

/** The first key of all. */
const FIRST_KEY = "\0";

/** So many keys are read at once. */
const KEYS_AT_ONCE = 256;

/** A key and when it expires, of which no value is read. */
const EXPIRIES: ListItem<[key: Key, expiresAt: number | undefined]> = {
  now: ({ encoding, prefix }, { key, row }) => [decodeKey(encoding, key, prefix.length), cellExpiry(row.cell)],
};

/** One entry to write. */
export interface TextItem extends Pick<EntryOptions, "expireIn" | "expiresAt"> {
  /** Its key. */
  key: string;
  /** Its value. */
  value: Storable;
}

/** Reading and writing entries with text keys. */
export class TextStore {
  /** Where they lie. */
  readonly space: Space;
  readonly #call: string;
  readonly #durability: Durability | undefined;

  /** The entries of a key space; `call` names the adapter in messages. */
  constructor(call: string, space: Space, durability: Durability | undefined) {
    this.space = space;
    this.#call = call;
    this.#durability = durability;
  }

  /** The time that expiry is judged by, ms since the Unix epoch. */
  now(): number {
    return accessOf(this.#call, this.space).context.engine.now();
  }

  /** Cuts work over many entries into slices. */
  slicer(): Slicer {
    return new Slicer(accessOf(this.#call, this.space).context.engine.settings.monotonic);
  }

  /** The value at a key; undefined when there is none. */
  async get(key: string): Promise<Value | undefined> {
    return await this.space.get<Value>(key);
  }

  /** What is made of the values at several keys, all of one version. */
  async getMany<T>(keys: readonly string[], made: (value: Value | undefined, n: number) => T): Promise<T[]> {
    return await this.#lookup("getMany", keys, ofValues(made));
  }

  /** The entry at a key. */
  async entry(key: string): Promise<Entry<Key> | undefined> {
    return await this.space.getEntry(key);
  }

  /** Whether there are entries at keys, all of one version. */
  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    return await this.#lookup("hasMany", keys, isThereItem);
  }

  /** Sets keys, all in one commit; `call` names what was called in messages. */
  async set(call: string, items: readonly TextItem[]): Promise<void> {
    if (items.length === 0) return;
    const { context, definition } = accessOf(call, this.space);
    context.assertOpen(call);
    const writes = new Writes(context);
    for (const { key, value, ...given } of items) {
      const options = builderOptions(call, given, () => context.engine.now());
      writes.set(call, definition, key, value, options);
    }
    await commitAll(context, writes, this.#durability);
  }

  /** Deletes keys, all in one commit; says of each whether it was there. */
  async delete(keys: readonly string[]): Promise<boolean[]> {
    return await deletePresent(this.#call, this.space, keys, { durability: this.#durability });
  }

  /** Deletes all keys that begin with a prefix, "" for all there are, in one commit. */
  async clear(prefix: string): Promise<void> {
    const range = prefix === "" ? { start: FIRST_KEY } : { prefix };
    await this.space.deleteRange(range, { durability: this.#durability });
  }

  /** The keys that begin with a prefix, in order, as they are now. */
  async *keys(prefix: string): AsyncGenerator<string, void> {
    for await (const key of this.space.keys({ prefix })) {
      const text = textOf(key);
      if (text !== undefined) yield text;
    }
  }

  /** The keys that begin with a prefix, as they are in a snapshot, with their times of expiry. */
  async *expiries(
    prefix: string,
    snapshot: Snapshot<Key>,
  ): AsyncGenerator<[key: string, expiresAt: number | undefined], void> {
    const start = prefix === "" ? undefined : encodeText(prefix);
    const range = { start, end: start && prefixEnd(start) };
    const batches = new Batches(this.#call, this.space, range, { snapshot }, EXPIRIES);
    try {
      while (!batches.ended) {
        const found: [Key, number | undefined][] = [];
        await batches.read(found, KEYS_AT_ONCE);
        for (const [key, expiresAt] of found) {
          const text = textOf(key);
          if (text !== undefined) yield [text, expiresAt];
        }
      }
    } finally {
      batches.close();
    }
  }

  /** The entries in the order of their keys, as they are now. */
  async *entries(): AsyncGenerator<[key: string, value: Value], void> {
    for await (const { key, value } of this.space.list()) {
      const text = textOf(key);
      if (text !== undefined) yield [text, value];
    }
  }

  #lookup<T>(call: string, keys: readonly string[], item: RowItem<T>): Promise<T[]> {
    return lookupMany(call, accessOf(call, this.space).open(call), keys, item);
  }
}

/**
 * A value as it is now. What is given to an adapter is written once the database is open, and whoever gave it may have
 * changed it by then.
 */
export function ownValue(call: string, value: unknown): Value {
  // What is no object can't change; what can't be stored is refused when it is written.
  if (typeof value !== "object" || value === null) return value as Value;
  const { kind, payload } = encodeValue(call, value);
  return decodeValue(kind, payload);
}

/** The text of a key; undefined for bytes that are none, which somebody else has written. */
export function textOf(key: Key): string | undefined {
  if (typeof key === "string") return key;
  return isText(key) ? decodeText(key) : undefined;
}
