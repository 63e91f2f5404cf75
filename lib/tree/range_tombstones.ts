/**
 * Deleted ranges, cut into fragments that don't overlap.
 *
 * ```
 * tombstones   [a --- 3 --- m)           fragments   [a, f): 3   [f, m): 7 3   [m, z): 7
 *                  [f --- 7 --- z)
 * ```
 *
 * (1) Fragments are ordered, disjoint and never empty; two that touch may have the same versions.
 * (2) Each keeps every version that deleted it, newest first, because a snapshot may need an older one.
 *
 * A tombstone deletes rows of *older* versions only. What one commit wrote before it deleted a range is taken out when
 * the commit is applied (see `memtable.ts`), what it wrote afterwards stays.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../base/bytes.ts";
import type { RangeTombstone } from "./cursor.ts";

/** One commit that deleted a fragment. */
export interface FragmentVersion {
  /** The version of the commit. */
  version: number;
  /** Its time, ms. */
  timestamp: number;
}

/** A stretch of keys all of which were deleted by the same commits. */
export interface Fragment {
  /** First key deleted. */
  start: Uint8Array;
  /** First key not deleted; undefined: none is spared. */
  end: Uint8Array | undefined;
  /** Newest first, never empty. */
  versions: FragmentVersion[];
}

/** The deleted ranges of one source of rows. */
export class RangeTombstones {
  #fragments: Fragment[] = [];
  #bytes = 0;

  /** Whether nothing is deleted here. */
  get isEmpty(): boolean {
    return this.#fragments.length === 0;
  }

  /** Roughly how much memory it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a tombstone; keys are copied. A range that ends where it begins or before deletes nothing. */
  add(tombstone: RangeTombstone): void {
    if (tombstone.end !== undefined && compareBytes(tombstone.start, tombstone.end) >= 0) return;
    const end = tombstone.end && copyBytes(tombstone.end);
    const of: FragmentVersion = { version: tombstone.version, timestamp: tombstone.timestamp };
    this.#bytes += tombstone.start.length + (end?.length ?? 0) + 2 * FRAGMENT_BYTES;
    const fragments = this.#fragments;
    const first = this.#find(tombstone.start);
    // What becomes of fragments[first, last), left to right; `at` is where the rest of the tombstone begins.
    const cut: Fragment[] = [];
    let at: Uint8Array | undefined = copyBytes(tombstone.start);
    let last = first;
    for (; at !== undefined && last < fragments.length; last++) {
      const there = fragments[last]!;
      if (!isBelow(there.start, end)) break;
      const order = compareBytes(there.start, at);
      if (order < 0) cut.push({ start: there.start, end: at, versions: there.versions.slice() });
      if (order > 0) cut.push({ start: at, end: there.start, versions: [of] });
      const from: Uint8Array = order < 0 ? at : there.start;
      this.#bytes += VERSION_BYTES;
      if (end !== undefined && isBelow(end, there.end)) {
        cut.push({ start: from, end, versions: withVersion(there.versions.slice(), of) });
        cut.push({ start: end, end: there.end, versions: there.versions });
        at = undefined;
      } else {
        cut.push({ start: from, end: there.end, versions: withVersion(there.versions, of) });
        at = there.end;
      }
    }
    if (at !== undefined && isBelow(at, end)) cut.push({ start: at, end, versions: [of] });
    this.#replace(first, last, cut);
  }

  /** The highest version, up to `atVersion`, of a tombstone over `key`; 0: there is none. */
  coveringVersion(key: Uint8Array, atVersion: number): number {
    const fragment = this.#around(key);
    return fragment === undefined ? 0 : newestVersion(fragment.versions, atVersion);
  }

  /**
   * The end of the fragment around `key`: up to there `coveringVersion` answers the same. Undefined: no end. To be asked
   * only where `coveringVersion` is not 0.
   */
  coveringEnd(key: Uint8Array, _atVersion: number): Uint8Array | undefined {
    return this.#around(key)?.end;
  }

