/** Reading the log as it grows: each commit once, each byte once, and nothing that a power cut could take back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError, CorruptionError, HistoryGoneError, NoSpaceError } from "../../lib/base/errors.ts";
import { readFile } from "../../lib/files/read.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { Engine, LogFollower, LogStretch } from "../../lib/engine/types.ts";
import { fill, key, name, open, put } from "./fixture.ts";
import { withHeldSyncs } from "./held_syncs.ts";

/** All that a follower has to give now. */
async function drain(follower: LogFollower, maxBytes = 256): Promise<LogStretch[]> {
  const stretches: LogStretch[] = [];
  for (let next = await follower.next(maxBytes); next !== undefined; next = await follower.next(maxBytes)) {
    stretches.push(next);
  }
  return stretches;
}

function versionsOf(stretches: readonly LogStretch[]): number[] {
  return stretches.flatMap(({ commits }) => commits.map(({ version }) => version));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Counts the bytes read from log segments, and those that are open to be read. */
function countReads(fs: MemoryFileSystem): { bytes: number; open: number } {
  const counted = { bytes: 0, open: 0 };
  const { openSync } = fs;
  fs.openSync = (path, mode) => {
    const handle = openSync.call(fs, path, mode);
    if (!path.endsWith(".log")) return handle;
    const read = handle.readAtSync.bind(handle);
    const close = handle.closeSync.bind(handle);
    counted.open++;
    handle.readAtSync = (into, position) => {
      const got = read(into, position);
      counted.bytes += got;
      return got;
    };
    handle.closeSync = () => {
      counted.open--;
      close();
    };
    return handle;
  };
  return counted;
}

async function ingestOne(engine: Engine, replace: boolean): Promise<void> {
  const writer = engine.ingestWriter();
  writer.add(key("ingested"), new Uint8Array([5, 0x72]));
  await engine.ingest(await writer.finish(), { replace });
}

describe("LogFollower", () => {
  it("gives every commit once, across segments, while others are made", async () => {
    const engine = await open(memoryFileSystem());
    const follower = engine.follow(0);
    assert.equal(await follower.next(1000), undefined);
    const seen: number[] = [];
    const writing = fill(engine, 300);
    while (seen.length < 300) {
      for (const stretch of await drain(follower)) seen.push(...versionsOf([stretch]));
      await yieldToLoop();
    }
    await writing;
    assert.deepEqual(seen, range(1, 300));
    assert.equal(follower.version, 300);
    assert.ok(engine.stats().flushes > 3, "the log was rotated meanwhile");
    await engine.close();
  });

  it("shows to a visitor what it gives otherwise, without a copy, and again when a call failed", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20, blobBytes: 2 ** 20 });
    await fill(engine, 40, "x".repeat(3000));
    const given = (await drain(engine.follow(0), 2 ** 20)).flatMap(({ commits }) => commits);
    const follower = engine.follow(0);
    await assert.rejects(
      follower.next(10_000, ({ version }) => {
        if (version === 3) throw new RangeError("the visitor fell");
      }),
      RangeError,
    );
    const shown: typeof given = [];
    for (;;) {
      const stretch = await follower.next(10_000, (event) => shown.push({ ...event, ops: event.ops.slice() }));
      if (stretch === undefined) break;
      assert.deepEqual([stretch.commits, stretch.last], [[], shown.at(-1)!.version]);
    }
    assert.deepEqual(shown, given);
    await engine.close();
  });

  it("gives the operations as they were committed, copied, and begins behind any version", async () => {
    // More than the reader holds at a time, so that a view would show something else by now.
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20, blobBytes: 2 ** 20 });
    const heard: { version: number; timestamp: number; ops: Uint8Array }[] = [];
    engine.onCommit((event) => {
      if ("ops" in event) heard.push({ ...event, ops: event.ops.slice() });
    });
    await fill(engine, 60, "x".repeat(10_000));
    const commits = (await drain(engine.follow(17), Infinity)).flatMap((stretch) => stretch.commits);
    assert.deepEqual(commits, heard.slice(17));
    assert.deepEqual(await drain(engine.follow(60)), []);
    assert.equal(await engine.follow(900).next(10), undefined);
    await engine.close();
  });

  it("stops at so many bytes, and gives a larger commit by itself", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 1024 * 1024, blobBytes: 1024 * 1024 });
    await fill(engine, 10);
    await put(engine, { large: "x".repeat(200_000) });
    await fill(engine, 10);
    const stretches = await drain(engine.follow(0), 100);
    assert.deepEqual(versionsOf(stretches), range(1, 21));
    assert.ok(stretches.length >= 4, `${stretches.length} stretches`);
    for (const { commits, bytes } of stretches) {
      assert.equal(bytes, commits.reduce((sum, { ops }) => sum + ops.length, 0));
      assert.ok(bytes - commits.at(-1)!.ops.length < 100, "one commit over the limit at most");
    }
    await engine.close();
  });

  it("reads no byte of a segment twice", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 1024 * 1024 });
    const follower = engine.follow(0);
    const counted = countReads(fs);
    for (let round = 0; round < 50; round++) {
      await fill(engine, 10, "x".repeat(100));
      assert.equal((await drain(follower, Infinity)).length, 1);
    }
    const size = engine.stats().logBytes;
    // Beside the records it reads the header each time.
    assert.ok(counted.bytes <= size + 51 * 64, `${counted.bytes} bytes read of ${size}`);
    await engine.close();
  });

  it("gives nothing that a power cut can take back", async () => {
    for (const durability of ["buffered", "interval"] as const) {
      const fs = memoryFileSystem();
      const engine = await open(fs);
      await put(engine, { a: "1" }, durability);
      await put(engine, { b: "2" }, durability);
      const given = versionsOf(await drain(engine.follow(0)));
      assert.deepEqual(given, [1, 2]);
      const after = await open(fs.fork({ keep: "none" }));
      assert.equal(after.visibleVersion, 2, durability);
      await after.close();
      await engine.close();
    }
  });

  it("goes on after a kill and a reopening, where the newest segment is copied anew", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs);
    for (let i = 0; i < 40; i++) await put(engine, { [name(i)]: "x" });
    const follower = engine.follow(0);
    const first = await follower.next(500);
    fs.kill();
    const other = fs.otherProcess();
    engine = await open(other);
    const again = engine.follow(follower.version);
    const rest = await drain(again);
    assert.deepEqual([...versionsOf([first!]), ...versionsOf(rest)], range(1, 40));
    await put(engine, { more: "1" });
    assert.deepEqual(versionsOf(await drain(again)), [41]);
    await engine.close();
    // After a clean close, too.
    engine = await open(other);
    const third = engine.follow(41);
    await put(engine, { more: "2" });
    assert.deepEqual(versionsOf(await drain(third)), [42]);
    await engine.close();
  });

  it("divides where the lineage changes, and says which one it is", async () => {
    const engine = await open(memoryFileSystem());
    const first = engine.lineage;
    await fill(engine, 3);
    await ingestOne(engine, true);
    await fill(engine, 2);
    const second = engine.lineage;
    assert.notEqual(first, second);
    const stretches = await drain(engine.follow(0), Infinity);
    assert.deepEqual(stretches.map(({ commits, lineage }) => [commits.length, lineage]), [[4, first], [2, second]]);
    await engine.close();
  });

  it("says when the log no longer holds what comes next", async () => {
    const engine = await open(memoryFileSystem(), { historyBytes: 2048 });
    const follower = engine.follow(0);
    await fill(engine, 5);
    assert.deepEqual(versionsOf(await drain(follower)), range(1, 5));
    await fill(engine, 400);
    await assert.rejects(follower.next(1000), HistoryGoneError);
    await assert.rejects(engine.follow(0).next(1000), HistoryGoneError);
    assert.equal(follower.version, 5);
    await engine.close();
  });

  it("says where the log is damaged, and never that nothing came behind", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 2 ** 20 });
    await fill(engine, 10);
    const log = `/db/${(await fs.list("/db")).find((one) => one.endsWith(".log"))}`;
    const bytes = await readFile(fs, log, 2 ** 20);
    const { openSync } = fs;
    fs.openSync = (path, mode) => {
      const handle = openSync.call(fs, path, mode);
      const read = handle.readAtSync.bind(handle);
      handle.readAtSync = (into, position) => {
        const got = read(into, position);
        const at = bytes.length - 3 - position;
        if (path === log && at >= 0 && at < got) into[at]! ^= 1;
        return got;
      };
      return handle;
    };
    const follower = engine.follow(0);
    await assert.rejects(follower.next(Infinity), CorruptionError);
    await assert.rejects(follower.next(Infinity), CorruptionError);
    assert.equal(follower.version, 0);
    await engine.close();
  });

  it("holds the segments that a call reads, and none between calls", async () => {
    const fs = memoryFileSystem();
    let time = 0;
    // Each look at the clock finds the slice used up, so that reading lets others in between any two commits.
    const engine = await open(fs, { historyBytes: 0, monotonic: () => time += 10 });
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
    await fill(engine, 100);
    await engine.compact();
    const logs = async (): Promise<number> => (await fs.list("/db")).filter((file) => file.endsWith(".log")).length;
    assert.ok(await logs() > 3);
    const follower = engine.follow(0);
    assert.equal((await follower.next(1))!.commits.length, 1);
    const reading = follower.next(Infinity);
    await yieldToLoop();
    await engine.dropSlot("s");
    assert.ok(await logs() > 3);
    assert.deepEqual(versionsOf([(await reading)!]), range(2, 100));
    assert.equal(await logs(), 1);
    await assert.rejects(engine.follow(0).next(1), HistoryGoneError);
    await engine.close();
  });

  it("follows a writer in another process as far as refresh() shows it, and says when a segment has gone", async () => {
    const fs = memoryFileSystem();
    const writer = await open(fs, { historyBytes: 2048 });
    await fill(writer, 10);
    const other = fs.otherProcess();
    const reader = await open(other, { readOnly: true });
    const follower = reader.follow(0);
    assert.deepEqual(versionsOf(await drain(follower)), range(1, 10));
    await fill(writer, 20);
    assert.equal(await follower.next(1000), undefined);
    await reader.refresh();
    assert.deepEqual(versionsOf(await drain(follower)), range(11, 30));
    await put(writer, { a: "1" });
    await reader.refresh();
    await fill(writer, 400);
    await assert.rejects(follower.next(1000), HistoryGoneError);
    await reader.close();
    await writer.close();
  });

  it("gives what is durable when the disk is too full to make more so", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 1024 * 1024 });
    await fill(engine, 5);
    await engine.flush();
    await put(engine, { a: "x".repeat(1000) }, "buffered");
    fs.capacityBytes = fs.usedBytes;
    const follower = engine.follow(0);
    assert.deepEqual(versionsOf([(await follower.next(Infinity))!]), range(1, 5));
    await assert.rejects(follower.next(Infinity), NoSpaceError);
    fs.capacityBytes = Infinity;
    assert.deepEqual(versionsOf(await drain(follower)), [6]);
    await engine.close();
  });

  it("ends when it is closed, and when the engine is", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 3);
    const follower = engine.follow(0);
    follower.close();
    follower.close();
    await assert.rejects(follower.next(10), ClosedError);
    const other = engine.follow(0);
    await engine.close();
    await assert.rejects(other.next(10), ClosedError);
    assert.throws(() => engine.follow(0), ClosedError);
  });

  it("ends in the middle of a call, too, and leaves no file open", async () => {
    const fs = memoryFileSystem();
    let time = 0;
    const engine = await open(fs, { memtableBytes: 2 ** 20, monotonic: () => time += 10 });
    await fill(engine, 50);
    await engine.flush();
    const counted = countReads(fs);
    const follower = engine.follow(0);
    const reading = follower.next(Infinity);
    await yieldToLoop();
    assert.equal(counted.open, 1);
    follower.close();
    await assert.rejects(reading, ClosedError);
    assert.equal(counted.open, 0);
    await engine.close();
  });

  it("answers one call after the other", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 2);
    await engine.flush();
    const follower = engine.follow(0);
    const [first, second] = await Promise.all([follower.next(1), follower.next(Infinity)]);
    assert.deepEqual(versionsOf([first!, second!]), [1, 2]);
    await engine.close();
  });

  it("gives nothing that is not visible yet, though it may be on disk", async () => {
    // When it is asked between the end of a commit's sync and its being shown.
    for (let turns = 0; turns < 30; turns++) {
      const { engine, begun, release } = await withHeldSyncs({ durability: "commit" });
      const follower = engine.follow(0);
      const writing = put(engine, { a: "2" });
      (await begun())();
      for (let n = 0; n < turns; n++) await undefined;
      await follower.next(Infinity, ({ version }) => assert.ok(version <= engine.visibleVersion, `${turns} turns`));
      await writing;
      release();
      await engine.close();
    }
  });

  it("settles: all visible is durable, and no later commit has an earlier time", async () => {
    let now = 5000;
    const fs = memoryFileSystem();
    const engine = await open(fs, { clock: () => now });
    await put(engine, { a: "1" }, "buffered");
    now = 6000;
    assert.deepEqual(await engine.settled(), { version: 1, timestamp: 5000, moment: 6000 });
    const after = await open(fs.fork({ keep: "none" }));
    assert.equal(after.visibleVersion, 1);
    await after.close();
    now = 3000;
    assert.ok((await engine.settled()).moment >= 6000);
    await put(engine, { [name(1)]: "2" });
    assert.ok(engine.visibleTimestamp >= 6000);
    await engine.close();
    await assert.rejects(engine.settled(), ClosedError);
  });
});
