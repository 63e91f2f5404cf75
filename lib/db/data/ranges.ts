/**
 * Ranges of keys, as users state them and as the engine takes them.
 *
 * @module
 */
import { compareBytes, concatBytes, prefixEnd, startsWith } from "../../base/bytes.ts";
import { type CheckedOptions, checkOptions, describeValue } from "../../base/options.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { encodeBound, type Key } from "./keys.ts";
import { wantedTags } from "./tags.ts";

/** Which keys: `start <= key < end`, and beginning with `prefix`. Whatever is left out bounds nothing. */
export interface KeyRange<K extends Key = string> {
  /** What keys begin with. */
  prefix?: K | undefined;
  /** The first key. */
  start?: K | undefined;
  /** The first key that is not in the range any more. */
  end?: K | undefined;
}

/** Which entries: a range of keys, and the tags they have. */
export interface ListRange<K extends Key = string> extends KeyRange<K> {
  /** A tag, or several of which an entry must have all. */
  tag?: string | readonly string[] | undefined;
}

/** A range as internal keys; `start <= key < end`. */
export interface Bounds {
  /** The first internal key. */
  start: Uint8Array;
  /** The first internal key behind the range. */
  end: Uint8Array;
}

/** A list's range as internal keys. */
export interface ListBounds extends Bounds {
  /** The tags wanted; [] for all entries. */
  tags: string[];
}

const RANGE_NAMES = ["prefix", "start", "end"];
const LIST_NAMES = [...RANGE_NAMES, "tag"];

/** All keys that begin with a key space's prefix. */
export function wholeSpace(spacePrefix: Uint8Array): Bounds {
  return { start: spacePrefix, end: prefixEnd(spacePrefix)! };
}

function boundsOf(call: string, encoding: KeyEncoding, space: Uint8Array, range: KeyRange<Key>): Bounds {
  let { start, end } = wholeSpace(space);
  if (range.prefix !== undefined) {
    start = encodeBound(call, "prefix", encoding, space, range.prefix);
    // A space's prefix never ends in 0xff, so there is always a key behind.
    end = prefixEnd(start)!;
  }
  if (range.start !== undefined) {
    const bound = encodeBound(call, "start", encoding, space, range.start);
    if (compareBytes(bound, start) > 0) start = bound;
  }
  if (range.end !== undefined) {
    const bound = encodeBound(call, "end", encoding, space, range.end);
    if (compareBytes(bound, end) < 0) end = bound;
  }
  return { start, end };
}

/** As `checkOptions`; whoever gives a key alone most often means what begins with it. */
export function checkRange(call: string, range: unknown, known: readonly string[]): CheckedOptions {
  if (typeof range !== "string" && !(range instanceof Uint8Array)) return checkOptions(call, range, known, "the range");
  const given = describeValue(range);
  throw new TypeError(`${call}: the range must be an object such as { prefix: ${given} }, not ${given}`);
}

/** Refuses a range in which stand options of the call, which come behind it. */
export function refuseOptions(call: string, range: unknown, names: readonly string[]): void {
  const misplaced = Object.keys(Object(range)).find((name) => names.includes(name));
  if (misplaced === undefined) return;
  throw new TypeError(`${call}: option "${misplaced}" is no part of the range; give ${call}(range, { ${misplaced} })`);
}

/** Internal bounds of a range that may be left out. */
export function keyBounds(call: string, encoding: KeyEncoding, space: Uint8Array, range: unknown): Bounds {
  return boundsOf(call, encoding, space, checkRange(call, range, RANGE_NAMES) as KeyRange<Key>);
}

/** Internal bounds of what a list asks for. */
export function listBounds(call: string, encoding: KeyEncoding, space: Uint8Array, range: unknown): ListBounds {
  const checked = checkRange(call, range, LIST_NAMES);
  const bounds = boundsOf(call, encoding, space, checked as KeyRange<Key>);
  return { ...bounds, tags: wantedTags(call, checked["tag"]) };
}

/** The same bounds in another key space, `to` instead of `from`. */
export function movedBounds(bounds: ListBounds, from: Uint8Array, to: Uint8Array): ListBounds {
  const moved = (bound: Uint8Array): Uint8Array =>
    startsWith(bound, from) ? concatBytes(to, bound.subarray(from.length)) : prefixEnd(to)!;
  return { ...bounds, start: moved(bounds.start), end: moved(bounds.end) };
}

/** Internal bounds of a range to delete, which must bound something: all of it is what `clear` is for. */
export function deleteBounds(call: string, encoding: KeyEncoding, space: Uint8Array, range: unknown): Bounds {
  if (range === undefined) throw new TypeError(`${call}: no range; give { prefix } or { start, end }, or call clear()`);
  const checked = checkRange(call, range, RANGE_NAMES) as KeyRange<Key>;
  const bounds = boundsOf(call, encoding, space, checked);
  const bounding = [checked.prefix, checked.start].some((bound) => bound !== undefined && bound.length > 0) ||
    checked.end !== undefined;
  if (!bounding) {
    throw new TypeError(`${call}: the range has no bounds; give { prefix } or { start, end }, or call clear()`);
  }
  return bounds;
}

/** Whether nothing can be in the range. */
export function isEmptyRange({ start, end }: Bounds): boolean {
  return compareBytes(start, end) >= 0;
}
