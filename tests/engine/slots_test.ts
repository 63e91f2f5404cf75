/** The log and the files that repositories still lack: how long they stay, and what happens when it gets too much. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HistoryGoneError, NoSpaceError, NotFoundError, ReadOnlyError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { applyEdit, copyState, emptyState, stateAsEdit } from "../../lib/engine/manifest/manifest_state.ts";
import type { Engine, EngineEvent, IngestInfo } from "../../lib/engine/types.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { FILE_HEADER_BYTES } from "../../lib/format/identity.ts";
import { operationsOf } from "../../lib/format/log/batch.ts";
import { all, fill, get, name, open, put, remove, removeRange } from "./fixture.ts";
import { ingestSome } from "./staged.ts";

const slot = (version: number, id = "s"): { id: string; repository: string; version: number; createdAt: number } => ({
  id,
  repository: `repository of ${id}`,
  version,
  createdAt: 5,
});

async function logFiles(fs: FileSystem): Promise<string[]> {
  return (await fs.list("/db")).filter((file) => file.endsWith(".log"));
}

async function firstKept(engine: Engine): Promise<number> {
  for (let since = 0;; since++) {
    try {
      return (await engine.follow(since).next(1))!.commits[0]!.version;
    } catch (error) {
      if (!(error instanceof HistoryGoneError)) throw error;
    }
  }
}

async function ingestInfoOf(engine: Engine, version: number): Promise<IngestInfo> {
  const { commits } = (await engine.follow(version - 1).next(1))!;
  const [operation] = operationsOf(commits[0]!.ops);
  assert.ok(operation?.type === "ingest");
  return operation.info;
}

async function areThere(engine: Engine, info: IngestInfo): Promise<boolean> {
  const files = engine.ingestedFiles(info);
  if (files === undefined) return false;
  assert.equal(files.length, info.tables.length + info.blobs.length);
  for (const { path, size } of files) assert.equal((await engine.fs.stat(path))?.size, size);
  return true;
}

async function archived(engine: Engine, since: number): Promise<number> {
  const follower = engine.follow(since);
  while (await follower.next(Infinity) !== undefined);
  return follower.version;
}

describe("Slots", () => {
  it("keep the log until they move on or are dropped", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs, { historyBytes: 0 });
    await engine.setSlot(slot(0));
    await fill(engine, 200);
    await engine.compact();
    assert.equal(await firstKept(engine), 1);
    await engine.setSlot(slot(150));
    const kept = await firstKept(engine);
    assert.ok(kept > 100 && kept <= 151, `kept from ${kept}`);
    await engine.close();

    engine = await open(fs, { historyBytes: 0 });
    assert.deepEqual(engine.slots(), [slot(150)]);
    await engine.setSlot(slot(140, "t"));
    await engine.setSlot(slot(200));
    assert.equal(await firstKept(engine), kept);
    await engine.dropSlot("t");
    assert.equal((await logFiles(fs)).length, 1);
    await assert.rejects(engine.dropSlot("t"), NotFoundError);
    await engine.close();
  });

  for (const end of ["resolve", "reject"] as const) {
    it(`let go of log whose files stay until whoever moves them on is done, well or not: ${end}`, async () => {
      const fs = memoryFileSystem();
      const engine = await open(fs, { historyBytes: 0 });
      await engine.setSlot(slot(0));
      await fill(engine, 200);
      await engine.compact();
      const before = await logFiles(fs);
      const task = Promise.withResolvers<void>();
      await engine.setSlot(slot(150), task.promise);
      assert.ok(await firstKept(engine) > 100);
      assert.deepEqual(await logFiles(fs), before);
      task[end]();
      for (let i = 0; i < 20; i++) await yieldToLoop();
      assert.ok((await logFiles(fs)).length < before.length);
      await engine.close();
    });
  }

  it("tell what was archived when they move on, and nothing else", async () => {
    const events: EngineEvent[] = [];
    const engine = await open(memoryFileSystem(), { onEvent: (event) => void events.push(event) });
    await put(engine, { a: "1" });
    for (const version of [0, 0, 1, 7, 5]) await engine.setSlot(slot(version));
    await engine.dropSlot("s");
    assert.deepEqual(events.filter(({ type }) => type === "archive"), [
      { type: "archive", from: 1, to: 1, slot: "s" },
      { type: "archive", from: 2, to: 7, slot: "s" },
    ]);
    await engine.close();
  });

  it("are not written when nothing changes, and durable when something did", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await engine.setSlot(slot(1));
    const before = fs.operations;
    await engine.setSlot(slot(1));
    assert.equal(fs.operations, before);
    await engine.setSlot(slot(2));
    assert.ok(fs.operations > before);
    const after = await open(fs.fork({ keep: "none" }));
    assert.deepEqual(after.slots(), [slot(2)]);
    await after.close();
    for (const change of [{ repository: "moved" }, { createdAt: 6 }]) {
      const other = { ...engine.slots()[0]!, ...change };
      await engine.setSlot(other);
      assert.deepEqual(engine.slots(), [other]);
    }
    const reader = await open(fs.otherProcess(), { readOnly: true });
    await assert.rejects(reader.setSlot(slot(3)), ReadOnlyError);
    await reader.close();
    await engine.close();
  });

  it("know about how much log lies behind a version", async () => {
    const engine = await open(memoryFileSystem(), { historyBytes: 1e9 });
    await fill(engine, 200);
    await engine.flush();
    const whole = engine.unarchivedBytes(0);
    const { logBytes } = engine.stats();
    assert.ok(whole > logBytes * 0.8 && whole <= logBytes, `${whole} of ${logBytes}`);
    assert.equal(engine.unarchivedBytes(200), 0);
    const half = engine.unarchivedBytes(100);
    assert.ok(half > whole * 0.4 && half < whole * 0.6, `${half} of ${whole}`);
    await engine.close();
  });

  it("know of a segment how much its records take, each as much as the others", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await fill(engine, 3);
    const [file] = await logFiles(fs);
    const bytes = (await fs.stat(`/db/${file}`))!.size - FILE_HEADER_BYTES;
    assert.deepEqual([0, 1, 2, 3].map((version) => engine.unarchivedBytes(version)), [
      bytes,
      Math.ceil(bytes * 2 / 3),
      Math.ceil(bytes / 3),
      0,
    ]);
    await engine.close();
  });
});

describe('archive.onFull "gap"', () => {
  it("lets the oldest go, tells of it, and remembers one gap for what goes on", async () => {
    const events: EngineEvent[] = [];
    const fs = memoryFileSystem();
    const settings = { historyBytes: 0, archiveBytes: 6000, onEvent: (event: EngineEvent) => void events.push(event) };
    let engine = await open(fs, settings);
    await engine.setSlot(slot(10));
    await engine.setSlot(slot(30, "t"));
    await fill(engine, 400);
    await engine.compact();
    const kept = await firstKept(engine);
    assert.ok(kept > 200, `kept from ${kept}`);
    assert.deepEqual(engine.gaps(), [{ from: 11, to: kept - 1 }]);
    for (const { id, version } of engine.slots()) {
      const told = events.filter((event) => event.type === "gap").filter((event) => event.slot === id);
      assert.ok(told.length > 0);
      let next = version + 1;
      for (const { from, to } of told) {
        assert.equal(from, next);
        next = to + 1;
      }
      assert.equal(next, kept);
    }
    await assert.rejects(engine.follow(30).next(1), HistoryGoneError);
    assert.ok(engine.stats().logBytes < 12_000, `${engine.stats().logBytes} bytes of log`);

    // Both have begun anew, and fall behind again: another gap.
    await engine.setSlot(slot(400));
    await engine.setSlot(slot(400, "t"));
    await fill(engine, 400);
    await engine.compact();
    const later = await firstKept(engine);
    assert.deepEqual(engine.gaps(), [{ from: 11, to: kept - 1 }, { from: 401, to: later - 1 }]);
    await engine.close();
    engine = await open(fs, settings);
    assert.deepEqual(engine.gaps(), [{ from: 11, to: kept - 1 }, { from: 401, to: later - 1 }]);
    const pin = await engine.pin();
    pin.release();
    await engine.close();
  });

  it("never refuses a write, and no gap comes of what is archived in time", async () => {
    const engine = await open(memoryFileSystem(), { historyBytes: 0, archiveBytes: 6000 });
    await engine.setSlot(slot(0));
    for (let round = 0; round < 10; round++) {
      await fill(engine, 50);
      await engine.setSlot(slot(await archived(engine, engine.slots()[0]!.version)));
    }
    assert.equal(engine.slots()[0]!.version, 500);
    assert.deepEqual(engine.gaps(), []);
    await engine.close();
  });

  it("keeps gaps in order, merged, and not without end", () => {
    const state = emptyState();
    const add = (...gaps: [number, number][]): void => {
      applyEdit(state, { gaps: gaps.map(([from, to]) => ({ from, to })) });
    };
    add([20, 29], [5, 9]);
    assert.deepEqual(state.gaps, [{ from: 5, to: 9 }, { from: 20, to: 29 }]);
    const copy = copyState(state);
    add([10, 12], [30, 30], [25, 26]);
    assert.deepEqual(state.gaps, [{ from: 5, to: 12 }, { from: 20, to: 30 }]);
    add([1, 50]);
    assert.deepEqual(state.gaps, [{ from: 1, to: 50 }]);
    assert.deepEqual(copy.gaps, [{ from: 5, to: 9 }, { from: 20, to: 29 }]);
    for (let i = 0; i < 3000; i++) add([100 + 2 * i, 100 + 2 * i]);
    assert.equal(state.gaps.length, 1000);
    assert.deepEqual(state.gaps.at(-1), { from: 6098, to: 6098 });
    const again = emptyState();
    applyEdit(again, stateAsEdit(state));
    assert.deepEqual(again.gaps, state.gaps);
  });
});

describe('archive.onFull "stop"', () => {
  const settings = { historyBytes: 0, archiveBytes: 4000, archiveOnFull: "stop" } as const;

  it("refuses every write, and nothing else, until the slot has moved on", async () => {
    const events: EngineEvent[] = [];
    const fs = memoryFileSystem();
    let engine = await open(fs, { ...settings, onEvent: (event) => void events.push(event) });
    await engine.setSlot(slot(0));
    await assert.rejects(fill(engine, 1000), (error: unknown) => {
      assert.ok(error instanceof NoSpaceError);
      assert.match(error.message, /archive\.maxBytes/);
      return true;
    });
    const { visibleVersion } = engine;
    assert.ok(visibleVersion > 50 && visibleVersion < 400, `stopped at ${visibleVersion}`);
    const refusals = [
      () => put(engine, { a: "1" }, "buffered"),
      () => remove(engine, name(1)),
      () => removeRange(engine, name(1), name(2)),
      () => ingestSome(engine, 0, 3, false),
    ];
    const refuses = async (): Promise<void> => {
      for (const refused of refusals) await assert.rejects(refused(), NoSpaceError);
      assert.equal(engine.visibleVersion, visibleVersion);
    };
    await refuses();
    assert.equal(get(engine, name(1)), "v1");
    assert.equal(all(engine).length, visibleVersion);
    await engine.flush();
    await engine.compact();
    (await engine.pin()).release();
    assert.ok((await engine.verify()).ok);
    assert.equal(engine.failure, undefined);
    assert.equal(engine.stats().full, false);
    await refuses();
    await engine.close();

    // Also when it is opened again, and after a kill.
    engine = await open(fs, settings);
    await refuses();
    fs.kill();
    engine = await open(fs.otherProcess(), settings);
    await refuses();
    assert.deepEqual(engine.gaps(), []);
    assert.deepEqual(events.filter(({ type }) => type === "gap" || type === "failure"), []);

    assert.equal(await firstKept(engine), 1);
    await engine.setSlot(slot(await archived(engine, 0)));
    assert.equal(await put(engine, { a: "1" }), visibleVersion + 1);
    await engine.close();
  });

  it("ends as well when the slot is dropped, or when gaps are allowed at the next open", async () => {
    for (const way of ["drop", "open"]) {
      const fs = memoryFileSystem();
      let engine = await open(fs, settings);
      await engine.setSlot(slot(0));
      await assert.rejects(fill(engine, 1000), NoSpaceError);
      if (way === "drop") {
        await engine.dropSlot("s");
      } else {
        await engine.close();
        engine = await open(fs, { ...settings, archiveOnFull: "gap" });
      }
      await fill(engine, 300);
      assert.equal(engine.gaps().length, way === "drop" ? 0 : 1);
      await engine.close();
    }
  });

  it("goes on by itself with an archive that keeps up", async () => {
    const engine = await open(memoryFileSystem(), settings);
    await engine.setSlot(slot(0));
    for (let i = 0; i < 600; i++) {
      await put(engine, { [name(i)]: "x" }, "buffered");
      if (i % 40 === 39) await engine.setSlot(slot(await archived(engine, engine.slots()[0]!.version)));
    }
    assert.equal(all(engine).length, 600);
    await engine.close();
  });
});

describe("Files that were taken in", () => {
  it("stay until every repository has them, whatever compaction makes of them", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await engine.setSlot(slot(0));
    await engine.setSlot(slot(0, "t"));
    await fill(engine, 20);
    const version = await ingestSome(engine, 0, 100, true);
    const info = await ingestInfoOf(engine, version);
    assert.ok(info.tables.length > 1 && info.blobs.length > 0);
    await fill(engine, 100);
    await engine.compact();
    await ingestSome(engine, 0, 10, true);
    await engine.compact();
    assert.ok(await areThere(engine, info));
    await engine.setSlot(slot(version));
    assert.ok(await areThere(engine, info));
    await engine.setSlot(slot(version - 1, "t"));
    assert.ok(await areThere(engine, info));
    await engine.setSlot(slot(version, "t"));
    assert.equal(engine.ingestedFiles(info), undefined);
    for (const { number } of info.tables) assert.equal(await fs.stat(engine.filePath("table", number)), undefined);
    for (const { number } of info.blobs) assert.equal(await fs.stat(engine.filePath("blob", number)), undefined);
    await engine.close();
  });

  it("go as ever when there is no repository, when it is dropped, and when it will never get them", async () => {
    for (const way of ["none", "drop", "gap"]) {
      const engine = await open(memoryFileSystem(), { historyBytes: way === "gap" ? 0 : 1e9, archiveBytes: 4000 });
      if (way !== "none") await engine.setSlot(slot(0));
      const version = await ingestSome(engine, 0, 100, true);
      const info = await ingestInfoOf(engine, version);
      await ingestSome(engine, 0, 10, true);
      assert.equal(await areThere(engine, info), way !== "none", way);
      if (way === "drop") await engine.dropSlot("s");
      await fill(engine, 300);
      await engine.compact();
      if (way === "gap") assert.ok(engine.gaps().length > 0);
      assert.equal(engine.ingestedFiles(info), undefined, way);
      await engine.close();
    }
  });

  it("are found again after an open while the database lists them, and held from then on", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    await engine.setSlot(slot(0));
    const version = await ingestSome(engine, 0, 100, true);
    const info = await ingestInfoOf(engine, version);
    fs.kill();
    const other = fs.otherProcess();
    engine = await open(other);
    assert.ok(await areThere(engine, info));
    await ingestSome(engine, 0, 10, true);
    await fill(engine, 50);
    await engine.compact();
    assert.ok(await areThere(engine, info));
    const pin = await engine.pin();
    const listed = pin.files.map((file) => file.name).filter((file) => /\.(sst|blob)$/.test(file));
    pin.release();
    await engine.close();
    // What only repositories needed is not left behind.
    for (let i = 0; i < 10; i++) await yieldToLoop();
    assert.deepEqual((await other.list("/db")).filter((file) => /\.(sst|blob)$/.test(file)), listed.sort());
    engine = await open(other);
    assert.equal(engine.ingestedFiles(info), undefined);
    await engine.close();
  });

  it("are held from an open on, whatever comes first", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    await engine.setSlot(slot(0));
    const version = await ingestSome(engine, 0, 100, false);
    const info = await ingestInfoOf(engine, version);
    await engine.close();
    engine = await open(fs);
    await engine.compact();
    const pin = await engine.pin();
    assert.ok(!pin.files.some(({ number }) => number === info.tables[0]!.number), "compaction replaced them");
    pin.release();
    assert.ok(await areThere(engine, info));
    await engine.close();
  });
});
