import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { yieldToLoop } from "../../lib/base/yield.ts";
import {
  ClosedError,
  CorruptionError,
  ExistsError,
  HistoryGoneError,
  IOError,
  LockedError,
  NoSpaceError,
  ReadOnlyError,
} from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { MemtableCursor } from "../../lib/tree/memtable/memtable_cursor.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { FILE_HEADER_BYTES } from "../../lib/format/identity.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { all, fill, get, key, name, open, put, remove, removeRange, tinySettings } from "./fixture.ts";
import { destroyDatabase, openEngine } from "../../lib/engine/open.ts";
import type { Engine, EngineSettings } from "../../lib/engine/types.ts";
import { Overlay } from "../../lib/tree/overlay.ts";

describe("Engine", () => {
  it("keeps what was written across flushes, compactions and reopening", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    await fill(engine, 500);
    await remove(engine, name(7));
    await removeRange(engine, name(100), name(200));
    const expected = all(engine);
    assert.equal(expected.length, 399);
    await engine.compact();
    assert.deepEqual(all(engine), expected);
    await engine.close();
    engine = await open(fs);
    assert.deepEqual(all(engine), expected);
    assert.ok(engine.stats().levels.length > 0);
    await engine.close();
  });

  it("gives versions in call order, one to a commit, without gaps", async () => {
    const engine = await open(memoryFileSystem());
    const versions = await Promise.all([...Array(20).keys()].map((i) => put(engine, { [name(i)]: "x" })));
    assert.deepEqual(versions, [...Array(20).keys()].map((i) => i + 1));
    await engine.close();
  });

  it("syncs once for commits that arrive together", async () => {
    const engine = await open(memoryFileSystem());
    await Promise.all([...Array(64).keys()].map((i) => put(engine, { [name(i)]: "x" })));
    assert.ok(engine.stats().syncs <= 2, `${engine.stats().syncs} syncs for 64 commits`);
    await engine.close();
  });

  it("fills no memtable beyond its limit with ranges that lie in each other, all deleted in one turn", async () => {
    const memtableBytes = 256 * 1024;
    const engine = await open(memoryFileSystem(), { memtableBytes });
    await fill(engine, 500);
    let most = 0;
    const deleted: Promise<unknown>[] = [];
    for (let i = 0; i < 250; i++) {
      deleted.push(
        removeRange(engine, name(i), name(500 - i)).then(() => {
          most = Math.max(most, engine.stats().memtableBytes);
        }),
      );
    }
    await Promise.all(deleted);
    // One that takes writes, and two that wait to be flushed.
    assert.ok(most < 3.5 * memtableBytes, `${most} bytes in memtables`);
    assert.deepEqual(all(engine).length, 0);
    await engine.close();
  });

  it("acknowledges more commits of one turn than a call takes arguments", async () => {
    const engine = await open(memoryFileSystem());
    const empty = new Batch();
    let done = 0;
    for (let i = 0; i < 150_000; i++) void engine.commit(empty).then(() => done++);
    // Behind all of them.
    await engine.flush();
    assert.equal(done, 150_000);
    await engine.close();
  });

  it("lets a check see commits that came before it in the same group", async () => {
    const engine = await open(memoryFileSystem());
    const first = put(engine, { a: "1" });
    const batch = new Batch();
    batch.put(key("a"), new Uint8Array([5, 50]));
    const refused = engine.commit(batch, { check: (state) => state.get(key("a")) === undefined });
    const again = new Batch();
    again.put(key("b"), new Uint8Array([5, 50]));
    const made = engine.commit(again, { check: (state) => !state.keyChangedSince(key("a"), 1) });
    assert.equal(await first, 1);
    assert.equal(await refused, undefined);
    assert.equal((await made)!.version, 2);
    await engine.close();
  });

  it("keeps a snapshot readable through overwriting, deleting and compaction", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 200);
    const snapshot = engine.snapshot();
    const before = all(engine);
    await fill(engine, 200, "w");
    await removeRange(engine, name(50), name(150));
    await engine.compact();
    assert.deepEqual(all(engine, engine.read(snapshot)), before);
    assert.equal(all(engine).length, 100);
    snapshot.release();
    await engine.compact();
    assert.equal(get(engine, name(3)), "w3");
    await engine.close();
  });

  it("keeps a cursor on its version while files come and go", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 300);
    const cursor = engine.read().cursor();
    cursor.next();
    await fill(engine, 300, "w");
    await engine.compact();
    let rows = 1;
    while (cursor.next()) rows++;
    cursor.close();
    assert.equal(rows, 300);
    assert.equal(engine.stats().pins, 0);
    await engine.close();
  });

  it("shows a transaction's own rows over those below, both ways", async () => {
    const engine = await open(memoryFileSystem());
    await put(engine, { a: "1", b: "1", c: "1", d: "1" });
    const overlay = new Overlay();
    overlay.put(key("b"), 0, new Uint8Array([5, 50]));
    overlay.put(key("e"), 0, new Uint8Array([5, 50]));
    overlay.delete(key("a"));
    overlay.deleteRange(key("c"), key("d"));
    const cursor = engine.read().cursor(undefined, undefined, overlay);
    const forward: string[] = [];
    while (cursor.next()) forward.push(new TextDecoder().decode(cursor.key.subarray(1)));
    cursor.seekEnd();
    const backward: string[] = [];
    while (cursor.previous()) backward.push(new TextDecoder().decode(cursor.key.subarray(1)));
    cursor.close();
    assert.deepEqual(forward, ["b", "d", "e"]);
    assert.deepEqual(backward, ["e", "d", "b"]);
    await engine.close();
  });

  it("moves large values to blob files and collects them once overwritten", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    const large = "x".repeat(500);
    for (let i = 0; i < 40; i++) await put(engine, { [name(i)]: large + i });
    await engine.compact();
    assert.ok(engine.stats().blobBytes > 0);
    assert.equal(get(engine, name(17)), large + 17);
    for (let i = 0; i < 30; i++) await put(engine, { [name(i)]: "small" });
    await engine.compact();
    await engine.compact();
    assert.ok(engine.stats().blobGarbageBytes * 2 <= engine.stats().blobBytes, JSON.stringify(engine.stats()));
    assert.equal(get(engine, name(35)), large + 35);
    assert.ok((await engine.verify()).ok);
    await engine.close();
  });

  it("gives the log back as history, and says when it is gone", async () => {
    const engine = await open(memoryFileSystem(), { historyBytes: 2048 });
    await fill(engine, 400);
    const versions: number[] = [];
    for await (const event of engine.history(engine.visibleVersion - 10)) versions.push(event.version);
    assert.deepEqual(versions, [391, 392, 393, 394, 395, 396, 397, 398, 399, 400]);
    await assert.rejects(async () => {
      for await (const _ of engine.history(0));
    }, HistoryGoneError);
    await engine.close();
  });

  it("opens a copy made from a pin, and gives it a lineage of its own at its first write", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await fill(engine, 150);
    const pin = await engine.pin();
    await fill(engine, 150, "later");
    await engine.compact();
    await fs.makeDirectory("/copy");
    for (const file of pin.files) {
      const bytes = new Uint8Array(file.size);
      const from = await fs.open(`/db/${file.name}`, "read");
      assert.equal(await from.readAt(bytes, 0), file.size);
      await from.close();
      const to = await fs.open(`/copy/${file.name}`, "create");
      await to.append(bytes);
      await to.close();
    }
    for (const [file, bytes] of [[pin.manifestName, pin.manifest()], ["CURRENT", pin.marker()]] as const) {
      const to = await fs.open(`/copy/${file}`, "create");
      await to.append(bytes);
      await to.close();
    }
    pin.release();
    const copy = await openEngine(fs, "/copy", tinySettings({ randomId: () => new Uint8Array(16).fill(9) }));
    assert.equal(copy.visibleVersion, 150);
    assert.deepEqual(all(copy).map(([, value]) => value), [...Array(150).keys()].map((i) => `v${i}`));
    assert.equal(copy.lineage, engine.lineage);
    await put(copy, { new: "1" });
    assert.equal(copy.lineage, "09".repeat(16));
    assert.equal(copy.id, engine.id);
    await copy.close();
    await engine.close();
  });

  it("replaces all contents in one commit, and keeps what snapshots see", async () => {
    for (const withSnapshot of [false, true]) {
      const fs = memoryFileSystem();
      const engine = await open(fs);
      await fill(engine, 100);
      const snapshot = withSnapshot ? engine.snapshot() : undefined;
      const writer = engine.ingestWriter();
      for (let i = 50; i < 250; i++) {
        writer.add(key(name(i)), new Uint8Array([5, 0x72]));
        await writer.drain();
      }
      const resets: number[] = [];
      const stop = engine.onCommit((event) => void ("reset" in event && resets.push(event.version)));
      const commit = await engine.ingest(await writer.finish(), { replace: true });
      stop();
      assert.equal(commit.version, 101);
      assert.deepEqual(resets, [101]);
      assert.equal(all(engine).length, 200);
      assert.equal(get(engine, name(60)), "r");
      assert.equal(get(engine, name(10)), undefined);
      if (snapshot !== undefined) assert.equal(all(engine, engine.read(snapshot)).length, 100);
      await put(engine, { [name(60)]: "after" });
      snapshot?.release();
      await engine.compact();
      assert.equal(get(engine, name(60)), "after");
      await engine.close();
      const again = await open(fs);
      assert.equal(all(again).length, 200);
      assert.ok((await again.verify()).ok);
      await again.close();
    }
  });

  it("merges ingested entries over the others", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 100);
    const writer = engine.ingestWriter();
    for (let i = 90; i < 110; i++) writer.add(key(name(i)), new Uint8Array([5, 0x72]));
    await engine.ingest(await writer.finish(), { replace: false });
    assert.equal(all(engine).length, 110);
    assert.equal(get(engine, name(95)), "r");
    assert.equal(get(engine, name(5)), "v5");
    await engine.close();
  });

  it("lets one writer in, and tells it from a reader in the same process", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await assert.rejects(open(fs), LockedError);
    await assert.rejects(open(fs, { readOnly: true }), LockedError);
    await engine.close();
    const reader = await open(fs, { readOnly: true });
    const writer = await open(fs);
    await reader.close();
    await writer.close();
  });

  it("reads beside a writer of another process, and follows it on refresh", async () => {
    const fs = memoryFileSystem();
    const writer = await open(fs);
    await fill(writer, 120);
    const reader = await open(fs.otherProcess(), { readOnly: true });
    assert.equal(all(reader).length, 120);
    await fill(writer, 240, "w");
    await writer.compact();
    assert.deepEqual(all(reader).map(([, value]) => value), [...Array(120).keys()].map((i) => `v${i}`));
    await reader.refresh();
    assert.equal(all(reader).length, 240);
    await assert.rejects(put(reader, { a: "1" }), ReadOnlyError);
    await reader.close();
    await writer.close();
  });

  it("refuses everything after close, and closes twice without harm", async () => {
    const engine = await open(memoryFileSystem());
    await engine.close();
    await engine.close();
    assert.throws(() => engine.read(), ClosedError);
    await assert.rejects(put(engine, { a: "1" }), ClosedError);
  });

  it("turns read-only for good after a failed sync, and says why", async () => {
    let broken = false;
    const failure = new IOError("the disk is gone (EIO)");
    const fs = memoryFileSystem({
      beforeOperation: (operation) => {
        if (broken && operation.name === "sync") throw failure;
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "1" });
    broken = true;
    await assert.rejects(put(engine, { a: "2" }), IOError);
    broken = false;
    await assert.rejects(put(engine, { a: "3" }), (error: ReadOnlyError) => {
      assert.ok(error instanceof ReadOnlyError);
      assert.equal(error.cause, failure);
      return true;
    });
    assert.equal(get(engine, "a"), "1");
    await engine.close().catch(() => {});
    const again = await open(fs);
    assert.ok(["1", "2"].includes(get(again, "a")!));
    await again.close();
  });

  it("takes no writes any more behind one that the disk did not take, and shows nothing of that later", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    fs.inject({ at: ({ name, path }) => name === "append" && path.endsWith(".log"), do: "tear" });
    await assert.rejects(put(engine, { a: "2" }), IOError);
    await assert.rejects(put(engine, { a: "3" }), ReadOnlyError);
    assert.equal(get(engine, "a"), "1");
    await engine.close().catch(() => {});
    const again = await open(fs);
    assert.equal(get(again, "a"), "1");
    await again.close();
  });

  it("refuses writes on a full disk, shows none of them later, and goes on once there is space", async () => {
    const fs = memoryFileSystem({ capacityBytes: 64 * 1024 });
    let engine = await open(fs, { memtableBytes: 1024 * 1024, historyBytes: 0 });
    let written = 0;
    await assert.rejects(async () => {
      for (;; written++) await put(engine, { [name(written)]: "x".repeat(200) });
    }, NoSpaceError);
    assert.ok(written > 100);
    assert.equal(all(engine).length, written);
    assert.equal(engine.stats().full, true);
    fs.capacityBytes = 1024 * 1024;
    await put(engine, { z: "after" });
    assert.equal(engine.stats().full, false);
    assert.equal(all(engine).length, written + 1);
    await engine.close();
    engine = await open(fs, { memtableBytes: 1024 * 1024 });
    assert.equal(all(engine).length, written + 1);
    await engine.close();
  });

  it("refuses to compact on a full disk what it can't write into tables, and does once there is space", async () => {
    const fs = memoryFileSystem({ capacityBytes: 64 * 1024 });
    const engine = await open(fs, { memtableBytes: 1024 * 1024, historyBytes: 0 });
    await assert.rejects(async () => {
      for (let i = 0;; i++) await put(engine, { [name(i)]: "x".repeat(200) });
    }, NoSpaceError);
    const written = all(engine).length;
    await assert.rejects(engine.compact(), { name: "NoSpaceError", message: /^Cannot compact .*the disk is full/ });
    fs.capacityBytes = 1024 * 1024;
    await engine.compact();
    assert.ok(engine.stats().levels.some(({ tables }) => tables > 0));
    assert.equal(all(engine).length, written);
    await engine.close();
  });

  it("lets deletes in from its reserve when the disk is full", async () => {
    const fs = memoryFileSystem({ capacityBytes: 1300 * 1024 });
    const engine = await open(fs, { memtableBytes: 8 * 1024 * 1024, reserve: true });
    let written = 0;
    await assert.rejects(async () => {
      for (;; written++) await put(engine, { [name(written)]: "x".repeat(70_000) });
    }, NoSpaceError);
    await remove(engine, name(0));
    assert.equal(get(engine, name(0)), undefined);
    await engine.close();
  });

  it("writes and syncs at close in every durability mode", async () => {
    for (const durability of ["commit", "interval", "buffered"] as const) {
      const fs = memoryFileSystem();
      const engine = await open(fs, { durability });
      await put(engine, { a: durability });
      await engine.close();
      const after = fs.crash({ keep: "none" });
      const again = await open(after);
      assert.equal(get(again, "a"), durability);
      await again.close();
    }
  });

  it("makes earlier buffered writes durable with a committed one", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { durability: "buffered" });
    await put(engine, { a: "1" });
    await put(engine, { b: "1" }, "interval");
    await put(engine, { c: "1" }, "commit");
    const again = await open(fs.crash({ keep: "none" }));
    assert.equal(all(again).length, 3);
    await again.close();
  });

  for (const what of ["many files", "a long log"]) {
    it(`gives up to open ${what} when it is told to`, async () => {
      const fs = memoryFileSystem();
      const engine = await open(fs, what === "a long log" ? { memtableBytes: 2 ** 20 } : {});
      await fill(engine, 1000);
      if (what === "many files") await engine.compact();
      await engine.close();
      const giveUp = new AbortController();
      let looks = 0;
      const monotonic = (): number => {
        if (++looks === 4) giveUp.abort(new Error("enough"));
        return looks * 1000;
      };
      await assert.rejects(open(fs, { monotonic, signal: giveUp.signal }), /^Error: enough$/);
      assert.ok(looks < 10, `${looks} looks at the clock`);
      await (await open(fs)).close();
    });
  }

  it("removes at open what a crash left behind, and nothing else", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    await fill(engine, 50);
    await engine.close();
    for (const orphan of ["000900.sst", "000901.blob", "000902.log", "MANIFEST-000903"]) {
      await (await fs.open(`/db/${orphan}`, "create")).close();
    }
    await (await fs.open("/db/notes.txt", "create")).close();
    engine = await open(fs);
    const names = await fs.list("/db");
    assert.ok(!names.some((one) => /90[0-3]/.test(one)));
    assert.ok(names.includes("notes.txt"));
    assert.ok(engine.newFileNumber() > 903);
    await engine.close();
  });

  it("gives no new file the number of one that a crash left behind", async () => {
    const fs = memoryFileSystem();
    const killed = await open(fs);
    await put(killed, { a: "1" });
    fs.kill();
    await killed.close().catch(() => {});
    const next = fs.otherProcess();
    for (const orphan of ["000003.sst", "000003.log", "MANIFEST-000003", "000004.log", "MANIFEST-000004"]) {
      await (await next.open(`/db/${orphan}`, "create")).close();
    }
    const engine = await open(next);
    assert.equal(get(engine, "a"), "1");
    await put(engine, { b: "2" });
    await engine.compact();
    await engine.close();
  });

  it("begins anew where the making of a database was interrupted, and removes what that left", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/db/.stage-1", { parents: true });
    for (const left of ["MANIFEST-000001", "CURRENT.1", ".stage-1/000001.sst"]) {
      await (await fs.open(`/db/${left}`, "create")).close();
    }
    const engine = await open(fs);
    assert.deepEqual(await fs.list("/db"), ["CURRENT", "LOCK", "MANIFEST-000002"]);
    await put(engine, { a: "1" });
    await engine.close();
    const again = await open(fs);
    assert.equal(get(again, "a"), "1");
    await again.close();
  });

  it("tells of damage, also where its names can't be listed", async () => {
    const made = memoryFileSystem();
    await (await open(made)).close();
    made.damage("/db/MANIFEST-000001", (bytes) => bytes.with(20, bytes[20]! ^ 1));
    const stuck = new IOError("Cannot list /db: stuck, says the test (EIO)");
    const delay = (call: string): Promise<void> | undefined => call === "list" ? Promise.reject(stuck) : undefined;
    const fs = made.fork({ keep: "all" }, { delay });
    await assert.rejects(open(fs), CorruptionError);
    // A failure that nobody awaits would end the program by now.
    await yieldToLoop();
    assert.equal(fs.lockedHere("/db/LOCK"), false);
  });

  it("makes the name of a directory durable that was there already", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/db");
    const engine = await open(fs);
    await put(engine, { a: "1" });
    const again = await open(fs.crash({ keep: "none" }));
    assert.equal(get(again, "a"), "1");
    await again.close();
  });

  for (const errorIfExists of [false, true]) {
    it(`${errorIfExists ? "refuses" : "takes"} what another has made meanwhile where nothing was`, async () => {
      const made = Promise.withResolvers<void>();
      let isFirst = true;
      const fs = memoryFileSystem({
        delay(name) {
          if (name !== "makeDirectory" || !isFirst) return undefined;
          isFirst = false;
          return made.promise;
        },
      });
      const late = open(fs, { errorIfExists });
      late.catch(() => {});
      const other = await open(fs.otherProcess());
      await put(other, { a: "1" });
      await other.close();
      made.resolve();
      if (errorIfExists) return await assert.rejects(late, ExistsError);
      const engine = await late;
      assert.equal(get(engine, "a"), "1");
      await engine.close();
    });
  }

  it("lets go of its lock once it is removed, and where that fails", async () => {
    const fs = memoryFileSystem();
    await (await open(fs)).close();
    fs.inject({ at: ({ name, path }) => name === "remove" && path.endsWith("CURRENT"), do: "fail" });
    await assert.rejects(destroyDatabase(fs, "/db"), IOError);
    await destroyDatabase(fs, "/db");
    assert.equal(fs.lockedHere("/db/LOCK"), false);
    await (await open(fs)).close();
  });

  it("is gone for good at the first step of its removal", async () => {
    let images: MemoryFileSystem[] = [];
    const fs = memoryFileSystem({
      beforeOperation: ({ name, path }) => {
        if (name === "remove" && path.endsWith(".log")) images = [fs.fork({ keep: "none" }), fs.fork({ keep: "all" })];
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await engine.close();
    await destroyDatabase(fs, "/db");
    assert.equal(images.length, 2);
    for (const image of images) await assert.rejects(open(image), CorruptionError);
  });

  it("names file and offset when a table is damaged, and changes nothing", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    await fill(engine, 200);
    await engine.compact();
    await engine.close();
    const table = (await fs.list("/db")).find((one) => one.endsWith(".sst"))!;
    const handle = await fs.open(`/db/${table}`, "read");
    const bytes = new Uint8Array(handle.sizeSync());
    await handle.readAt(bytes, 0);
    await handle.close();
    bytes[100]! ^= 1;
    await fs.remove(`/db/${table}`);
    const damaged = await fs.open(`/db/${table}`, "create");
    await damaged.append(bytes);
    await damaged.close();
    engine = await open(fs);
    assert.throws(() => all(engine), (error: CorruptionError) => {
      assert.ok(error instanceof CorruptionError);
      assert.ok(error.file.endsWith(table));
      return true;
    });
    const report = await engine.verify();
    assert.equal(report.ok, false);
    assert.ok(report.problems.some((problem) => problem.file.endsWith(table)));
    await engine.close();
  });

  it("is looked for in a file no further once the signal fires", async () => {
    let slices = 0;
    const big = 1024 * 1024;
    const engine = await open(memoryFileSystem(), {
      memtableBytes: big,
      tableBytes: big,
      monotonic: () => 10 * ++slices,
    });
    await fill(engine, 500);
    await engine.compact();
    const giveUp = new AbortController();
    const onBytes = (): void => assert.fail("it went on to the end of the file");
    const verified = engine.verify({ signal: giveUp.signal, onBytes });
    const before = slices;
    while (slices < before + 4) await yieldToLoop();
    giveUp.abort(new Error("enough"));
    await assert.rejects(verified, /enough/);
    await engine.close();
  });
});

