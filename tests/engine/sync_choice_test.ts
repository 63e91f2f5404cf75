import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, ReadOnlyError } from "../../lib/base/errors.ts";
import { SyncChoice } from "../../lib/engine/writing/sync_choice.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { get, open, put } from "./fixture.ts";

/** What was called to sync the log, in order. */
type Call = "at once" | "off the thread";

interface Disk {
  engine: Engine;
  calls: Call[];
  /** How often records were handed to the system. */
  appends: number;
  /** What the next syncs take, ms. */
  takes: number;
  /** Thrown by the next sync at once. */
  fails: Error | undefined;
  /** What syncs off the thread wait for. */
  holds: Promise<void> | undefined;
}

/** An engine on a disk that passes for a real one, and the clock that its syncs move. */
async function diskOf(flushInterval = 60_000): Promise<Disk> {
  const memory = memoryFileSystem();
  let now = 0;
  const calls: Call[] = [];
  const disk = { calls, appends: 0, takes: 0.2, fails: undefined, holds: undefined } as unknown as Disk;
  const watched = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (name === "appendSync") disk.appends++;
          if (name === "sync" || name === "syncSync") {
            calls.push(name === "sync" ? "off the thread" : "at once");
            now += disk.takes;
            if (name === "syncSync" && disk.fails !== undefined) throw disk.fails;
            if (name === "sync" && disk.holds !== undefined) return disk.holds.then(() => target.sync());
          }
          return value.apply(target, args);
        };
      },
    });
  const fs = new Proxy(memory as FileSystem, {
    get(target, name) {
      if (name === "kind") return "node";
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "open") return value.bind(target);
      return async (path: string, ...rest: ["create"]): Promise<FileHandle> => {
        const handle = await target.open(path, ...rest);
        return path.endsWith(".log") ? watched(handle) : handle;
      };
    },
  });
  disk.engine = await open(fs, { memtableBytes: 8 * 2 ** 20, flushInterval, monotonic: () => now });
  await put(disk.engine, { first: "1" });
  calls.length = 0;
  return disk;
}

async function writeAlone({ engine }: Disk, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await put(engine, { alone: `${i}` });
}

