/** What happens when two of the engine's parts move at the same time, or one of them fails halfway. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError, IOError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { OperationName } from "../../lib/files/memory/memory_file_system.ts";
import { concatBytes, encodeText } from "../../lib/base/bytes.ts";
import { KIND_TEXT } from "../../lib/format/cell.ts";
import { spacePrefix } from "../../lib/format/space.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { all, fill, get, key, name, open, put } from "./fixture.ts";

/** A gate that holds back chosen operations of a disk until it is opened. */
class Gate {
  #open: (() => void) | undefined;
  #wait: Promise<void> | undefined;
  /** Whether an operation waits. */
  reached = false;
  holds: (name: OperationName, path: string) => boolean = () => false;

  shut(holds: (name: OperationName, path: string) => boolean): void {
    this.holds = holds;
    this.reached = false;
    this.#wait = new Promise((resolve) => this.#open = resolve);
  }
  open(): void {
    this.holds = () => false;
    this.#open?.();
  }
  readonly delay = (name: OperationName, path: string): Promise<void> | undefined => {
    if (!this.holds(name, path)) return undefined;
    this.reached = true;
    return this.#wait;
  };
  async untilReached(): Promise<void> {
    while (!this.reached) await yieldToLoop();
  }
}

/** A cell that holds a short text. */
function cell(): Uint8Array {
  return new Uint8Array([5, 50]);
}

async function refused(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => assert.fail("it was not refused"), (error) => error);
}

