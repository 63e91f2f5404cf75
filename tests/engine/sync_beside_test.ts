import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { IOError, ReadOnlyError } from "../../lib/base/errors.ts";
import { LogSegment } from "../../lib/engine/log/log_segment.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { get, open, put } from "./fixture.ts";
import { withHeldSyncs } from "./held_syncs.ts";

describe("syncs that no commit waits for", () => {
  it("hold up neither such commits nor reads, and follow each other", async () => {
    const { fs, engine, begun, waiting, release } = await withHeldSyncs({});
    await put(engine, { a: "1" });
    const letGo = await begun();
    for (let i = 2; i < 10; i++) await put(engine, { a: `${i}` });
    assert.equal(get(engine, "a"), "9");
    await pause(10);
    assert.equal(waiting(), 0);
    letGo();
    // Another one for what came meanwhile.
    const again = await begun();
    release();
    again();
    await engine.close();
    const after = await open(fs.crash({ keep: "none" }));
    assert.equal(get(after, "a"), "9");
    await after.close();
  });

  it("do not pile up on a disk that takes longer than their interval", async () => {
    const { engine, begun, release } = await withHeldSyncs({});
    const before = engine.stats().syncs;
    await put(engine, { a: "0" });
    const letGo = await begun();
    for (let i = 0; i < 12; i++) {
      await put(engine, { a: `${i}` });
      await pause(3);
    }
    release();
    letGo();
    await engine.flush();
    assert.ok(engine.stats().syncs - before <= 4, `${engine.stats().syncs - before} syncs`);
    await engine.close();
  });

  it("come before that of a commit which waits for one, and never beside it", async () => {
    const { fs, engine, begun, waiting, release } = await withHeldSyncs({});
    await put(engine, { a: "1" });
    const first = await begun();
    let done = false;
    const committed = put(engine, { b: "1" }, "commit").then(() => done = true);
    await pause(5);
    assert.equal(waiting(), 0);
    first();
    const second = await begun();
    assert.equal(done, false);
    second();
    await committed;
    const after = await open(fs.crash({ keep: "none" }));
    assert.equal(get(after, "b"), "1");
    await after.close();
    release();
    await engine.close().catch(() => {});
  });

  it("turn the database read-only when they fail, also for the commit that waits behind", async () => {
    const { engine, begun, release } = await withHeldSyncs({});
    await put(engine, { a: "1" });
    const first = await begun();
    const refused = assert.rejects(put(engine, { b: "1" }, "commit"), IOError);
    // By then its record is written, and its sync waits.
    await pause(5);
    first(new IOError("the disk is gone (EIO)"));
    await refused;
    release();
    await assert.rejects(put(engine, { c: "1" }), ReadOnlyError);
    assert.equal(get(engine, "a"), "1");
    assert.equal(get(engine, "b"), undefined);
    await engine.close().catch(() => {});
  });

  it("turn the database read-only when they fail, where no commit ever waits for one", async () => {
    const { engine, begun, release } = await withHeldSyncs({});
    await put(engine, { a: "1" });
    (await begun())(new IOError("the disk is gone (EIO)"));
    await pause(5);
    release();
    await assert.rejects(put(engine, { b: "1" }), ReadOnlyError);
    await engine.close().catch(() => {});
  });

  it("are tried again until a full disk has space for what is buffered", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, {
      durability: "buffered",
      flushInterval: 1,
      bufferBytes: 2 ** 20,
      memtableBytes: 2 ** 20,
    });
    await put(engine, { first: "1" }, "commit");
    fs.capacityBytes = fs.usedBytes;
    await put(engine, { a: "x".repeat(100_000) });
    while (!engine.stats().full) await pause(1);
    fs.capacityBytes = Infinity;
    for (let tries = 0; engine.stats().full && tries < 5000; tries++) await pause(1);
    fs.kill();
    await engine.close().catch(() => {});
    const after = await open(fs.otherProcess());
    assert.equal(get(after, "a")?.length, 100_000);
    await after.close();
  });

  it("begin early when much is written, one at a time", async () => {
    const { engine, begun, waiting, release } = await withHeldSyncs({ flushInterval: 60_000 });
    for (let i = 0; i < 31; i++) await put(engine, { [`${i}`]: "x".repeat(2 ** 18) });
    assert.equal(waiting(), 0);
    for (let i = 0; i < 64; i++) await put(engine, { [`${i}`]: "x".repeat(2 ** 18) });
    assert.equal(waiting(), 1);
    (await begun())();
    release();
    await engine.close();
  });

  it("are waited for by the next segment, and by a close", async () => {
    const { fs, engine, begun, release } = await withHeldSyncs({ memtableBytes: 4096 });
    await put(engine, { a: "x".repeat(5000) });
    const first = await begun();
    let rotated = false;
    const next = put(engine, { b: "1" }).then(() => rotated = true);
    // The name of the next one.
    (await begun())();
    await pause(5);
    assert.equal(rotated, false);
    first();
    // The end of this one.
    (await begun())();
    await next;
    const second = await begun();
    let closed = false;
    const closing = engine.close().then(() => closed = true);
    await pause(5);
    assert.equal(closed, false);
    release();
    second();
    await closing;
    const after = await open(fs.crash({ keep: "none" }));
    assert.equal(get(after, "b"), "1");
    await after.close();
  });

  it("are waited for before a record is taken back, or they would count what comes in its place", async () => {
    let letGo: () => void = () => {};
    let isHolding = false;
    const fs = memoryFileSystem({
      delay: (name) => isHolding && name === "sync" ? new Promise<void>((resolve) => letGo = resolve) : undefined,
    });
    await fs.makeDirectory("/db");
    const id = "0".repeat(32);
    const segment = await LogSegment.create(fs, "/db", { kind: "log", database: id, lineage: id, number: 1 });
    const takeBack = segment.mark();
    const { end } = segment;
    segment.appendSync(new Uint8Array(100));
    isHolding = true;
    const syncing = segment.sync();
    await pause(1);
    const takenBack = takeBack().then(() => segment.appendSync(new Uint8Array(50)));
    await pause(1);
    letGo();
    await Promise.all([syncing, takenBack]);
    assert.deepEqual([segment.end, segment.synced], [end + 50, end]);
    await segment.close();
  });
});
