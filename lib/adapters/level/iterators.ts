/**
 * Level's three iterators, over one walk.
 *
 * A walk holds a snapshot from the moment it is made: an explicit one of the user's, or its own. The empty key comes before
 * all others and lies apart from them (see entries.ts), so it is looked up where the walk begins or, in reverse, ends.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Entry } from "../../db/data/entries.ts";
import type { Value } from "../../db/data/values.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import {
  AbstractIterator,
  AbstractKeyIterator,
  type AbstractSnapshot,
  AbstractValueIterator,
} from "./abstract_level.ts";
import { type Data, type Format, keyBytes, wanted } from "./data.ts";
import type { LevelEntries } from "./entries.ts";
import { aborted, levelError } from "./errors.ts";
import { type Bounds, boundsFrom, boundsOf, isWithin, type LevelRangeOptions } from "./range.ts";

/** What a walk has to know. */
export interface WalkOptions extends LevelRangeOptions {
  /** From the last key to the first. */
  reverse: boolean;
  /** Ends a read that is under way. */
  signal?: AbortSignal | null | undefined;
}

/** What Level hands to the iterators of a database. */
export interface LevelIteratorOptions extends WalkOptions {
  /** What keys are wanted as. */
  keyEncoding: Format;
  /** What values are wanted as. */
  valueEncoding: Format;
  /** Whether keys are wanted; only of an iterator over entries. */
  keys?: boolean;
  /** Whether values are wanted; only of an iterator over entries. */
  values?: boolean;
  /** Where to read from; undefined: from the moment the iterator is made. */
  snapshot?: AbstractSnapshot | null | undefined;
}

/** What a walk makes of a step; `value` is undefined where `withValues` is false. */
type Item<T> = (key: Key, value: Value | undefined) => T;

/** Nothing to read: the walk is at its end. */
const NOTHING = "nothing";

/** A walk over a range, in either direction. */
export class Walk<T> {
  readonly #entries: LevelEntries;
  readonly #options: WalkOptions;
  readonly #bounds: Bounds;
  readonly #snapshot: Snapshot<Key>;
  readonly #ownSnapshot: boolean;
  readonly #withValues: boolean;
  readonly #item: Item<T>;
  /** The part of the range that is still to be read. */
  #ahead: Bounds | typeof NOTHING;
  #list: AsyncIterator<Key | Entry<Key>, undefined> | undefined;
  /** Whether the empty key is still to be looked up. */
  #emptyAhead = true;

  /** Takes a snapshot, unless one is given. */
  constructor(
    entries: LevelEntries,
    options: WalkOptions,
    snapshot: Snapshot<Key> | undefined,
    withValues: boolean,
    item: Item<T>,
  ) {
    this.#entries = entries;
    this.#options = options;
    this.#bounds = boundsOf(options);
    this.#ahead = this.#bounds;
    this.#withValues = withValues;
    this.#item = item;
    this.#ownSnapshot = snapshot === undefined;
    this.#snapshot = snapshot ?? entries.snapshot();
  }

  /** The next item; undefined at the end. */
  async next(): Promise<T | undefined> {
    return (await this.nextv(1))[0];
  }

  /** At most so many items; none at the end. */
  async nextv(size: number): Promise<T[]> {
    const items: T[] = [];
    try {
      await this.#read(items, size);
      return items;
    } catch (error) {
      const { signal } = this.#options;
      throw signal?.aborted ? aborted(signal) : levelError(error);
    }
  }

  /** Goes on from a key of the range; from elsewhere there is nothing to read. */
  seek(target: Data): void {
    const key = keyBytes(target);
    this.#leaveList();
    this.#emptyAhead = true;
    this.#ahead = isWithin(this.#bounds, key) ? boundsFrom(this.#bounds, key, this.#options.reverse) : NOTHING;
  }

  /** Lets go of what it holds. */
  close(): Promise<void> {
    this.#leaveList();
    if (this.#ownSnapshot) this.#snapshot.release();
    return Promise.resolve();
  }

  async #read(items: T[], size: number): Promise<void> {
    const { reverse } = this.#options;
    const ahead = this.#ahead;
    if (ahead === NOTHING) return;
    if (!reverse) await this.#readEmptyKey(items, ahead);
    const list = this.#list ??= this.#listOf(ahead);
    while (items.length < size) {
      const step = await list.next();
      if (step.done) return reverse ? await this.#readEmptyKey(items, ahead) : undefined;
      const found = step.value;
      const isKey = typeof found === "string" || found instanceof Uint8Array;
      items.push(isKey ? this.#item(found, undefined) : this.#item(found.key, found.value));
    }
  }

  async #readEmptyKey(items: T[], ahead: Bounds): Promise<void> {
    if (!this.#emptyAhead) return;
    this.#emptyAhead = false;
    const value = await this.#entries.emptyWithin(ahead, this.#snapshot);
    if (value !== undefined) items.push(this.#item("", value));
  }

  #listOf(bounds: Bounds): AsyncIterator<Key | Entry<Key>, undefined> {
    const options = {
      reverse: this.#options.reverse,
      snapshot: this.#snapshot,
      signal: this.#options.signal ?? undefined,
    };
    const { space } = this.#entries;
    return this.#withValues ? space.list(bounds, options) : space.keys(bounds, options);
  }

  #leaveList(): void {
    // What it returns is settled: leaving is done at the call.
    void this.#list?.return?.();
    this.#list = undefined;
  }
}

/** Over entries: `[key, value]`, of which either may be left out. */
export class EntryIterator<D, K, V> extends AbstractIterator<D, K, V> {
  readonly #walk: Walk<[Data | undefined, Data | undefined]>;

  /** Made by `iterator()`. */
  constructor(db: D, entries: LevelEntries, options: LevelIteratorOptions, snapshot: Snapshot<Key> | undefined) {
    const { keys = true, values = true, keyEncoding, valueEncoding } = options;
    const walk = new Walk<[Data | undefined, Data | undefined]>(entries, options, snapshot, values, (key, value) => [
      keys ? wanted(key, keyEncoding) : undefined,
      !values || value === undefined ? undefined : wanted(value, valueEncoding),
    ]);
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Promise<[Data | undefined, Data | undefined] | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Promise<[Data | undefined, Data | undefined][]> {
    return this.#walk.nextv(size);
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
    const walk = new Walk<Data>(entries, options, snapshot, false, (key) => wanted(key, options.keyEncoding));
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Promise<Data | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Promise<Data[]> {
    return this.#walk.nextv(size);
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
    const walk = new Walk<Data>(
      entries,
      options,
      snapshot,
      true,
      (_, value) => wanted(value!, options.valueEncoding),
    );
    super(db, options as object);
    this.#walk = walk;
  }

  /** @internal */
  _next(): Promise<Data | undefined> {
    return this.#walk.next();
  }

  /** @internal */
  _nextv(size: number): Promise<Data[]> {
    return this.#walk.nextv(size);
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
