/**
 * The seeded data of the backup benches: entries of 1 KiB of which half compresses away.
 *
 *   key     16 decimal digits, as in the other benches
 *   value   1024 bytes: number of the entry (u32 LE) | generation (u32 LE) | 504 random bytes | 512 bytes of one letter
 *
 * An entry's generation counts how often it was changed: 0 as loaded. 900,000 entries are 936 MB; a change of 100,000 of
 * them is one of 104 MB.
 *
 * @module
 */
import { keyOf, type Pair, shuffled } from "../data.ts";

/** The bytes of a value. */
export const ENTRY_VALUE_BYTES = 1024;

/** The bytes of a key and its value. */
export const ENTRY_BYTES = 16 + ENTRY_VALUE_BYTES;

/** The value of entry `i` after its `generation`th change, in an array of its own; other sizes are made alike. */
export function entryValue(i: number, generation: number, bytes: number = ENTRY_VALUE_BYTES): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  words[0] = i;
  words[1] = generation;
  // mulberry32, four bytes at a time: making the data must not be what a load waits for.
  let state = Math.imul(i + 1, 0x9e3779b1) + Math.imul(generation, 0x85ebca6b) >>> 0;
  for (let at = 2; at < bytes / 8; at++) {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    words[at] = mixed ^ mixed >>> 14;
  }
  return new Uint8Array(words.buffer).fill(97 + i % 26, bytes / 2);
}

/** Whether `value` is the one of entry `i` in some generation, byte for byte. */
export function isEntryValue(i: number, value: Uint8Array | undefined): boolean {
  if (value?.length !== ENTRY_VALUE_BYTES) return false;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const right = entryValue(view.getUint32(0, true), view.getUint32(4, true));
  return view.getUint32(0, true) === i && right.every((byte, at) => byte === value[at]);
}

/** All entries as loaded, in key order. */
export function* loaded(entries: number): Generator<Pair> {
  for (let i = 0; i < entries; i++) yield [keyOf(i), entryValue(i, 0)];
}

/**
 * The `generation`th change: `count` of the entries, spread evenly over all keys, other ones than those of the
 * generation before, in random order.
 */
export function* changed(entries: number, count: number, generation: number): Generator<Pair> {
  const step = entries / count;
  for (const n of shuffled(count, generation + 1)) {
    const i = (Math.floor(n * step) + generation) % entries;
    yield [keyOf(i), entryValue(i, generation)];
  }
}
