/** When a table's filter is read: a short one at opening, a long one once it is of use. */
import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { CorruptionError } from "../../lib/base/errors.ts";
import { Slicer } from "../../lib/base/yield.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { identity, putFile, randomFrom, randomRows, readWhole, writeTable } from "./table_fixture.ts";

const PATH = "/5.sst";

/** The same files, and how many reads of the filter there were. */
function counting(fs: FileSystem, filterAt: number): { fs: FileSystem; reads: () => number } {
  let reads = 0;
  const openSync: FileSystem["openSync"] = (path, mode) => {
    const handle = fs.openSync(path, mode);
    const readAtSync = (into: Uint8Array, position: number): number => {
      if (position <= filterAt && position + into.length > filterAt) reads++;
      return handle.readAtSync(into, position);
    };
    return {
      path,
      readAtSync,
      readAt: (into: Uint8Array, position: number) => handle.readAt(into, position),
      sizeSync: () => handle.sizeSync(),
      closeSync: () => handle.closeSync(),
    } as ReturnType<FileSystem["openSync"]>;
  };
  return { fs: { openSync } as FileSystem, reads: () => reads };
}

/** A table with so many rows, opened. */
async function tableOf(count: number): Promise<{
  fs: FileSystem;
  reads: () => number;
  rows: ReturnType<typeof randomRows>;
  open: (fs?: FileSystem) => TableReader;
  filterAt: number;
}> {
  const disk = memoryFileSystem();
  const rows = randomRows(randomFrom(count), count);
  // Many bits a key: long with few rows.
  await writeTable(disk, PATH, rows, { filterBitsPerKey: 200 });
  const openIn = (fs: FileSystem): TableReader =>
    TableReader.open(fs, PATH, identity(), undefined, new BlockCache(2 ** 20));
  const first = openIn(disk);
  const filterAt = first.footer.filter.offset;
  first.close();
  const { fs, reads } = counting(disk, filterAt);
  return { fs: disk, reads, rows, open: (other = fs) => openIn(other), filterAt };
}

describe("a table's filter", () => {
  it("is read at opening when it is short", async () => {
    const { open, reads } = await tableOf(50);
    const table = open();
    assert.equal(reads(), 1);
    table.close();
  });

  it("is read at the second lookup when it is long, and answers are the same without", async () => {
    const { open, reads, rows } = await tableOf(3000);
    const table = open();
    const cursor = table.cursor();
    let seen = 0;
    for (cursor.seekFirst(); cursor.valid; cursor.next()) seen++;
    assert.equal(seen, rows.length);
    const row = rows[77]!;
    assert.deepEqual(table.get(row.key, row.version)?.cell, row.cell);
    assert.equal(reads(), 0);
    const bytes = table.memoryBytes;
    assert.deepEqual(table.get(row.key, row.version)?.cell, row.cell);
    assert.equal(table.get(new Uint8Array([0, 1, 2]), row.version), undefined);
    assert.equal(reads(), 1);
    assert.ok(table.memoryBytes > bytes + 16_000);
    table.close();
    const absent = open();
    assert.equal(absent.get(new Uint8Array([0, 1, 2]), row.version), undefined);
    assert.equal(reads(), 1);
    absent.close();
  });

  it("is checked whenever it is read", async () => {
    const { fs, open, rows, filterAt } = await tableOf(3000);
    const bytes = readWhole(fs, PATH);
    bytes[filterAt + 1000]! ^= 4;
    const damaged = memoryFileSystem();
    await putFile(damaged, PATH, bytes);
    const table = open(damaged);
    const row = rows[77]!;
    assert.deepEqual(table.get(row.key, row.version)?.cell, row.cell);
    for (const call of [() => table.get(row.key, row.version), () => table.mayContain(row.key)]) {
      assert.throws(call, (error) => error instanceof CorruptionError && error.offset === filterAt);
    }
    assert.throws(() => table.verify(new Slicer(() => 0)), CorruptionError);
    table.close();
  });
});