  /** The first key of the fragment around `key`; undefined where there is none. */
  coveringStart(key: Uint8Array, _atVersion: number): Uint8Array | undefined {
    return this.#around(key)?.start;
  }

  /** All fragments, by key; not to be changed. */
  fragments(): readonly Fragment[] {
    return this.#fragments;
  }

  /** What of it lies in `from <= key < to`; undefined is no bound. */
  clip(from: Uint8Array | undefined, to: Uint8Array | undefined): RangeTombstones {
    const out = new RangeTombstones();
    for (let i = from === undefined ? 0 : this.#find(from); i < this.#fragments.length; i++) {
      const fragment = this.#fragments[i]!;
      if (!isBelow(fragment.start, to)) break;
      out.#append({
        start: from !== undefined && compareBytes(fragment.start, from) < 0 ? copyBytes(from) : fragment.start,
        end: to !== undefined && isBelow(to, fragment.end) ? copyBytes(to) : fragment.end,
        versions: fragment.versions.slice(),
      });
    }
    return out;
  }

  /** All of them in one. */
  static merge(list: Iterable<RangeTombstones>): RangeTombstones {
    const out = new RangeTombstones();
    for (const one of list) {
      for (const { start, end, versions } of one.#fragments) {
        for (let i = versions.length - 1; i >= 0; i--) out.add({ start, end, ...versions[i]! });
      }
    }
    return out;
  }

  /** Puts `cut` where fragments[first, last) are; at the end and one for one, the usual cases, it moves no others. */
  #replace(first: number, last: number, cut: Fragment[]): void {
    const fragments = this.#fragments;
    if (first === fragments.length || cut.length === last - first) {
      for (let i = 0; i < cut.length; i++) fragments[first + i] = cut[i]!;
    } else if (cut.length <= 3) fragments.splice(first, last - first, ...cut);
    else this.#fragments = fragments.slice(0, first).concat(cut, fragments.slice(last));
  }

  #append(fragment: Fragment): void {
    this.#fragments.push(fragment);
    this.#bytes += fragment.start.length + FRAGMENT_BYTES + VERSION_BYTES * fragment.versions.length;
  }

  /** The index of the first fragment that ends above `key`. */
  #find(key: Uint8Array): number {
    let low = 0;
    let high = this.#fragments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBelow(key, this.#fragments[middle]!.end)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #around(key: Uint8Array): Fragment | undefined {
    if (this.#fragments.length === 0) return undefined;
    const fragment = this.#fragments[this.#find(key)];
    return fragment !== undefined && compareBytes(fragment.start, key) <= 0 ? fragment : undefined;
  }
}

/** What a fragment and a version in it take in memory, measured roughly: objects with two or three fields. */
const FRAGMENT_BYTES = 120;
const VERSION_BYTES = 40;

/** Whether `key` is below `end`, where undefined is above all. */
function isBelow(key: Uint8Array, end: Uint8Array | undefined): boolean {
  return end === undefined || compareBytes(key, end) < 0;
}

/** How many of `versions`, newest first, are above `atVersion`. */
function countAbove(versions: readonly FragmentVersion[], atVersion: number): number {
  let low = 0;
  let high = versions.length;
  if (high > 0 && versions[0]!.version <= atVersion) return 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (versions[middle]!.version > atVersion) low = middle + 1;
    else high = middle;
  }
  return low;
}

function newestVersion(versions: readonly FragmentVersion[], atVersion: number): number {
  return versions[countAbove(versions, atVersion)]?.version ?? 0;
}

/** Adds a version where it belongs, once. */
function withVersion(versions: FragmentVersion[], of: FragmentVersion): FragmentVersion[] {
  const index = countAbove(versions, of.version);
  if (versions[index]?.version !== of.version) versions.splice(index, 0, of);
  return versions;
}
