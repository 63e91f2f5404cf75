import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import { repairDatabase } from "../../lib/engine/recovery/repair.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Batch, readCommit, writeCommitHead } from "../../lib/format/log/batch.ts";
import { writeRecord } from "../../lib/format/log/frame.ts";
import { RecordReader } from "../../lib/format/log/record_reader.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader } from "../../lib/format/identity.ts";
import { readFile } from "../../lib/files/read.ts";
import { all, open, put, tinySettings } from "./fixture.ts";

const COMMITS = 6;

interface Killed {
  disk: MemoryFileSystem;
  log: string;
  places: { offset: number; end: number }[];
  /** What the records say. */
  records: Uint8Array[];
}

/** A database that was killed, each of its commits synced by itself, and where its records stand in the log. */
async function killed(): Promise<Killed> {
  const disk = memoryFileSystem();
  const engine = await open(disk, { memtableBytes: 64 * 1024 });
  for (let i = 1; i <= COMMITS; i++) await put(engine, { [`k${i}`]: "x".repeat(20) });
  disk.kill();
  const image = disk.otherProcess().fork({ keep: "all" });
  const log = `/db/${(await image.list("/db")).find((name) => name.endsWith(".log"))!}`;
  const bytes = await readFile(image, log, 1024 * 1024);
  const seed = checksumSeed(readFileHeader("log", bytes.subarray(0, FILE_HEADER_BYTES), log));
  const read = (into: Uint8Array, position: number): number => {
    const part = bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  };
  const reader = new RecordReader(read, bytes.length, seed);
  const places: { offset: number; end: number }[] = [];
  const records: Uint8Array[] = [];
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    places.push({ offset: found.offset, end: found.end });
    records.push(found.record.slice());
  }
  assert.equal(places.length, COMMITS);
  return { disk: image, log, places, records };
}

/** Writes the log anew with these records; where each begins. */
async function withRecords(disk: MemoryFileSystem, log: string, records: readonly Uint8Array[]): Promise<number[]> {
  const offsets: number[] = [];
  await rewrite(disk, log, (bytes) => {
    const header = bytes.subarray(0, FILE_HEADER_BYTES);
    const out = new ByteWriter(4096);
    out.bytes(header);
    for (const record of records) {
      offsets.push(out.length);
      writeRecord(out, checksumSeed(readFileHeader("log", header, log)), out.length, record);
    }
    return out.take();
  });
  return offsets;
}

/** The record of an ingest that took in no files. */
function ingestRecord(version: number): Uint8Array {
  const out = new ByteWriter(256);
  writeCommitHead(out, version, 2_000_000, 0);
  const batch = new Batch();
  batch.ingest({ replace: true, ranges: [], tables: [], blobs: [] });
  out.bytes(batch.ops.view());
  return out.take();
}

/** Puts other bytes in the place of a file's. */
async function rewrite(disk: MemoryFileSystem, path: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const bytes = change(await readFile(disk, path, 1024 * 1024));
  const handle = await disk.open(path, "append");
  await handle.truncate(0);
  await handle.append(bytes);
  await handle.sync();
  await handle.close();
}

