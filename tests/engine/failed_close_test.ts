/** Closing a database that fails meanwhile. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, IOError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { open, put } from "./fixture.ts";

const INTERVAL_MS = 60_000;

/** Runs with a count of the timers that are set for the next sync of buffered writes. */
async function countingTimers(run: (waiting: Set<unknown>) => Promise<void>): Promise<void> {
  const { setTimeout, clearTimeout } = globalThis;
  const waiting = new Set<unknown>();
  globalThis.setTimeout = ((work: () => void, ms: number) => {
    const timer = setTimeout(work, ms);
    if (ms === INTERVAL_MS) waiting.add(timer);
    return timer;
  }) as typeof setTimeout;
  globalThis.clearTimeout = ((timer: Parameters<typeof clearTimeout>[0]) => {
    waiting.delete(timer);
    clearTimeout(timer);
  }) as typeof clearTimeout;
  try {
    await run(waiting);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    for (const timer of waiting) clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  }
}

describe("a database that fails while it is being closed", () => {
  it("leaves no timer that keeps the process for what was buffered", () =>
    countingTimers(async (waiting) => {
      let fails = false;
      const fs = memoryFileSystem({
        beforeOperation({ name, path }) {
          if (fails && name === "append" && path.endsWith(".sst")) {
            throw new IOError(`Cannot write ${path}: injected (EIO)`);
          }
        },
      });
      const engine = await open(fs, { durability: "buffered", flushInterval: INTERVAL_MS });
      // As much as a memtable takes: the next write has it written to a table.
      await put(engine, { before: "x".repeat(2000) });
      assert.equal(waiting.size, 1);
      fails = true;
      const buffered = put(engine, { a: "1" });
      await assert.rejects(engine.close(), HoldfastError);
      await buffered;
      assert.equal(waiting.size, 0);
    }));
});
