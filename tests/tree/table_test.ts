import { after, before, describe, it } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareBytes, encodeText } from "../../lib/base/bytes.ts";
import { CODEC_NONE } from "../../lib/base/codec.ts";
import { ClosedError, CorruptionError, IOError } from "../../lib/base/errors.ts";
import { Slicer } from "../../lib/base/yield.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { writeBlobPointer } from "../../lib/format/blob.ts";
import { OP_BLOB } from "../../lib/format/cell.ts";
import { checksumSeed } from "../../lib/format/identity.ts";
import { BLOCK_TRAILER_BYTES, blockTrailer } from "../../lib/format/table/block.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { NEWEST } from "../../lib/tree/cursor.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { BlockRoom, type TableCursor } from "../../lib/tree/table/table_cursor.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { TableWriter, type TableWriterOptions } from "../../lib/tree/table/table_writer.ts";
import {
  compareRows,
  identity,
  putFile,
  randomFrom,
  randomRows,
  readWhole,
  type TestRow,
  writeTable,
} from "./table_fixture.ts";
import { plain } from "./model.ts";

const PATH = "/5.sst";

function open(fs: FileSystem, meta?: TableMeta, cache = new BlockCache(2 ** 20), path = PATH): TableReader {
  return TableReader.open(fs, path, identity(), meta, cache);
}

function standsOn(cursor: TableCursor, row: TestRow | undefined): void {
  assert.equal(cursor.valid, row !== undefined);
  if (row === undefined) return;
  assert.deepEqual(cursor.key, row.key);
  assert.deepEqual([cursor.version, cursor.timestamp], [row.version, row.timestamp]);
  assert.deepEqual(cursor.cell, row.cell);
}

/** Compares every way to read a table with the rows it was made of. */
function compareAll(table: TableReader, rows: readonly TestRow[], targets: readonly TestRow[]): void {
  for (const fill of [true, false]) {
    const cursor = table.cursor({ fill });
    let i = 0;
    for (cursor.seekFirst(); cursor.valid; cursor.next()) standsOn(cursor, rows[i++]);
    assert.equal(i, rows.length);
    for (cursor.seekLast(); cursor.valid; cursor.previous()) standsOn(cursor, rows[--i]);
    assert.equal(i, 0);
  }
  const cursor = table.cursor();
  for (const target of targets) {
    const at = rows.findIndex((row) => compareRows(row, target) >= 0);
    cursor.seek(target.key, target.version);
    standsOn(cursor, rows[at]);
    if (cursor.valid) {
      cursor.previous();
      standsOn(cursor, rows[at - 1]);
    }
    cursor.seekBefore(target.key);
    standsOn(cursor, rows.findLast((row) => compareBytes(row.key, target.key) < 0));
    if (cursor.valid) {
      cursor.next();
      standsOn(cursor, rows.find((row) => compareBytes(row.key, target.key) >= 0));
    }
    const row = rows[at];
    const expected = row !== undefined && compareBytes(row.key, target.key) === 0 ? row : undefined;
    const found = plain(table.get(target.key, target.version));
    assert.deepEqual(
      found,
      expected && { version: expected.version, timestamp: expected.timestamp, cell: expected.cell },
    );
  }
}

