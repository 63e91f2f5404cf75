/** Commits on a full disk: what the log keeps of those it refuses, and what the reserve is for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { DB } from "../../mod.ts";
import { all, key, open, put, remove } from "./fixture.ts";

const MIB = 2 ** 20;
const PART = 2 ** 17;

async function versions(engine: Engine, since: number): Promise<number[]> {
  return (await Array.fromAsync(engine.history(since))).map(({ version }) => version);
}

/** A disk that, once it is full, has the whole of a record before it refuses that, and is long about cutting it off again. */
function slowlyCut() {
  const disk = {
    fs: memoryFileSystem(),
    isFull: false,
    reached: Promise.withResolvers<void>(),
    cut: Promise.withResolvers<void>(),
  };
  let isCutOff = false;
  disk.fs = memoryFileSystem({
    beforeOperation({ name, path, bytes }) {
      if (!disk.isFull || !path.endsWith(".log") || name !== "append") return undefined;
      isCutOff = true;
      return { writtenBytes: bytes!, error: new NoSpaceError(`Cannot write ${path} (ENOSPC)`) };
    },
    delay(name, path) {
      if (!isCutOff || !path.endsWith(".log") || name !== "truncate") return undefined;
      disk.reached.resolve();
      return disk.cut.promise;
    },
  });
  return disk;
}

/** An engine on such a disk with one commit, in a table or not, and a reader that follows its log. */
async function followed(inTable = false) {
  const disk = slowlyCut();
  const engine = await open(disk.fs);
  await put(engine, { a: "kept" });
  if (inTable) await engine.compact();
  const reader = await open(disk.fs.otherProcess(), { readOnly: true });
  return { disk, engine, reader, follower: reader.follow(1) };
}