describe("a commit's sync", () => {
  it("is made at once for a writer that is alone, after a few commits", async () => {
    const disk = await diskOf();
    await writeAlone(disk, 20);
    assert.equal(disk.calls.length, 20);
    const off = disk.calls.indexOf("at once");
    assert.ok(off >= 3 && off <= 6, `${off} off the thread first`);
    assert.ok(disk.calls.slice(off).every((call) => call === "at once"));
    assert.equal(get(disk.engine, "alone"), "19");
    await disk.engine.close();
  });

  it("is made off the thread where several wait, so that they share it", async () => {
    const disk = await diskOf();
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 8 }, (_, writer) => put(disk.engine, { [`w${writer}`]: `${i}` })));
    }
    assert.ok(disk.calls.every((call) => call === "off the thread"));
    assert.ok(disk.calls.length <= 40, `${disk.calls.length} syncs`);
    // One more that comes while another is alone: the thread is let go again.
    await writeAlone(disk, 10);
    assert.equal(disk.calls.at(-1), "at once");
    await Promise.all([put(disk.engine, { a: "1" }), put(disk.engine, { b: "1" })]);
    assert.equal(disk.calls.at(-1), "off the thread");
    await disk.engine.close();
  });

  for (const { takes, groups } of [{ takes: 0.1, groups: 2 }, { takes: 2, groups: 1 }]) {
    it(`of ${takes} ms is shared by ${groups === 1 ? "all" : "half"} of 32 writers`, async () => {
      const disk = await diskOf();
      disk.takes = takes;
      await put(disk.engine, { a: "1" });
      disk.calls.length = 0;
      for (let i = 0; i < 5; i++) {
        await Promise.all(Array.from({ length: 32 }, (_, writer) => put(disk.engine, { [`w${writer}`]: `${i}` })));
      }
      assert.equal(disk.calls.length, 5 * groups);
      assert.equal(get(disk.engine, "w31"), "4");
      await disk.engine.close();
    });
  }

  it("that nobody waits for splits no group", async () => {
    const disk = await diskOf();
    disk.takes = 0.1;
    await put(disk.engine, { a: "1" });
    disk.appends = 0;
    for (let i = 0; i < 5; i++) {
      const write = (_: unknown, writer: number): Promise<number> =>
        put(disk.engine, { [`w${writer}`]: "1" }, "interval");
      await Promise.all(Array.from({ length: 32 }, write));
    }
    assert.equal(disk.appends, 5);
    await disk.engine.close();
  });

  it("is made off the thread where others wait for their turn behind a long one", async () => {
    const disk = await diskOf();
    await writeAlone(disk, 10);
    assert.equal(disk.calls.at(-1), "at once");
    disk.calls.length = 0;
    // As long as a group gets: the other commit is left for the next.
    await Promise.all([put(disk.engine, { long: "x".repeat(2 ** 20) }), put(disk.engine, { short: "1" })]);
    assert.deepEqual(disk.calls, ["off the thread", "off the thread"]);
    await disk.engine.close();
  });

  it("comes off the thread behind one that is under way for commits that wait for none", async () => {
    const disk = await diskOf(1);
    await writeAlone(disk, 10);
    assert.equal(disk.calls.at(-1), "at once");
    disk.calls.length = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    disk.holds = promise;
    await put(disk.engine, { interval: "1" }, "interval");
    while (disk.calls.length === 0) await new Promise((done) => setTimeout(done, 1));
    const alone = put(disk.engine, { alone: "1" });
    await new Promise((done) => setTimeout(done, 5));
    assert.deepEqual(disk.calls, ["off the thread"]);
    resolve();
    await alone;
    assert.deepEqual(disk.calls, ["off the thread", "off the thread"]);
    await disk.engine.close();
  });

  it("holds a slow disk's thread once, and not again for a while", async () => {
    const disk = await diskOf();
    await writeAlone(disk, 10);
    disk.takes = 5;
    disk.calls.length = 0;
    await writeAlone(disk, 600);
    assert.equal(disk.calls.filter((call) => call === "at once").length, 1);
    disk.takes = 0.2;
    await writeAlone(disk, 10);
    assert.equal(disk.calls.at(-1), "at once");
    await disk.engine.close();
  });

  it("that fails at once turns the database read-only, like any other", async () => {
    const disk = await diskOf();
    await writeAlone(disk, 10);
    disk.fails = new IOError("Cannot sync: the disk says no (EIO)");
    await assert.rejects(put(disk.engine, { lost: "1" }), IOError);
    assert.equal(get(disk.engine, "lost"), undefined);
    await assert.rejects(put(disk.engine, { next: "1" }), ReadOnlyError);
    assert.equal(get(disk.engine, "alone"), "9");
    await assert.rejects(disk.engine.close());
  });
});

describe("SyncChoice", () => {
  it("holds the thread for nobody before a sync was seen to be short", () => {
    const choice = new SyncChoice();
    for (let i = 0; i < 20; i++) assert.equal(choice.atOnce(true), false);
    choice.took(1.5, false);
    assert.equal(choice.atOnce(true), false);
    choice.took(0.5, false);
    assert.equal(choice.atOnce(true), true);
    assert.equal(choice.atOnce(false), false);
    assert.equal(choice.atOnce(true), false);
  });

  it("rests after a slow one, however short those off the thread are", () => {
    const choice = new SyncChoice();
    for (let i = 0; i < 5; i++) choice.atOnce(true);
    choice.took(0.2, false);
    assert.equal(choice.atOnce(true), true);
    choice.took(5, true);
    choice.took(0.2, false);
    for (let i = 0; i < 64; i++) assert.equal(choice.atOnce(true), false, `commit ${i}`);
    assert.equal(choice.atOnce(true), true);
  });
});
