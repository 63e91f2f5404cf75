import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes } from "../../lib/base/bytes.ts";
import { ReadSet } from "../../lib/db/writing/read_set.ts";
import type { ReadView } from "../../lib/engine/types.ts";
import { withSeeds } from "../tree/model.ts";

const keyOf = (n: number): Uint8Array => Uint8Array.of(n >> 8, n);

/** A state in which only these keys have newer rows, and the ranges that were asked for. */
function stateWith(changed: readonly Uint8Array[]): { state: ReadView; asked: [Uint8Array, Uint8Array][] } {
  const asked: [Uint8Array, Uint8Array][] = [];
  const state = {
    keyChangedSince: () => false,
    changedSince(start: Uint8Array, end: Uint8Array) {
      asked.push([start, end]);
      return changed.some((key) => compareBytes(start, key) <= 0 && compareBytes(key, end) < 0);
    },
  };
  return { state: state as unknown as ReadView, asked };
}

describe("ReadSet", () => {
  it("has each stretch looked at once, however often it was read", () => {
    const set = new ReadSet();
    // As often as the first entry is taken, of those before it nothing is left.
    for (let i = 0; i < 1000; i++) set.range({ start: keyOf(0), end: keyOf(5000) }, false).reached(keyOf(i));
    for (let i = 1000; i > 0; i--) set.range({ start: keyOf(2000), end: keyOf(4000) }, true).reached(keyOf(3000 + i));
    const { state, asked } = stateWith([keyOf(1500), keyOf(3000), keyOf(4000)]);
    assert.equal(set.holds(state, 1), true);
    assert.deepEqual(asked, [[keyOf(0), Uint8Array.of(...keyOf(999), 0)], [keyOf(3001), keyOf(4000)]]);
    assert.equal(set.holds(stateWith([keyOf(999)]).state, 1), false);
    assert.equal(set.holds(stateWith([keyOf(3001)]).state, 1), false);
  });

  it("holds until something is written where it has read", () => {
    withSeeds(50, (random) => {
      const set = new ReadSet();
      const read = new Set<number>();
      for (let i = random.below(12); i > 0; i--) {
        const [start, end] = [random.below(60), random.below(60)];
        set.range({ start: keyOf(start), end: keyOf(end) }, random.chance(2)).done();
        for (let n = start; n < end; n++) read.add(n);
      }
      for (let n = 0; n < 60; n++) assert.equal(set.holds(stateWith([keyOf(n)]).state, 1), !read.has(n), `${n}`);
    });
  });
});
