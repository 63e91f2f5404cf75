/**
 * Walks over a range, which Level's iterators are made of.
 *
 * (1) A walk holds a snapshot from the moment it is made: an explicit one of the user's, or its own.
 * (2) The empty key comes before all others and lies apart from them (see entries.ts), so it is looked up where the walk
 *     begins or, in reverse, ends.
 * (3) What need not wait is given at once, not as a promise. Single steps read ahead, and a seek forgets what was read.
 *
 * @module
 */
import { signalOption } from "../../base/options.ts";
import type { Key } from "../../db/data/keys.ts";
import { Batches } from "../../db/reading/batches.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import { type Data, keyBytes } from "./data.ts";
import type { LevelEntries } from "./entries.ts";
import { aborted, levelError, rethrow } from "./errors.ts";
import type { Item } from "./items.ts";
import { type Bounds, boundsFrom, boundsOf, isWithin, type LevelRangeOptions } from "./range.ts";

/** What a walk has to know. */
export interface WalkOptions extends LevelRangeOptions {
  /** From the last key to the first. */
  reverse: boolean;
  /** At most so many items; negative or absent for all. */
  limit?: number | undefined;
  /** Ends a read that is under way. */
  signal?: AbortSignal | null | undefined;
}

/** Nothing to read: the walk is at its end. */
const NOTHING = "nothing";

/** Single steps read so many entries ahead at most, doubling from one on: many iterators and seeks are left early. */
const AHEAD_MAX = 256;
/** And no more once their values take this many bytes. */
const AHEAD_BYTES = 256 * 2 ** 10;

/** A walk over a range, in either direction. One read at a time, as Level makes sure. */
export class Walk<T> {
  readonly #entries: LevelEntries;
  readonly #options: WalkOptions;
  readonly #bounds: Bounds;
  readonly #snapshot: Snapshot<Key>;
  readonly #ownSnapshot: boolean;
  readonly #item: Item<T>;
  /** The part of the range that is still to be read. */
  #ahead: Bounds | typeof NOTHING;
  #batches: Batches<T> | undefined;
  /** Whether the empty key is still to be looked up. */
  #emptyAhead = true;
  /** Items that were read and are still to be given, from `#at` on. */
  #ready: T[] = [];
  #at = 0;
  #size = 1;
  /** How many may still be given. */
  #left: number;

  /** Takes a snapshot, unless one is given. */
  constructor(entries: LevelEntries, options: WalkOptions, snapshot: Snapshot<Key> | undefined, item: Item<T>) {
    this.#entries = entries;
    this.#options = options;
    this.#bounds = boundsOf(options);
    this.#ahead = this.#bounds;
    this.#item = item;
    this.#left = options.limit === undefined || options.limit < 0 ? Infinity : options.limit;
    this.#ownSnapshot = snapshot === undefined;
    this.#snapshot = snapshot ?? entries.snapshot();
  }

  /** The next item; undefined at the end. */
  next(): T | undefined | Promise<T | undefined> {
    if (this.#at === this.#ready.length) {
      const reading = this.#readAhead();
      if (reading !== undefined) return reading.then(() => this.#take());
    }
    return this.#take();
  }

  /** At most so many items; none at the end. */
  nextv(size: number): T[] | Promise<T[]> {
    const items = this.#ready.slice(this.#at, this.#at + size);
    this.#at += items.length;
    const reading = this.#read(items, Math.min(size, this.#left), Infinity);
    if (reading !== undefined) return reading.then(() => this.#given(items));
    return this.#given(items);
  }

  /** Goes on from a key of the range; from elsewhere there is nothing to read. */
  seek(target: Data): void {
    const key = keyBytes(target);
    this.#leave();
    this.#emptyAhead = true;
    this.#ahead = isWithin(this.#bounds, key) ? boundsFrom(this.#bounds, key, this.#options.reverse) : NOTHING;
  }

  /** Lets go of what it holds. */
  close(): Promise<void> {
    this.#leave();
    if (this.#ownSnapshot) this.#snapshot.release();
    return Promise.resolve();
  }

  #readAhead(): Promise<void> | undefined {
    const count = Math.min(this.#size, this.#left);
    this.#size = Math.min(AHEAD_MAX, this.#size * 2);
    this.#ready = [];
    this.#at = 0;
    // An error has its turn behind what was read before it: what has failed fails again.
    const keep = (error: unknown): undefined => {
      if (this.#ready.length === 0 || this.#options.signal?.aborted) throw error;
    };
    try {
      return this.#read(this.#ready, count, AHEAD_BYTES)?.catch(keep);
    } catch (error) {
      return keep(error);
    }
  }

  #take(): T | undefined {
    if (this.#at === this.#ready.length) return undefined;
    this.#left--;
    return this.#ready[this.#at++];
  }

  #given(items: T[]): T[] {
    this.#left -= items.length;
    return items;
  }

  /** Reads until there are `count` items, or no more, or they are large. Undefined: it has done so already. */
  #read(items: T[], count: number, bytesMax: number): Promise<void> | undefined {
    const { signal } = this.#options;
    if (signal) return this.#readUnlessAborted(items, count, bytesMax, signal);
    try {
      return this.#readRows(items, count, bytesMax)?.catch(rethrow);
    } catch (error) {
      throw levelError(error);
    }
  }

  /** As `#read`: Level's signals end a read until its promise has resolved. */
  async #readUnlessAborted(items: T[], count: number, bytesMax: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#readRows(items, count, bytesMax);
    } catch (error) {
      if (!signal.aborted) throw levelError(error);
    }
    if (signal.aborted) throw aborted(signal);
  }

  #readRows(items: T[], count: number, bytesMax: number): Promise<void> | undefined {
    const ahead = this.#ahead;
    if (ahead === NOTHING || items.length >= count) return undefined;
    const { reverse } = this.#options;
    if (!reverse && this.#hasEmptyKey(ahead)) {
      return this.#readEmptyKey(items).then(() => this.#readRows(items, count, bytesMax));
    }
    const batches = this.#batches ??= this.#begin(ahead);
    const reading = batches.read(items, count, bytesMax);
    if (!reverse) return reading;
    const atEnd = (): Promise<void> | undefined => {
      const isNext = batches.ended && items.length < count && this.#hasEmptyKey(ahead);
      return isNext ? this.#readEmptyKey(items) : undefined;
    };
    return reading === undefined ? atEnd() : reading.then(atEnd);
  }

  #hasEmptyKey(ahead: Bounds): boolean {
    if (this.#emptyAhead) this.#emptyAhead = this.#entries.hasEmptyWithin(ahead, this.#snapshot);
    return this.#emptyAhead;
  }

  async #readEmptyKey(items: T[]): Promise<void> {
    items.push(this.#item.empty(await this.#entries.emptyValue(this.#snapshot)));
    this.#emptyAhead = false;
  }

  #begin(bounds: Bounds): Batches<T> {
    const { reverse, signal } = this.#options;
    const options = {
      reverse,
      snapshot: this.#snapshot,
      signal: signalOption("iterator", { signal: signal ?? undefined }),
    };
    return new Batches("iterator", this.#entries.space, bounds, options, this.#item);
  }

  #leave(): void {
    this.#batches?.close();
    this.#batches = undefined;
    this.#ready = [];
    this.#at = 0;
    this.#size = 1;
  }
}
