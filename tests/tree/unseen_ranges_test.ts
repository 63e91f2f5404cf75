import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { behindKey, compareBytes } from "../../lib/base/bytes.ts";
import { Overlay } from "../../lib/tree/overlay.ts";
import { UnseenRanges } from "../../lib/tree/unseen_ranges.ts";
import { withSeeds } from "./model.ts";

const KEYS = 200;
const keyOf = (n: number): Uint8Array => Uint8Array.of(n >> 8, n);

describe("UnseenRanges", () => {
  it("knows no more than was noted and not touched, and that whole where it fits", () => {
    withSeeds(40, (random) => {
      const ranges = new UnseenRanges();
      // Of each key, and of the place behind it: from which version and moment on it is unseen.
      const model = new Map<string, { version: number; moment: number }>();
      const points = Array.from({ length: KEYS }, (_, n) => [keyOf(n), behindKey(keyOf(n))]).flat();
      const isIn = (key: Uint8Array, start: Uint8Array, end: Uint8Array | undefined): boolean =>
        compareBytes(start, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);
      let found = 0;
      for (let i = 0; i < 200; i++) {
        if (random.chance(3)) {
          const key = random.pick(points);
          ranges.touch(key);
          model.delete(key.join());
        } else {
          const start = random.pick(points);
          const end = random.chance(30) ? undefined : random.pick(points);
          const range = { start, end, version: 1 + random.below(50), moment: random.below(50) };
          ranges.note(range);
          for (const key of points) {
            if (!isIn(key, start, end)) continue;
            const { version = Infinity, moment = Infinity } = model.get(key.join()) ?? {};
            const isBetter = range.version <= version && range.moment <= moment;
            if (!model.has(key.join()) || isBetter) model.set(key.join(), range);
          }
        }
        if (random.chance(50)) {
          const { epoch } = ranges;
          ranges.clear();
          assert.notEqual(ranges.epoch, epoch);
          assert.ok(ranges.isEmpty);
          model.clear();
        }
        for (let n = 0; n < 30; n++) {
          const key = random.pick(points);
          const [version, moment] = [random.below(60), random.below(60)];
          const around = ranges.around(key, version, moment);
          if (around === undefined) continue;
          found++;
          assert.ok(isIn(key, around.start, around.end));
          assert.ok(around.version <= version && around.moment <= moment);
          // All of it was noted, and holds for who asks.
          for (const inside of points) {
            if (isIn(inside, around.start, around.end)) assert.ok(model.has(inside.join()), `${inside}`);
          }
        }
      }
      assert.ok(found > 100, `${found} found`);
    });
  });

  it("makes one range of those that meet, for readers whom all of them fit", () => {
    const ranges = new UnseenRanges();
    ranges.note({ start: keyOf(1), end: keyOf(3), version: 5, moment: 9 });
    ranges.note({ start: keyOf(7), end: keyOf(9), version: 6, moment: 2 });
    ranges.note({ start: keyOf(3), end: keyOf(7), version: 4, moment: 1 });
    assert.deepEqual(ranges.around(keyOf(4), 6, 9), { start: keyOf(1), end: keyOf(9), version: 6, moment: 9 });
    assert.equal(ranges.around(keyOf(4), 5, 9), undefined);
    assert.equal(ranges.around(keyOf(4), 6, 8), undefined);
    ranges.touch(keyOf(4));
    assert.deepEqual(ranges.around(keyOf(3), 6, 9)?.end, keyOf(4));
    assert.equal(ranges.around(keyOf(4), 6, 9), undefined);
    assert.deepEqual(ranges.around(keyOf(5), 6, 9)?.start, behindKey(keyOf(4)));
  });

  it("keeps few: those that were of use last", () => {
    const ranges = new UnseenRanges();
    for (let n = 0; n < 3000; n++) {
      ranges.note({ start: keyOf(2 * n), end: behindKey(keyOf(2 * n)), version: 1, moment: 1 });
      assert.ok(ranges.around(keyOf(0), 1, 1), `${n}`);
    }
    const known = Array.from({ length: 3000 }, (_, n) => n).filter((n) => ranges.around(keyOf(2 * n), 1, 1));
    assert.ok(known.length > 700 && known.length <= 1024, `${known.length} ranges`);
    assert.deepEqual([known[0], ...known.slice(-700)], [0, ...Array.from({ length: 700 }, (_, n) => 2300 + n)]);
  });

  it("keeps few of the parts of one that is cut again and again, those that were cut last", () => {
    const ranges = new UnseenRanges();
    ranges.note({ start: keyOf(0), end: undefined, version: 1, moment: 1 });
    for (let n = 0; n < 3000; n++) ranges.touch(keyOf(2 * n));
    const known = Array.from({ length: 3000 }, (_, n) => n).filter((n) => ranges.around(keyOf(2 * n + 1), 1, 1));
    assert.ok(known.length <= 1024, `${known.length} ranges`);
    assert.deepEqual(known.slice(-700), Array.from({ length: 700 }, (_, n) => 2300 + n));
  });

  it("keeps few in a copy of a copy, too", () => {
    let ranges = new UnseenRanges();
    for (let n = 0; n < 3000; n++) {
      ranges.note({ start: keyOf(2 * n), end: behindKey(keyOf(2 * n)), version: 1, moment: 1 });
      assert.ok(ranges.around(keyOf(0), 1, 1), `${n}`);
      if (n % 10 === 0) ranges = ranges.copy();
    }
    const known = Array.from({ length: 3000 }, (_, n) => n).filter((n) => ranges.around(keyOf(2 * n), 1, 1));
    assert.ok(known.length <= 1024, `${known.length} ranges`);
  });

  it("has nothing left of a range when its only key is written", () => {
    const ranges = new UnseenRanges();
    ranges.note({ start: keyOf(1), end: behindKey(keyOf(1)), version: 1, moment: 1 });
    ranges.touch(keyOf(1));
    assert.ok(ranges.isEmpty);
  });

  it("keeps no memory of who writes", () => {
    const ranges = new UnseenRanges();
    ranges.note({ start: keyOf(1), end: keyOf(9), version: 1, moment: 1 });
    const key = keyOf(4);
    ranges.touch(key);
    key.set(keyOf(6));
    assert.deepEqual(ranges.around(keyOf(3), 1, 1)?.end, keyOf(4));
  });

  it("copy() knows the same, and each learns and forgets for itself", () => {
    const ranges = new UnseenRanges();
    const of = (start: number, end: number) => ({ start: keyOf(start), end: keyOf(end), version: 1, moment: 1 });
    ranges.note(of(10, 20));
    const copy = ranges.copy();
    copy.touch(keyOf(15));
    ranges.note(of(30, 40));
    const knows = (one: UnseenRanges) => [12, 15, 35].map((n) => one.around(keyOf(n), 1, 1) !== undefined);
    assert.deepEqual(knows(copy), [true, false, false]);
    assert.deepEqual(knows(ranges), [true, true, true]);
  });
});

