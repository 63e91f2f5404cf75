import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Cursor } from "../../lib/tree/cursor.ts";
import { NEWEST } from "../../lib/tree/cursor.ts";
import { Memtable } from "../../lib/tree/memtable/memtable.ts";
import { MergingCursor } from "../../lib/tree/merging_cursor.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { ArrayCursor, type ModelRow, type Random, show, showAt, withSeeds } from "./model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Rows dealt out to `count` sources, some of them memtables, some of them empty; and all of them in one array. */
function deal(random: Random, count: number): { sources: Cursor[]; rows: ModelRow[] } {
  const rows: ModelRow[] = [];
  const parts: ModelRow[][] = Array.from({ length: count }, () => []);
  const used = count === 1 ? 1 : 1 + random.below(count);
  for (let version = 1; version <= 150; version++) {
    const row = { key: random.key(), version, timestamp: version * 10, cell: random.cell() };
    rows.push(row);
    parts[random.below(used)]!.push(row);
  }
  const sources = parts.map((part) => {
    if (random.chance(2)) return new ArrayCursor(part);
    const memtable = new Memtable();
    for (const row of part) memtable.add(row.key, row.version, row.timestamp, row.cell);
    return memtable.cursor();
  });
  return { sources, rows };
}

describe("MergingCursor", () => {
  it("walks over all rows in order, both ways", () => {
    withSeeds(40, (random) => {
      const { sources, rows } = deal(random, 1 + random.below(12));
      const cursor = new MergingCursor(sources);
      const expected = new ArrayCursor(rows).rows.map(show);
      const forward: string[] = [];
      for (cursor.seekFirst(); cursor.valid; cursor.next()) forward.push(showAt(cursor));
      assert.deepEqual(forward, expected);
      const back: string[] = [];
      for (cursor.seekLast(); cursor.valid; cursor.previous()) back.push(showAt(cursor));
      assert.deepEqual(back.reverse(), expected);
    });
  });

  it("seeks and turns like one array of all rows", () => {
    withSeeds(60, (random) => {
      const { sources, rows } = deal(random, 1 + random.below(6));
      const cursor = MergingCursor.of(sources);
      const expected = new ArrayCursor(rows);
      for (let i = 0; i < 400; i++) {
        const key = random.key();
        const version = random.chance(2) ? NEWEST : random.below(160);
        const move = random.below(expected.valid ? 14 : 4);
        for (const each of [cursor, expected]) {
          if (move === 0) each.seek(key, version);
          else if (move === 1) each.seekBefore(key);
          else if (move === 2) each.seekFirst();
          else if (move === 3) each.seekLast();
          else if (move < 9) each.next();
          else each.previous();
        }
        assert.equal(showAt(cursor), showAt(expected));
      }
    });
  });

  it("without sources, or with empty ones, stands on nothing", () => {
    for (const sources of [[], [new ArrayCursor([]), new Memtable().cursor()]]) {
      const cursor = new MergingCursor(sources);
      for (const move of ["seekFirst", "seekLast", "next", "previous"] as const) {
        cursor[move]();
        assert.equal(cursor.valid, false);
      }
    }
  });

  it("of() gives a single source back as it is", () => {
    const source = new Memtable().cursor();
    assert.equal(MergingCursor.of([source]), source);
  });

  it("skipCovered() passes what a newer source deleted in older sources, and nothing else", () => {
    const row = (key: string, version: number): ModelRow => ({
      key: bytes(key),
      version,
      timestamp: 0,
      cell: Uint8Array.of(5),
    });
    const tombstones = new RangeTombstones();
    tombstones.add({ start: bytes("b"), end: bytes("k"), version: 5, timestamp: 0 });
    const sources = (): Cursor[] => [
      new ArrayCursor([row("e", 9)]),
      new ArrayCursor([row("c", 4), row("d", 8)]),
      new ArrayCursor(["a", "b", "c", "d", "e", "f", "k", "z"].map((key, i) => row(key, (i % 3) + 1))),
    ];
    for (const backward of [false, true]) {
      const cursor = new MergingCursor(sources(), [undefined, tombstones, undefined]);
      const seen: string[] = [];
      if (backward) cursor.seekLast();
      else cursor.seekFirst();
      while (cursor.valid) {
        if (cursor.skipCovered(NEWEST)) continue;
        seen.push(new TextDecoder().decode(cursor.key) + cursor.version);
        if (backward) cursor.previous();
        else cursor.next();
      }
      const expected = ["a1", "c4", "d8", "e9", "k1", "z2"];
      assert.deepEqual(seen, backward ? expected.reverse() : expected);
    }
    const late = new MergingCursor([sources()[0]!, new ArrayCursor([row("f", 6)])], [tombstones]);
    late.seek(bytes("f"), NEWEST);
    assert.equal(late.skipCovered(NEWEST), false, "a row newer than the delete stays");
    const between = new MergingCursor([new ArrayCursor([]), new ArrayCursor([row("f", 4), row("k", 9)])], [tombstones]);
    between.seek(bytes("f"), NEWEST);
    assert.equal(between.skipCovered(6), true);
    assert.equal(between.version, 9, "a row too new for who asks is not passed: that there is one counts");
    const early = new MergingCursor(sources(), [undefined, tombstones, undefined]);
    early.seek(bytes("b"), NEWEST);
    assert.equal(early.skipCovered(4), false, "a reader before the delete sees everything");
  });

  it("skipCovered() leaves nothing of older sources when the deleted range has no end", () => {
    const rows = ["a", "b", "c"].map((key) => ({ key: bytes(key), version: 1, timestamp: 0, cell: Uint8Array.of(5) }));
    const tombstones = new RangeTombstones();
    tombstones.add({ start: bytes("b"), end: undefined, version: 2, timestamp: 0 });
    const cursor = new MergingCursor([new ArrayCursor([]), new ArrayCursor(rows)], [tombstones]);
    cursor.seek(bytes("b"), NEWEST);
    assert.equal(cursor.skipCovered(NEWEST), true);
    assert.equal(cursor.valid, false);
  });
});