describe("a table", () => {
  const cases: [string, Partial<TableWriterOptions>][] = [
    ["blocks of one row", { blockBytes: 1 }],
    ["small blocks", { blockBytes: 64, restartInterval: 1 }],
    ["blocks of 256 bytes", { compression: "none" }],
    ["blocks of 256 bytes, compressed", { compression: "zstd" }],
    ["blocks of 4 KiB", { blockBytes: 4096, restartInterval: 16 }],
    ["one block", { blockBytes: 2 ** 20 }],
    ["no filter", { filterBitsPerKey: 0 }],
    ["a filter of 2 bits", { filterBitsPerKey: 2 }],
  ];
  for (const [i, [name, options]] of cases.entries()) {
    it(`with ${name} gives back its rows in every way of reading`, async () => {
      const random = randomFrom(100 + i);
      const rows = randomRows(random, 400);
      const fs = memoryFileSystem();
      const meta = await writeTable(fs, PATH, rows, options);
      const table = open(fs, meta);
      const others = randomRows(random, 200);
      const around = rows.filter((_, n) => n % 3 === 0).flatMap((row) => [
        row,
        { ...row, version: row.version + 1 },
        { ...row, version: row.version - 1 },
        { ...row, version: NEWEST },
      ]);
      compareAll(table, rows, [...others, ...around, { ...rows[0]!, key: new Uint8Array(0) }]);
      table.close();
    });
  }

  it("ends a block with 32 rows from half of its bytes on, and with fewer where they fill it", async () => {
    const rowsOfBlocks = async (cellBytes: number) => {
      const cell = new Uint8Array(cellBytes).fill(5);
      const rows = Array.from({ length: 500 }, (_, n) => ({
        key: encodeText(`key/${String(n).padStart(6, "0")}`),
        version: n + 1,
        timestamp: 1000 + n,
        cell,
      }));
      const fs = memoryFileSystem();
      const table = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 8192 }));
      const most = Math.max(...table.index.rows);
      for (const count of table.index.rows.subarray(0, -1)) assert.ok(most - count <= 1, `${count} and ${most} rows`);
      table.close();
      return most;
    };
    assert.equal(await rowsOfBlocks(20), 139); // 4 KiB of them
    assert.equal(await rowsOfBlocks(200), 32);
    assert.equal(await rowsOfBlocks(1000), 9);
  });

  it("finds every version of a key whose versions fill many blocks", async () => {
    const cell = new Uint8Array(50).fill(5);
    const row = (key: string, version: number): TestRow => ({ key: encodeText(key), version, timestamp: 1, cell });
    const hot = Array.from({ length: 100 }, (_, i) => row("hot", 200 - 2 * i));
    const rows = [row("a", 5), row("ho", 7), ...hot, row("hotter", 3), row("z", 9)];
    const fs = memoryFileSystem();
    const table = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 128 }));
    assert.ok(table.index.count > 20);
    const targets = Array.from({ length: 210 }, (_, version) => row("hot", version));
    compareAll(table, rows, [...targets, row("hot", NEWEST), row("hotte", 5), row("i", 1)]);
  });

  it("of one row, and of none, can be read", async () => {
    const fs = memoryFileSystem();
    const rows = randomRows(randomFrom(7), 1);
    compareAll(open(fs, await writeTable(fs, PATH, rows)), rows, rows);
    const empty = open(fs, await writeTable(fs, "/6.sst", []), undefined, "/6.sst");
    compareAll(empty, [], rows);
    assert.equal(empty.properties.rows, 0);
  });

  it("keeps a value of many blocks' size, alone in its block", async () => {
    const big = new Uint8Array(3_000_000).map((_, i) => i * 2654435761 >>> 13);
    const rows = [..."abc"].map((letter, i): TestRow => ({
      key: encodeText(letter),
      version: 1,
      timestamp: 1,
      cell: i === 1 ? big : new Uint8Array([5, 1]),
    }));
    const fs = memoryFileSystem();
    for (const compression of ["none", "auto", "zstd"] as const) {
      const path = `/${compression}.sst`;
      const table = open(fs, await writeTable(fs, path, rows, { compression }), new BlockCache(2 ** 20), path);
      assert.equal(table.index.count, 3);
      compareAll(table, rows, rows);
    }
  });

  it("of long keys gives them back", async () => {
    const random = randomFrom(8);
    const rows = Array.from({ length: 40 }, (_, i): TestRow => ({
      key: new Uint8Array(65_000 + i).fill(97).map((byte, n) => n === 64_000 ? i : byte),
      version: 1 + random(5),
      timestamp: 3,
      cell: new Uint8Array([5]),
    }));
    const fs = memoryFileSystem();
    compareAll(open(fs, await writeTable(fs, PATH, rows, { blockBytes: 16384 })), rows, rows);
  });
});

