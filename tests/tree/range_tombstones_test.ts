import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { NEWEST, type RangeTombstone } from "../../lib/tree/cursor.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { type Random, withSeeds } from "./model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function randomTombstones(random: Random, count: number): RangeTombstone[] {
  return Array.from({ length: count }, (_, i) => {
    const version = random.chance(3) ? 1 + random.below(count) : i + 1;
    return { start: random.key(), end: random.chance(8) ? undefined : random.key(), version, timestamp: version * 10 };
  });
}

function build(list: readonly RangeTombstone[]): RangeTombstones {
  const out = new RangeTombstones();
  for (const tombstone of list) out.add(tombstone);
  return out;
}

const covers = ({ start, end }: { start: Uint8Array; end: Uint8Array | undefined }, key: Uint8Array): boolean =>
  compareBytes(start, key) <= 0 && (end === undefined || compareBytes(key, end) < 0);

function expectedVersion(list: readonly RangeTombstone[], key: Uint8Array, atVersion: number): number {
  let highest = 0;
  for (const one of list) if (one.version <= atVersion && covers(one, key)) highest = Math.max(highest, one.version);
  return highest;
}

/** Every fragment in words. */
function show(tombstones: RangeTombstones): string[] {
  return tombstones.fragments().map(({ start, end, versions }) =>
    `[${toHex(start)}, ${end ? toHex(end) : "no end"}) ${versions.map((v) => `${v.version} at ${v.timestamp}`).join()}`
  );
}

function assertFragments(tombstones: RangeTombstones): void {
  let before: Uint8Array | undefined = new Uint8Array(0);
  for (const { start, end, versions } of tombstones.fragments()) {
    assert.ok(before !== undefined && compareBytes(before, start) <= 0, "fragments are in order and disjoint");
    assert.ok(end === undefined || compareBytes(start, end) < 0, "a fragment isn't empty");
    assert.ok(versions.length > 0, "a fragment has versions");
    for (let i = 1; i < versions.length; i++) {
      assert.ok(versions[i - 1]!.version > versions[i]!.version, "newest first");
    }
    before = end;
  }
}

