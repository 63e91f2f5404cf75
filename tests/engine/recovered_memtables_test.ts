/** What recovery fills: memtables as large as those that were lost, whatever the log holds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { yieldToLoop } from "../../lib/base/yield.ts";
import type { EngineEvent } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB, type OpenOptions } from "../../mod.ts";
import { all } from "../db/helpers.ts";

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

describe("an open after a kill", () => {
  it("fills memtables to their limit, which go to tables one by one", async () => {
    const { disk, entries, commits } = await killed();
    const { db, records, flushed } = await opened(disk, { memtableBytes: 256 * KIB });
    assert.equal(records(), commits);
    assert.ok(db.stats().pendingFlushes > 3, "the open has not waited for them");
    assert.deepEqual(await all(db.list()), entries);
    while (db.stats().pendingFlushes > 0) await yieldToLoop();
    assert.equal(flushed.length, 5);
    for (const bytes of flushed) assert.ok(bytes > 200 * KIB && bytes < 300 * KIB, `${flushed}`);
    assert.deepEqual(await all(db.list()), entries);

    // Killed again: what went to tables is not read once more, though its segment is the newest.
    const again = await opened(disk.fork({ keep: "none" }), {});
    assert.ok(again.records() > 0 && again.records() < 8, `${again.records()} records`);
    assert.deepEqual(await all(again.db.list()), entries);
    assert.equal(again.db.version, commits);
    await db.close();
    await again.db.close();
  });

  it("keeps all of it in one for readers, which write no tables", async () => {
    const { disk, entries } = await killed();
    const { db } = await opened(disk, { memtableBytes: 256 * KIB, readOnly: true });
    assert.equal(db.stats().pendingFlushes, 0);
    assert.deepEqual(await all(db.list()), entries);
    await db.close();
  });
});