describe("TableWriter", () => {
  it("describes the table as it is", async () => {
    const rows = randomRows(randomFrom(9), 300);
    const fs = memoryFileSystem();
    const meta = await writeTable(fs, PATH, rows);
    const bytes = readWhole(fs, PATH);
    assert.equal(meta.size, bytes.length);
    assert.equal(meta.sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.deepEqual([meta.number, meta.rows, meta.tombstones, meta.blobs], [5, 300, 0, []]);
    assert.equal(meta.deletes, rows.filter((row) => (row.cell[0]! & 3) === 0).length);
    assert.deepEqual([meta.smallest, meta.largest, meta.largestExclusive], [rows[0]!.key, rows[299]!.key, false]);
    const versions = rows.map((row) => row.version);
    assert.deepEqual([meta.minVersion, meta.maxVersion], [Math.min(...versions), Math.max(...versions)]);
    const times = rows.map((row) => row.timestamp);
    assert.deepEqual([meta.minTimestamp, meta.maxTimestamp], [Math.min(...times), Math.max(...times)]);
    assert.equal(meta.rawBytes, rows.reduce((sum, row) => sum + row.key.length + row.cell.length, 0));
    const { properties } = open(fs);
    const { number: _number, size: _size, sha256: _sha256, ...rest } = meta;
    assert.deepEqual(properties, rest);
  });

  it("adds up what the rows take of each blob file", async () => {
    const row = (key: string, number: number, length: number): TestRow => ({
      key: encodeText(key),
      version: 1,
      timestamp: 1,
      cell: new Uint8Array([OP_BLOB, ...writeBlobPointer({ number, offset: 64, length, rawLength: 9 })]),
    });
    const fs = memoryFileSystem();
    const meta = await writeTable(fs, PATH, [row("a", 9, 100), row("b", 8, 70), row("c", 9, 1000)]);
    assert.deepEqual(meta.blobs, [{ number: 8, bytes: 70, count: 1 }, { number: 9, bytes: 1100, count: 2 }]);
  });

  it("refuses rows out of order", async () => {
    const handle = await memoryFileSystem().open(PATH, "create");
    const writer = new TableWriter(handle, { identity: identity() });
    const cell = new Uint8Array([5]);
    writer.add(encodeText("bb"), 5, 1, cell);
    for (const [key, version] of [["bb", 5], ["bb", 6], ["b", 1], ["ab", 1], ["ba", 9], ["", 1]] as const) {
      assert.throws(() => writer.add(encodeText(key), version, 1, cell), RangeError);
    }
    writer.add(encodeText("bb"), 4, 1, cell);
    writer.add(encodeText("bba"), 4, 1, cell);
    await writer.finish();
  });

  it("holds the same rows whatever is drained in between", async () => {
    // Values that tell the row and shrink by half, some that don't shrink: 3 MB, so with many a drain.
    const rows = Array.from({ length: 3000 }, (_, i) => {
      const noise = createHash("shake256", { outputLength: i % 7 === 0 ? 1000 : 500 }).update(`${i}`).digest();
      const cell = new Uint8Array(1001).fill(5);
      cell.set(noise, 1);
      return { key: encodeText(`key${String(i).padStart(6, "0")}`), version: i + 1, timestamp: 1000 + i, cell };
    });
    for (const rowsPerDrain of [1, 64, 700, Infinity]) {
      const fs = memoryFileSystem();
      const handle = await fs.open(PATH, "create");
      const writer = new TableWriter(handle, { identity: identity() });
      for (const [i, { key, version, timestamp, cell }] of rows.entries()) {
        writer.add(key, version, timestamp, cell);
        if (i % rowsPerDrain === 0 && writer.wantsDrain) await writer.drain();
      }
      const meta = await writer.finish();
      await handle.close();
      const bytes = readWhole(fs, PATH);
      assert.ok(bytes.length < 2_600_000, "it is compressed");
      assert.equal(meta.sha256, createHash("sha256").update(bytes).digest("hex"));
      compareAll(open(fs, meta), rows, rows.filter((_, i) => i % 500 === 0));
    }
  });

  it("writes nothing before drain, and then in long pieces", async () => {
    const handle = await memoryFileSystem().open(PATH, "create");
    const writer = new TableWriter(handle, { identity: identity(), compression: "none" });
    const cell = new Uint8Array(1000).fill(5);
    for (let i = 0; i < 1000; i++) writer.add(encodeText(String(i).padStart(5)), 1, 1, cell);
    assert.ok(writer.wantsDrain && writer.estimatedBytes > 1_000_000);
    assert.equal(handle.sizeSync(), 0);
    await writer.drain();
    const drained = handle.sizeSync();
    assert.ok(drained > 900_000);
    assert.ok(!writer.wantsDrain);
    const estimated = writer.estimatedBytes;
    const { size } = await writer.finish();
    assert.equal(handle.sizeSync(), size);
    assert.ok(Math.abs(size - estimated) < 500, `${size} ${estimated}`);
  });

  it("writes a long row in pieces, so that others have their turn between them", async () => {
    const handle = await memoryFileSystem().open(PATH, "create");
    const lengths: number[] = [];
    const append = handle.append.bind(handle);
    handle.append = (bytes) => {
      lengths.push(bytes.length);
      return append(bytes);
    };
    const writer = new TableWriter(handle, { identity: identity(), compression: "none" });
    writer.add(encodeText("a"), 1, 1, new Uint8Array(3_000_000).fill(5));
    await writer.finish();
    assert.ok(lengths.length > 3 && Math.max(...lengths) <= 2 ** 20, `${lengths}`);
  });

  it("stores blocks compressed only where that saves enough", async () => {
    const random = randomFrom(10);
    const noise: TestRow[] = [];
    const text: TestRow[] = [];
    for (let i = 0; i < 2000; i++) {
      const row = { key: encodeText(String(i).padStart(8, "0")), version: 1, timestamp: 1 };
      noise.push({ ...row, cell: new Uint8Array(100).map((_, n) => n === 0 ? 5 : random(256)) });
      text.push({ ...row, cell: encodeText("\x05" + "the same old words again ".repeat(4)) });
    }
    const fs = memoryFileSystem();
    const sizes: Record<string, number> = {};
    for (const compression of ["none", "auto", "zstd"] as const) {
      for (const [name, rows] of [["noise", noise], ["text", text]] as const) {
        const path = `/${compression}-${name}`;
        const meta = await writeTable(fs, path, rows, { compression, blockBytes: 4096 });
        sizes[`${compression} ${name}`] = meta.size;
        compareAll(open(fs, meta, undefined, path), rows, rows.slice(0, 20));
      }
    }
    assert.ok(sizes["auto noise"]! > 0.95 * sizes["none noise"]!);
    assert.ok(sizes["auto text"]! < 0.5 * sizes["none text"]!);
    assert.ok(sizes["zstd noise"]! <= sizes["none noise"]!);
  });
});

describe("deleted ranges in a table", () => {
  const range = (start: string, end: string | undefined, version: number) => ({
    start: encodeText(start),
    end: end === undefined ? undefined : encodeText(end),
    version,
    timestamp: version * 10,
  });
  const rowsAt = (...keys: string[]): TestRow[] =>
    keys.map((key) => ({ key: encodeText(key), version: 5, timestamp: 50, cell: new Uint8Array([5]) }));

  async function tableWith(rows: TestRow[], ...ranges: ReturnType<typeof range>[]) {
    const fs = memoryFileSystem();
    const tombstones = new RangeTombstones();
    for (const one of ranges) tombstones.add(one);
    return { fs, meta: await writeTable(fs, PATH, rows, {}, tombstones), tombstones };
  }

  it("come back as they were", async () => {
    const { fs, meta, tombstones } = await tableWith(rowsAt("c"), range("a", "m", 3), range("f", "z", 7));
    assert.deepEqual(open(fs, meta).tombstones.fragments(), tombstones.fragments());
    assert.deepEqual([meta.tombstones, meta.minVersion, meta.maxVersion, meta.maxTimestamp], [4, 3, 7, 70]);
  });

  it("widen the table's bounds", async () => {
    const bounds = ({ smallest, largest, largestExclusive }: TableMeta) => [
      String.fromCharCode(...smallest),
      largest && String.fromCharCode(...largest),
      largestExclusive,
    ];
    assert.deepEqual(bounds((await tableWith(rowsAt("c", "e"), range("a", "d", 3))).meta), ["a", "e", false]);
    assert.deepEqual(bounds((await tableWith(rowsAt("c", "e"), range("d", "z", 3))).meta), ["c", "z", true]);
    assert.deepEqual(bounds((await tableWith(rowsAt("c", "e"), range("d", "e", 3))).meta), ["c", "e", false]);
    assert.deepEqual(bounds((await tableWith(rowsAt("c"), range("b", undefined, 3))).meta), ["b", undefined, false]);
    assert.deepEqual(bounds((await tableWith([], range("b", "q", 3))).meta), ["b", "q", true]);
  });

  it("and rows read as of the version of the commit that took the table in", async () => {
    const rows = rowsAt("a", "c", "e").map((row) => ({ ...row, version: 0, timestamp: 0 }));
    const { fs, meta } = await tableWith(rows, range("b", "d", 0));
    const table = open(fs, { ...meta, globalVersion: 40, globalTimestamp: 400 });
    const c = encodeText("c");
    assert.equal(table.get(c, 39), undefined);
    assert.deepEqual(plain(table.get(c, 40)), { version: 40, timestamp: 400, cell: new Uint8Array([5]) });
    assert.equal(table.tombstones.coveringVersion(c, NEWEST), 40);
    const cursor = table.cursor();
    cursor.seek(c, 40);
    assert.deepEqual([cursor.key, cursor.version, cursor.timestamp], [c, 40, 400]);
    cursor.seek(c, 39);
    assert.deepEqual(cursor.key, encodeText("e"));
    cursor.seekBefore(c);
    assert.deepEqual(cursor.key, encodeText("a"));
  });
});

/** A file system that counts reads of its files. */
function countingReads(): { fs: FileSystem; reads: () => number } {
  const fs = memoryFileSystem();
  const openSync = fs.openSync.bind(fs);
  let reads = 0;
  fs.openSync = (path, mode) => {
    const handle = openSync(path, mode);
    const readAtSync = handle.readAtSync.bind(handle);
    return Object.assign(handle, {
      readAtSync(into: Uint8Array, at: number) {
        reads++;
        return readAtSync(into, at);
      },
    });
  };
  return { fs, reads: () => reads };
}

describe("TableReader", () => {
  it("answers from the cache once a block is in it", async () => {
    const rows = randomRows(randomFrom(11), 300);
    const fs = memoryFileSystem();
    const cache = new BlockCache(2 ** 20);
    const table = open(fs, await writeTable(fs, PATH, rows), cache);
    for (const row of rows) table.get(row.key, row.version);
    const misses = cache.misses;
    assert.equal(misses, table.index.count);
    for (const row of rows) table.get(row.key, row.version);
    assert.equal(cache.misses, misses);
    assert.equal(cache.blocks, table.index.count);
    table.close();
    assert.deepEqual([cache.blocks, cache.bytes], [0, 0]);
  });

  it("keeps the cache as it is when a cursor reads without filling", async () => {
    const rows = randomRows(randomFrom(12), 300);
    const fs = memoryFileSystem();
    const cache = new BlockCache(2 ** 20);
    const cursor = open(fs, await writeTable(fs, PATH, rows), cache).cursor({ fill: false });
    let n = 0;
    for (cursor.seekFirst(); cursor.valid; cursor.next()) n++;
    assert.equal(n, rows.length);
    assert.deepEqual([cache.blocks, cache.hits, cache.misses], [0, 0, 0]);
  });

  for (const compression of ["none", "zstd"] as const) {
    it(`reads many blocks at once for a cursor that fills nothing, with compression ${compression}`, async () => {
      const random = randomFrom(13);
      const rows = randomRows(random, 4000);
      // One that is longer than what is read at once, and is read by itself.
      rows[2000]!.cell = Uint8Array.from({ length: 100_000 }, () => random(256)).fill(5, 0, 1);
      const { fs, reads } = countingReads();
      const table = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 512, compression }));
      const cursor = table.cursor({ fill: false });
      const before = reads();
      let at = 0;
      for (cursor.seekFirst(); cursor.valid; cursor.next()) {
        standsOn(cursor, rows[at]);
        // Back over a block, and on.
        if (at > 0 && random(300) === 0) {
          cursor.previous();
          standsOn(cursor, rows[at - 1]);
          cursor.next();
        }
        at++;
      }
      assert.equal(at, rows.length);
      const { count } = table.index;
      assert.ok(reads() - before < count / 8, `${reads() - before} reads of ${count} blocks`);
      for (const [n, row] of rows.entries()) {
        if (n % 50 !== 0) continue;
        cursor.seek(row.key, row.version);
        standsOn(cursor, row);
      }
      table.close();
    });
  }

  it("takes blocks that are in the cache for a cursor that fills nothing", async () => {
    const rows = randomRows(randomFrom(20), 300);
    const { fs, reads } = countingReads();
    const table = open(fs, await writeTable(fs, PATH, rows), new BlockCache(2 ** 20));
    for (let i = 0; i < table.index.count; i++) table.block(i);
    const before = reads();
    const cursor = table.cursor({ fill: false });
    let at = 0;
    for (cursor.seekFirst(); cursor.valid; cursor.next()) standsOn(cursor, rows[at++]);
    assert.deepEqual([at, reads()], [rows.length, before]);
    table.close();
  });

  it("gives no block that was damaged, or of which the reading failed, to a cursor that fills nothing", async () => {
    const rows = randomRows(randomFrom(21), 4000);
    const fs = memoryFileSystem();
    const meta = await writeTable(fs, PATH, rows, { blockBytes: 512, compression: "none" });
    const good = open(fs, meta);
    const { count, offsets, rows: counts } = good.index;
    const middle = count >> 1;
    const before = Array.from(counts).slice(0, middle).reduce((sum, n) => sum + n, 0);
    good.close();
    const bytes = readWhole(fs, PATH);
    bytes[offsets[middle]! + 20]! ^= 1;
    await fs.remove(PATH);
    await putFile(fs, PATH, bytes);
    const table = open(fs, meta);
    const cursor = table.cursor({ fill: false });
    let at = 0;
    assert.throws(() => {
      for (cursor.seekFirst(); cursor.valid; cursor.next()) standsOn(cursor, rows[at++]);
    }, CorruptionError);
    assert.equal(at, before);
    table.close();

    // A disk that gives half of what was asked for, and then an error; asked again it gives all.
    let fails = false;
    const openSync = fs.openSync.bind(fs);
    fs.openSync = (path, mode) => {
      const handle = openSync(path, mode);
      const readAtSync = handle.readAtSync.bind(handle);
      return Object.assign(handle, {
        readAtSync(into: Uint8Array, at: number) {
          if (!fails) return readAtSync(into, at);
          fails = false;
          readAtSync(into.subarray(0, into.length >> 1), at);
          throw new IOError("Cannot read (IO)");
        },
      });
    };
    const flaky = open(fs, meta);
    const room = new BlockRoom();
    flaky.passing(0, room);
    fails = true;
    assert.throws(() => flaky.passing(count - 40, room), IOError);
    for (const i of [0, 1, count - 40]) assert.equal(flaky.passing(i, room).offset, offsets[i]);
    flaky.close();
  });

  it("keeps rows it has given good after their block left the cache and the table was closed", async () => {
    const rows = randomRows(randomFrom(14), 500);
    const fs = memoryFileSystem();
    const table = open(fs, await writeTable(fs, PATH, rows), new BlockCache(4000));
    const found = rows.map((row) => table.get(row.key, row.version)!);
    table.close();
    assert.deepEqual(found.map(({ cell }) => cell), rows.map(({ cell }) => cell));
    assert.throws(() => table.get(rows[0]!.key, NEWEST), ClosedError);
  });

  for (const compression of ["none", "zstd"] as const) {
    it(`gives rows that stay good where a full cache keeps few of the blocks, with compression ${compression}`, async () => {
      const random = randomFrom(16);
      const rows = randomRows(random, 500);
      const fs = memoryFileSystem();
      const cache = new BlockCache(30_000);
      const meta = await writeTable(fs, PATH, rows, { blockBytes: 512, compression });
      const table = open(fs, meta, cache);
      const asked = Array.from({ length: 2000 }, () => rows[random(rows.length)]!);
      const found = asked.map((row) => table.get(row.key, row.version));
      for (const [i, { version, timestamp, cell }] of asked.entries()) {
        assert.deepEqual(plain(found[i]), { version, timestamp, cell }, `lookup ${i}`);
      }
      const { misses } = cache;
      assert.ok(misses > 500, `${misses} misses`);
      // Of the blocks that were missed most left no trace: the others are found once more without reading.
      const cached = Array.from({ length: table.index.count }, (_, i) => table.isCached(i));
      assert.ok(cached.some(Boolean) && !cached.every(Boolean));
      table.close();
    });
  }

  for (const compression of ["none", "zstd"] as const) {
    it(`gives rows from blocks that the cache holds packed, and cursors over them, with compression ${compression}`, async () => {
      const random = randomFrom(19);
      const rows = randomRows(random, 3000);
      const { fs, reads } = countingReads();
      const cache = new BlockCache(60_000);
      const table = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 512, compression }), cache);
      const cursors = [table.cursor(), table.cursor()];
      const found = Array.from({ length: 40_000 }, (_, n) => {
        const at = random(rows.length);
        const { key, version, timestamp, cell } = rows[at]!;
        const cursor = cursors[n % 2]!;
        if (n % 8 === 0) {
          cursor.seek(key, version);
          standsOn(cursor, rows[at]);
          cursor.previous();
          standsOn(cursor, rows[at - 1]);
        }
        return { row: table.get(key, version), expected: { version, timestamp, cell } };
      });
      assert.equal(cache.packed.chunks, 4);
      for (const { row, expected } of found) assert.deepEqual(plain(row), expected);
      let held = 0;
      const room = new BlockRoom();
      for (let i = 0; i < table.index.count; i++) {
        const isHeld = table.isCached(i);
        const before = reads();
        assert.equal(table.block(i, room).offset, table.index.offsets[i]);
        assert.equal(reads() - before, isHeld ? 0 : 1);
        if (isHeld) held++;
      }
      assert.ok(held > cache.blocks, `${held} held, ${cache.blocks} unpacked`);
      table.close();
      assert.equal(cache.bytes, 0);
    });
  }

  for (const compression of ["none", "zstd"] as const) {
    it(`cursors go their ways beside each other and leave most of a full cache, with compression ${compression}`, async () => {
      const random = randomFrom(17);
      const rows = randomRows(random, 3000);
      const fs = memoryFileSystem();
      const cache = new BlockCache(200_000);
      const table = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 512, compression }), cache);
      const walker = table.cursor();
      for (let walks = 0; walks < 4; walks++) for (walker.seekFirst(); walker.valid; walker.next());
      // Where each walk filled the cache with what the next one comes to last, none would find a block in it.
      assert.ok(cache.hits > 300, `${cache.hits} hits`);
      const cursors = Array.from({ length: 3 }, () => table.cursor());
      const places = cursors.map((cursor, n) => {
        const { key, version } = rows[900 * n]!;
        cursor.seek(key, version);
        return 900 * n;
      });
      for (let step = 0; step < 4000; step++) {
        const n = random(3);
        // More steps on than back, so that each gets through blocks that the others are in too.
        const by = random(5) === 0 ? -1 : 1;
        if (by > 0) cursors[n]!.next();
        else cursors[n]!.previous();
        places[n]! += by;
        standsOn(cursors[n]!, rows[places[n]!]);
        if (!cursors[n]!.valid) {
          cursors[n]!.seekFirst();
          places[n] = 0;
        }
        for (const [other, cursor] of cursors.entries()) standsOn(cursor, rows[places[other]!]);
      }
      compareAll(table, rows, rows.filter((_, n) => n % 7 === 0));
      table.close();
    });
  }

  it("a cursor that comes to a block it can't read goes back over the one it stood in", async () => {
    const random = randomFrom(18);
    const rows = randomRows(random, 600);
    const fs = memoryFileSystem();
    const good = open(fs, await writeTable(fs, PATH, rows, { blockBytes: 512, compression: "none" }));
    const { count, offsets, rows: counts } = good.index;
    const bytes = readWhole(fs, PATH);
    const seed = checksumSeed(good.header);
    let end = 0;
    for (let i = 1; i < count; i++) {
      end += counts[i - 1]!;
      // Its checksum is right; that it makes no sense shows only once it was read into memory.
      const [at, length] = [offsets[i]!, offsets[i + 1]! - offsets[i]! - BLOCK_TRAILER_BYTES];
      const damaged = bytes.slice();
      damaged.fill(0xff, at, at + length);
      damaged.set(blockTrailer(damaged.subarray(at, at + length), CODEC_NONE, length, seed, at), at + length);
      await fs.remove(PATH);
      await putFile(fs, PATH, damaged);
      const table = open(fs, undefined, new BlockCache(0));
      const cursor = table.cursor();
      const last = rows[end - 1]!;
      cursor.seek(last.key, last.version);
      standsOn(cursor, last);
      assert.throws(() => cursor.next(), CorruptionError);
      for (let back = end - 2; back >= end - counts[i - 1]!; back--) {
        cursor.previous();
        standsOn(cursor, rows[back]);
      }
      table.close();
    }
  });

  it("reads a huge block into memory that is not kept for the next one", async () => {
    const row = (key: string, bytes: number): TestRow => ({
      ...{ key: encodeText(key), version: 1, timestamp: 1 },
      cell: new Uint8Array(bytes).fill(5),
    });
    const fs = memoryFileSystem();
    const rows = [row("a", 300), row("b", 300_000), row("c", 300)];
    for (const compression of ["none", "zstd"] as const) {
      const path = `/${compression}.sst`;
      const table = open(fs, await writeTable(fs, path, rows, { compression }), new BlockCache(0), path);
      const room = new BlockRoom();
      // In a cache that holds nothing one block in eight is read as if it were to be kept.
      for (let i = 0; i < 100; i++) {
        const block = table.block(i % 3, room);
        assert.equal(block.bytes.length > 300_000, i % 3 === 1);
        for (const memory of [room.held, room.free]) assert.ok((memory?.length ?? 0) < 1000);
      }
      assert.ok(room.held !== undefined || room.free !== undefined);
      for (let i = 0; i < 3; i++) assert.equal(table.passing(i, room).bytes.length > 300_000, i === 1);
      assert.ok((room.ahead?.length ?? 0) <= 2 ** 16);
      table.close();
    }
  });

  it("tells roughly where a key lies", async () => {
    const rows = randomRows(randomFrom(15), 500);
    const fs = memoryFileSystem();
    const table = open(fs, await writeTable(fs, PATH, rows, { compression: "none" }));
    assert.equal(table.approximateOffset(new Uint8Array(0)), 64);
    const middle = table.approximateOffset(rows[250]!.key) / table.footer.filter.offset;
    assert.ok(middle > 0.35 && middle < 0.65);
    assert.equal(table.approximateOffset(new Uint8Array([255, 255, 255, 255, 255])), table.footer.filter.offset);
  });

  it("finds nothing wrong with a good table", async () => {
    const fs = memoryFileSystem();
    const meta = await writeTable(fs, PATH, randomRows(randomFrom(16), 1000));
    for await (const damage of open(fs, meta).verify(new Slicer(() => 0), meta.sha256)) assert.fail(damage.detail);
    const other = open(fs).verify(new Slicer(() => 0), "00".repeat(32));
    assert.match((await other.next()).value?.detail ?? "", /SHA-256/);
  });

  it("refuses a table of another number or database, and one that its description does not fit", async () => {
    const fs = memoryFileSystem();
    const meta = await writeTable(fs, PATH, randomRows(randomFrom(17), 100));
    const cache = new BlockCache(0);
    const as = (expected: Record<string, unknown>, of: TableMeta | undefined) => () =>
      TableReader.open(fs, PATH, { ...identity(), ...expected }, of, cache);
    assert.throws(as({ number: 6 }, undefined), CorruptionError);
    assert.throws(as({ database: "ff".repeat(16) }, undefined), CorruptionError);
    assert.throws(as({}, { ...meta, size: meta.size + 1 }), CorruptionError);
    assert.throws(as({}, { ...meta, rows: meta.rows + 1 }), CorruptionError);
    as({}, meta)().close();
  });
});

describe("a table in real files", () => {
  let directory = "";
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "holdfast-table-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("gives back its rows", async () => {
    const random = randomFrom(18);
    const rows = randomRows(random, 3000);
    const fs = nodeFileSystem();
    const path = join(directory, "5.sst");
    const meta = await writeTable(fs, path, rows, { blockBytes: 1024 });
    const table = open(fs, meta, new BlockCache(50_000), path);
    compareAll(table, rows, randomRows(random, 300));
    for await (const damage of table.verify(new Slicer(() => 0), meta.sha256)) assert.fail(damage.detail);
    table.close();
  });
});