describe("Engine, two things at once", () => {
  it("closes while a compaction waits for memtables to be written", async () => {
    const gate = new Gate();
    const fs = memoryFileSystem({ delay: gate.delay });
    const engine = await open(fs, { memtableBytes: 400 });
    gate.shut((call, path) => call === "sync" && path.endsWith(".sst"));
    await fill(engine, 12);
    const compacted = engine.compact().catch((error) => error);
    for (let i = 0; i < 20; i++) await yieldToLoop();
    assert.ok(engine.stats().pendingFlushes >= 2, `${engine.stats().pendingFlushes} memtables wait`);
    const closed = engine.close();
    for (let i = 0; i < 20; i++) await yieldToLoop();
    gate.open();
    await closed;
    assert.ok(await compacted instanceof ClosedError, String(await compacted));
    const again = await open(fs);
    assert.equal(all(again).length, 12);
    await again.close();
  });

  it("goes on writing while a compaction asked for takes so long that level 0 fills up", async () => {
    const gate = new Gate();
    const fs = memoryFileSystem({ delay: gate.delay });
    const engine = await open(fs, { memtableBytes: 400, level0Tables: 2 });
    await fill(engine, 30);
    let tables = 0;
    const compacting = engine.compact();
    gate.shut((call, path) => call === "sync" && path.endsWith(".sst") && tables++ === 1);
    const written = fill(engine, 80, "w");
    await gate.untilReached();
    for (let i = 0; i < 500; i++) await yieldToLoop();
    gate.open();
    await compacting;
    await written;
    assert.equal(get(engine, name(79)), "w79");
    await engine.close();
  });

  it("removes log segments once when a flush and a compaction both find that they may go", async () => {
    const gate = new Gate();
    const fs = memoryFileSystem({ delay: gate.delay });
    const engine = await open(fs, {
      historyBytes: 0,
      memtableBytes: 1024 * 1024,
      onEvent: (event) => {
        if (event.type === "flush") gate.shut((call, path) => call === "sync" && path.includes("MANIFEST"));
      },
    });
    await fill(engine, 12);
    const first = engine.compact(key("zzz"));
    await gate.untilReached();
    const second = engine.compact(key("zzz"));
    for (let i = 0; i < 20; i++) await yieldToLoop();
    gate.open();
    await Promise.all([first, second]);
    await put(engine, { [name(0)]: "again" });
    assert.equal(engine.failure, undefined);
    await engine.close();
    const again = await open(fs);
    assert.equal(all(again).length, 12);
    await again.close();
  });

  it("reads large values after a read-only engine has moved on", async () => {
    const fs = memoryFileSystem();
    const writer = await open(fs);
    const long = "x".repeat(900);
    await put(writer, { a: long, b: "1" });
    await writer.compact();
    const reader = await open(fs.otherProcess(), { readOnly: true });
    const cursor = reader.read().cursor();
    await put(writer, { c: "2" });
    await writer.flush();
    await reader.refresh();
    assert.equal(get(reader, "a"), long);
    await put(writer, { a: "short" });
    await writer.compact();
    await writer.compact();
    await reader.refresh();
    assert.equal(get(reader, "a"), "short");
    assert.ok(cursor.next());
    const row = { version: cursor.version, timestamp: cursor.timestamp, cell: cursor.cell };
    assert.equal(new TextDecoder().decode(reader.value(row)), long);
    cursor.close();
    await reader.refresh();
    assert.equal(get(reader, "b"), "1");
    await reader.close();
    await writer.close();
  });

  it("keeps a snapshot that is taken while a restore replaces everything", async () => {
    for (const held of ["log", "MANIFEST"]) {
      const gate = new Gate();
      const fs = memoryFileSystem({ delay: gate.delay });
      const engine = await open(fs);
      await fill(engine, 50);
      await engine.compact();
      const before = all(engine);
      const writer = engine.ingestWriter();
      writer.add(key("new"), cell());
      const files = await writer.finish();
      gate.shut((call, path) => call === "sync" && path.includes(held));
      const ingested = engine.ingest(files, { replace: true });
      await gate.untilReached();
      const snapshot = engine.snapshot();
      gate.open();
      await ingested;
      assert.deepEqual(all(engine, engine.read(snapshot)), before, held);
      assert.equal(all(engine).length, 1);
      snapshot.release();
      await engine.compact();
      assert.equal(all(engine).length, 1);
      assert.equal(engine.failure, undefined);
      await engine.close();
    }
  });

  it("keeps the files of a restore that failed when it may have reached the disk all the same", async () => {
    let fails = false;
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (!fails || !name.startsWith("sync") || !path.includes("MANIFEST")) return;
        throw new IOError(`Cannot sync ${path}: injected (EIO)`);
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "old" });
    // The manifest that goes on is this writer's own.
    await engine.compact();
    const writer = engine.ingestWriter();
    writer.add(key("b"), cell());
    const files = await writer.finish();
    fails = true;
    await assert.rejects(engine.ingest(files, { replace: true }), IOError);
    await engine.discard(files);
    await engine.close().catch(() => {});
    fails = false;
    const again = await open(fs);
    assert.deepEqual(all(again).map(([name]) => name), ["b"]);
    await again.close();
  });

  it("shows the old contents or the new ones at every step of a restore, never none", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "old" });
    const writer = engine.ingestWriter();
    writer.add(key("a"), cell());
    const files = await writer.finish();
    let done = false;
    const ingested = engine.ingest(files, { replace: true }).finally(() => done = true);
    const seen = new Set<number>();
    for (let i = 0; !done; i++) {
      seen.add(all(engine).length);
      if (i % 200 === 199) await yieldToLoop();
      else await undefined;
    }
    await ingested;
    assert.deepEqual([...seen], [1]);
    await engine.close();
  });

  it("keeps the tags of a snapshot that is taken while a compaction looks for stale ones", async () => {
    let ticks = 0;
    let flushed = false;
    // Every look at the clock ends a slice, so that the compaction lets others in after every few rows.
    const engine = await open(memoryFileSystem(), {
      memtableBytes: 1024 * 1024,
      monotonic: () => ticks += 10,
      onEvent: (event) => flushed ||= event.type === "flush",
    });
    const tag = concatBytes(spacePrefix(1), new Uint8Array([1, 116]), encodeText(name(700)));
    const entries: Record<string, string> = {};
    for (let i = 0; i < 1000; i++) entries[name(i)] = "v";
    const batch = new Batch();
    for (const [text, value] of Object.entries(entries)) {
      batch.putCell(spacePrefix(0), encodeText(text), KIND_TEXT, encodeText(value));
    }
    batch.put(tag, cell());
    await engine.commit(batch);
    const compacting = engine.compact();
    while (!flushed) await yieldToLoop();
    for (let i = 0; i < 5; i++) await yieldToLoop();
    const snapshot = engine.snapshot();
    await put(engine, { [name(700)]: "w" });
    assert.equal(engine.stats().compactions, 0);
    await compacting;
    assert.ok(engine.read(snapshot).get(tag) !== undefined);
    snapshot.release();
    await engine.compact();
    assert.equal(engine.read().get(tag), undefined);
    await engine.close();
  });

  it("gives a compaction up in the middle of a merge, and leaves nothing of it, when its signal fires", async () => {
    let ticks = 0;
    let flushed = false;
    const fs = memoryFileSystem();
    // Every look at the clock ends a slice.
    const engine = await open(fs, {
      memtableBytes: 1024 * 1024,
      monotonic: () => ticks += 10,
      onEvent: (event) => flushed ||= event.type === "flush",
    });
    const entries = Array.from({ length: 1000 }, (_, i) => [name(i), "v"] as const);
    await put(engine, Object.fromEntries(entries));
    const stop = new AbortController();
    const reason = new Error("no longer wanted");
    const compacting = engine.compact(undefined, undefined, stop.signal);
    while (!flushed) await yieldToLoop();
    for (let i = 0; i < 5; i++) await yieldToLoop();
    stop.abort(reason);
    assert.equal(await refused(compacting), reason);
    assert.equal(engine.stats().compactions, 0);
    const tables = (await fs.list("/db")).filter((file) => file.endsWith(".sst"));
    assert.equal(tables.length, engine.stats().levels.reduce((sum, level) => sum + level.tables, 0));
    await engine.compact();
    assert.deepEqual(all(engine), entries);
    await engine.close();
  });

  it("ends the wait for flush and for other compactions when its signal fires; those go on, one at a time", async () => {
    const gate = new Gate();
    const fs = memoryFileSystem({ delay: gate.delay });
    let ticks = 0;
    let isLast = false;
    const memtableBytes = 1024 * 1024;
    const engine = await open(fs, {
      memtableBytes,
      tableBytes: memtableBytes,
      level0Tables: 3,
      monotonic: () => ticks += 10,
      onEvent({ type }) {
        if (!isLast || type !== "flush") return;
        isLast = false;
        hold();
      },
    });
    const synced: string[] = [];
    /** Holds the next table back, and no other. */
    const hold = (): void => {
      synced.length = 0;
      gate.shut((call, path) => call === "sync" && path.endsWith(".sst") && synced.push(path) === 1);
    };
    /** Asks for one more, which is not wanted any more while it waits. */
    const assertEnds = async (): Promise<void> => {
      const [stop, reason] = [new AbortController(), new Error("no longer wanted")];
      let end: unknown = "it waits on";
      engine.compact(undefined, undefined, stop.signal).catch((error) => end = error);
      for (let i = 0; i < 20; i++) await yieldToLoop();
      stop.abort(reason);
      for (let i = 0; i < 20; i++) await yieldToLoop();
      assert.equal(end, reason);
    };
    const flushed = (): Promise<void> => engine.compact(key("z"));

    await fill(engine, 30);
    hold();
    await assertEnds(); // of a flush
    gate.open();
    await fill(engine, 30);
    await flushed();
    isLast = true;
    for (const large of ["k1", "k2"]) await put(engine, { [large]: "x".repeat(memtableBytes) }); // the second finds no room
    await gate.untilReached();
    await assertEnds(); // of a compaction that nobody asked for
    gate.open();
    await fill(engine, 30, "w");
    await flushed();
    hold();
    const first = engine.compact();
    await gate.untilReached();
    await assertEnds(); // of one that was asked for
    const second = engine.compact();
    for (let i = 0; i < 20; i++) await yieldToLoop();
    assert.equal(synced.length, 1);
    gate.open();
    await Promise.all([first, second]);
    assert.equal(get(engine, name(29)), "w29");
    await engine.close();
  });

  it("takes files in behind a commit that changed nothing and is still in memory", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await engine.commit(new Batch(), { durability: "buffered" });
    const writer = engine.ingestWriter();
    writer.add(key("a"), cell());
    assert.equal((await engine.ingest(await writer.finish(), { replace: false })).version, 2);
    await put(engine, { b: "1" });
    const versions: number[] = [];
    for await (const { version } of engine.history(0)) versions.push(version);
    assert.deepEqual(versions, [1, 2, 3]);
    await engine.close();
    const again = await open(fs);
    assert.equal(all(again).length, 2);
    await again.close();
  });
});

