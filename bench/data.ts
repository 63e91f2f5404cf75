/**
 * The seeded data of the benches: the same keys, values and orders in every run, runtime and driver.
 *
 *   key     16 decimal digits. Entries have the even numbers, so that the odd ones between them are missing.
 *   value   100 bytes: number of the entry (u32 LE) | 46 random bytes | 50 bytes of one letter
 *
 * Half of a value compresses away, which is what users' data tends to do.
 *
 * @module
 */

/** The bytes of a value. */
export const VALUE_BYTES = 100;

/** The bytes of a key. */
export const KEY_BYTES = 16;

/** An entry as drivers take it. */
export type Pair = readonly [key: string, value: Uint8Array];

/** The key of entry `i`. */
export function keyOf(i: number): string {
  return String(2 * i).padStart(KEY_BYTES, "0");
}

/** A key beside that of entry `i` that no entry has. */
export function missingKeyOf(i: number): string {
  return String(2 * i + 1).padStart(KEY_BYTES, "0");
}

/** The value of entry `i`, in an array of its own. */
export function valueOf(i: number): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES);
  value[0] = i;
  value[1] = i >>> 8;
  value[2] = i >>> 16;
  value[3] = i >>> 24;
  const next = random(i + 1);
  for (let at = 4; at < 50; at++) value[at] = next() & 255;
  return value.fill(97 + i % 26, 50);
}

/**
 * Whether `value` is the one of entry `i`, as far as a timed loop can afford to look: length, number, last byte.
 * `isExactly` compares all of it.
 */
export function isValueOf(i: number, value: Uint8Array | undefined | null): boolean {
  return value !== undefined && value !== null && value.length === VALUE_BYTES && value[99] === 97 + i % 26 &&
    (value[0]! | value[1]! << 8 | value[2]! << 16 | value[3]! << 24) === (i | 0);
}

/** Whether `value` is the one of entry `i`, byte for byte. */
export function isExactly(i: number, value: Uint8Array | undefined | null): boolean {
  return isValueOf(i, value) && valueOf(i).every((byte, at) => byte === value![at]);
}

/** A generator of u32 numbers (mulberry32): small, fast, good enough for data and orders. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return (mixed ^ mixed >>> 14) >>> 0;
  };
}

/** The numbers 0 to `entries - 1`, shuffled by `seed`. */
export function shuffled(entries: number, seed: number): Uint32Array {
  const order = new Uint32Array(entries);
  const next = random(seed);
  for (let i = 0; i < entries; i++) {
    const other = next() % (i + 1);
    order[i] = order[other]!;
    order[other] = i;
  }
  return order;
}

/**
 * A fixed mixed-up order of 0 to `entries - 1`, for when there are too many to keep a list: multiplying by a number
 * without a common factor visits each of them once.
 */
export function scatter(entries: number): (at: number) => number {
  // The golden section sends neighbours far apart. Products stay exact up to 90 million entries (2^53).
  let factor = Math.max(1, Math.floor(entries * 0.6180339887));
  while (commonFactor(factor, entries) !== 1) factor++;
  return (at) => at * factor % entries;
}

function commonFactor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