describe("RangeTombstones", () => {
  it("add() in any order covers what a list of the same ranges covers", () => {
    withSeeds(60, (random) => {
      const list = randomTombstones(random, 1 + random.below(40));
      const tombstones = build(list);
      assertFragments(tombstones);
      assert.equal(tombstones.bytes, RangeTombstones.of(tombstones.fragments()).bytes, "what was cut counts no more");
      for (let i = 0; i < 200; i++) {
        const key = random.key();
        const atVersion = random.chance(2) ? NEWEST : random.below(45);
        assert.equal(tombstones.coveringVersion(key, atVersion), expectedVersion(list, key, atVersion), toHex(key));
      }
    });
  });

  it("coveringStart() and coveringEnd() enclose keys that are covered alike", () => {
    withSeeds(20, (random) => {
      const list = randomTombstones(random, 20);
      const tombstones = build(list);
      for (let i = 0; i < 200; i++) {
        const [key, other] = [random.key(), random.key()];
        const atVersion = random.below(25);
        const version = tombstones.coveringVersion(key, atVersion);
        if (version === 0) continue;
        const around = {
          start: tombstones.coveringStart(key, atVersion)!,
          end: tombstones.coveringEnd(key, atVersion),
        };
        assert.ok(covers(around, key));
        if (covers(around, other)) assert.equal(tombstones.coveringVersion(other, atVersion), version);
      }
    });
  });

  it("newestIn() is the newest version that deleted anything between bounds, and copies nothing to tell", () => {
    withSeeds(40, (random) => {
      const list = randomTombstones(random, 1 + random.below(30));
      const tombstones = build(list);
      tombstones.clip = () => assert.fail("copied");
      const isEmpty = (from: Uint8Array | undefined, to: Uint8Array | undefined): boolean =>
        from !== undefined && to !== undefined && compareBytes(from, to) >= 0;
      for (let i = 0; i < 200; i++) {
        const [from, to] = [random, random].map((one) => one.chance(8) ? undefined : one.key());
        if (isEmpty(from, to)) continue;
        const met = list.filter(({ start, end }) => !isEmpty(start, end) && !isEmpty(start, to) && !isEmpty(from, end));
        assert.equal(tombstones.newestIn(from, to), Math.max(0, ...met.map(({ version }) => version)));
      }
    });
  });

  it("keeps the older versions of a stack of deletes, each with its time", () => {
    const range = { start: bytes("a"), end: bytes("m") };
    const stack = [3, 1, 2, 2].map((version) => ({ ...range, version, timestamp: version * 100 }));
    assert.deepEqual(show(build(stack)), ["[61, 6d) 3 at 300,2 at 200,1 at 100"]);
  });

  it("cuts ranges where others begin and end", () => {
    const tombstones = build([
      { start: bytes("a"), end: bytes("m"), version: 3, timestamp: 1 },
      { start: bytes("f"), end: undefined, version: 7, timestamp: 2 },
      { start: bytes("c"), end: bytes("d"), version: 8, timestamp: 3 },
    ]);
    assert.deepEqual(show(tombstones), [
      "[61, 63) 3 at 1",
      "[63, 64) 8 at 3,3 at 1",
      "[64, 66) 3 at 1",
      "[66, 6d) 7 at 2,3 at 1",
      "[6d, no end) 7 at 2",
    ]);
  });

  it("a range that ends before it begins deletes nothing", () => {
    const tombstones = build([
      { start: bytes("b"), end: bytes("b"), version: 1, timestamp: 1 },
      { start: bytes("b"), end: bytes("a"), version: 1, timestamp: 1 },
    ]);
    assert.equal(tombstones.isEmpty, true);
    assert.equal(tombstones.coveringVersion(bytes("b"), NEWEST), 0);
    tombstones.add({ start: bytes("a"), end: bytes("z"), version: 1, timestamp: 1 });
    tombstones.add({ start: bytes("f"), end: bytes("f"), version: 2, timestamp: 1 });
    tombstones.add({ start: bytes("f"), end: bytes("e"), version: 2, timestamp: 1 });
    assert.deepEqual(show(tombstones), ["[61, 7a) 1 at 1"]);
  });

  it("keeps copies of its keys", () => {
    const start = bytes("a");
    const end = bytes("c");
    const tombstones = build([{ start, end, version: 1, timestamp: 1 }]);
    start.fill(0x7a);
    end.fill(0x7a);
    assert.deepEqual(show(tombstones), ["[61, 63) 1 at 1"]);
  });

  it("clip() covers the same keys inside the bounds and none outside", () => {
    withSeeds(40, (random) => {
      const list = randomTombstones(random, 15);
      const from = random.chance(3) ? undefined : random.key();
      const to = random.chance(3) ? undefined : random.key();
      const whole = build(list);
      const before = show(whole);
      const clipped = whole.clip(from, to);
      if (from === undefined || to === undefined || compareBytes(from, to) < 0) assertFragments(clipped);
      for (let i = 0; i < 200; i++) {
        const key = random.key();
        const inside = (!from || compareBytes(from, key) <= 0) && (!to || compareBytes(key, to) < 0);
        const expected = inside ? expectedVersion(list, key, 12) : 0;
        assert.equal(clipped.coveringVersion(key, 12), expected, toHex(key));
      }
      clipped.add({ start: bytes(""), end: undefined, version: 99, timestamp: 1 });
      assert.deepEqual(show(whole), before, "what is done to the part leaves the whole alone");
    });
  });

  it("merge() covers what all of them cover and leaves them alone", () => {
    withSeeds(30, (random) => {
      const lists = Array.from({ length: 1 + random.below(4) }, () => randomTombstones(random, random.below(12)));
      const parts = lists.map(build);
      const before = parts.map(show);
      const merged = RangeTombstones.merge(parts);
      assertFragments(merged);
      for (let i = 0; i < 200; i++) {
        const key = random.key();
        const atVersion = random.below(15);
        assert.equal(merged.coveringVersion(key, atVersion), expectedVersion(lists.flat(), key, atVersion));
      }
      merged.add({ start: bytes(""), end: undefined, version: 99, timestamp: 1 });
      assert.deepEqual(parts.map(show), before);
    });
  });

  it("covers with thousands of fragments what each of many ranges covers", () => {
    const keyOf = (i: number): Uint8Array => Uint8Array.of(i >> 8, i & 255);
    const keys = 3000;
    withSeeds(4, (random) => {
      const parts = Array.from({ length: 3 }, () => new RangeTombstones());
      const expected = parts.map(() => Array.from({ length: keys }, () => [] as number[]));
      for (let version = 1; version <= 4500; version++) {
        const part = random.below(parts.length);
        // Mostly short, so that there are many; now and then one over all leaves.
        const from = random.below(keys);
        const to = from + (random.chance(200) ? keys : random.chance(20) ? random.below(600) : random.below(3));
        const end = to > keys ? undefined : keyOf(to);
        parts[part]!.add({ start: keyOf(from), end, version, timestamp: version });
        for (let i = from; i < Math.min(to, keys); i++) expected[part]![i]!.push(version);
      }
      const merged = RangeTombstones.merge(parts);
      const all = expected[0]!.map((_, i) => expected.flatMap((each) => each[i]!).sort((a, b) => a - b));
      const middle = keyOf(keys >> 1);
      const clipped = merged.clip(middle, undefined);
      const atVersion = 1 + random.below(4500);
      for (const [of, versions] of [...parts.map((part, i) => [part, expected[i]!] as const), [merged, all] as const]) {
        assertFragments(of);
        assert.ok(of.fragments().length > 600, `${of.fragments().length} fragments`);
        for (let i = 0; i < keys; i++) {
          const newest = versions[i]!.findLast((version) => version <= atVersion) ?? 0;
          assert.equal(of.coveringVersion(keyOf(i), atVersion), newest, `key ${i}`);
          if (of === merged) assert.equal(clipped.coveringVersion(keyOf(i), atVersion), i < keys >> 1 ? 0 : newest);
        }
      }
    });
  });

  it("the same tombstones give the same fragments in every order up to where they are cut", () => {
    withSeeds(20, (random) => {
      const list = randomTombstones(random, 12);
      const shuffled = list.map((one) => ({ one, at: random.below(1000) })).sort((a, b) => a.at - b.at);
      assert.deepEqual(show(build(shuffled.map(({ one }) => one))), show(build(list)));
    });
  });
});
