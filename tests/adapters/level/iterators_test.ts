/** Iterators beside a model: single steps, many at a time, seeks, ranges and limits in any mixture. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { describe, it } from "node:test";
import { HoldfastLevel } from "../../../lib/adapters/level.ts";
import { compareBytes } from "../../../lib/base/bytes.ts";
import { DB } from "../../../mod.ts";
import { LONG, randomFrom, TURN } from "../../crash/random.ts";

type Bytes = Uint8Array;
type Level = HoldfastLevel<Bytes, Bytes>;
type Range = { gt?: Bytes; gte?: Bytes; lt?: Bytes; lte?: Bytes; reverse: boolean; limit: number };

const VIEW = { keyEncoding: "view", valueEncoding: "view" } as const;

/** Few different bytes, so that keys begin with one another; the empty one among them. */
function someKey(random: () => number): Bytes {
  return Uint8Array.from({ length: Math.floor(random() * 5) }, () => [0, 1, 0x61, 0xff][Math.floor(random() * 4)]!);
}

/** Most are short, some lie in blobs, and a few are read off the main thread. */
function someValue(random: () => number): Bytes {
  const dice = random();
  const length = dice < 0.01 ? 70_000 : dice < 0.05 ? 500 : 5;
  return new Uint8Array(length).fill(Math.floor(random() * 100));
}

function someRange(random: () => number): Range {
  const range: Range = { reverse: random() < 0.5, limit: random() < 0.6 ? -1 : Math.floor(random() * 60) };
  for (const name of ["gt", "gte", "lt", "lte"] as const) if (random() < 0.2) range[name] = someKey(random);
  return range;
}

function isIn({ gt, gte, lt, lte }: Range, key: Bytes): boolean {
  const isAbove = gte ? compareBytes(key, gte) >= 0 : !gt || compareBytes(key, gt) > 0;
  return isAbove && (lte ? compareBytes(key, lte) <= 0 : !lt || compareBytes(key, lt) < 0);
}

/** What an iterator gives, by the entries that were there. */
class Model {
  readonly #entries: [Bytes, Bytes][];
  readonly #range: Range;
  #at = 0;
  #left: number;

  constructor(entries: [Bytes, Bytes][], range: Range) {
    this.#entries = entries.filter(([key]) => isIn(range, key));
    if (range.reverse) this.#entries.reverse();
    this.#range = range;
    this.#left = range.limit < 0 ? Infinity : range.limit;
  }

  take(size: number): [Bytes, Bytes][] {
    const taken = this.#entries.slice(this.#at, this.#at + Math.min(size, this.#left));
    this.#at += taken.length;
    this.#left -= taken.length;
    return taken;
  }

  seek(target: Bytes): void {
    const sign = this.#range.reverse ? -1 : 1;
    const at = this.#entries.findIndex(([key]) => sign * compareBytes(key, target) >= 0);
    this.#at = at < 0 || !isIn(this.#range, target) ? this.#entries.length : at;
  }
}

/** Any mixture of calls; all that they give. */
async function compare(random: () => number, level: Level, entries: [Bytes, Bytes][]): Promise<void> {
  const range = someRange(random);
  const model = new Model(entries, range);
  const signal = random() < 0.3 ? new AbortController().signal : undefined;
  const iterator = level.iterator({ ...range, signal });
  await using _closed = iterator;
  let count = 0;
  for (let calls = 0; calls < 12; calls++) {
    const dice = random();
    const size = 1 + Math.floor(random() * 40);
    if (dice < 0.2) {
      const target = someKey(random);
      iterator.seek(target);
      model.seek(target);
    } else if (dice < 0.6) {
      for (let i = 0; i < size; i++) {
        const [entry] = model.take(1);
        assert.deepEqual(await iterator.next(), entry);
        if (entry !== undefined) count++;
      }
    } else {
      const some = model.take(size);
      assert.deepEqual(await iterator.nextv(size), some);
      count += some.length;
    }
    assert.equal(iterator.count, count);
  }
  assert.deepEqual(await iterator.all(), model.take(Infinity));
}

