/**
 * What a transaction has read, and whether it still holds. Keys and ranges are noted whether anything was there or not,
 * so that an entry which appears counts as a change too.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../../base/bytes.ts";
import type { ReadView } from "../../engine/types.ts";
import type { Bounds } from "../data/ranges.ts";
import type { RangeTracker, ReadTracker } from "../reading/read_source.ts";

/** From `start` on and below `end`. */
interface Range {
  start: Uint8Array;
  end: Uint8Array;
}

/** The keys and ranges read. */
export class ReadSet implements ReadTracker {
  readonly #keys: Map<string, Uint8Array> = new Map();
  readonly #ranges: Range[] = [];

  /** Whether nothing was read. */
  get isEmpty(): boolean {
    return this.#keys.size === 0 && this.#ranges.length === 0;
  }

  /** A key was looked at. */
  key(key: Uint8Array): void {
    const name = nameOfKey(key);
    if (!this.#keys.has(name)) this.#keys.set(name, copyBytes(key));
  }

  /** A walk began; it counts as far as it came. */
  range({ start, end }: Bounds, reverse: boolean): RangeTracker {
    const range = reverse ? { start: end, end } : { start, end: start };
    this.#ranges.push(range);
    return {
      reached(key) {
        if (reverse) range.start = copyBytes(key);
        else range.end = justBehind(key);
      },
      done() {
        range.start = start;
        range.end = end;
      },
    };
  }

  /** Whether nothing of it was written to after `version`. */
  holds(state: ReadView, version: number): boolean {
    for (const key of this.#keys.values()) if (state.keyChangedSince(key, version)) return false;
    return joined(this.#ranges).every(({ start, end }) => !state.changedSince(start, end, version));
  }
}

/** The same keys in ranges that don't touch: who takes the first entry over and over has read the same stretch as often. */
function joined(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  for (const { start, end } of ranges.toSorted((a, b) => compareBytes(a.start, b.start))) {
    if (compareBytes(start, end) >= 0) continue;
    const last = out.at(-1);
    if (last === undefined || compareBytes(last.end, start) < 0) out.push({ start, end });
    else if (compareBytes(last.end, end) < 0) last.end = end;
  }
  return out;
}

/** The first key behind `key`. */
function justBehind(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length + 1);
  out.set(key);
  return out;
}

/** The bytes as a string of the same length, to look them up by. */
function nameOfKey(key: Uint8Array): string {
  let name = "";
  for (let i = 0; i < key.length; i++) name += String.fromCharCode(key[i]!);
  return name;
}
