/**
 * Six bytes of a key as one number, so that most comparisons are one subtraction.
 *
 * A shorter key is padded with zeros, which makes "a" and "a\0" equal here: equal numbers say nothing, the bytes decide;
 * different numbers sort as the bytes do. Six bytes because a double holds 53 bits exactly.
 *
 * @module
 */

/** The number of `bytes[at, at + 6)`, cut and padded at `end`. */
export function prefixNumber(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= 6) {
    return ((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) * 0x1000000 +
      ((bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!);
  }
  let value = 0;
  for (let i = at; i < at + 6; i++) value = value * 0x100 + (i < end ? bytes[i]! : 0);
  return value;
}