describe("a manifest that lost its last edit", () => {
  for (const commits of [1, 3]) {
    it(`is damage when a segment that it doesn't name holds commits: ${commits}`, async () => {
      const fs = memoryFileSystem();
      const engine = await open(fs, { memtableBytes: 1024 * 1024 });
      await put(engine, { a: "1" });
      const [manifest] = (await fs.list("/db")).filter((one) => one.startsWith("MANIFEST"));
      const before = (await fs.stat(`/db/${manifest}`))!.size;
      await engine.compact();
      for (let i = 0; i < commits; i++) await put(engine, { b: `${i}` });
      const copy = fs.fork({ keep: "all" });
      await engine.close();
      copy.damage(`/db/${manifest}`, (bytes) => bytes.slice(0, before));
      const lost = { name: "CorruptionError", message: /it holds commits, but the manifest ends with/ };
      await assert.rejects(open(copy), lost);
      // Nor has a repair replaced it that was interrupted before it switched the marker.
      await copy.makeDirectory("/db/damaged-1");
      const [, unnamed] = (await copy.list("/db")).filter((one) => one.endsWith(".log"));
      await (await copy.open(`/db/damaged-1/${unnamed}`, "create")).close();
      await assert.rejects(open(copy), lost);
      if (commits === 1) return;
      // The first of them may be damaged.
      copy.damage(`/db/${unnamed}`, (bytes) => bytes.fill(0xff, FILE_HEADER_BYTES, FILE_HEADER_BYTES + 4));
      await assert.rejects(open(copy), lost);
    });
  }
});

