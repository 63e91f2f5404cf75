/** A disk that has space again while a compaction that it was full for still gives up. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { describe, it } from "node:test";
import { IOError, ReadOnlyError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, name, open, put } from "./fixture.ts";

/** Far beyond what any of these waits takes. */
const GIVE_UP_MS = 30_000;

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (const started = performance.now(); performance.now() - started < GIVE_UP_MS;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Holds what is appended to tables, and their removal. */
class Gate {
  readonly #waiting: { call: string; path: string; release: () => void }[] = [];
  readonly #passed = new Set<string>();
  #isOpen = false;

  readonly delay = (call: string, path: string): Promise<void> | undefined => {
    if (!path.endsWith(".sst") || !["append", "remove"].includes(call)) return undefined;
    if (this.#isOpen || this.#passed.has(`${call} ${path}`)) return undefined;
    return new Promise((release) => this.#waiting.push({ call, path, release }));
  };

  /** Lets everything through. */
  open(): void {
    this.#isOpen = true;
    for (const { release } of this.#waiting.splice(0)) release();
  }

  /** The table whose call waits: another one than these. */
  next(call: string, ...but: string[]): Promise<string> {
    return until(
      `${call} of a table`,
      () => this.#waiting.find((one) => one.call === call && !but.includes(one.path))?.path,
    );
  }

  /** Lets these calls on a table through, now and later. */
  pass(call: string, path: string): void {
    this.#passed.add(`${call} ${path}`);
    for (const one of this.#waiting.splice(0)) {
      if (one.call === call && one.path === path) one.release();
      else this.#waiting.push(one);
    }
  }
}

describe("a write that waits for memtables to be written", () => {
  it("is not refused by an attempt that met the full disk before there was space", async () => {
    const gate = new Gate();
    const fs = memoryFileSystem({ delay: gate.delay });
    const settings = { level0Tables: 1, memtableBytes: 4096, tableBytes: 64 * 1024, historyBytes: 0 };
    const events: string[] = [];
    const engine = await open(fs, { ...settings, onEvent: ({ type }) => void events.push(type) });
    const told = (type: string, times: number) => (): true | undefined =>
      events.filter((one) => one === type).length === times || undefined;
    const pending = (count: number) => (): true | undefined => engine.stats().pendingFlushes === count || undefined;
    let written = 0;
    // The same keys again and again: tables that don't overlap would only be moved.
    const write = (): Promise<unknown> => put(engine, { [name(written++ % 10)]: "x".repeat(200) });
    const fill = async (count: number): Promise<void> => {
      while (engine.stats().pendingFlushes < count) await write();
    };
    const done: string[] = [];
    for (let flushes = 0; flushes < 2; flushes++) {
      await fill(1);
      done.push(await gate.next("append", ...done));
      gate.pass("append", done.at(-1)!);
      await until("a flush", pending(0));
    }
    const compacted = await gate.next("append", ...done);
    await fill(1);
    const flushed = await gate.next("append", ...done, compacted);
    await fill(2);
    const writing = (async () => {
      while (engine.stats().pendingFlushes === 2) await write();
    })();
    await until("a stall", told("stall", 1));
    // Both fail, the compaction only after the writer has begun to wait for another flush.
    fs.capacityBytes = fs.usedBytes;
    gate.pass("append", flushed);
    gate.pass("remove", await gate.next("remove"));
    await gate.next("append", ...done, compacted, flushed);
    gate.pass("append", compacted);
    const removed = await gate.next("remove", flushed);
    assert.equal(removed, compacted);
    fs.capacityBytes = Infinity;
    gate.pass("remove", compacted);
    await until("the end of the compaction", told("space", 2));
    gate.open();
    await writing;
    assert.equal(all(engine).length, 10);
    await engine.close();
  });
});

describe("a write that waits for memtables that can't be written", () => {
  it("is refused", async () => {
    const gate = new Gate();
    let isBroken = false;
    const fs = memoryFileSystem({
      delay: gate.delay,
      beforeOperation({ name, path }) {
        if (isBroken && name === "append" && path.endsWith(".sst")) throw new IOError(`Cannot write ${path} (EIO)`);
      },
    });
    let stalls = 0;
    const onEvent = ({ type }: { type: string }): void => void (type === "stall" && stalls++);
    const engine = await open(fs, { memtableBytes: 4096, onEvent });
    const writing = (async () => {
      for (let i = 0;; i++) await put(engine, { [name(i)]: "x".repeat(200) });
    })();
    writing.catch(() => {});
    await until("a stall", () => stalls > 0 || undefined);
    isBroken = true;
    gate.open();
    await assert.rejects(writing, ReadOnlyError);
    await engine.close().catch(() => {});
  });
});

describe("a full disk that is simulated", () => {
  it("is not tried again because real time has gone by: a run would not repeat", async () => {
    const fs = memoryFileSystem();
    let full = 0;
    const onEvent = (event: { type: string }): void => void (event.type === "space" && full++);
    const engine = await open(fs, { memtableBytes: 4096, onEvent });
    const { setTimeout: real } = globalThis;
    const timers: unknown[] = [];
    globalThis.setTimeout = ((run: () => void, ms: number) => {
      timers.push(ms);
      return real(run, ms);
    }) as typeof setTimeout;
    try {
      for (let i = 0; engine.stats().pendingFlushes === 0; i++) await put(engine, { [name(i)]: "x".repeat(200) });
      fs.capacityBytes = fs.usedBytes;
      await until("the full disk", () => full > 0 || undefined);
      assert.deepEqual(timers, []);
      assert.ok(!(await fs.list("/db")).some((file) => file.endsWith(".sst")), "nothing stays of what was given up");
    } finally {
      globalThis.setTimeout = real;
      fs.capacityBytes = Infinity;
      await engine.close();
    }
  });
});
