/** What recovery fills: memtables as large as those that were lost, whatever the log holds. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { describe, it } from "node:test";
import type { Timers } from "../../lib/base/timers.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import type { Log } from "../../lib/engine/log/log.ts";
import { shortenLog } from "../../lib/engine/long_log.ts";
import type { Store } from "../../lib/engine/store.ts";
import type { EngineEvent } from "../../lib/engine/types.ts";
import type { CommitQueue } from "../../lib/engine/writing/commit_queue.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB, type OpenOptions } from "../../mod.ts";
import { all, withDirectory } from "../db/helpers.ts";

const KIB = 2 ** 10;

/** Forty commits of 40 KiB each: 1.6 MB of log in one segment, among it overwritten keys and a deleted range. */
async function killed(): Promise<{ disk: MemoryFileSystem; entries: unknown[]; commits: number }> {
  const disk = memoryFileSystem();
  const db = await DB.open("/data", { ...optionsOn(disk), memtableBytes: 8192 * KIB });
  for (let i = 0; i < 40; i++) {
    await db.set(`k${i % 30}`, `${i} ${"v".repeat(40 * KIB)}`);
    if (i === 20) await db.deleteRange({ start: "k1", end: "k2" });
  }
  assert.equal(db.stats().flushes, 0);
  const { version: commits } = db;
  return { disk: disk.fork({ keep: "none" }), entries: await all(db.list()), commits };
}

function optionsOn(fileSystem: MemoryFileSystem): OpenOptions {
  return { fileSystem, blobBytes: 1024 * KIB, compression: "none", tuning: { level0Tables: 100 } };
}

/** Opens, and counts what is read of the log and written to tables. */
async function opened(
  disk: MemoryFileSystem,
  options: OpenOptions,
): Promise<{ db: DB; records: () => number; flushed: number[] }> {
  const flushed: number[] = [];
  let records = 0;
  const onEvent = (event: EngineEvent): void => {
    if (event.type === "recovery") records = event.records;
    if (event.type === "flush") flushed.push(event.bytes);
  };
  const db = await DB.open("/data", { ...optionsOn(disk), ...options, onEvent });
  return { db, records: () => records, flushed };
}

/** What `shortenLog` goes by. */
interface Facts {
  readOnly: boolean;
  forked: boolean;
  isEmpty: boolean;
  logBytes: number;
  closedMeanwhile: boolean;
  sealedMeanwhile: boolean;
}

/** How often a log was rotated once its time had come. */
function rotationsOf({ readOnly, forked, isEmpty = false, logBytes = 300 * KIB, ...later }: Partial<Facts>): number {
  const store = {
    memtable: { isEmpty, bytes: 0 },
    manifest: { state: { forked } },
    settings: { readOnly },
    isRepeatable: false,
  };
  const log = { position: () => ({ end: logBytes }) };
  let rotations = 0;
  const queue = {
    closed: false,
    exclusive: async (run: () => Promise<void>) => await run(),
    rotate: async () => void rotations++,
  };
  const waiting: (() => void)[] = [];
  const timers: Timers = { set: (_ms, run) => (waiting.push(run), () => {}) };
  shortenLog(store as unknown as Store, log as Log, queue as unknown as CommitQueue, timers);
  assert.equal(rotations, 0);
  if (later.closedMeanwhile) queue.closed = true;
  if (later.sealedMeanwhile) store.memtable = { isEmpty, bytes: 0 };
  for (const run of waiting) run();
  return rotations;
}

