import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes } from "../../lib/base/bytes.ts";
import { KeptRanges } from "../../lib/engine/background/kept_ranges.ts";
import type { RunOutput } from "../../lib/engine/background/run_output.ts";
import { Stripes } from "../../lib/engine/version/snapshots.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { type Fragment, RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { type Random, withSeeds } from "../tree/model.ts";
import { key, open, put, removeRange } from "./fixture.ts";

const keyOf = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 255);

/** An output that remembers the deleted ranges of its tables. */
function recorder(): { output: RunOutput; tables: (readonly Fragment[])[] } {
  const tables: (readonly Fragment[])[] = [];
  const cut = (deleted: readonly Fragment[] = []) => {
    tables.push(deleted);
    return Promise.resolve();
  };
  return { output: { cut, finish: cut } as unknown as RunOutput, tables };
}

const KEYS = 300;

/** Deleted ranges in several sources and in one, rows among them, and those in front of which the output is cut. */
interface World {
  sources: (readonly Fragment[])[];
  all: RangeTombstones;
  rows: number[];
  cuts: Set<number>;
}

function randomWorld(random: Random): World {
  const all = new RangeTombstones();
  const sources = Array.from({ length: 1 + random.below(4) }, () => {
    const source = new RangeTombstones();
    for (let n = random.below(40); n > 0; n--) {
      const from = random.below(KEYS);
      const end = random.chance(20) ? undefined : keyOf(from + 1 + random.below(20));
      const range = { start: keyOf(from), end, version: 1 + random.below(60), timestamp: 1 };
      source.add(range);
      all.add(range);
    }
    return source.fragments();
  });
  const rows = Array.from({ length: KEYS }, (_, n) => n).filter(() => random.chance(3));
  return { sources, all, rows, cuts: new Set(rows.filter(() => random.chance(8))) };
}

const noPause = () => Promise.resolve();

describe("KeptRanges", () => {
  it("keeps one a stripe, and drops the oldest stripe's at the bottom", async () => {
    for (const [bottom, expected] of [[false, [8, 3]], [true, [8]]] as const) {
      const tombstones = new RangeTombstones();
      for (const version of [2, 3, 7, 8]) tombstones.add({ start: keyOf(1), end: keyOf(2), version, timestamp: 0 });
      const { output, tables } = recorder();
      const options = { stripes: new Stripes([5], 0), tableBytes: 2 ** 20, isBottom: () => bottom, pause: noPause };
      await new KeptRanges(output, [tombstones.fragments()], options).finish();
      assert.deepEqual(tables.flat().flatMap(({ versions }) => versions.map(({ version }) => version)), expected);
    }
  });

  it("covers the rows that are passed, and puts each range where its keys go", async () => {
    const worlds: World[] = [];
    withSeeds(30, (random) => worlds.push(randomWorld(random)));
    for (const { sources, all, rows, cuts } of worlds) {
      const { output, tables } = recorder();
      const options = { stripes: new Stripes([30], 0), tableBytes: 2 ** 20, isBottom: () => false, pause: noPause };
      const ranges = new KeptRanges(output, sources, options);
      const bounds: Uint8Array[] = [];
      // In memory that serves all rows, as a cursor's key.
      const at = new Uint8Array(2);
      for (const row of rows) {
        at.set(keyOf(row));
        if (ranges.reaches(at)) await ranges.take(at);
        for (const version of [60, 30, 5]) {
          assert.equal(ranges.coveringVersion(at, version), all.coveringVersion(at, version));
        }
        if (!cuts.has(row)) continue;
        await ranges.cut(at);
        bounds.push(keyOf(row));
      }
      await ranges.finish();
      const found = RangeTombstones.of(tables.flat());
      for (let n = 0; n < KEYS + 30; n++) {
        // Readers at the snapshot and in the present find what they did.
        for (const version of [60, 30]) {
          assert.equal(found.coveringVersion(keyOf(n), version), all.coveringVersion(keyOf(n), version));
        }
      }
      for (const [i, table] of tables.entries()) {
        const [first, last] = [table[0], table.at(-1)];
        const [from, to] = [bounds[i - 1], bounds[i]];
        if (first === undefined || last === undefined) continue;
        assert.ok(from === undefined || compareBytes(first.start, from) >= 0);
        assert.ok(to === undefined || (last.end !== undefined && compareBytes(last.end, to) <= 0));
      }
    }
  });

  it("pauses on the way, and gives no table more than some thousand", async () => {
    const tombstones = new RangeTombstones();
    const wide = (n: number): Uint8Array => Uint8Array.of(n >> 16, n >> 8, n);
    for (let n = 0; n < 50_000; n++) {
      tombstones.add({ start: wide(3 * n), end: wide(3 * n + 2), version: n + 1, timestamp: 1 });
    }
    const { output, tables } = recorder();
    let pauses = 0;
    const pause = () => {
      pauses++;
      return Promise.resolve();
    };
    const options = { stripes: new Stripes([], 0), tableBytes: 2 ** 20, isBottom: () => false, pause };
    await new KeptRanges(output, [tombstones.fragments()], options).finish();
    assert.ok(pauses > 500, `${pauses} pauses`);
    assert.deepEqual(tables.flat(), tombstones.fragments());
    for (const table of tables) assert.ok(table.length < 7000, `${table.length} ranges`);
  });
});

