import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import type { Damage } from "../../lib/tree/table/damage.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { identity, putFile, randomFrom, randomRows, readWhole, type TestRow, writeTable } from "./table_fixture.ts";
import { plain } from "./model.ts";

const PATH = "/5.sst";
const fs = memoryFileSystem();

interface SmallTable {
  bytes: Uint8Array;
  rows: TestRow[];
  meta: TableMeta;
  tombstones: RangeTombstones;
}

async function smallTable(seed: number, rowCount = 60): Promise<SmallTable> {
  const rows = randomRows(randomFrom(seed), rowCount);
  const tombstones = new RangeTombstones();
  tombstones.add({ start: new Uint8Array([97]), end: new Uint8Array([98, 99]), version: 3, timestamp: 9 });
  if (await fs.stat(PATH) !== undefined) await fs.remove(PATH);
  const meta = await writeTable(fs, PATH, rows, {}, tombstones);
  return { bytes: readWhole(fs, PATH), rows, meta, tombstones };
}

function salvage(meta?: TableMeta): { table: TableReader; found: Damage[] } {
  const found: Damage[] = [];
  const table = TableReader.salvage(fs, PATH, identity(), meta, new BlockCache(2 ** 20), (one) => found.push(one));
  return { table, found };
}

/** All rows in good blocks, by cursor. */
function rowsOf(table: TableReader): TestRow[] {
  const out: TestRow[] = [];
  const cursor = table.cursor();
  for (cursor.seekFirst(); cursor.valid; cursor.next()) {
    const { version, timestamp, cell } = cursor;
    out.push({ key: cursor.key.slice(), version, timestamp, cell });
  }
  return out;
}

describe("TableReader.salvage()", () => {
  it("reads a good table as open does, and reports nothing", async () => {
    const { rows, meta, tombstones } = await smallTable(1);
    const { table, found } = salvage(meta);
    assert.deepEqual(found, []);
    assert.deepEqual(rowsOf(table), rows);
    assert.deepEqual(table.tombstones.fragments(), tombstones.fragments());
  });

  it("gives every row back whatever byte beside the data blocks is damaged, and says what is", async () => {
    const { bytes, rows, meta } = await smallTable(2);
    const good = salvage(meta).table;
    const start = good.footer.filter.offset;
    const lost = good.footer.tombstones;
    for (let at = start; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      await putFile(fs, PATH, changed);
      for (const known of [meta, undefined]) {
        const { table, found } = salvage(known);
        assert.ok(found.length > 0, `byte ${at}`);
        assert.deepEqual(rowsOf(table), rows, `byte ${at}`);
        for (const { key, version, timestamp, cell } of rows) {
          assert.deepEqual(plain(table.get(key, version)), { version, timestamp, cell });
        }
        const { rows: count, deletes, minVersion, maxVersion, rawBytes } = table.properties;
        assert.deepEqual(
          [count, deletes, minVersion <= meta.minVersion || minVersion === 3, maxVersion, rawBytes],
          [meta.rows, meta.deletes, true, meta.maxVersion, meta.rawBytes],
          `byte ${at}`,
        );
        const damaged = at >= lost.offset && at < lost.offset + lost.length;
        assert.equal(table.tombstones.isEmpty, damaged, `byte ${at}`);
      }
    }
  });

  it("takes the header to be the expected one when it is damaged", async () => {
    const { bytes, rows, meta } = await smallTable(3);
    for (const at of [0, 10, 30, 41, 50, 62]) {
      const changed = bytes.slice();
      changed[at]! ^= 4;
      await putFile(fs, PATH, changed);
      const { table, found } = salvage(meta);
      assert.equal(found.length, 1);
      assert.deepEqual(rowsOf(table), rows);
      const { database, number } = identity();
      const open = () => TableReader.salvage(fs, PATH, { database, number }, meta, new BlockCache(0), () => {});
      assert.throws(open, (error) => error instanceof CorruptionError || error instanceof UnsupportedFormatError);
    }
  });

  it("gives back the rows of all whole blocks of a cut table", async () => {
    const { bytes, rows, meta } = await smallTable(4);
    const { index } = salvage(meta).table;
    const ends = [...index.offsets];
    for (let length = 64; length < bytes.length; length += 7) {
      await putFile(fs, PATH, bytes.subarray(0, length));
      for (const known of [meta, undefined]) {
        const { table, found } = salvage(known);
        assert.ok(found.length > 0);
        let whole = 0;
        for (let i = 0; i < index.count && ends[i + 1]! <= length; i++) whole += index.rows[i]!;
        assert.deepEqual(rowsOf(table), rows.slice(0, whole), `length ${length}`);
      }
    }
  });

  it("finds blocks longer than what it reads at once", async () => {
    const random = randomFrom(5);
    const rows = [97, 98, 99].map((letter): TestRow => ({
      key: new Uint8Array([letter]),
      version: 1,
      timestamp: 1,
      cell: new Uint8Array(200_000).map((_, i) => i === 0 ? 5 : random(256)),
    }));
    await fs.remove(PATH);
    const meta = await writeTable(fs, PATH, rows);
    const bytes = readWhole(fs, PATH);
    bytes[salvage(meta).table.footer.index.offset]! ^= 1;
    await putFile(fs, PATH, bytes);
    const { table, found } = salvage();
    assert.equal(found.length, 1);
    assert.deepEqual(rowsOf(table), rows);
  });
});
