/**
 * What a transaction has read, and whether it still holds. Keys and ranges are noted whether anything was there or not,
 * so that an entry which appears counts as a change too.
 *
 * @module
 */
import { copyBytes } from "../../base/bytes.ts";
import type { ReadView } from "../../engine/types.ts";
import type { Bounds } from "../data/ranges.ts";
import type { RangeTracker, ReadTracker } from "../reading/read_source.ts";

/** The keys and ranges read. */
export class ReadSet implements ReadTracker {
  readonly #keys: Map<string, Uint8Array> = new Map();
  readonly #ranges: { start: Uint8Array; end: Uint8Array }[] = [];

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
    for (const key of this.#keys.values()) if (state.newestVersion(key) > version) return false;
    return this.#ranges.every(({ start, end }) => !state.changedSince(start, end, version));
  }
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
