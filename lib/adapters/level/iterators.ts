/**
 * Level's three iterators, over one walk.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import {
  AbstractIterator,
  AbstractKeyIterator,
  type AbstractSnapshot,
  AbstractValueIterator,
} from "./abstract_level.ts";
import type { Data } from "./data.ts";
import type { LevelEntries } from "./entries.ts";
import { type Entry, type EntryItemOptions, entryItems, keyItems, valueItems } from "./items.ts";
import { Walk, type WalkOptions } from "./walk.ts";

/** What Level hands to the iterators of a database. */
export interface LevelIteratorOptions extends WalkOptions, EntryItemOptions {
  /** Where to read from; undefined: from the moment the iterator is made. */
  snapshot?: AbstractSnapshot | null | undefined;
}

/** Over entries: `[key, value]`, of which either may be left out. */
export class EntryIterator<D, K, V> extends AbstractIterator<D, K, V> {
  readonly #walk: Walk<Entry>;

  /** Made by `iterator()`. */
  constructor(db: D, entries: LevelEntries, options: LevelIteratorOptions, snapshot: Snapshot<Key> | undefined) {
    const walk = new Walk(entries, options, snapshot, entryItems(options));
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Entry | undefined | Promise<Entry | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Entry[] | Promise<Entry[]> {
    return this.#walk.nextv(size);
  }

  /** @internal */
  _all(): Entry[] | Promise<Entry[]> {
    return this.#walk.nextv(Infinity);
  }

  /** @internal */
  _seek(target: Data): void {
    this.#walk.seek(target);
  }

  /** @internal */
  _close(): Promise<void> {
    return this.#walk.close();
  }
}

/** Over keys; values are not read. */
export class KeyIterator<D, K> extends AbstractKeyIterator<D, K> {
  readonly #walk: Walk<Data>;

  /** Made by `keys()`. */
  constructor(db: D, entries: LevelEntries, options: LevelIteratorOptions, snapshot: Snapshot<Key> | undefined) {
    const walk = new Walk(entries, options, snapshot, keyItems(options.keyEncoding));
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Data | undefined | Promise<Data | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Data[] | Promise<Data[]> {
    return this.#walk.nextv(size);
  }

  /** @internal */
  _all(): Data[] | Promise<Data[]> {
    return this.#walk.nextv(Infinity);
  }

  /** @internal */
  _seek(target: Data): void {
    this.#walk.seek(target);
  }

  /** @internal */
  _close(): Promise<void> {
    return this.#walk.close();
  }
}

/** Over values. */
export class ValueIterator<D, K, V> extends AbstractValueIterator<D, K, V> {
  readonly #walk: Walk<Data>;

  /** Made by `values()`. */
  constructor(db: D, entries: LevelEntries, options: LevelIteratorOptions, snapshot: Snapshot<Key> | undefined) {
    const walk = new Walk(entries, options, snapshot, valueItems(options.valueEncoding));
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Data | undefined | Promise<Data | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Data[] | Promise<Data[]> {
    return this.#walk.nextv(size);
  }

  /** @internal */
  _all(): Data[] | Promise<Data[]> {
    return this.#walk.nextv(Infinity);
  }

  /** @internal */
  _seek(target: Data): void {
    this.#walk.seek(target);
  }

  /** @internal */
  _close(): Promise<void> {
    return this.#walk.close();
  }
}
