/**
 * Stretches of keys in which nobody sees a row any more, remembered so that the next reader need not walk over what was
 * deleted there: the front of a queue, entries that have expired. They are known until a compaction has removed the rows and
 * beyond, and only in memory.
 *
 * (1) A range holds for readers at its version or a later one, and at its moment or a later one.
 * (2) Whoever writes a row that may be seen cuts its key out (`touch`), before or after the commit is visible; whoever lets
 *     rows come in another way, or takes rows back, forgets all (`clear`).
 * (3) Ranges are ordered, don't overlap, and never change: a reader may hold one.
 *
 * @module
 */
import { behindKey, compareBytes } from "../base/bytes.ts";
import { isBelow } from "./range_tombstones.ts";

/** Keys of which none is seen. */
export interface UnseenRange {
  /** The first of them. */
  readonly start: Uint8Array;
  /** The first key behind them; undefined: there is none. */
  readonly end: Uint8Array | undefined;
  /** Holds for readers at this version or later. */
  readonly version: number;
  /** Holds for readers whose expiry is judged at this time or later, ms. */
  readonly moment: number;
}

/** What one reader knows, and adds. */
export interface Unseen {
  /** The range around `key`, where one is known that holds for this reader. */
  around(key: Uint8Array): UnseenRange | undefined;
  /** This reader saw none from `start` on and below `end`, nor any row too new for it. Both are kept. */
  note(start: Uint8Array, end: Uint8Array | undefined): void;
}

/** Rows that mean nothing any more because of others, elsewhere: they are not seen. */
export interface Staleness {
  /** Whether a row that is seen otherwise is stale, for this reader and all later ones. */
  isStale(key: Uint8Array, version: number): boolean;
  /** Where those stand by which the rows from `start` on and below `end` are judged. */
  judgedBy(start: Uint8Array, end: Uint8Array | undefined): { start: Uint8Array; end: Uint8Array };
}

/** More are not kept: as many queues may be emptied at once, and each row that is written is compared with ten of them. */
const RANGES_MAX = 1024;

/** When each range was last of use, for `#evict`: to whoever has it, copies share them. */
const used = new WeakMap<UnseenRange, number>();
let uses = 0;

/** The ranges known of a store. */
export class UnseenRanges {
  #ranges: UnseenRange[] = [];
  #epoch = 0;

  /** Whether none is known. */
  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Another after each `clear`: what was seen before counts no longer. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The range around `key` that holds for a reader. */
  around(key: Uint8Array, version: number, moment: number): UnseenRange | undefined {
    const range = this.#ranges[this.#indexOf(key)];
    if (range === undefined || compareBytes(range.start, key) > 0) return undefined;
    if (range.version > version || range.moment > moment) return undefined;
    used.set(range, ++uses);
    return range;
  }

  /** Adds a range, as one with those that it meets. */
  note(range: UnseenRange): void {
    let { start, end, version, moment } = range;
    if (!isBelow(start, end)) return;
    const ranges = this.#ranges;
    let first = this.#indexOf(start);
    const before = ranges[first - 1];
    if (before?.end !== undefined && compareBytes(before.end, start) === 0) first--;
    let last = first;
    for (; last < ranges.length; last++) {
      const met = ranges[last]!;
      if (end !== undefined && compareBytes(met.start, end) > 0) break;
      if (compareBytes(met.start, start) < 0) start = met.start;
      if (end !== undefined && isBelow(end, met.end)) end = met.end;
      version = Math.max(version, met.version);
      moment = Math.max(moment, met.moment);
    }
    const all = { start, end, version, moment };
    used.set(all, ++uses);
    ranges.splice(first, last - first, all);
    if (ranges.length > RANGES_MAX) this.#evict();
  }

  /** A row that may be seen is written at `key`. */
  touch(key: Uint8Array): void {
    const at = this.#indexOf(key);
    const range = this.#ranges[at];
    if (range === undefined || compareBytes(range.start, key) > 0) return;
    const own = key.slice();
    const parts = [{ ...range, end: own }, { ...range, start: behindKey(own) }]
      .filter((part) => isBelow(part.start, part.end));
    for (const part of parts) used.set(part, ++uses);
    this.#ranges.splice(at, 1, ...parts);
    if (this.#ranges.length > RANGES_MAX) this.#evict();
  }

  /** Another that knows the same. */
  copy(): UnseenRanges {
    const out = new UnseenRanges();
    out.#ranges = this.#ranges.slice();
    return out;
  }

  /** Forgets all. */
  clear(): void {
    this.#ranges = [];
    this.#epoch++;
  }

  /** The place of the first range that ends above `key`. */
  #indexOf(key: Uint8Array): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBelow(key, this.#ranges[middle]!.end)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Forgets a quarter, those that were of no use for longest: one at a time would look through all of them for each. */
  #evict(): void {
    const since = this.#ranges.map((range) => used.get(range)!);
    const least = since.toSorted((a, b) => a - b)[RANGES_MAX >>> 2]!;
    this.#ranges = this.#ranges.filter((_, i) => since[i]! >= least);
  }
}