describe("ReadView.changedSince()", () => {
  it("tells whether a range has changed without going through all versions of a key", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
    for (let i = 0; i < 2000; i++) void put(engine, { hot: `${i}` }, "buffered");
    await put(engine, { other: "1" });
    const { visibleVersion: before } = engine;
    await put(engine, { other: "2" });
    let steps = 0;
    const { next } = MemtableCursor.prototype;
    MemtableCursor.prototype.next = function () {
      steps++;
      next.call(this);
    };
    try {
      assert.equal(engine.read().changedSince(key("h"), key("i"), before), false);
      assert.equal(engine.read().changedSince(key("h"), key("z"), before), true);
    } finally {
      MemtableCursor.prototype.next = next;
    }
    assert.ok(steps < 100, `${steps} steps`);
    await engine.close();
  });

  it("tells of a range of which nothing but a deletion is newer, wherever that is", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
    await put(engine, { a: "1", c: "1", e: "1" });
    const snapshot = engine.snapshot();
    await removeRange(engine, "b", "d");
    const changed = (start: string, end: string): boolean =>
      engine.read().changedSince(key(start), key(end), snapshot.version);
    for (const where of ["in memory", "in tables"]) {
      assert.equal(changed("b", "c"), true, where);
      assert.equal(changed("a", "z"), true, where);
      assert.equal(changed("a", "b"), false, where);
      assert.equal(changed("d", "z"), false, where);
      await engine.compact();
    }
    assert.equal(engine.read().changedSince(key("a"), key("z"), engine.visibleVersion), false);
    snapshot.release();
    await engine.close();
  });
});