describe("a commit that a full disk refuses", () => {
  it("is cut off the log, and the cut is synced", async () => {
    const calls: string[] = [];
    let isFull = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path, bytes }) {
        if (!isFull || !path.endsWith(".log")) return undefined;
        calls.push(name);
        if (name !== "append") return undefined;
        // All of it stands there by now.
        return { writtenBytes: bytes!, error: new NoSpaceError(`Cannot write ${path} (ENOSPC)`) };
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "kept" });
    isFull = true;
    await assert.rejects(put(engine, { b: "refused" }, "interval"), NoSpaceError);
    assert.deepEqual(calls, ["append", "truncate", "truncate", "sync"]);
    isFull = false;
    await engine.close();
  });

  it("leaves what is buffered before it to the segment that it was meant for", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await put(engine, { b: "2" }, "buffered");
    fs.inject({ at: ({ name, path }) => name === "append" && path.endsWith(".log"), do: "full" });
    await assert.rejects(put(engine, { c: "refused" }, "interval"), NoSpaceError);
    await put(engine, { d: "4" }, "buffered");
    await engine.flush();
    fs.kill();
    await engine.close().catch(() => {});
    const again = await open(fs.otherProcess());
    assert.deepEqual(all(again), [["a", "1"], ["b", "2"], ["d", "4"]]);
    await again.close();
  });

  it("is not written behind a rotation of which nobody knows what the disk has", async () => {
    let isFull = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (!isFull || !path.includes("MANIFEST") || !["append", "truncate"].includes(name)) return;
        throw new NoSpaceError(`Cannot ${name} ${path}: full (ENOSPC)`);
      },
    });
    const engine = await open(fs, { memtableBytes: 1000, blobBytes: 10_000 });
    await put(engine, { a: "long ".repeat(500) });
    isFull = true;
    await assert.rejects(put(engine, { b: "2" }));
    await assert.rejects(put(engine, { c: "3" }), { code: "READ_ONLY" });
    await engine.close().catch(() => {});
  });

  it("turns the database read-only where it was cut off and nobody knows whether the disk has that", async () => {
    let isFull = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (!isFull || !path.endsWith(".log")) return;
        if (name === "append") throw new NoSpaceError(`Cannot write ${path} (ENOSPC)`);
        if (name === "sync") throw new IOError(`Cannot sync ${path} (EIO)`);
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "1" });
    isFull = true;
    await assert.rejects(put(engine, { b: "2" }, "interval"), IOError);
    isFull = false;
    await assert.rejects(put(engine, { c: "3" }, "interval"), { code: "READ_ONLY" });
    await engine.close().catch(() => {});
  });

  for (const isFirst of [false, true]) {
    it(`is no damage for a reader that saw it before it was cut off${isFirst ? ", the first of its log" : ""}`, async () => {
      const { disk, engine, reader, follower } = await followed(isFirst);
      disk.isFull = true;
      const refused = put(engine, { b: "refused" }, "interval");
      refused.catch(() => {});
      await disk.reached.promise;
      await reader.refresh();
      assert.equal((await follower.next(MIB))?.last, 2);
      disk.cut.resolve();
      await assert.rejects(refused, NoSpaceError);
      disk.isFull = false;
      await put(engine, { c: "in its place, and longer" });
      await put(engine, { d: "behind" });
      await reader.refresh();
      assert.equal((await follower.next(MIB))?.last, 3);
      await reader.close();
      await engine.close();
    });
  }

  it("is never taken by a reader that saw it for another one that came in its place", async () => {
    const { disk, engine, reader, follower } = await followed();
    disk.isFull = true;
    const refused = put(engine, { b: "refused" }, "interval");
    refused.catch(() => {});
    await disk.reached.promise;
    await reader.refresh();
    assert.equal(reader.visibleVersion, 2);
    disk.cut.resolve();
    await assert.rejects(refused, NoSpaceError);
    disk.isFull = false;
    await put(engine, { c: "as long" });
    await assert.rejects(follower.next(MIB));
    await reader.refresh();
    assert.deepEqual((await follower.next(MIB))?.commits.map(({ version }) => version), [2]);
    assert.deepEqual(all(reader), [["a", "kept"], ["c", "as long"]]);
    await reader.close();
    await engine.close();
  });

  it("is no damage for a reader that saw it before others of its group were written in its place", async () => {
    const { disk, engine, reader, follower } = await followed();
    disk.isFull = true;
    const batch = new Batch();
    batch.deleteRange(key("refused"), key("refused and long"));
    const refused = assert.rejects(engine.commit(batch, { durability: "interval" }), NoSpaceError);
    const others = [put(engine, { c: "shorter" }, "interval"), put(engine, { d: "behind" }, "interval")];
    await disk.reached.promise;
    await reader.refresh();
    assert.equal((await follower.next(MIB))?.last, 2);
    assert.deepEqual(await versions(reader, 0), [1, 2]);
    disk.isFull = false;
    disk.cut.resolve();
    await refused;
    assert.deepEqual(await Promise.all(others), [2, 3]);
    await reader.refresh();
    // Where both had read up to there is the middle of another commit now.
    assert.deepEqual((await follower.next(MIB))?.commits.map(({ version }) => version), [3]);
    assert.deepEqual(await versions(reader, 2), [3]);
    await reader.close();
    await engine.close();
  });

  it("leaves its segment when it is a restore whose record was in it before its files could not be listed", async () => {
    let isFull = false;
    let wasWritten = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (!isFull || name !== "append") return undefined;
        const isRefused = wasWritten && path.includes("MANIFEST");
        // The log of before has its footer by then.
        wasWritten = path.endsWith(".log") && path !== "/db/000002.log";
        return isRefused ? { writtenBytes: 0, error: new NoSpaceError(`Cannot write ${path} (ENOSPC)`) } : undefined;
      },
    });
    const logs = async (): Promise<string[]> => (await fs.list("/db")).filter((each) => each.endsWith(".log"));
    const db = await DB.open("/db", { fileSystem: fs });
    await db.set("a", 1);
    await db.backup("/dump.jsonl");
    assert.deepEqual(await logs(), ["000002.log"]);
    isFull = true;
    await assert.rejects(db.restore("/dump.jsonl"), { name: "NoSpaceError" });
    isFull = false;
    const [first, cut, ...none] = await logs();
    assert.deepEqual(none, []);
    await db.set("b", 2);
    const [, next] = await logs();
    assert.equal(first, "000002.log");
    assert.notEqual(next, cut);
    await db.close();
  });

  it("leaves of a restore that it refuses only the files that were given", async () => {
    let isFull = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (isFull && path.endsWith(".log") && name === "append") {
          throw new NoSpaceError(`Cannot write ${path} (ENOSPC)`);
        }
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await engine.compact();
    await put(engine, { b: "2" });
    const writer = engine.ingestWriter();
    writer.add(key("c"), Uint8Array.of(5));
    const files = await writer.finish();
    await engine.compact();
    const before = await fs.list("/db");
    isFull = true;
    await assert.rejects(engine.ingest(files, { replace: true }), NoSpaceError);
    const tables = (names: string[]): string[] => names.filter((file) => file.endsWith(".sst"));
    assert.deepEqual(tables(await fs.list("/db")), tables(before));
    isFull = false;
    await engine.ingest(files, { replace: true });
    assert.equal(all(engine).length, 1);
    await engine.close();
  });
});

