import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes, concatBytes } from "../../lib/base/bytes.ts";
import { NEWEST, type RangeTombstone } from "../../lib/tree/cursor.ts";
import { Memtable } from "../../lib/tree/memtable/memtable.ts";
import { ArrayCursor, compareRows, type ModelRow, plain, type Random, show, showAt, withSeeds } from "./model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A sorted array that answers what a memtable should. */
class Model {
  rows: ModelRow[] = [];

  add(row: ModelRow): void {
    let index = this.rows.findIndex((there) => compareRows(there, row) >= 0);
    if (index < 0) index = this.rows.length;
    const same = index < this.rows.length && compareRows(this.rows[index]!, row) === 0;
    this.rows.splice(index, same ? 1 : 0, row);
  }

  addRange({ start, end, version }: RangeTombstone): void {
    this.rows = this.rows.filter((row) =>
      row.version !== version || compareBytes(row.key, start) < 0 ||
      (end !== undefined && compareBytes(row.key, end) >= 0)
    );
  }

  get(key: Uint8Array, version: number): ModelRow | undefined {
    return this.rows.find((row) => compareBytes(row.key, key) === 0 && row.version <= version);
  }
}

function fill(random: Random, count: number): { memtable: Memtable; model: Model } {
  const memtable = new Memtable();
  const model = new Model();
  let version = 1;
  for (let i = 0; i < count; i++) change(random, memtable, model, version += random.below(2));
  return { memtable, model };
}

function inOrder(count: number): Memtable {
  const memtable = new Memtable();
  for (let i = 0; i < count; i++) memtable.add(bytes(String(i).padStart(3, "0")), 1, 0, bytes(`${i}`));
  return memtable;
}

function change(random: Random, memtable: Memtable, model: Model, version: number): void {
  if (random.chance(30)) version = 1 + random.below(version);
  if (random.chance(25)) {
    const end = random.chance(4) ? undefined : random.key();
    const tombstone = { start: random.key(), end, version, timestamp: version * 10 };
    memtable.addRange(tombstone);
    model.addRange(tombstone);
  } else {
    const row = { key: random.key(), version, timestamp: version * 10, cell: random.cell() };
    if (random.chance(2)) memtable.add(row.key, row.version, row.timestamp, row.cell);
    else addFromWithin(memtable, row);
    model.add(row);
  }
}

/** Adds a row whose key and cell stand in the middle of other bytes. */
function addFromWithin(memtable: Memtable, { key, version, timestamp, cell }: ModelRow): void {
  const [keys, cells] = [concatBytes(bytes("ab"), key, bytes("c")), concatBytes(bytes("d"), cell, bytes("ef"))];
  memtable.addRow(keys, 2, 2 + key.length, version, timestamp, cells, 1, 1 + cell.length);
}

function assertSame(memtable: Memtable, model: Model): void {
  assert.equal(memtable.rows, model.rows.length);
  const cursor = memtable.cursor();
  const expected = model.rows.map(show);
  const forward: string[] = [];
  for (cursor.seekFirst(); cursor.valid; cursor.next()) forward.push(showAt(cursor));
  assert.deepEqual(forward, expected);
  const back: string[] = [];
  for (cursor.seekLast(); cursor.valid; cursor.previous()) back.push(showAt(cursor));
  assert.deepEqual(back.reverse(), expected);
}

describe("memory of memtables", () => {
  it("is used again only where it was made so, and only once it was given back", () => {
    const spare: ArrayBuffer[] = [];
    const cell = (i: number): Uint8Array => new Uint8Array(4000).fill(i);
    const filled = (from: number, memory?: ArrayBuffer[]): Memtable => {
      const memtable = new Memtable(memory);
      for (let i = from; i < from + 1000; i++) memtable.add(bytes(`key ${i}`), i + 1, i, cell(i));
      return memtable;
    };
    const assertHolds = (memtable: Memtable, from: number): void => {
      for (let i = from; i < from + 1000; i++) assert.deepEqual(memtable.get(bytes(`key ${i}`), NEWEST)?.cell, cell(i));
    };
    const [first, other] = [filled(0, spare), filled(1000, spare)];
    assert.equal(spare.length, 0);
    first.giveBack();
    const whole = spare.length;
    assert.ok(whole >= 3, `${whole} chunks of 4 MB`);
    const next = filled(2000, spare);
    assert.equal(spare.length, 0);
    assertHolds(next, 2000);
    assertHolds(other, 1000);
    next.giveBack();
    next.giveBack();
    assert.equal(spare.length, whole);

    const usual = filled(3000);
    usual.giveBack();
    assertHolds(usual, 3000);
  });
});