describe("Engine, failing halfway", () => {
  it("acknowledges nothing that was written behind a failed write", async () => {
    let broken = false;
    let stuck = false;
    const fs = memoryFileSystem({
      beforeOperation: ({ name: call, path }) => {
        if (!broken || !path.endsWith(".log") || call !== "append") return undefined;
        broken = false;
        stuck = true;
        return { writtenBytes: 7, error: new IOError("Cannot write: a bad sector (IO)") };
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "1" });
    broken = true;
    const results = await Promise.allSettled(["b", "c", "d"].map((text) => {
      const batch = new Batch();
      batch.put(key(text), cell());
      return engine.commit(batch, { check: () => true });
    }));
    assert.ok(stuck);
    assert.deepEqual(results.map((one) => one.status), ["rejected", "rejected", "rejected"]);
    assert.ok(engine.failure instanceof IOError);
    await engine.close().catch(() => {});
    const again = await open(fs);
    assert.equal(all(again).length, 1);
    await again.close();
  });

  it("lets go of the lock however closing fails", async () => {
    let broken = false;
    const fs = memoryFileSystem({
      beforeOperation: ({ name: call, path }) => {
        if (broken && call !== "read" && !path.includes("LOCK")) throw new IOError("Cannot go on: unplugged (IO)");
      },
    });
    const engine = await open(fs);
    await fill(engine, 20);
    broken = true;
    await refused(engine.close());
    broken = false;
    const again = await open(fs);
    assert.equal(all(again).length, 20);
    await again.close();
  });
});