describe("an engine with more deleted ranges than one table takes", () => {
  it("keeps them in tables of their own, through flush, compaction and reopening", async () => {
    const fs = memoryFileSystem();
    // Memtables are written by themselves, and lie in level 0 until they are compacted.
    const settings = { memtableBytes: 3 * 2 ** 19, tableBytes: 2 ** 20, level0Tables: 100 };
    let engine = await open(fs, settings);
    const name = (n: number): string => `k${String(n).padStart(5, "0")}`;
    const count = 16_000;
    // For its sake all ranges are kept.
    const first = engine.snapshot();
    let middle = first;
    for (let n = 0; n < count; n += 500) {
      const some = Array.from({ length: 500 }, (_, i) => n + i);
      await put(engine, Object.fromEntries(some.map((i) => [`${name(i)}x`, "v"])), "buffered");
      if (n === count / 2) middle = engine.snapshot();
      await Promise.all(some.filter((i) => i % 10 > 0).map((i) => removeRange(engine, name(i), `${name(i)}y`)));
    }
    const check = (version: number, isSeen: (n: number) => boolean): void => {
      const view = engine.read({ version, moment: 0 });
      const expected = Array.from({ length: count }, (_, n) => n).filter(isSeen);
      const found: number[] = [];
      for (let n = 0; n < count; n++) if (view.get(key(`${name(n)}x`)) !== undefined) found.push(n);
      assert.deepEqual(found, expected);
      const cursor = view.cursor();
      let listed = 0;
      while (cursor.next()) assert.deepEqual(cursor.key, key(`${name(expected[listed++]!)}x`));
      cursor.close();
      assert.equal(listed, expected.length);
    };
    const checkAll = (): void => {
      check(engine.visibleVersion, (n) => n % 10 === 0);
      if (!middle.released) {
        check(middle.version, (n) => n < count / 2 ? n % 10 === 0 : n < count / 2 + 500);
      }
    };
    const tables = (): number => engine.stats().levels.reduce((sum, level) => sum + level.tables, 0);
    await engine.flush();
    while (engine.stats().pendingFlushes > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(tables() > 2 && engine.stats().levels.length === 1, `${tables()} tables`);
    checkAll();
    await engine.compact();
    assert.ok(tables() > 2, `${tables()} tables`);
    checkAll();
    first.release();
    middle.release();
    await engine.close();
    engine = await open(fs, settings);
    checkAll();
    await engine.compact();
    assert.ok(engine.stats().tableBytes < 30_000, `${engine.stats().tableBytes} bytes: ranges are left`);
    checkAll();
    await engine.close();
  });
});