describe("an open after a kill", () => {
  it("fills memtables to their limit, which go to tables one by one", async () => {
    const { disk, entries, commits } = await killed();
    const { db, records, flushed } = await opened(disk, { memtableBytes: 256 * KIB });
    assert.equal(records(), commits);
    assert.ok(db.stats().pendingFlushes > 3, "the open has not waited for them");
    assert.deepEqual(await all(db.list()), entries);
    while (db.stats().pendingFlushes > 0) await yieldToLoop();
    assert.equal(flushed.length, 6, "the last is not full");
    for (const bytes of flushed.slice(0, 5)) assert.ok(bytes > 200 * KIB && bytes < 300 * KIB, `${flushed}`);
    assert.deepEqual(await all(db.list()), entries);

    // Killed again: what went to tables is not read once more, though its segment is the newest.
    await db.set("more", "1");
    const again = await opened(disk.fork({ keep: "none" }), {});
    assert.equal(again.records(), 1);
    assert.deepEqual((await all(again.db.list())).slice(0, -1), entries);
    assert.equal(await again.db.get("more"), "1");
    assert.equal(again.db.version, commits + 1);
    await db.close();
    await again.db.close();
  });

  it("puts a log of more than 256 KiB into tables, so that a program killed again does not read it again", async () => {
    for (const [bytes, flushes] of [[200 * KIB, 0], [300 * KIB, 1]] as const) {
      const disk = memoryFileSystem();
      const first = await DB.open("/data", optionsOn(disk));
      await first.set("long", "v".repeat(bytes));
      const { db, records, flushed } = await opened(disk.fork({ keep: "none" }), {});
      assert.equal(records(), 1);
      for (let turn = 0; turn < 100; turn++) await yieldToLoop();
      assert.equal(flushed.length, flushes, `${bytes} bytes`);
      assert.equal(await db.get("long"), "v".repeat(bytes));
      await db.close();
      // At close it is the same.
      await first.close();
      const last = await opened(disk, {});
      assert.deepEqual([last.records(), last.flushed.length], [1 - flushes, 0], `${bytes} bytes`);
      await last.db.close();
    }
  });

  it("does so at the next open, or its close, where it was killed on the way there", async () => {
    const disk = memoryFileSystem();
    await using first = await DB.open("/data", optionsOn(disk));
    await first.set("long", "v".repeat(300 * KIB));
    const moments: MemoryFileSystem[] = [];
    const afterOperation = (): void => void moments.push(killedOnce.fork({ keep: "none" }));
    const killedOnce: MemoryFileSystem = disk.fork({ keep: "none" }, { afterOperation });
    const second = await DB.open("/data", optionsOn(killedOnce));
    while (second.stats().flushes === 0) await yieldToLoop();
    let before = 0;
    for (const [index, moment] of moments.splice(0).entries()) {
      const closed = moment.fork({ keep: "none" });
      const { db, records, flushed } = await opened(moment, {});
      for (let turn = 0; turn < 100; turn++) await yieldToLoop();
      assert.equal(flushed.length, records(), `moment ${index}`);
      before += records();
      await db.close();
      await (await DB.open("/data", optionsOn(closed))).close();
      const last = await opened(closed, {});
      assert.equal(last.records(), 0, `moment ${index}`);
      await last.db.close();
    }
    assert.ok(before > 3, `${before}`);
    await second.close();
  });

  it("leaves a copy that was not written to in its history, also at close", async () => {
    const disk = memoryFileSystem();
    await using original = await DB.open("/original", optionsOn(disk));
    await original.set("long", "v".repeat(300 * KIB));
    await original.export("/data");
    for (let time = 0; time < 2; time++) {
      const { db, records } = await opened(disk, {});
      assert.deepEqual([records(), db.lineage], [1, original.lineage]);
      for (let turn = 0; turn < 100; turn++) await yieldToLoop();
      await db.close();
    }
  });

  it("does so a while after the open", async () => {
    await withDirectory(async (path) => {
      await using first = await DB.open(`${path}/first`);
      await first.set("long", "v".repeat(300 * KIB));
      cpSync(`${path}/first`, `${path}/killed`, { recursive: true });
      const { promise, resolve } = Promise.withResolvers<void>();
      await using db = await DB.open(`${path}/killed`, { onEvent: ({ type }) => type === "flush" && resolve() });
      assert.equal(db.stats().flushes, 0);
      // What is waited for keeps no process alive by itself.
      const alive = setInterval(() => {}, 1000);
      await promise.finally(() => clearInterval(alive));
      assert.equal(db.stats().memtableBytes, 0);
    });
  });

  it("leaves alone what is not written to, what has nothing to be put into tables, and what was closed meanwhile", () => {
    const cases: [rotations: number, facts: Partial<Facts>][] = [
      [1, {}],
      [0, { readOnly: true }],
      [0, { forked: true }],
      [0, { isEmpty: true }],
      [0, { logBytes: 200 * KIB }],
      [0, { closedMeanwhile: true }],
      [0, { sealedMeanwhile: true }],
    ];
    for (const [expected, facts] of cases) assert.equal(rotationsOf(facts), expected, JSON.stringify(facts));
  });

  it("keeps all of it in one for readers, which write no tables", async () => {
    const { disk, entries } = await killed();
    const { db } = await opened(disk, { memtableBytes: 256 * KIB, readOnly: true });
    assert.equal(db.stats().pendingFlushes, 0);
    assert.deepEqual(await all(db.list()), entries);
    await db.close();
  });
});
