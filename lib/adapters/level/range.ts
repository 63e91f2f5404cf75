/**
 * Level's ranges (`gt`, `gte`, `lt`, `lte`) as Holdfast takes them: `start <= key < end`.
 *
 * @module
 */
import { compareBytes, concatBytes } from "../../base/bytes.ts";
import { KEY_BYTES_MAX } from "../../db/data/keys.ts";
import { type Data, keyBytes } from "./data.ts";

/** The options of Level that name a range, encoded. */
export interface LevelRangeOptions {
  /** Keys greater than this. */
  gt?: Data | undefined;
  /** Keys greater than or equal to this; comes before `gt`. */
  gte?: Data | undefined;
  /** Keys less than this. */
  lt?: Data | undefined;
  /** Keys less than or equal to this; comes before `lt`. */
  lte?: Data | undefined;
}

/** A range of keys. An absent bound bounds nothing. */
export interface Bounds {
  /** The first key. */
  start?: Uint8Array | undefined;
  /** The first key that is not in the range any more. */
  end?: Uint8Array | undefined;
}

const ZERO = new Uint8Array(1);

/** The key right behind another: nothing lies between a key and itself with a zero byte added. */
function after(key: Uint8Array): Uint8Array {
  return concatBytes(key, ZERO);
}

/** The range that Level's options name. */
export function boundsOf({ gt, gte, lt, lte }: LevelRangeOptions): Bounds {
  const bounds: Bounds = {};
  if (gte !== undefined) bounds.start = keyBytes(gte);
  else if (gt !== undefined) bounds.start = after(keyBytes(gt));
  if (lte !== undefined) bounds.end = after(keyBytes(lte));
  else if (lt !== undefined) bounds.end = keyBytes(lt);
  return bounds;
}

/**
 * The same range for keys as long as they may be, in bounds as long as a key and one byte: what is longer comes right behind
 * the key that it begins with.
 */
export function storableBounds({ start, end }: Bounds): Bounds {
  return { start: start && storableBound(start), end: end && storableBound(end) };
}

function storableBound(bound: Uint8Array): Uint8Array {
  return bound.length <= KEY_BYTES_MAX ? bound : after(bound.subarray(0, KEY_BYTES_MAX));
}

/** Whether a key lies in a range. */
export function isWithin({ start, end }: Bounds, key: Uint8Array): boolean {
  return (start === undefined || compareBytes(start, key) <= 0) && (end === undefined || compareBytes(key, end) < 0);
}

/** The part of a range from a key of it on, in the direction of reading. */
export function boundsFrom(bounds: Bounds, key: Uint8Array, reverse: boolean): Bounds {
  return reverse ? { ...bounds, end: after(key) } : { ...bounds, start: key };
}
