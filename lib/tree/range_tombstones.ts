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

/** Deleted ranges to be asked by key. */
export interface DeletedRanges {
  /** Whether nothing is deleted. */
  readonly isEmpty: boolean;
  /** The highest version, up to `atVersion`, of a tombstone over `key`; 0: there is none. */
  coveringVersion(key: Uint8Array, atVersion: number): number;
  /**
   * The end of the fragment around `key`: up to there `coveringVersion` answers the same. Undefined: no end. To be asked
   * only where `coveringVersion` is not 0.
   */
  coveringEnd(key: Uint8Array, atVersion: number): Uint8Array | undefined;
  /** The first key of the fragment around `key`; undefined where there is none. */
  coveringStart(key: Uint8Array, atVersion: number): Uint8Array | undefined;
}

/** A leaf of more fragments is cut in two. */
const LEAF_MAX = 256;

/** The deleted ranges of one source of rows. */
export class RangeTombstones implements DeletedRanges {
  /** The fragments, in leaves, so that one put in between moves few others. Only a single leaf may be empty. */
  #leaves: Fragment[][] = [[]];
  #bytes = 0;
  /** What `#find` found: fields of one object, since a lookup must not cost a new one. */
  readonly #found = { leaf: 0, at: 0 };

  /** Whether nothing is deleted here. */
  get isEmpty(): boolean {
    return this.#leaves[0]!.length === 0;
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
    // What becomes of those it meets, left to right; `at` is where the rest of the tombstone begins.
    const cut: Fragment[] = [];
    let met = 0;
    let at: Uint8Array | undefined = copyBytes(tombstone.start);
    for (const there of this.#from(tombstone.start)) {
      if (at === undefined || !isBelow(there.start, end)) break;
      met++;
      this.#bytes -= bytesOf(there);
      const order = compareBytes(there.start, at);
      if (order < 0) cut.push({ start: there.start, end: at, versions: there.versions.slice() });
      if (order > 0) cut.push({ start: at, end: there.start, versions: [of] });
      const from: Uint8Array = order < 0 ? at : there.start;
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
    for (const fragment of cut) this.#bytes += bytesOf(fragment);
    this.#find(tombstone.start);
    this.#replace(this.#found.leaf, this.#found.at, met, cut);
  }

  /** See `DeletedRanges`. */
  coveringVersion(key: Uint8Array, atVersion: number): number {
    const fragment = this.#around(key);
    return fragment === undefined ? 0 : newestVersion(fragment.versions, atVersion);
  }

  /** See `DeletedRanges`. */
  coveringEnd(key: Uint8Array, _atVersion: number): Uint8Array | undefined {
    return this.#around(key)?.end;
  }

  /** See `DeletedRanges`. */
  coveringStart(key: Uint8Array, _atVersion: number): Uint8Array | undefined {
    return this.#around(key)?.start;
  }

  /** All fragments, by key; not to be changed. */
  fragments(): readonly Fragment[] {
    return this.#leaves.length === 1 ? this.#leaves[0]! : this.#leaves.flat();
  }

  /** What of it lies in `from <= key < to`; undefined is no bound. */
  clip(from: Uint8Array | undefined, to: Uint8Array | undefined): RangeTombstones {
    const out = new RangeTombstones();
    for (const fragment of this.#from(from)) {
      if (!isBelow(fragment.start, to)) break;
      out.#append({
        start: from !== undefined && compareBytes(fragment.start, from) < 0 ? copyBytes(from) : fragment.start,
        end: to !== undefined && isBelow(to, fragment.end) ? copyBytes(to) : fragment.end,
        versions: fragment.versions.slice(),
      });
    }
    return out;
  }

  /** The newest version that deleted anything in `from <= key < to`, where undefined is no bound; 0: none did. */
  newestIn(from: Uint8Array | undefined, to: Uint8Array | undefined): number {
    let newest = 0;
    for (const { start, versions } of this.#from(from)) {
      if (!isBelow(start, to)) break;
      newest = Math.max(newest, versions[0]!.version);
    }
    return newest;
  }

  /** Those of fragments in key order that don't overlap, which become its own. */
  static of(fragments: Iterable<Fragment>): RangeTombstones {
    const out = new RangeTombstones();
    for (const fragment of fragments) out.#append(fragment);
    return out;
  }

  /** All of them in one. */
  static merge(list: Iterable<RangeTombstones>): RangeTombstones {
    const out = new RangeTombstones();
    for (const { start, end, versions } of mergeFragments(Array.from(list, (one) => one.fragments()))) {
      out.#append({ start, end, versions: versions.slice() });
    }
    return out;
  }

  /** Puts `cut` where `met` fragments are from there on; at the end and one for one, the usual cases, it moves no others. */
  #replace(first: number, at: number, met: number, cut: readonly Fragment[]): void {
    const leaves = this.#leaves;
    let leaf = leaves[first]!;
    let last = first;
    let end = at + met;
    while (end > leaves[last]!.length) end -= leaves[last++]!.length;
    if (last === first && (at === leaf.length || cut.length === met)) {
      for (let i = 0; i < cut.length; i++) leaf[at + i] = cut[i]!;
    } else leaf = leaf.slice(0, at).concat(cut, leaves[last]!.slice(end));
    const count = Math.ceil(leaf.length / LEAF_MAX);
    if (count === 1) leaves.splice(first, last - first + 1, leaf);
    else {
      const length = Math.ceil(leaf.length / count);
      const pieces = Array.from({ length: count }, (_, i) => leaf.slice(i * length, (i + 1) * length));
      leaves.splice(first, last - first + 1, ...pieces);
    }
  }

  #append(fragment: Fragment): void {
    const leaf = this.#leaves.at(-1)!;
    if (leaf.length < LEAF_MAX) leaf.push(fragment);
    else this.#leaves.push([fragment]);
    this.#bytes += bytesOf(fragment);
  }

  /** The fragments from the first one on that ends above `key`; undefined: from the first of all. */
  *#from(key: Uint8Array | undefined): Generator<Fragment, void> {
    if (key !== undefined) this.#find(key);
    let { leaf, at } = key === undefined ? { leaf: 0, at: 0 } : this.#found;
    for (; leaf < this.#leaves.length; leaf++, at = 0) {
      const fragments = this.#leaves[leaf]!;
      for (; at < fragments.length; at++) yield fragments[at]!;
    }
  }

  /** Leaves in `#found` the place of the first fragment that ends above `key`, or behind the last one. */
  #find(key: Uint8Array): void {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBelow(key, leaves[middle]!.at(-1)!.end)) high = middle;
      else low = middle + 1;
    }
    const fragments = leaves[low]!;
    this.#found.leaf = low;
    low = 0;
    high = fragments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBelow(key, fragments[middle]!.end)) high = middle;
      else low = middle + 1;
    }
    this.#found.at = low;
  }

  #around(key: Uint8Array): Fragment | undefined {
    if (this.isEmpty) return undefined;
    this.#find(key);
    const fragment = this.#leaves[this.#found.leaf]![this.#found.at];
    return fragment !== undefined && compareBytes(fragment.start, key) <= 0 ? fragment : undefined;
  }
}

