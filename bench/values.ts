/**
 * The values that rows write and look for, in three sizes. Half of each compresses away.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ENTRY_VALUE_BYTES, entryValue } from "./backup/data.ts";
import { isExactly, isValueOf, VALUE_BYTES, valueOf } from "./data.ts";

/** The values of one size. */
export interface Values {
  /** The bytes of each. */
  readonly bytes: number;
  /** The value of entry `i`, in an array of its own. */
  of(i: number): Uint8Array;
  /** Whether it is that of entry `i`, as far as a timed loop can afford to look: length, number, last byte. */
  isOf(i: number, value: Uint8Array | undefined | null): boolean;
  /** Whether it is that of entry `i`, byte for byte. */
  isExactly(i: number, value: Uint8Array | undefined | null): boolean;
}

/** 100 bytes. */
export const SHORT: Values = { bytes: VALUE_BYTES, of: valueOf, isOf: isValueOf, isExactly };

/** 1 KiB. */
export const KIB: Values = sized(ENTRY_VALUE_BYTES, (i) => 97 + i % 26, (i) => entryValue(i, 0));

/** How many different values of 1 MiB there are, but for the numbers in them: making one takes as long as writing it. */
const LARGE_KINDS = 16;

const large: Uint8Array[] = [];

/** 1 MiB. */
export const MIB: Values = sized(2 ** 20, (i) => 97 + i % LARGE_KINDS % 26, (i) => {
  const base = large[i % LARGE_KINDS] ??= entryValue(i % LARGE_KINDS, 0, 2 ** 20);
  const value = base.slice();
  new DataView(value.buffer).setUint32(0, i, true);
  return value;
});

/** `letter` is what fills the second half of the value of entry `i`. */
function sized(bytes: number, letter: (i: number) => number, of: (i: number) => Uint8Array): Values {
  const isOf = (i: number, value: Uint8Array | undefined | null) =>
    value?.length === bytes && value[bytes - 1] === letter(i) &&
    (value[0]! | value[1]! << 8 | value[2]! << 16 | value[3]! << 24) === (i | 0);
  return { bytes, of, isOf, isExactly: (i, value) => isOf(i, value) && Buffer.compare(of(i), value!) === 0 };
}