describe("Overlay", () => {
  it("clip() leaves of a range what lies between the rows around a key", () => {
    const overlay = new Overlay();
    for (const n of [2, 5, 9]) overlay.put(keyOf(n), 0, Uint8Array.of(5));
    const clip = (start: number, end: number | undefined, n: number) => {
      const range = { start: keyOf(start), end: end === undefined ? undefined : keyOf(end), version: 1, moment: 1 };
      const { start: from, end: to } = overlay.clip(range, keyOf(n)) ?? {};
      return [from, to];
    };
    assert.deepEqual(clip(1, undefined, 1), [keyOf(1), keyOf(2)]);
    assert.deepEqual(clip(2, 9, 4), [behindKey(keyOf(2)), keyOf(5)], "the row stands where the range begins");
    assert.deepEqual(clip(3, 5, 4), [keyOf(3), keyOf(5)]);
    assert.deepEqual(clip(1, undefined, 12), [behindKey(keyOf(9)), undefined]);
    assert.deepEqual(clip(1, undefined, 5), [undefined, undefined], "the key has a row");
  });

  it("copy() has rows of its own, and finds for itself where none is seen", () => {
    const overlay = new Overlay();
    overlay.put(keyOf(5), 0, Uint8Array.of(5));
    const copy = overlay.copy();
    copy.delete(keyOf(5));
    copy.unseen.note({ start: keyOf(1), end: keyOf(9), version: 1, moment: 1 });
    assert.deepEqual(overlay.rows.get(keyOf(5), 1)?.cell, Uint8Array.of(5));
    assert.ok(overlay.unseen.isEmpty);
  });
});
