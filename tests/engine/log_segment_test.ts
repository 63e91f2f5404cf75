/** One segment of the log: what counts as durable, what is left when something fails, and whose it is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError, IOError, NoSpaceError } from "../../lib/base/errors.ts";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { LogSegment, openSegment, readCommits } from "../../lib/engine/log/log_segment.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { FILE_HEADER_BYTES } from "../../lib/format/identity.ts";
import { Batch, writeCommitHead } from "../../lib/format/log/batch.ts";
import { writeRecord } from "../../lib/format/log/frame.ts";
import { all, key, open, put } from "./fixture.ts";

const DATABASE = "0".repeat(31) + "1";
const PATH = "/000001.log";

function made(fs: MemoryFileSystem): Promise<LogSegment> {
  return LogSegment.create(fs, "/", { kind: "log", database: DATABASE, lineage: "0".repeat(31) + "2", number: 1 });
}

/** A record of one commit, for the segment's end. */
function record(segment: LogSegment, version: number): Uint8Array {
  const [head, out] = [new ByteWriter(), new ByteWriter()];
  writeCommitHead(head, version, 1000 + version, segment.synced);
  const batch = new Batch();
  batch.deleteRange(key("a"), key("b"));
  writeRecord(out, segment.seed, segment.end, head.view(), batch.ops.view());
  return out.take();
}

/** A segment of two commits. */
async function withTwo(fs: MemoryFileSystem): Promise<LogSegment> {
  const segment = await made(fs);
  for (const version of [1, 2]) segment.appendSync(record(segment, version));
  return segment;
}

