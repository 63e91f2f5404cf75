/** The parts of the directory store that are easier to look at by themselves. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { borrow } from "../../lib/base/buffers.ts";
import type { FileHandle } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DirectorySyncs } from "../../lib/storage/directory/directory_syncs.ts";
import { FileBody } from "../../lib/storage/directory/file_body.ts";
import { StoreLock } from "../../lib/storage/directory/store_lock.ts";

describe("DirectorySyncs", () => {
  it("gives those who come during a sync the next one, together", async () => {
    const ends: (() => void)[] = [];
    const fs = memoryFileSystem({ delay: () => new Promise((resolve) => ends.push(resolve)) });
    const syncs = new DirectorySyncs(fs);
    const resolved: string[] = [];
    const sync = (name: string): Promise<void> => syncs.sync("/").then(() => void resolved.push(name));
    const first = sync("first");
    const second = sync("second");
    const third = sync("third");
    assert.equal(ends.length, 1);
    ends[0]!();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([resolved, ends.length], [["first"], 2]);
    const fourth = sync("fourth");
    ends[1]!();
    await Promise.all([second, third]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([resolved, ends.length], [["first", "second", "third"], 3]);
    ends[2]!();
    await fourth;
    assert.equal(fs.operations, 3);
  });

  it("tells a failed sync to those who waited for it, not to those who come after", async () => {
    const fs = memoryFileSystem({
      beforeOperation: ({ index }) => {
        if (index === 1) throw new Error("broken");
      },
    });
    const syncs = new DirectorySyncs(fs);
    const first = syncs.sync("/");
    const second = syncs.sync("/");
    await assert.rejects(first, /broken/);
    await second;
    await syncs.sync("/");
  });
});

describe("StoreLock", () => {
  it("runs one piece of work after the other, all under few takings of the lock", async () => {
    let takings = 0;
    const fs = memoryFileSystem({
      beforeOperation: ({ name }) => {
        if (name === "lock") takings++;
      },
    });
    const lock = new StoreLock(fs, "/lock", () => Promise.resolve());
    let inside = 0;
    const done: number[] = [];
    await Promise.all(Array.from({ length: 100 }, (_, i) =>
      lock.run(async () => {
        assert.equal(++inside, 1);
        assert.equal(fs.lockedHere("/lock"), true);
        await Promise.resolve();
        done.push(i);
        inside--;
      }, undefined)));
    assert.deepEqual(done, Array.from({ length: 100 }, (_, i) => i));
    assert.ok(takings > 1 && takings < 10, `${takings} takings: others get their turn`);
    assert.equal(fs.lockedHere("/lock"), false);
  });

  it("gives a failure to the one whose it is, and the lock back", async () => {
    const fs = memoryFileSystem();
    const lock = new StoreLock(fs, "/lock", () => Promise.resolve());
    const bad = lock.run(() => Promise.reject(new Error("bad")), undefined);
    const good = lock.run(() => Promise.resolve("good"), undefined);
    await assert.rejects(bad, /bad/);
    assert.equal(await good, "good");
    assert.equal(fs.lockedHere("/lock"), false);
  });

  it("does not begin what was given up while it waited, and finishes what has begun", async () => {
    const lock = new StoreLock(memoryFileSystem(), "/lock", () => Promise.resolve());
    const giveUp = new AbortController();
    const reason = new Error("enough");
    const begun = lock.run(async () => {
      giveUp.abort(reason);
      await Promise.resolve();
      return "finished";
    }, giveUp.signal);
    let ran = false;
    const waiting = lock.run(async () => ran = true, giveUp.signal);
    const other = lock.run(async () => "other", undefined);
    assert.equal(await begun, "finished");
    await assert.rejects(waiting, (error) => error === reason);
    assert.equal(ran, false);
    assert.equal(await other, "other");
  });

  it("runs what is asked for in the very moment in which the last that waited gives up", async () => {
    const fs = memoryFileSystem();
    const held = await fs.lock("/lock");
    const giveUp = new AbortController();
    const lock = new StoreLock(fs, "/lock", () => Promise.resolve());
    const next = lock.run(() => Promise.resolve("first"), giveUp.signal).catch(() => {
      held.release();
      return lock.run(() => Promise.resolve("next"), undefined);
    });
    giveUp.abort(new Error("enough"));
    assert.equal(await next, "next");
  });
});

describe("FileBody", () => {
  it("that is ended while it reads lends nobody the memory that is still being read into", async () => {
    const length = 2 ** 20;
    const goesOn = Promise.withResolvers<void>();
    const handle = {
      path: "/file",
      readAt: async (into: Uint8Array) => {
        await goesOn.promise;
        into.fill(1);
        return into.length;
      },
      close: () => Promise.resolve(),
    } as Partial<FileHandle> as FileHandle;
    const failure = (error: unknown): unknown => error;
    const body = new FileBody({ handle, start: 0, end: length, reuse: true, signal: undefined, failure });
    const reading = body.next();
    await body.return();
    const lent = borrow(length).fill(0);
    goesOn.resolve();
    await reading;
    assert.ok(lent.every((byte) => byte === 0));
  });
});
