import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { cellExpiry, cellOp, OP_DELETE } from "../../lib/format/cell.ts";
import { type Cursor, NEWEST, type RangeTombstone } from "../../lib/tree/cursor.ts";
import { Memtable } from "../../lib/tree/memtable/memtable.ts";
import { MergingCursor } from "../../lib/tree/merging_cursor.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { UnseenRanges } from "../../lib/tree/unseen_ranges.ts";
import { PAUSE, VisibleCursor, type VisibleOptions } from "../../lib/tree/visible_cursor.ts";
import { ArrayCursor, compareRows, type ModelRow, type Random, show, withSeeds } from "./model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

/** Commits, the same ones as rows and tombstones, and as a tree: sources of rows with their tombstones, newest first. */
interface World {
  rows: ModelRow[];
  ranges: RangeTombstone[];
  sources: Cursor[];
  tombstones: RangeTombstones[];
  versions: number;
}

function randomWorld(random: Random): World {
  const world: World = { rows: [], ranges: [], sources: [], tombstones: [], versions: 0 };
  const keys = Array.from({ length: 4 + random.below(40) }, () => random.key());
  for (let layer = 1 + random.below(5); layer > 0; layer--) {
    const memtable = new Memtable();
    for (let n = random.below(80); n > 0; n--) {
      const version = ++world.versions;
      const timestamp = version * 10;
      if (random.chance(12)) {
        const end = random.chance(5) ? undefined : random.pick(keys);
        const range = { start: random.pick(keys), end, version, timestamp };
        memtable.addRange(range);
        world.ranges.push(range);
      }
      // After the range, so that a row of the same commit stays.
      const key = random.chance(3) ? keys[0]! : random.pick(keys);
      const cell = random.cell();
      memtable.add(key, version, timestamp, cell);
      world.rows.push({ key, version, timestamp, cell });
    }
    world.sources.unshift(random.chance(2) ? memtable.cursor() : spoilingCursor(memtable));
    world.tombstones.unshift(memtable.tombstones);
  }
  world.rows.sort(compareRows);
  return world;
}

/** The same rows behind views that every move spoils. */
function spoilingCursor(memtable: Memtable): ArrayCursor {
  const rows: ModelRow[] = [];
  const cursor = memtable.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    rows.push({ key: cursor.key, version: cursor.version, timestamp: cursor.timestamp, cell: cursor.cell });
  }
  return new ArrayCursor(rows);
}

/** What a reader sees, straight from the definition. */
function seen({ rows, ranges }: World, { version, moment, start, end }: VisibleOptions): ModelRow[] {
  return rows.filter((row, i) => {
    const newest = rows.findIndex((other) => compareBytes(other.key, row.key) === 0 && other.version <= version);
    if (newest !== i) return false;
    if (start !== undefined && compareBytes(row.key, start) < 0) return false;
    if (end !== undefined && compareBytes(row.key, end) >= 0) return false;
    const isDeleted = ranges.some((range) =>
      range.version <= version && range.version > row.version && compareBytes(range.start, row.key) <= 0 &&
      (range.end === undefined || compareBytes(row.key, range.end) < 0)
    );
    const expiresAt = cellExpiry(row.cell);
    return !isDeleted && cellOp(row.cell[0]!) !== OP_DELETE && !(expiresAt !== undefined && expiresAt <= moment);
  });
}

function randomOptions(random: Random, world: World): VisibleOptions {
  const options: VisibleOptions = {
    version: random.chance(3) ? NEWEST : random.below(world.versions + 2),
    moment: random.below(100),
  };
  if (random.chance(2)) options.start = random.key();
  if (random.chance(2)) options.end = random.key();
  return options;
}

function open(world: World, options: VisibleOptions): VisibleCursor {
  return new VisibleCursor(MergingCursor.of(world.sources, world.tombstones), world.tombstones, options);
}

