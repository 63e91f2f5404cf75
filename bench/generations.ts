/**
 * Entries that are overwritten while they are read, and what each read may find then.
 *
 *   loaded    the value of data.ts, whose letters are small: generation 0
 *   changed   number of the entry (u32 LE) | generation (u32 LE) | 42 random bytes | 50 bytes of one capital letter
 *
 * Writes of one entry that overlap may take effect in any order: some databases hand each to a thread of its own. So a
 * read that begins after all of them ended may find any of them, but nothing older and nothing that wasn't written yet.
 *
 * @module
 */
import { isExactly, VALUE_BYTES, valueOf } from "./data.ts";

/** How many different random parts there are: making them must not be what is measured. */
const PARTS = Array.from({ length: 4096 }, (_, i) => valueOf(i));

/** The value of entry `i` after its `generation`th change (from 1 on), in an array of its own. */
export function changedValue(i: number, generation: number): Uint8Array {
  const value = PARTS[(i + generation) % PARTS.length]!.slice();
  const view = new DataView(value.buffer);
  view.setUint32(0, i, true);
  view.setUint32(4, generation, true);
  return value.fill(65 + i % 26, 50);
}

/** Which generation of entry `i` a value is; undefined when it is none, as far as a timed loop can afford to look. */
export function generationOf(i: number, value: Uint8Array | undefined | null): number | undefined {
  if (value?.length !== VALUE_BYTES) return undefined;
  if ((value[0]! | value[1]! << 8 | value[2]! << 16 | value[3]! << 24) !== (i | 0)) return undefined;
  if (value[VALUE_BYTES - 1] === 97 + i % 26) return 0;
  if (value[VALUE_BYTES - 1] !== 65 + i % 26) return undefined;
  return (value[4]! | value[5]! << 8 | value[6]! << 16 | value[7]! << 24) >>> 0;
}

/** Whether it is the `generation`th value of entry `i`, byte for byte. */
export function isExactGeneration(i: number, generation: number, value: Uint8Array): boolean {
  if (generation === 0) return isExactly(i, value);
  return changedValue(i, generation).every((byte, at) => byte === value[at]);
}

/** Follows the changes of all entries. */
export class Generations {
  /** The newest that was begun. */
  readonly #newest: Uint32Array;
  /** How many are on their way. */
  readonly #underway: Uint16Array;
  /** The first of those that overlap now, or did last. */
  readonly #first: Uint32Array;
  /** The oldest that a read that begins now may find. */
  readonly #oldest: Uint32Array;

  constructor(entries: number) {
    this.#newest = new Uint32Array(entries);
    this.#underway = new Uint16Array(entries);
    this.#first = new Uint32Array(entries);
    this.#oldest = new Uint32Array(entries);
  }

  /** A change of entry `i` begins: its value. */
  begin(i: number): Uint8Array {
    const generation = this.#newest[i]! + 1;
    this.#newest[i] = generation;
    if (this.#underway[i] === 0) this.#first[i] = generation;
    this.#underway[i] = this.#underway[i]! + 1;
    return changedValue(i, generation);
  }

  /** A change of entry `i` is acknowledged. */
  end(i: number): void {
    this.#underway[i] = this.#underway[i]! - 1;
    if (this.#underway[i] === 0) this.#oldest[i] = this.#first[i]!;
  }

  /** The oldest generation that a read of entry `i` that begins now may find. */
  oldest(i: number): number {
    return this.#oldest[i]!;
  }

  /** Throws unless `value` is one that a read may find which began when `oldest` was the oldest. */
  check(i: number, value: Uint8Array | undefined | null, oldest: number): number {
    const generation = generationOf(i, value);
    if (generation === undefined || generation < oldest || generation > this.#newest[i]!) {
      throw new Error(`Entry ${i} was read as generation ${generation}, not ${oldest} to ${this.#newest[i]}.`);
    }
    return generation;
  }
}