describe("the log of a database that was killed", () => {
  it("is damaged where a bad record has a later one behind it that was written once it was synced", async () => {
    const { disk, log, places } = await killed();
    let cases = 0;
    for (const { offset, end } of places.slice(0, -1)) {
      for (const at of [offset, offset + 5, offset + 9, end - 1]) {
        const spoilt = disk.fork({ keep: "all" });
        await rewrite(spoilt, log, (bytes) => bytes.with(at, bytes[at]! ^ 1));
        await assert.rejects(open(spoilt), (error) => error instanceof CorruptionError && error.offset === offset);
        cases++;
      }
    }
    console.log(`${cases} damaged bytes in front of a later record`);
  });

  it("is torn where nothing stands behind the bad record: what comes before it is kept, and it goes on from there", async () => {
    const { disk, log, places } = await killed();
    const last = places.at(-1)!;
    let cases = 0;
    for (let at = last.offset; at < last.end; at++) {
      for (
        const change of [
          (bytes: Uint8Array) => bytes.slice(0, at),
          (bytes: Uint8Array) => bytes.with(at, bytes[at]! ^ 1),
        ]
      ) {
        const torn = disk.fork({ keep: "all" });
        await rewrite(torn, log, change);
        const engine = await open(torn, { memtableBytes: 64 * 1024 });
        assert.equal(engine.visibleVersion, COMMITS - 1, `byte ${at}`);
        await put(engine, { on: "it goes" });
        assert.equal(engine.visibleVersion, COMMITS);
        await engine.close();
        const again = await open(torn, { memtableBytes: 64 * 1024 });
        assert.deepEqual(all(again).map(([name]) => name), ["k1", "k2", "k3", "k4", "k5", "on"]);
        await again.close();
        cases++;
      }
    }
    console.log(`${cases} torn ends`);
    await rewrite(disk, log, (bytes) => bytes.slice(0, places[0]!.end - 1));
    const told: unknown[] = [];
    const engine = await open(disk, {
      onEvent: (event) => event.type === "recovery" && told.push([event.records, event.droppedBytes]),
    });
    assert.deepEqual(told, [[0, places[0]!.end - 1 - places[0]!.offset]]);
    await engine.close();
  });

  it("is torn where none of it was synced, whichever records a power cut has left", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "synced" }, "interval");
    await engine.flush();
    const log = `/db/${(await fs.list("/db")).find((name) => name.endsWith(".log"))!}`;
    const { size } = (await fs.stat(log))!;
    for (const key of ["b", "c"]) await put(engine, { [key]: "handed to the system" }, "interval");
    fs.kill();
    await engine.close().catch(() => {});
    const image = fs.otherProcess().fork({ keep: "all" });
    image.damage(log, (bytes) => bytes.with(size + 20, bytes[size + 20]! ^ 1));
    const again = await open(image);
    assert.deepEqual(all(again), [["a", "synced"]]);
    await again.close();
  });

  it("is torn where what stands behind the bad record was written before that was synced", async () => {
    const { disk, log, places, records } = await killed();
    const unsynced = records.slice(1, 3).map((record) => {
      const { version, timestamp, ops } = readCommit(record);
      const out = new ByteWriter(256);
      writeCommitHead(out, version, timestamp, places[0]!.end);
      out.bytes(ops);
      return out.take();
    });
    const [, offset] = await withRecords(disk, log, [records[0]!, ...unsynced]);
    await rewrite(disk, log, (bytes) => bytes.with(offset! + 20, bytes[offset! + 20]! ^ 1));
    const engine = await open(disk);
    assert.deepEqual(all(engine).map(([key]) => key), ["k1"]);
    await engine.close();
  });

  it("is damaged where operations make no sense though their checksum holds, in a large commit too", async () => {
    const { disk, log, records } = await killed();
    const batch = new Batch();
    const key = new Uint8Array(1000);
    for (const keys of [0, 100]) {
      for (let i = 0; i < keys; i++) batch.deleteKey(new Uint8Array([0]), key.fill(i));
      const out = new ByteWriter(256);
      writeCommitHead(out, 2, 2_000_000, 0);
      out.bytes(batch.ops.view());
      out.bytes(new Uint8Array([0xff]));
      const [, offset] = await withRecords(disk, log, [records[0]!, out.take()]);
      await assert.rejects(open(disk), (error) => error instanceof CorruptionError && error.offset === offset);
    }
  });

  it("gives a repair all but the commits that make no sense, and each of these is told", async () => {
    const { disk, log, records } = await killed();
    const senseless = (i: number): Uint8Array => new Uint8Array([...records[i]!, 0xff]);
    await withRecords(disk, log, [records[0]!, senseless(1), records[2]!, senseless(3), records[4]!]);
    const { kept, lost } = await repairDatabase(disk, "/db", tinySettings(), { dryRun: false });
    assert.deepEqual([kept, lost.length], [3, 2]);
    for (const { detail } of lost) assert.match(detail, /a record that is no commit/);
    const engine = await open(disk);
    assert.deepEqual(all(engine).map(([key]) => key), ["k1", "k3", "k5"]);
    await engine.close();
  });

  it("is damaged where a version is not the one behind that before it", async () => {
    const { disk, log, records } = await killed();
    for (const order of [[0, 2], [0, 1, 1], [0, 1, 0]]) {
      const spoilt = disk.fork({ keep: "all" });
      const offsets = await withRecords(spoilt, log, order.map((i) => records[i]!));
      await assert.rejects(
        open(spoilt),
        (error) =>
          error instanceof CorruptionError && error.offset === offsets.at(-1) &&
          /version \d follows/.test(error.message),
      );
    }
  });

  it("is cut at an ingest that never took effect, and damaged where records follow that", async () => {
    const { disk, log, records } = await killed();
    const two = [...records.slice(0, 2), ingestRecord(3)];
    const [, , offset] = await withRecords(disk, log, [...two, records[3]!]);
    await assert.rejects(open(disk), (error) => error instanceof CorruptionError && error.offset === offset);
    const [, , at] = await withRecords(disk, log, two);
    const dropped = (await disk.stat(log))!.size - at!;
    for (let turn = 0; turn < 2; turn++) {
      const told: unknown[] = [];
      const engine = await open(disk, {
        onEvent: (event) => event.type === "recovery" && told.push([event.records, event.bytes, event.droppedBytes]),
      });
      if (turn === 0) assert.deepEqual(told, [[2, at, dropped]]);
      assert.deepEqual(all(engine).map(([key]) => key), ["k1", "k2", ...turn === 0 ? [] : ["k3"]]);
      await put(engine, { k3: "in its place" });
      const versions: number[] = [];
      for await (const { version } of engine.history(0)) versions.push(version);
      assert.deepEqual(versions, [1, 2, 3, 4].slice(0, 3 + turn));
      await engine.close();
    }
  });

  it("opens again once it was closed with nothing but such an ingest in it", async () => {
    const { disk, log } = await killed();
    await withRecords(disk, log, [ingestRecord(1)]);
    await (await open(disk)).close();
    const engine = await open(disk);
    assert.deepEqual(all(engine), []);
    await put(engine, { k1: "in its place" });
    await engine.close();
  });
});
