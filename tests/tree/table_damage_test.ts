import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { Slicer } from "../../lib/base/yield.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import {
  DATABASE,
  identity,
  LINEAGE,
  putFile,
  randomFrom,
  randomRows,
  readWhole,
  type TestRow,
  writeTable,
} from "./table_fixture.ts";

const PATH = "/5.sst";
const fs = memoryFileSystem();

async function smallTable(number: number, seed: number): Promise<{ bytes: Uint8Array; rows: TestRow[] }> {
  const rows = randomRows(randomFrom(seed), 40);
  const tombstones = new RangeTombstones();
  tombstones.add({ start: new Uint8Array([97]), end: new Uint8Array([98, 99]), version: 3, timestamp: 9 });
  if (await fs.stat(PATH) !== undefined) await fs.remove(PATH);
  await writeTable(fs, PATH, rows, { identity: { database: DATABASE, lineage: LINEAGE, number } }, tombstones);
  return { bytes: readWhole(fs, PATH), rows };
}

/** All that the table answers, as text; throws what it throws. */
function answers(rows: readonly TestRow[]): string {
  const table = TableReader.open(fs, PATH, identity(), undefined, new BlockCache(2 ** 20));
  try {
    const out: unknown[] = [table.properties, table.tombstones.fragments()];
    for (const row of rows) out.push(table.get(row.key, row.version));
    const cursor = table.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      out.push([cursor.key, cursor.version, cursor.timestamp, cursor.cell]);
    }
    return JSON.stringify(out, (_name, value) => value instanceof Uint8Array ? [...value] : value);
  } finally {
    table.close();
  }
}

function assertDetected(error: unknown, place: string): void {
  assert.ok(error instanceof CorruptionError || error instanceof UnsupportedFormatError, `${place}: ${error}`);
  if (error instanceof CorruptionError) assert.equal(error.file, PATH);
}

/** A disk whose one file reads well while a table is opened (three reads), and differently from then on. */
function rotting(before: Uint8Array, after: Uint8Array): FileSystem {
  let reads = 0;
  const readAtSync = (into: Uint8Array, position: number): number => {
    const source = ++reads > 3 ? after : before;
    into.set(source.subarray(position, position + into.length));
    return into.length;
  };
  const handle = {
    path: PATH,
    sizeSync: () => before.length,
    readAtSync,
    readAt: async (into: Uint8Array, position: number) => readAtSync(into, position),
    closeSync: () => {},
  };
  return { kind: "rotting", openSync: () => handle } as unknown as FileSystem;
}

describe("a damaged table", () => {
  it("with any byte changed is found out or answers as before", async () => {
    const { bytes, rows } = await smallTable(5, 1);
    const expected = answers(rows);
    let found = 0;
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      await putFile(fs, PATH, changed);
      try {
        assert.equal(answers(rows), expected, `byte ${at}`);
      } catch (error) {
        assertDetected(error, `byte ${at}`);
        found++;
      }
    }
    // Every byte is under some checksum.
    assert.equal(found, bytes.length);
  });

  it("cut at any length is found out", async () => {
    const { bytes } = await smallTable(5, 2);
    for (let length = 0; length < bytes.length; length++) {
      await putFile(fs, PATH, bytes.subarray(0, length));
      assert.throws(() => answers([]), (error) => (assertDetected(error, `length ${length}`), true));
    }
  });

  it("with bytes appended is found out", async () => {
    const { bytes } = await smallTable(5, 2);
    for (const more of [1, 9, 64, 5000]) {
      const longer = new Uint8Array(bytes.length + more);
      longer.set(bytes);
      await putFile(fs, PATH, longer);
      assert.throws(() => answers([]), CorruptionError);
    }
  });

  it("with two blocks changed for each other is found out", async () => {
    const { bytes, rows } = await smallTable(5, 3);
    const table = TableReader.open(fs, PATH, identity(), undefined, new BlockCache(0));
    const { offsets } = table.index;
    const [a, b, c] = [offsets[0]!, offsets[1]!, offsets[2]!];
    table.close();
    const swapped = bytes.slice();
    const shorter = Math.min(b - a, c - b);
    swapped.set(bytes.subarray(a, a + shorter), b);
    swapped.set(bytes.subarray(b, b + shorter), a);
    await putFile(fs, PATH, swapped);
    assert.throws(() => answers(rows), CorruptionError);
  });

  it("changed for another table of the same database is found out, also block by block", async () => {
    const mine = await smallTable(5, 4);
    const other = await smallTable(6, 4);
    assert.equal(mine.bytes.length, other.bytes.length);
    await putFile(fs, PATH, other.bytes);
    assert.throws(() => answers(mine.rows), CorruptionError);
    // The same rows, written to another file at the same places: only the checksums' seed differs.
    const mixed = mine.bytes.slice();
    mixed.set(other.bytes.subarray(64), 64);
    await putFile(fs, PATH, mixed);
    assert.throws(() => answers(mine.rows), CorruptionError);
  });

  it("with stretches overwritten by zeros or noise is found out", async () => {
    const { bytes, rows } = await smallTable(5, 5);
    const expected = answers(rows);
    const random = randomFrom(6);
    for (let round = 0; round < 500; round++) {
      const changed = bytes.slice();
      const at = random(bytes.length);
      const length = 1 + random(200);
      changed.subarray(at, at + length).set(
        changed.slice(at, at + length).map(() => round % 2 === 0 ? 0 : random(256)),
      );
      await putFile(fs, PATH, changed);
      try {
        assert.equal(answers(rows), expected);
      } catch (error) {
        assertDetected(error, `round ${round}`);
      }
    }
  });

  it("is reported by verify, block for block, and what is whole is not", async () => {
    const { bytes } = await smallTable(5, 7);
    const table = TableReader.open(fs, PATH, identity(), undefined, new BlockCache(2 ** 20));
    const { offsets, count } = table.index;
    const places = [offsets[1]!, offsets[count - 1]!, table.footer.filter.offset, table.footer.index.offset];
    const changed = bytes.slice();
    for (const place of places) changed[place + 3]! ^= 16;
    const reopened = TableReader.open(rotting(bytes, changed), PATH, identity(), undefined, new BlockCache(0));
    const found: number[] = [];
    for await (const { offset, file } of reopened.verify(new Slicer(() => 0))) {
      assert.equal(file, PATH);
      found.push(offset);
    }
    assert.deepEqual(found, places);
    table.close();
    reopened.close();
  });
});
