import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { compareBytes, encodeText, sharedPrefix, toHex, writeU32 } from "../../lib/base/bytes.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import { ABSENT, BEYOND, BlockCursor, FOUND } from "../../lib/format/table/block_cursor.ts";
import { DataBlock, DataBlockBuilder } from "../../lib/format/table/data_block.ts";
import { compareRows, randomFrom, randomRows, type TestRow } from "../tree/table_fixture.ts";

function build(rows: readonly TestRow[], restartInterval: number): Uint8Array {
  const builder = new DataBlockBuilder(restartInterval, 256);
  let last: Uint8Array = new Uint8Array(0);
  for (const { key, version, timestamp, cell } of rows) {
    builder.add(key, sharedPrefix(last, key), version, timestamp, cell);
    last = key;
  }
  const length = builder.bytes;
  const bytes = builder.finish().slice();
  assert.equal(bytes.length, length);
  return bytes;
}

function open(bytes: Uint8Array): BlockCursor {
  const cursor = new BlockCursor();
  cursor.attach(new DataBlock(bytes, "t.sst", 64));
  return cursor;
}

function standsOn(cursor: BlockCursor, row: TestRow): void {
  assert.ok(cursor.valid);
  assert.deepEqual(cursor.key, row.key);
  assert.deepEqual([cursor.version, cursor.timestamp], [row.version, row.timestamp]);
  assert.deepEqual(cursor.cell, row.cell);
}

describe("DataBlockBuilder", () => {
  it("writes the documented example", () => {
    const bytes = build([
      { key: encodeText("ab"), version: 7, timestamp: 9, cell: encodeText("\x05h") },
      { key: encodeText("ac"), version: 6, timestamp: 9, cell: new Uint8Array(1) },
    ], 4);
    assert.equal(toHex(bytes), "0709000202000061620568" + "050101010063000200000001000000");
  });

  it("keeps versions and times at both ends of what a number holds exactly", () => {
    const max = Number.MAX_SAFE_INTEGER;
    const key = encodeText("a");
    const cell = new Uint8Array(1);
    const rows = [
      { key, version: max, timestamp: 0, cell },
      { key, version: 2 ** 31, timestamp: max, cell },
      { key, version: 0, timestamp: 2 ** 32, cell },
    ];
    for (const ordered of [rows, rows.slice(1), rows.slice(2)]) {
      const cursor = open(build(ordered, 4));
      cursor.first();
      for (const row of ordered) {
        standsOn(cursor, row);
        cursor.next();
      }
    }
  });
});

describe("BlockCursor", () => {
  it("walks both ways and seeks as an array does", () => {
    const seed = 1;
    const random = randomFrom(seed);
    for (const restartInterval of [1, 2, 3, 4, 16]) {
      const rows = randomRows(random, 60);
      const cursor = open(build(rows, restartInterval));
      let i = 0;
      for (cursor.first(); cursor.valid; cursor.next()) standsOn(cursor, rows[i++]!);
      assert.equal(i, rows.length);
      for (cursor.last(); cursor.valid; cursor.previous()) standsOn(cursor, rows[--i]!);
      assert.equal(i, 0);
      for (const target of [...rows, ...randomRows(random, 60)]) {
        for (const version of [target.version, target.version + 1, Math.max(0, target.version - 1)]) {
          const expected = rows.findIndex((row) => compareRows(row, { ...target, version }) >= 0);
          assert.equal(cursor.seek(target.key, version), expected >= 0);
          if (expected >= 0) standsOn(cursor, rows[expected]!);
          const found = cursor.find(target.key, version);
          const row = rows[expected];
          if (row === undefined) assert.equal(found, BEYOND);
          else if (compareBytes(row.key, target.key) !== 0) assert.equal(found, ABSENT);
          else {
            assert.equal(found, FOUND);
            assert.deepEqual([cursor.version, cursor.timestamp, cursor.cell], [row.version, row.timestamp, row.cell]);
          }
        }
      }
    }
  });

  it("ends in CorruptionError or in some rows, whatever bytes it is given", () => {
    const random = randomFrom(2);
    const good = build(randomRows(random, 30), 4);
    for (let round = 0; round < 3000; round++) {
      const bytes = good.slice(0, random(4) === 0 ? random(good.length) : good.length);
      for (let n = random(4); n >= 0 && bytes.length > 0; n--) bytes[random(bytes.length)] = random(256);
      try {
        const cursor = open(bytes);
        let rows = 0;
        for (cursor.first(); cursor.valid; cursor.next()) assert.ok(++rows <= good.length && cursor.key.length < 1000);
        for (cursor.last(); cursor.valid; cursor.previous()) assert.ok(--rows >= -good.length);
        cursor.seek(encodeText("ab"), 5);
        cursor.find(encodeText("b"), 5);
      } catch (error) {
        assert.ok(error instanceof CorruptionError, String(error));
        assert.equal(error.offset, 64);
      }
    }
  });

  it("refuses restart points that lead out of the block or backward", () => {
    const good = build(randomRows(randomFrom(3), 30), 4);
    const restarts = good.length - 4 - 4 * 8;
    for (const [at, value] of [[restarts, 0], [restarts + 4, 2], [restarts + 28, good.length], [good.length - 4, 0]]) {
      const bytes = good.slice();
      writeU32(bytes, at!, value!);
      assert.throws(() => open(bytes), CorruptionError);
    }
    for (const count of [0, 9, 0xffffffff, 0x40000000]) {
      const bytes = good.slice();
      writeU32(bytes, good.length - 4, count);
      assert.throws(() => open(bytes), CorruptionError);
    }
  });
});