describe("HoldfastLevel's iterators", () => {
  it("give what a sorted list gives, as it was when they were made", async () => {
    await using level = new HoldfastLevel<Bytes, Bytes>(":memory:", {
      ...VIEW,
      blobBytes: 100,
      durability: "interval",
    });
    for (let round = 0; round < (LONG ? 40 : 2); round++) {
      const seed = TURN + round;
      const random = randomFrom(seed);
      await level.clear();
      const found = new Map<string, [Bytes, Bytes]>();
      for (let i = 0; i < 300; i++) {
        const [key, value] = [someKey(random), someValue(random)];
        await level.put(key, value);
        found.set(String(key), [key, value]);
        // Some lie in tables, with their blobs, and some in memory.
        if (i === 200) await level.compactRange(new Uint8Array(0), Uint8Array.of(0xff, 0xff));
      }
      const entries = [...found.values()].sort(([a], [b]) => compareBytes(a, b));
      try {
        for (let i = 0; i < 40; i++) await compare(random, level, entries);
        const { reverse } = someRange(random);
        const before = new Model(entries, { reverse, limit: -1 }).take(Infinity);
        const iterators = [level.iterator({ reverse }), level.keys({ reverse }), level.values({ reverse })] as const;
        await level.clear({ limit: 100 });
        await level.put(Uint8Array.of(0x61), Uint8Array.of(1));
        const seen = await Promise.all(iterators.map((iterator) => iterator.all()));
        assert.deepEqual(seen, [before, before.map(([key]) => key), before.map(([, value]) => value)]);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });

  it("let the event loop go round while much is read", async () => {
    await using db = await DB.open(":memory:");
    const keys = Array.from({ length: 20_000 }, (_, i) => String(i));
    await db.setMany(keys.map((key) => [key, key]));
    const level = new HoldfastLevel(db);
    let turns = 0;
    let reading = true;
    const turn = (): void => {
      turns++;
      if (reading) setImmediate(turn);
    };
    setImmediate(turn);
    for (const read of [() => level.keys().all(), () => Array.fromAsync(level.values())]) {
      turns = 0;
      assert.equal((await read()).length, keys.length);
      assert.ok(turns > 1, `${turns} turns`);
    }
    reading = false;
  });

  it("take bounds and targets longer than keys, and such as are no text", async () => {
    const long = "k".repeat(70_000);
    const key = long.slice(0, 65_535);
    await using level = new HoldfastLevel(":memory:", { durability: "interval" });
    await level.batch(["a", key, "l"].map((key) => ({ type: "put", key, value: "" })));
    assert.deepEqual(await level.keys({ lt: long }).all(), ["a", key]);
    assert.deepEqual(await level.keys({ gte: long }).all(), ["l"]);
    assert.deepEqual(await level.keys({ gt: key }).all(), ["l"]);
    const iterator = level.keys({ lte: long, reverse: true });
    iterator.seek(long);
    assert.deepEqual(await iterator.all(), [key, "a"]);
    assert.equal(await level.approximateSize(long, `${long}l`), 0);
    await level.clear({ gt: long });
    assert.deepEqual(await level.keys().all(), ["a", key]);
    await level.clear({ gte: key });
    assert.deepEqual(await level.keys().all(), ["a"]);
    await level.put(key, "");
    await level.clear({ lte: long.slice(0, 65_536), gt: "a" });
    assert.deepEqual(await level.keys().all(), ["a"]);

    await using db = await DB.open(":memory:");
    const text = new HoldfastLevel<Bytes | string, string>(db);
    await text.batch(["a", "ä", "b"].map((key) => ({ type: "put", key, value: "" })));
    const between = { gte: Uint8Array.of(0x62), lt: Uint8Array.of(0xff), keyEncoding: "view" } as const;
    assert.equal((await text.keys(between).all()).length, 2);
    await text.clear(between);
    assert.deepEqual(await text.keys().all(), ["a"]);
  });
});