describe("VisibleCursor", () => {
  it("sees what the definition says, from the first to the last and back", () => {
    withSeeds(150, (random) => {
      const world = randomWorld(random);
      for (let i = 0; i < 4; i++) {
        const options = randomOptions(random, world);
        const expected = seen(world, options).map(show);
        const cursor = open(world, options);
        const forward: string[] = [];
        while (cursor.next()) forward.push(show(cursor));
        assert.deepEqual(forward, expected);
        const back: string[] = [];
        while (cursor.previous()) back.push(show(cursor));
        assert.deepEqual(back.reverse(), expected);
        cursor.seekEnd();
        assert.equal(cursor.previous(), expected.length > 0);
        cursor.seekStart();
        assert.equal(cursor.next(), expected.length > 0);
      }
    });
  });

  it("turns and seeks anywhere as between the elements of an array", () => {
    withSeeds(80, (random) => {
      const world = randomWorld(random);
      const options = randomOptions(random, world);
      const expected = seen(world, options);
      const cursor = open(world, options);
      // The gap before element `gap`, or on the element `gap` when `on`.
      let gap = 0;
      let on = false;
      for (let i = 0; i < 300; i++) {
        const move = random.below(12);
        const key = random.key();
        if (move === 0) {
          cursor.seekStart();
          gap = 0;
          on = false;
        } else if (move === 1) {
          cursor.seekEnd();
          gap = expected.length;
          on = false;
        } else if (move === 2) {
          cursor.seek(key);
          gap = expected.findIndex((row) => compareBytes(row.key, key) >= 0);
          if (gap < 0) gap = expected.length;
          on = false;
        } else if (move < 8) {
          if (on) gap++;
          on = gap < expected.length;
          assert.equal(cursor.next(), on);
        } else {
          on = --gap >= 0;
          if (gap < 0) gap = 0;
          assert.equal(cursor.previous(), on);
        }
        assert.equal(cursor.valid, on);
        if (on) assert.equal(show(cursor), show(expected[gap]!), `gap ${gap} after move ${move} ${toHex(key)}`);
      }
    });
  });

  it("an expired entry is absent and never gives way to the value before it", () => {
    const memtable = new Memtable();
    memtable.add(bytes("a"), 1, 0, Uint8Array.of(5, 1));
    memtable.add(bytes("a"), 2, 0, Uint8Array.of(5 | 0x40, 50, 2));
    const keysAt = (moment: number, version: number): number => {
      const cursor = new VisibleCursor(memtable.cursor(), [], { version, moment });
      return cursor.next() ? cursor.version : 0;
    };
    assert.equal(keysAt(49, NEWEST), 2);
    assert.equal(keysAt(50, NEWEST), 0);
    assert.equal(keysAt(50, 1), 1);
  });

  it("a row written by the commit that deleted its range stays", () => {
    const memtable = new Memtable();
    memtable.add(bytes("a"), 1, 0, Uint8Array.of(5));
    memtable.add(bytes("b"), 1, 0, Uint8Array.of(5));
    memtable.addRange({ start: bytes(""), end: undefined, version: 2, timestamp: 0 });
    memtable.add(bytes("b"), 2, 0, Uint8Array.of(5));
    const cursor = new VisibleCursor(memtable.cursor(), [memtable.tombstones], { version: NEWEST, moment: 0 });
    assert.equal(cursor.next(), true);
    assert.equal(text(cursor.key), "b");
    assert.equal(cursor.next(), false);
    assert.equal(cursor.previous(), true);
    assert.equal(text(cursor.key), "b");
  });

  it("keeps its bounds, whatever becomes of the bytes that named them", () => {
    const memtable = new Memtable();
    for (const key of ["a", "b", "c", "d"]) memtable.add(bytes(key), 1, 0, Uint8Array.of(5));
    const [start, end] = [bytes("b"), bytes("d")];
    const cursor = new VisibleCursor(memtable.cursor(), [], { version: NEWEST, moment: 0, start, end });
    start.set(bytes("a"));
    end.set(bytes("z"));
    const keys: string[] = [];
    while (cursor.next()) keys.push(text(cursor.key));
    while (cursor.previous()) keys.push(text(cursor.key));
    assert.equal(keys.join(), "b,c,c,b");
  });

  it("a reader never sees what is written while it reads", () => {
    const memtable = new Memtable();
    for (let n = 0; n < 500; n++) memtable.add(bytes(`key ${n + 1000}`), n + 1, 0, Uint8Array.of(5));
    const cursor = new VisibleCursor(memtable.cursor(), [memtable.tombstones], { version: 500, moment: 0 });
    let count = 0;
    for (let version = 501; cursor.next(); version++, count++) {
      assert.equal(text(cursor.key), `key ${count + 1000}`);
      memtable.add(bytes(`key ${count + 1000}`), version, 0, Uint8Array.of(5));
      memtable.add(bytes(`key ${count + 1000} and more`), version, 0, Uint8Array.of(5));
      if (count === 250) memtable.addRange({ start: bytes("key 12"), end: undefined, version, timestamp: 0 });
    }
    assert.equal(count, 500);
  });

  it("steps over the versions of a busy key and over deleted ranges by seeking", () => {
    const memtable = new Memtable();
    for (let version = 1; version <= 5000; version++) memtable.add(bytes("busy"), version, 0, Uint8Array.of(5));
    const base = new Memtable();
    for (let n = 0; n < 5000; n++) base.add(bytes(`key ${n + 10000}`), 0, 0, Uint8Array.of(5));
    memtable.addRange({ start: bytes("key 1"), end: bytes("key 14998"), version: 5001, timestamp: 0 });
    let steps = 0;
    const counting = (memtable: Memtable): Cursor => {
      const cursor = memtable.cursor();
      for (const move of ["next", "previous", "seek", "seekBefore"] as const) {
        const real = cursor[move].bind(cursor) as (...args: unknown[]) => void;
        Object.defineProperty(cursor, move, { value: (...args: unknown[]) => (steps++, real(...args)) });
      }
      return cursor;
    };
    for (const version of [NEWEST, 5001]) {
      const tombstones = [memtable.tombstones, base.tombstones];
      const merge = MergingCursor.of([counting(memtable), counting(base)], tombstones);
      const cursor = new VisibleCursor(merge, tombstones, { version, moment: 0 });
      const keys: string[] = [];
      while (cursor.next()) keys.push(text(cursor.key));
      assert.deepEqual(keys, ["busy", "key 14998", "key 14999"]);
      while (cursor.previous()) keys.push(text(cursor.key));
      assert.deepEqual(keys.slice(3), ["key 14999", "key 14998", "busy"]);
    }
    assert.ok(steps < 200, `${steps} steps`);
  });

  it("pauses where it passes many rows that are not seen, and goes on from there either way", () => {
    const keyOf = (n: number): Uint8Array => bytes(`key ${n + 1000}`);
    withSeeds(6, (random) => {
      const memtable = new Memtable();
      const kept: string[] = [];
      for (let n = 0; n < 2000; n++) {
        const isKept = random.chance(150);
        if (isKept) kept.push(text(keyOf(n)));
        memtable.add(keyOf(n), n + 1, 0, Uint8Array.of(isKept ? 5 : OP_DELETE));
      }
      const cursor = new VisibleCursor(memtable.cursor(), [], { version: NEWEST, moment: 0 });
      let pauses = 0;
      // The gap before element `gap`, or on it; a pause stays in the gap.
      let gap = 0;
      let on = false;
      for (let i = 0; i < 400; i++) {
        const isForward = random.chance(2);
        for (let more = 1 + random.below(30); more > 0; more--) {
          const found = isForward ? cursor.nextSome() : cursor.previousSome();
          if (isForward && on) gap++;
          on = false;
          if (found === PAUSE) pauses++;
          else if (isForward) assert.equal(found, on = gap < kept.length);
          else {
            on = --gap >= 0;
            if (gap < 0) gap = 0;
            assert.equal(found, on);
          }
          assert.equal(cursor.valid, on);
          if (on) assert.equal(text(cursor.key), kept[gap]);
        }
      }
      assert.ok(pauses > 300, `${pauses} pauses`);
    });
  });

  const keyOf = (n: number): Uint8Array => bytes(`k${n + 1000}`);

  /** A cursor at version 1 that notes in `ranges` where it sees none. */
  function noting(memtable: Memtable, ranges: UnseenRanges): VisibleCursor {
    return new VisibleCursor(memtable.cursor(), [], {
      version: 1,
      moment: 0,
      start: bytes("k"),
      end: keyOf(400),
      unseen: {
        around: (key) => ranges.around(key, 1, 0),
        note: (start, end) => ranges.note({ start, end, version: 1, moment: 0 }),
      },
    });
  }

  it("notes where it sees none: from pause to pause, up to what it sees or knows, and to the end", () => {
    const memtable = new Memtable();
    for (let n = 0; n < 400; n++) memtable.add(keyOf(n), 1, 0, Uint8Array.of(n === 200 ? 5 : OP_DELETE));
    const notedBy = (move: "next" | "previous", known?: [number, number]): string[] => {
      const ranges = new UnseenRanges();
      if (known !== undefined) ranges.note({ start: keyOf(known[0]), end: keyOf(known[1]), version: 1, moment: 0 });
      const cursor = noting(memtable, ranges);
      if (move === "previous") cursor.seekEnd();
      assert.equal(cursor[move](), true);
      assert.equal(cursor[move](), false);
      return [100, 300].map((n) => ranges.around(keyOf(n), 1, 0)!).map(({ start, end }) =>
        `${text(start)}-${text(end!)}`
      );
    };
    // The first few rows cost less than it would to ask.
    const forward = ["k1008-k1200", "k1209-k1400"];
    assert.deepEqual(notedBy("next"), forward);
    assert.deepEqual(notedBy("next", [70, 90]), forward);
    const back = ["k-k1191\0", "k1200\0-k1391\0"];
    assert.deepEqual(notedBy("previous"), back);
    assert.deepEqual(notedBy("previous", [310, 333]), back);
  });

  it("notes nothing around a row that is too new for it, also where that came behind a pause", () => {
    for (const [move, late, known] of [["nextSome", 68, [70, 100]], ["previousSome", 332, [300, 330]]] as const) {
      const memtable = new Memtable();
      for (let n = 0; n < 400; n++) memtable.add(keyOf(n), 1, 0, Uint8Array.of(OP_DELETE));
      const ranges = new UnseenRanges();
      ranges.note({ start: keyOf(known[0]), end: keyOf(known[1]), version: 1, moment: 0 });
      const cursor = noting(memtable, ranges);
      if (move === "previousSome") cursor.seekEnd();
      assert.equal(cursor[move](), PAUSE);
      memtable.add(keyOf(late), 2, 0, Uint8Array.of(5));
      ranges.touch(keyOf(late));
      while (cursor[move]() === PAUSE);
      assert.equal(ranges.around(keyOf(late), 1, 0), undefined, move);
      assert.ok(ranges.around(keyOf(200), 1, 0), move);
    }
  });
});