describe("the reserve", () => {
  async function size(fs: MemoryFileSystem): Promise<number> {
    return (await fs.stat("/db/RESERVE"))!.size;
  }

  /** A disk that has not a byte left beside a reserve that is whole. */
  async function filled(): Promise<{ fs: MemoryFileSystem; engine: Engine }> {
    const fs = memoryFileSystem();
    const engine = await open(fs, { reserve: true, memtableBytes: MIB, durability: "interval" });
    await put(engine, { a: "1", b: "2" });
    fs.capacityBytes = fs.usedBytes;
    assert.equal(await size(fs), MIB);
    return { fs, engine };
  }

  it("is given to deletes alone, a part at a time, whatever was written or refused before", async () => {
    const { fs, engine } = await filled();
    await assert.rejects(put(engine, { c: "3" }), NoSpaceError);
    assert.equal(await size(fs), MIB);
    await remove(engine, "a");
    assert.equal(await size(fs), MIB - PART);
    assert.deepEqual(all(engine), [["b", "2"]]);
    fs.capacityBytes = Infinity;
    await put(engine, { c: "3" });
    const reserve = await readFile(fs, "/db/RESERVE", 2 * MIB);
    assert.equal(reserve.length, MIB);
    assert.ok(!reserve.includes(0), "zeros may be stored as a hole, which reserves nothing");
    await engine.close();
    // Nor is it held by anyone.
    for (const each of await fs.list("/db")) await fs.remove(`/db/${each}`);
    assert.equal(fs.usedBytes, 0);
  });

  it("is kept where log goes that was there for changes() alone, and its files with it", async () => {
    const fs = memoryFileSystem({ delay: (call) => call === "remove" ? yieldToLoop() : undefined });
    const engine = await open(fs, { reserve: true, memtableBytes: MIB, blobBytes: MIB, historyBytes: MIB });
    await put(engine, { a: "long ".repeat(1000) });
    await engine.compact();
    fs.capacityBytes = fs.usedBytes + 500; // Enough to note that log goes.
    for (let i = 0; i < 3; i++) await put(engine, { b: "also long ".repeat(100) });
    await remove(engine, "a");
    assert.equal(await size(fs), MIB);
    await engine.close();
  });

  it("is not given where it is not space that is lacking", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { reserve: true });
    fs.inject({ at: ({ name, path }) => name === "create" && path.endsWith(".log"), do: "fail" });
    await assert.rejects(remove(engine, "a"), IOError);
    assert.equal(await size(fs), MIB);
    await engine.close();
  });

  it("is given to a delete where there is no space to note that history goes", async () => {
    let isFull = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (name === "truncate" && path.endsWith("/RESERVE")) isFull = false;
        if (isFull && name === "append") throw new NoSpaceError(`Cannot write ${path}: full (ENOSPC)`);
      },
    });
    const engine = await open(fs, { reserve: true, historyBytes: MIB });
    await put(engine, { a: "1" });
    await engine.compact();
    await put(engine, { b: "2" });
    isFull = true;
    await remove(engine, "a");
    assert.deepEqual([all(engine), isFull], [[["b", "2"]], false]);
    await engine.close();
  });

  it("lets a delete begin the log of a database that was opened on a full disk", async () => {
    const { fs, engine } = await filled();
    fs.capacityBytes = Infinity;
    await engine.close();
    fs.capacityBytes = fs.usedBytes;
    const again = await open(fs, { reserve: true, durability: "interval" });
    await assert.rejects(put(again, { c: "3" }), NoSpaceError);
    await remove(again, "a");
    assert.deepEqual(all(again), [["b", "2"]]);
    await again.close();
  });

  it("is taken again once there is space for all of it, and not in part", async () => {
    const { fs, engine } = await filled();
    await remove(engine, "a");
    fs.capacityBytes = fs.usedBytes + 1000;
    fs.inject({
      at: ({ name, path }) => name === "append" && path.endsWith("RESERVE"),
      do: "full",
      part: () => 0.5,
    });
    await put(engine, { c: "3" });
    assert.equal(await size(fs), MIB - PART);
    fs.capacityBytes = Infinity;
    await put(engine, { d: "4" });
    assert.equal(await size(fs), MIB);
    const touched: string[] = [];
    fs.inject({ at: ({ path }) => touched.push(path) < 0, do: "fail" });
    await put(engine, { e: "5" });
    assert.deepEqual(touched.filter((path) => path.endsWith("RESERVE")), []);
    await engine.close();
  });
});