describe("a segment of the log", () => {
  it("counts as durable what was there when its sync began, and nothing behind", async () => {
    const synced = Promise.withResolvers<void>();
    let holds = false;
    const fs = memoryFileSystem({ delay: (name) => holds && name === "sync" ? synced.promise : undefined });
    const segment = await made(fs);
    segment.appendSync(record(segment, 1));
    const { end } = segment;
    holds = true;
    const sync = segment.sync();
    await yieldToLoop();
    segment.appendSync(record(segment, 2));
    assert.equal(segment.synced, FILE_HEADER_BYTES);
    synced.resolve();
    await sync;
    assert.equal(segment.synced, end);
    segment.syncSync();
    assert.equal(segment.synced, segment.end);
    await segment.close();
  });

  for (const call of ["sync", "syncSync"] as const) {
    it(`promises nothing where ${call} finds the disk full, and nothing counts as durable`, async () => {
      let isFull = false;
      const fs = memoryFileSystem({
        beforeOperation({ name, path }) {
          if (isFull && name === "sync") throw new NoSpaceError(`Cannot sync ${path}: full, says the test (ENOSPC)`);
        },
      });
      const segment = await made(fs);
      segment.appendSync(record(segment, 1));
      isFull = true;
      await assert.rejects(async () => await segment[call](), (error) => {
        assert.ok(error instanceof IOError && !(error instanceof NoSpaceError), `${error}`);
        return true;
      });
      assert.deepEqual([segment.syncFailed, segment.synced], [true, FILE_HEADER_BYTES]);
      await segment.close();
    });
  }

  it("stays open until the sync that is under way has ended", async () => {
    const synced = Promise.withResolvers<void>();
    let holds = false;
    const fs = memoryFileSystem({ delay: (name) => holds && name === "sync" ? synced.promise : undefined });
    const segment = await withTwo(fs);
    holds = true;
    const sync = segment.sync();
    await yieldToLoop();
    const closed = segment.close();
    synced.resolve();
    await sync;
    await closed;
    assert.equal(segment.synced, segment.end);
  });

  for (const name of ["append", "sync", "syncDirectory"] as const) {
    it(`is not there, and not open, where ${name} fails as it is made`, async () => {
      const fs = memoryFileSystem();
      fs.inject({ at: (operation) => operation.name === name, do: "fail" });
      await assert.rejects(made(fs), IOError);
      assert.deepEqual(await fs.list("/"), []);
      assert.equal(fs.usedBytes, 0);
    });
  }

  it("is damaged where fewer commits stand in it than were noted", async () => {
    const fs = memoryFileSystem();
    const segment = await withTwo(fs);
    const { end } = segment;
    await segment.close();
    const expected = { number: 1, database: DATABASE };
    const versions = (): number[] => Array.from(readCommits(fs, "/", expected, end), ({ version }) => version);
    assert.deepEqual(versions(), [1, 2]);
    for (const { version } of readCommits(fs, "/", expected, end)) if (version === 1) break;
    const whole = (await fs.stat(PATH))!.size;
    fs.damage(PATH, (bytes) => bytes.slice(0, FILE_HEADER_BYTES + (whole - FILE_HEADER_BYTES) / 2));
    assert.throws(versions, CorruptionError);
    await fs.remove(PATH);
    assert.equal(fs.usedBytes, 0, "it is left open");
  });

  it("taken back to a mark, counts nothing as durable behind it, also when a sync was under way", async () => {
    for (const isUnderWay of [false, true]) {
      const synced = Promise.withResolvers<void>();
      let holds = false;
      const fs = memoryFileSystem({ delay: (name) => holds && name === "sync" ? synced.promise : undefined });
      const segment = await made(fs);
      segment.appendSync(record(segment, 1));
      segment.note(1, 1001);
      const { end } = segment;
      const takeBack = segment.mark();
      segment.appendSync(record(segment, 2));
      segment.note(2, 1002);
      holds = isUnderWay;
      const sync = segment.sync();
      await yieldToLoop();
      const taken = takeBack();
      await yieldToLoop();
      synced.resolve();
      await Promise.all([sync, taken]);
      assert.deepEqual([segment.end, segment.synced, segment.last, segment.wasCut], [end, end, 1, true]);
      assert.equal((await fs.stat(PATH))!.size, end);
      await segment.close();
    }
  });

  it("has zeros ahead again when it was cut, and not where they could not be written", async () => {
    const fs = memoryFileSystem();
    const segment = await withTwo(fs);
    const size = async (): Promise<number> => (await fs.stat(PATH))!.size;
    segment.fillAhead(100);
    const filled = await size();
    assert.ok(filled > segment.end + 10_000);
    await segment.cut();
    assert.equal(await size(), segment.end);
    segment.fillAhead(100);
    assert.equal(await size(), filled);
    await segment.trim();
    fs.capacityBytes = fs.usedBytes + 1000;
    segment.fillAhead(100);
    await segment.trim();
    fs.capacityBytes = Infinity;
    segment.fillAhead(100);
    assert.equal(await size(), segment.end, "it is tried once");
    await segment.close();
  });

  it("is another's where its header says another number, or another database", async () => {
    const fs = memoryFileSystem();
    await (await withTwo(fs)).close();
    assert.throws(() => openSegment(fs, "/", { number: 1, database: "0".repeat(32) }), CorruptionError);
    await fs.rename(PATH, "/000002.log");
    assert.throws(() => openSegment(fs, "/", { number: 2, database: DATABASE }), CorruptionError);
    await fs.remove("/000002.log");
    assert.equal(fs.usedBytes, 0, "it is left open");
  });

  it("is noted with what it holds once it is finished, also by whom recovery found it", async () => {
    const fs = memoryFileSystem();
    let ids = 0;
    const settings = { randomId: () => new Uint8Array(16).fill(++ids), historyBytes: 2 ** 20 };
    let engine = await open(fs, settings);
    let process = fs;
    for (const key of ["a", "b", ""]) {
      for (const value of key === "" ? [] : ["1", "2", "3"]) await put(engine, { [key]: value });
      if (key === "b") await engine.compact();
      process.kill();
      await engine.close().catch(() => {});
      process = fs.otherProcess();
      engine = await open(process, settings);
    }
    await put(engine, { c: "1" });
    await engine.compact();
    const { state } = await loadManifest(process, "/db");
    for (const { number, end, ...noted } of state.logs.values()) {
      const expected = { number, database: engine.id };
      const { header, close } = openSegment(process, "/db", expected);
      close();
      const commits = Array.from(
        readCommits(process, "/db", expected, end),
        ({ version, timestamp }) => ({ version, timestamp }),
      );
      assert.deepEqual(noted, {
        firstVersion: commits[0]!.version,
        lastVersion: commits.at(-1)!.version,
        minTimestamp: commits[0]!.timestamp,
        maxTimestamp: commits.at(-1)!.timestamp,
        lineage: header.lineage,
      });
    }
    assert.ok(state.logs.size >= 2);
    assert.equal(all(engine).length, 3);
    await engine.close();
  });
});