describe("a long cell", () => {
  const cellOf = (length: number): Uint8Array => new Uint8Array(length).map((_, i) => i % 251);

  it("stays in the memory of its commit where that lasts and is hardly longer, and is copied otherwise", () => {
    const memtable = new Memtable();
    const commit = new Uint8Array(200_000);
    const add = (key: string, start: number, end: number, isLasting: boolean): Uint8Array => {
      commit.set(cellOf(end - start), start);
      memtable.addRow(bytes(key), 0, key.length, 1, 1, commit, start, end, isLasting);
      return memtable.get(bytes(key), NEWEST)!.cell;
    };
    const kept = add("lasting", 10, 150_010, true);
    assert.deepEqual([kept.buffer === commit.buffer, kept.byteOffset, kept.length], [true, 10, 150_000]);
    for (
      const [key, start, end, isLasting] of [
        ["not lasting", 10, 150_010, false],
        ["less than half", 10, 99_000, true],
        ["short", 0, 1000, true],
      ] as const
    ) {
      const cell = add(key, start, end, isLasting);
      assert.notEqual(cell.buffer, commit.buffer, key);
      commit.fill(0);
      assert.deepEqual(cell, cellOf(end - start), key);
    }
  });
});

describe("Memtable", () => {
  it("holds what a sorted array holds, whatever was added and deleted", () => {
    withSeeds(12, (random) => {
      const { memtable, model } = fill(random, 700);
      assertSame(memtable, model);
    });
  });

  it("get() finds the newest row that is not newer than asked for", () => {
    withSeeds(6, (random) => {
      const { memtable, model } = fill(random, 1000);
      for (let i = 0; i < 1000; i++) {
        const key = random.key();
        const version = random.chance(3) ? NEWEST : random.below(600);
        const found = plain(memtable.get(key, version));
        const expected = model.get(key, version);
        assert.equal(found && show({ key, ...found }), expected && show(expected));
      }
    });
  });

  it("cursors seek and turn like an index into the array", () => {
    withSeeds(6, (random) => {
      const { memtable, model } = fill(random, 900);
      const cursor = memtable.cursor();
      const expected = new ArrayCursor(model.rows);
      for (let i = 0; i < 2000; i++) {
        const key = random.key();
        const version = random.chance(2) ? NEWEST : random.below(500);
        const move = random.below(expected.valid ? 12 : 4);
        for (const each of [cursor, expected]) {
          if (move === 0) each.seek(key, version);
          else if (move === 1) each.seekBefore(key);
          else if (move === 2) each.seekFirst();
          else if (move === 3) each.seekLast();
          else if (move < 8) each.next();
          else each.previous();
        }
        assert.equal(showAt(cursor), showAt(expected));
      }
    });
  });

  it("a copy and what it was taken of change apart, also copies of copies", () => {
    withSeeds(6, (random) => {
      const all = [fill(random, 600)];
      for (let i = 0; i < 6; i++) {
        const { memtable, model } = random.pick(all);
        const copied = new Model();
        copied.rows = model.rows.slice();
        all.push({ memtable: memtable.copy(), model: copied });
        const cursors = all.map((one) => one.memtable.cursor());
        for (const cursor of cursors) cursor.seekFirst();
        for (let n = 0; n < 150; n++) {
          const one = random.pick(all);
          change(random, one.memtable, one.model, 300 + 150 * i + n);
        }
        for (const [at, { memtable, model }] of all.entries()) {
          assertSame(memtable, model);
          if (cursors[at]!.valid) cursors[at]!.next();
        }
      }
    });
  });

  it("a copy of many leaves and what it was taken of grow apart", () => {
    const keyOf = (n: number): Uint8Array => bytes(`some key ${n + 100_000}`);
    const addAll = (memtable: Memtable, numbers: readonly number[]): void => {
      for (const n of numbers) memtable.add(keyOf(n), n + 1, n, Uint8Array.of(5, n));
    };
    const every = (step: number, from: number): number[] => Array.from({ length: 3000 }, (_, i) => from + step * i);
    const memtable = new Memtable();
    addAll(memtable, every(4, 0));
    const copy = memtable.copy();
    addAll(copy, every(4, 1));
    addAll(memtable, every(4, 2));
    const third = copy.copy();
    addAll(third, every(4, 3));
    copy.addRange({ start: keyOf(1), end: keyOf(2), version: 2, timestamp: 0 });
    for (const [one, rests] of [[memtable, [0, 2]], [copy, [0, 1]], [third, [0, 1, 3]]] as const) {
      const numbers = Array.from({ length: 12_000 }, (_, n) => n)
        .filter((n) => (rests as readonly number[]).includes(n % 4) && !(one === copy && n === 1));
      const cursor = one.cursor();
      const seen: number[] = [];
      for (cursor.seekFirst(); cursor.valid; cursor.next()) seen.push(cursor.timestamp);
      assert.deepEqual(seen, numbers);
      seen.length = 0;
      for (cursor.seekLast(); cursor.valid; cursor.previous()) seen.push(cursor.timestamp);
      assert.deepEqual(seen, numbers.toReversed());
      for (let n = 0; n < 12_000; n++) {
        assert.equal(one.get(keyOf(n), NEWEST)?.timestamp, numbers.includes(n) ? n : undefined);
        cursor.seek(keyOf(n), NEWEST);
        assert.equal(cursor.valid ? cursor.timestamp : undefined, numbers.find((each) => each >= n));
      }
    }
  });

  it("a copy shares the rows: a transaction takes one for each list beside which it writes", () => {
    const memtable = inOrder(1000);
    const copy = memtable.copy();
    for (const key of ["000", "500", "999"].map(bytes)) {
      assert.equal(copy.get(key, NEWEST)!.bytes, memtable.get(key, NEWEST)!.bytes);
    }
  });

  it("a copy has the deleted ranges of before, and later ones for itself", () => {
    const memtable = new Memtable();
    const range = (start: string, end: string, version: number) => ({
      start: bytes(start),
      end: bytes(end),
      version,
      timestamp: version,
    });
    memtable.addRange(range("b", "d", 1));
    const copy = memtable.copy();
    copy.addRange(range("c", "e", 2));
    memtable.addRange(range("a", "c", 3));
    const versions = (one: Memtable) =>
      ["a", "b", "c", "d"].map((key) => one.tombstones.coveringVersion(bytes(key), 9));
    assert.deepEqual(versions(copy), [0, 1, 2, 2]);
    assert.deepEqual(versions(memtable), [3, 3, 1, 0]);
    assert.deepEqual([copy.maxVersion, memtable.maxVersion], [2, 3]);
  });

  it("a cursor goes on from its row while rows come and go around it", () => {
    withSeeds(6, (random) => {
      const { memtable, model } = fill(random, 300);
      const cursor = memtable.cursor();
      cursor.seekFirst();
      for (let i = 0; i < 1500; i++) {
        for (let n = random.below(4); n > 0; n--) change(random, memtable, model, 300 + i);
        if (!cursor.valid) cursor.seek(random.key(), NEWEST);
        if (!cursor.valid) continue;
        const here = { key: cursor.key.slice(), version: cursor.version };
        if (random.chance(4)) {
          // Its own row goes too.
          const end = Uint8Array.from([...here.key, 0]);
          const tombstone = { start: here.key, end, version: here.version, timestamp: 1 };
          memtable.addRange(tombstone);
          model.addRange(tombstone);
        }
        const forward = random.chance(2);
        if (forward) cursor.next();
        else cursor.previous();
        const expected = forward
          ? model.rows.find((row) => compareRows(row, here) > 0)
          : model.rows.findLast((row) => compareRows(row, here) < 0);
        assert.equal(showAt(cursor), expected ? show(expected) : "nothing");
      }
    });
  });

  for (const order of ["rising", "falling", "shuffled", "two rising in turn"]) {
    it(`keeps many leaves in order when keys come ${order}`, () => {
      withSeeds(1, (random) => {
        const count = 6000;
        const numbers = Array.from({ length: count }, (_, i) => i);
        if (order === "falling") numbers.reverse();
        if (order === "shuffled") numbers.sort(() => random.below(3) - 1);
        if (order === "two rising in turn") numbers.sort((a, b) => (a % 3000) - (b % 3000) || a - b);
        const memtable = new Memtable();
        for (const n of numbers) memtable.add(bytes(`some key ${n + 10000}`), n + 1, n, Uint8Array.of(5, n));
        const cursor = memtable.cursor();
        cursor.seekFirst();
        for (let n = 0; n < count; n++, cursor.next()) assert.equal(cursor.timestamp, n);
        assert.equal(cursor.valid, false);
        for (let n = 0; n < count; n++) {
          assert.equal(memtable.get(bytes(`some key ${n + 10000}`), NEWEST)?.timestamp, n);
        }
      });
    });
  }

  it("keeps the versions of one busy key apart", () => {
    const memtable = new Memtable();
    memtable.add(bytes("before"), 1, 0, Uint8Array.of(5));
    for (let version = 1; version <= 3000; version++) memtable.add(bytes("key"), version, version, Uint8Array.of(5));
    memtable.add(bytes("later"), 1, 0, Uint8Array.of(5));
    for (let version = 1; version <= 3000; version += 7) {
      assert.equal(memtable.get(bytes("key"), version)?.version, version);
    }
    assert.equal(memtable.get(bytes("key"), 0), undefined);
    assert.equal(memtable.get(bytes("key"), NEWEST)?.version, 3000);
  });

  it("takes keys and cells larger than a chunk of memory", () => {
    const memtable = new Memtable();
    const sizes = [0, 1, 1000, 16 * 1024, 16 * 1024 + 1, 1 << 20, 3 << 20];
    sizes.forEach((size, n) => {
      const key = new Uint8Array(size).fill(n);
      memtable.add(key, 1, size, new Uint8Array(size + 1).fill(n + 1));
      memtable.add(bytes(`cell ${n}`), 1, size, new Uint8Array(size + 1).fill(n + 1));
    });
    sizes.forEach((size, n) => {
      for (const key of [new Uint8Array(size).fill(n), bytes(`cell ${n}`)]) {
        const cell = memtable.get(key, 1)!.cell;
        assert.equal(cell.length, size + 1);
        assert.ok(cell.every((byte) => byte === n + 1));
      }
    });
  });

  it("keeps copies: what the caller does with its bytes later changes nothing", () => {
    const memtable = new Memtable();
    for (const size of [3, 100, 20_000]) {
      const key = bytes(`key ${size}`);
      const cell = new Uint8Array(size).fill(5);
      memtable.add(key, 1, 1, cell);
      key.fill(0);
      cell.fill(0);
      assert.deepEqual(memtable.get(bytes(`key ${size}`), 1)?.cell, new Uint8Array(size).fill(5));
    }
  });

  it("a later operation of one commit wins", () => {
    const memtable = new Memtable();
    memtable.add(bytes("a"), 1, 1, Uint8Array.of(5, 1));
    memtable.add(bytes("a"), 2, 2, Uint8Array.of(5, 2));
    memtable.add(bytes("b"), 2, 2, Uint8Array.of(5, 3));
    memtable.addRange({ start: bytes("a"), end: bytes("c"), version: 2, timestamp: 2 });
    assert.equal(memtable.get(bytes("a"), NEWEST)?.version, 1);
    assert.equal(memtable.get(bytes("b"), NEWEST), undefined);
    memtable.add(bytes("b"), 2, 2, Uint8Array.of(5, 4));
    memtable.add(bytes("b"), 2, 2, Uint8Array.of(5, 5));
    assert.deepEqual(memtable.get(bytes("b"), NEWEST)?.cell, Uint8Array.of(5, 5));
    assert.equal(memtable.rows, 2);
    assert.equal(memtable.tombstones.coveringVersion(bytes("b"), NEWEST), 2);
  });

  it("can be emptied by a range and filled again", () => {
    const memtable = new Memtable();
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 2000; n++) memtable.add(bytes(`${round % 2}${n + 1000}`), 1, n, Uint8Array.of(5));
      const cursor = memtable.cursor();
      cursor.seek(bytes("01500"), NEWEST);
      memtable.addRange({ start: bytes(""), end: undefined, version: 1, timestamp: 1 });
      cursor.next();
      assert.equal(cursor.valid, false);
      assert.equal(memtable.rows, 0);
      assert.equal(memtable.get(bytes("01500"), NEWEST), undefined);
    }
  });

  it("finds and takes rows where leaves have been emptied", () => {
    const memtable = new Memtable();
    for (let n = 0; n < 1000; n++) memtable.add(bytes(`a${n + 1000}`), 1, n, Uint8Array.of(5));
    for (let n = 0; n < 1000; n++) memtable.add(bytes(`z${n + 1000}`), 1, n, Uint8Array.of(5));
    for (let n = 0; n < 3000; n++) memtable.add(bytes(`m${n + 1000}`), 2, n, Uint8Array.of(5));
    memtable.add(bytes("m2500"), 1, 1, Uint8Array.of(5));
    memtable.addRange({ start: bytes("a17"), end: bytes("z"), version: 2, timestamp: 1 });
    const keys = ["a9", "b", "l", "m", "m2", "m3000", "n", "y", "z", "z0"].map(bytes);
    for (const key of keys) {
      assert.equal(memtable.get(key, NEWEST), undefined);
      memtable.add(key, 3, 7, Uint8Array.of(5));
    }
    keys.splice(5, 0, bytes("m2500"));
    for (const key of keys) assert.ok(memtable.get(key, NEWEST));
    const cursor = memtable.cursor();
    cursor.seek(bytes("a1999"), NEWEST);
    for (const key of keys) {
      cursor.next();
      assert.deepEqual(cursor.key, key);
    }
    assert.equal(memtable.rows, 2011);
  });

  it("has rows in order before those whose leaf has become the first one", () => {
    const memtable = new Memtable();
    for (let n = 0; n < 768; n++) memtable.add(bytes(`k${n + 1000}`), 1, n, Uint8Array.of(5));
    memtable.addRange({ start: bytes(""), end: bytes("k1256"), version: 1, timestamp: 1 });
    const keys = ["a", "j9999", "k0999", "k1255"];
    for (const n of [1, 0, 2, 3]) memtable.add(bytes(keys[n]!), 2, 1, Uint8Array.of(5));
    const cursor = memtable.cursor();
    cursor.seekFirst();
    for (const key of [...keys, "k1256"]) {
      assert.deepEqual(cursor.key, bytes(key));
      cursor.next();
    }
    for (const key of keys) assert.ok(memtable.get(bytes(key), NEWEST), key);
  });

  it("rows fill every leaf when keys come in order, and an empty one takes little memory", () => {
    assert.ok(new Memtable().bytes < 1024);
    const memtable = new Memtable();
    for (let n = 0; n < 100_000; n++) memtable.add(bytes(String(n + 1e6)), 1, 1, Uint8Array.of(5));
    const perRow = memtable.bytes / memtable.rows;
    // 24 for the head of the row, 8 for key and cell, 12 in the leaf; half-full leaves would make it 56.
    assert.ok(perRow > 44 && perRow < 52, `${perRow} bytes a row`);
  });

  it("counts what long cells take, and chunks that are full", () => {
    const memtable = new Memtable();
    for (const size of [10, 1000, 20_000, 3_000_000]) {
      const before = memtable.bytes;
      for (let n = 0; n < 20; n++) memtable.add(bytes(`${size} ${n}`), 1, 1, new Uint8Array(size));
      const grown = memtable.bytes - before;
      assert.ok(grown >= 20 * size && grown < 20 * (size + 100), `${grown} bytes for 20 of ${size}`);
    }
  });

  it("knows its oldest and newest version, those of deleted ranges included", () => {
    const memtable = new Memtable();
    assert.deepEqual([memtable.minVersion, memtable.maxVersion, memtable.isEmpty], [0, 0, true]);
    memtable.add(bytes("a"), 7, 1, Uint8Array.of(5));
    memtable.addRange({ start: bytes("a"), end: undefined, version: 9, timestamp: 1 });
    assert.deepEqual([memtable.minVersion, memtable.maxVersion, memtable.isEmpty], [7, 9, false]);
  });
});