/**
 * The fragments of all sources, each in key order, cut where any has a bound; they share what they hold with the sources.
 * What a source gives is asked for as it is needed.
 */
export function mergeFragments(sources: readonly Iterable<Fragment>[]): Iterable<Fragment> {
  if (sources.length < 2) return sources[0] ?? [];
  // By halves: otherwise those of the first would be gone through once for each of the others.
  const middle = sources.length >>> 1;
  return mergeTwo(mergeFragments(sources.slice(0, middle)), mergeFragments(sources.slice(middle)));
}

function* mergeTwo(left: Iterable<Fragment>, right: Iterable<Fragment>): Generator<Fragment, void> {
  const [lefts, rights] = [left[Symbol.iterator](), right[Symbol.iterator]()];
  // What is left of the fragments that are next.
  let a = next(lefts);
  let b = next(rights);
  while (a !== undefined && b !== undefined) {
    const order = compareBytes(a.start, b.start);
    const first = order <= 0 ? a : b;
    const other = order <= 0 ? b : a;
    // Up to here the same commits deleted all.
    const bound = order === 0 ? other.end : other.start;
    const end = bound !== undefined && isBelow(bound, first.end) ? bound : first.end;
    const versions = order === 0 ? united(a.versions, b.versions) : first.versions;
    yield { start: first.start, end, versions };
    if (order <= 0) a = behind(a, end) ?? next(lefts);
    if (order >= 0) b = behind(b, end) ?? next(rights);
  }
  for (; a !== undefined; a = next(lefts)) yield a;
  for (; b !== undefined; b = next(rights)) yield b;
}

function next<T>(iterator: Iterator<T, void>): T | undefined {
  return iterator.next().value ?? undefined;
}

/** What of a fragment lies at `end` and above. */
function behind(fragment: Fragment, end: Uint8Array | undefined): Fragment | undefined {
  return end !== undefined && isBelow(end, fragment.end) ? { ...fragment, start: end } : undefined;
}

/** The versions of both, each once. */
function united(a: readonly FragmentVersion[], b: readonly FragmentVersion[]): FragmentVersion[] {
  const out = a.slice();
  for (const of of b) withVersion(out, of);
  return out;
}

/** What a fragment and a version in it take in memory, measured roughly: objects with two or three fields. */
const FRAGMENT_BYTES = 120;
const VERSION_BYTES = 40;

function bytesOf({ start, versions }: Fragment): number {
  return start.length + FRAGMENT_BYTES + VERSION_BYTES * versions.length;
}

/** Whether `key` is below `end`, where undefined is above all. */
export function isBelow(key: Uint8Array, end: Uint8Array | undefined): boolean {
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

/** The newest of `versions` up to `atVersion`; 0: there is none. */
export function newestVersion(versions: readonly FragmentVersion[], atVersion: number): number {
  return versions[countAbove(versions, atVersion)]?.version ?? 0;
}

/** Adds a version where it belongs, once. */
function withVersion(versions: FragmentVersion[], of: FragmentVersion): FragmentVersion[] {
  const index = countAbove(versions, of.version);
  if (versions[index]?.version !== of.version) versions.splice(index, 0, of);
  return versions;
}