describe("ReadView.keyChangedSince()", () => {
  it("asks no table in which nothing is newer, and each in which something may be", async () => {
    let reads = 0;
    const fs = memoryFileSystem({ beforeOperation: ({ mutates }) => void (mutates || reads++) });
    const engine = await open(fs, { cacheBytes: 0 });
    await put(engine, { a: "1", b: "1", c: "1" });
    await engine.compact();
    const snapshot = engine.snapshot();
    const { version: before } = snapshot;
    const changed = (): string[] =>
      ["a", "b", "c", "d"].filter((one) => engine.read().keyChangedSince(key(one), before));
    const seen = reads;
    assert.deepEqual(changed(), []);
    await put(engine, { b: "2" });
    assert.deepEqual(changed(), ["b"]);
    assert.equal(reads, seen);
    await removeRange(engine, "c", "d");
    assert.deepEqual(changed(), ["b", "c"]);
    await engine.flush();
    assert.deepEqual(changed(), ["b", "c"]);
    await engine.compact();
    assert.deepEqual(changed(), ["b", "c"]);
    snapshot.release();
    await engine.close();
  });
});

describe("Engine.deferCompaction()", () => {
  /** A database with ten runs in level 0, and levels so small that there is more than one compaction to make. */
  async function withWork(
    settings: Partial<EngineSettings>,
    fs: FileSystem = memoryFileSystem(),
    path = "/db",
  ): Promise<Engine> {
    // Closed at once, so that nothing is compacted before it is opened with another limit.
    const filled = await openEngine(fs, path, tinySettings({ level0Tables: 100 }));
    await fill(filled, 200);
    await filled.close();
    return await openEngine(fs, path, tinySettings({ levelBytes: 100, ...settings }));
  }

  /** Whether there are more compactions than `most` before long. */
  async function compactsMore(engine: Engine, most: number): Promise<boolean> {
    for (let i = 0; i < 2000 && engine.stats().compactions <= most; i++) await yieldToLoop();
    return engine.stats().compactions > most;
  }

  it("keeps compaction back, unless that takes too long", async () => {
    let now = 0;
    const engine = await withWork({ level0Tables: 6, monotonic: () => now });
    const resume = engine.deferCompaction();
    // One may be near its end.
    const most = engine.stats().compactions + 1;
    assert.equal(await compactsMore(engine, most), false);
    now = 10_000;
    // It looks again only after some milliseconds.
    for (let i = 0; i < 1000 && !await compactsMore(engine, most); i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(engine.stats().compactions > most);
    resume();
    await engine.close();
  });

  it("lets compaction go on when writers have to wait for it, and only then", async () => {
    for (const level0Tables of [4, 2]) {
      // Ten runs: with 4 a writer is slowed, with 2 it is stopped.
      let now = 0;
      const engine = await withWork({ level0Tables, monotonic: () => now });
      const resume = engine.deferCompaction();
      const most = engine.stats().compactions + 1;
      assert.equal(await compactsMore(engine, most), false);
      const written = fill(engine, 1);
      // Long before a deferral ends by itself.
      for (; now < 1000 && !await compactsMore(engine, most); now += 10) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.ok(engine.stats().compactions > most, `${level0Tables}`);
      resume();
      const ticking = setInterval(() => now++, 1);
      await written;
      clearInterval(ticking);
      await engine.close();
    }
  });

  it("keeps compaction of real files back for a moment after opening", async () => {
    const root = await mkdtemp(join(tmpdir(), "holdfast-test-"));
    try {
      const engine = await withWork({ level0Tables: 6 }, nodeFileSystem(), join(root, "db"));
      assert.equal(await compactsMore(engine, 0), false);
      for (let i = 0; i < 1000 && !await compactsMore(engine, 1); i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.ok(engine.stats().compactions > 1);
      await engine.close();
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
