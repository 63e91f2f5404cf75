import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, LockedError, NoSpaceError } from "../../lib/base/errors.ts";
import {
  type CrashKeep,
  type MemoryFileSystem,
  memoryFileSystem,
  type Operation,
  PowerCutError,
} from "../../lib/files/memory/memory_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";
import { readFile } from "../../lib/files/read.ts";
import { pattern } from "./file_system_suite.ts";

/** A generator of numbers from 0 up to 1 that repeats for a seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function put(fs: MemoryFileSystem, path: string, content: Uint8Array, sync = true): Promise<void> {
  const handle = await fs.open(path, "append");
  await handle.append(content);
  if (sync) await handle.sync();
  await handle.close();
}

const whole = (fs: MemoryFileSystem, path: string): Promise<Uint8Array> => readFile(fs, path, 1e9);

describe("MemoryFileSystem.crash", () => {
  it("keeps what was synced and loses what was not", async () => {
    const fs = memoryFileSystem();
    const content = pattern(100_000);
    await put(fs, "/a", content.subarray(0, 70_000));
    await fs.syncDirectory("/");
    await put(fs, "/a", content.subarray(70_000), false);
    const none = fs.fork({ keep: "none" });
    const all = fs.fork({ keep: "all" });
    assert.deepEqual(await whole(none, "/a"), content.slice(0, 70_000));
    assert.deepEqual(await whole(all, "/a"), content);
    assert.deepEqual(await whole(fs, "/a"), content);
  });

  it("keeps of a file that is written to during its sync what was there at the call", async () => {
    const waiting: (() => void)[] = [];
    let isHolding = false;
    const fs = memoryFileSystem({
      delay: (name) => isHolding && name === "sync" ? new Promise((resolve) => waiting.push(resolve)) : undefined,
    });
    const content = pattern(300);
    const handle = await fs.open("/a", "create");
    await handle.append(content.subarray(0, 100));
    await handle.sync();
    await fs.syncDirectory("/");
    isHolding = true;
    const kept = async (): Promise<Uint8Array> => await whole(fs.fork({ keep: "none" }), "/a");

    // Longer by the time that it takes effect.
    await handle.append(content.subarray(100, 200));
    const first = handle.sync();
    await handle.append(content.subarray(200));
    assert.deepEqual(await kept(), content.slice(0, 100));
    waiting.shift()!();
    await first;
    assert.deepEqual(await kept(), content.slice(0, 200));
    // Cut and written anew.
    const second = handle.sync();
    await handle.truncate(50);
    await handle.append(content.subarray(0, 10));
    waiting.shift()!();
    await second;
    assert.deepEqual(await kept(), content);
    const random = await whole(fs.fork({ keep: "random", random: seeded(1) }), "/a");
    assert.deepEqual(random.subarray(0, 50), content.subarray(0, 50));
    // Two at once, of which the later one is over first.
    const third = handle.sync();
    await handle.append(content.subarray(0, 5));
    const fourth = handle.sync();
    const [endThird, endFourth] = waiting.splice(0);
    endFourth!();
    await fourth;
    endThird!();
    await third;
    assert.equal((await kept()).length, 65);
  });

  it("ends every call and handle of the disk that lost power", async () => {
    const fs = memoryFileSystem();
    const handle = await fs.open("/a", "create");
    const lock = await fs.lock("/LOCK");
    const next = fs.crash({ keep: "all" });
    assert.equal(fs.powered, false);
    assert.throws(() => handle.appendSync(new Uint8Array(1)), PowerCutError);
    assert.throws(() => handle.readAtSync(new Uint8Array(1), 0), IOError);
    await assert.rejects(handle.sync(), PowerCutError);
    await assert.rejects(fs.stat("/a"), PowerCutError);
    await assert.rejects(fs.open("/a", "read"), PowerCutError);
    await handle.close();
    lock.release();
    (await next.lock("/LOCK")).release();
    assert.deepEqual(await next.list("/"), ["LOCK", "a"]);
  });

  it("loses a synced file whose name was not synced", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(10));
    assert.deepEqual(await fs.fork({ keep: "none" }).list("/"), []);
    await fs.makeDirectory("/d");
    await put(fs, "/d/b", pattern(10));
    await fs.syncDirectory("/d");
    assert.deepEqual(await fs.fork({ keep: "none" }).list("/"), []);
    await fs.syncDirectory("/");
    assert.deepEqual(await fs.fork({ keep: "none" }).list("/d"), ["b"]);
  });

  it("keeps a name whose file was not synced, without the bytes", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(10), false);
    await fs.syncDirectory("/");
    assert.equal((await whole(fs.fork({ keep: "none" }), "/a")).length, 0);
  });

  it("brings back what was renamed over or removed without a sync of the directory", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(1, 1));
    await put(fs, "/b", pattern(2, 2));
    await fs.syncDirectory("/");
    await fs.rename("/a", "/b");
    await put(fs, "/c", pattern(3));
    await fs.remove("/c");
    const none = fs.fork({ keep: "none" });
    assert.deepEqual(await none.list("/"), ["a", "b"]);
    assert.deepEqual(await whole(none, "/b"), pattern(2, 2));
    await fs.syncDirectory("/");
    const after = fs.fork({ keep: "none" });
    assert.deepEqual(await after.list("/"), ["b"]);
    assert.deepEqual(await whole(after, "/b"), pattern(1, 1));
  });

  it("tears appends at any byte, and leaves holes of zeros, but only behind what was synced", async () => {
    const fs = memoryFileSystem();
    const content = pattern(50_000).map((byte) => byte | 1); // no zeros
    await put(fs, "/a", content.subarray(0, 10_000));
    await fs.syncDirectory("/");
    await put(fs, "/a", content.subarray(10_000), false);
    const seen = { none: 0, all: 0, prefix: 0, holes: 0 };
    for (let seed = 1; seed <= 200; seed++) {
      const found = await whole(fs.fork({ random: seeded(seed) }), "/a");
      assert.ok(found.length >= 10_000 && found.length <= 50_000);
      assert.deepEqual(found.slice(0, 10_000), content.slice(0, 10_000));
      const differs = found.findIndex((byte, i) => byte !== content[i]);
      if (differs >= 0) {
        seen.holes++;
        assert.ok(differs === 10_000 || differs % 4096 === 0);
        assert.ok(found.every((byte, i) => byte === content[i] || byte === 0));
      } else seen[found.length === 10_000 ? "none" : found.length === 50_000 ? "all" : "prefix"]++;
    }
    for (const [fate, count] of Object.entries(seen)) assert.ok(count >= 10, `${fate}: ${count} of 200`);
  });

  it("repeats for the same random numbers", async () => {
    const fs = memoryFileSystem();
    for (let i = 0; i < 20; i++) await put(fs, `/f${i}`, pattern(10_000, i), i % 2 === 0);
    const once = fs.fork({ random: seeded(5) });
    const twice = fs.crash({ random: seeded(5) });
    assert.deepEqual(await once.list("/"), await twice.list("/"));
    for (const name of await once.list("/")) assert.deepEqual(await whole(once, name), await whole(twice, name));
  });

  it("loses changes of names from the last one backward, and a rename between directories on both sides", async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 300; seed++) {
      const fs = memoryFileSystem();
      await fs.makeDirectory("/x");
      await fs.makeDirectory("/y");
      await put(fs, "/x/a", pattern(1));
      await fs.syncDirectory("/x");
      await fs.syncDirectory("/");
      await put(fs, "/y/1", pattern(1));
      await fs.rename("/x/a", "/y/a");
      await put(fs, "/x/2", pattern(1));
      const after = fs.crash({ random: seeded(seed) });
      outcomes.add(`${(await after.list("/x")).join()}|${(await after.list("/y")).join()}`);
    }
    assert.deepEqual([...outcomes].sort(), ["2|1,a", "a|", "a|1", "|1,a"]);
  });

  it("makes durable with a directory what must have come before in others", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/x");
    await fs.makeDirectory("/y");
    await fs.syncDirectory("/");
    await put(fs, "/x/early", pattern(1));
    await put(fs, "/x/a", pattern(1));
    await fs.rename("/x/a", "/y/b");
    await put(fs, "/x/late", pattern(1));
    await fs.syncDirectory("/y");
    const after = fs.crash({ keep: "none" });
    assert.deepEqual(await after.list("/y"), ["b"]);
    assert.deepEqual(await after.list("/x"), ["early"]);
  });

  it("may undo a truncate, whose bytes are then the old ones", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(100, 1));
    await fs.syncDirectory("/");
    const handle = await fs.open("/a", "append");
    await handle.truncate(10);
    await handle.append(pattern(50, 2));
    assert.deepEqual(await whole(fs.fork({ keep: "none" }), "/a"), pattern(100, 1));
    const sizes = new Set<number>();
    for (let seed = 1; seed <= 50; seed++) {
      const found = await whole(fs.fork({ random: seeded(seed) }), "/a");
      sizes.add(found.length);
      if (found.length === 100) assert.deepEqual(found, pattern(100, 1));
      else {
        assert.ok(found.length >= 10 && found.length <= 60, `${found.length} bytes`);
        assert.deepEqual(found.slice(0, 10), pattern(100, 1).slice(0, 10));
        assert.ok(found.every((byte, i) => i < 10 || byte === 0 || byte === pattern(50, 2)[i - 10]));
      }
    }
    assert.ok(sizes.has(100) && sizes.has(60) && sizes.size > 5);
    await handle.sync();
    assert.equal((await whole(fs.fork({ keep: "none" }), "/a")).length, 60);
  });

  it("may undo what was written over zeros, in part or whole", async () => {
    const fs = memoryFileSystem();
    const handle = await fs.open("/a", "create");
    await handle.append(pattern(100, 1));
    handle.fillSync!(30_000);
    await handle.sync();
    await fs.syncDirectory("/");
    await handle.append(pattern(20_000, 2));
    const written = new Uint8Array(30_000);
    written.set(pattern(100, 1));
    const before = written.slice();
    written.set(pattern(20_000, 2), 100);
    assert.deepEqual(await whole(fs.fork({ keep: "none" }), "/a"), before);
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const found = await whole(fs.fork({ random: seeded(seed) }), "/a");
      assert.deepEqual(found.subarray(0, 100), before.subarray(0, 100));
      assert.ok(found.every((byte, i) => byte === before[i] || byte === written[i]));
      const left = found.filter((byte, i) => byte !== before[i]).length;
      kinds.add(
        left === 0 ? "nothing" : left === pattern(20_000, 2).filter((byte) => byte !== 0).length ? "all" : "a part",
      );
    }
    assert.deepEqual([...kinds].sort(), ["a part", "all", "nothing"]);
    await handle.sync();
    assert.deepEqual(await whole(fs.fork({ keep: "none" }), "/a"), written);
  });

  it("keeps what was written over zeros behind bytes that a failed sync gave up on", async () => {
    let fails = false;
    const fs = memoryFileSystem({
      beforeOperation({ name }) {
        if (fails && name === "sync") throw new IOError("Cannot sync: the test says so (EIO)");
      },
    });
    const handle = await fs.open("/a", "create");
    handle.fillSync!(1000);
    await handle.sync();
    await fs.syncDirectory("/");
    await handle.append(pattern(100, 1));
    fails = true;
    await assert.rejects(handle.sync(), IOError);
    fails = false;
    await handle.append(pattern(100, 2));
    await handle.sync();
    const expected = new Uint8Array(1000);
    expected.set(pattern(100, 2), 100);
    assert.deepEqual(await whole(fs.fork({ keep: "none" }), "/a"), expected);
  });

  it("counts what zeros take once, and lets appends over them on a full disk", async () => {
    const fs = memoryFileSystem({ capacityBytes: 1000 });
    const handle = await fs.open("/a", "create");
    handle.fillSync!(600);
    assert.equal(fs.usedBytes, 600);
    assert.throws(() => handle.fillSync!(1100), NoSpaceError);
    assert.equal(fs.usedBytes, 1000);
    handle.appendSync(pattern(900));
    assert.equal(fs.usedBytes, 1000);
    assert.throws(() => handle.appendSync(pattern(200)), NoSpaceError);
    assert.deepEqual((await whole(fs, "/a")).subarray(0, 900), pattern(900));
    await handle.truncate(900);
    assert.equal(fs.usedBytes, 900);
    await handle.close();
  });

  it("keeps two names of one file one file", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(10));
    await fs.link("/a", "/b");
    const after = fs.crash({ keep: "all" });
    assert.equal(after.usedBytes, 10);
    await put(after, "/a", pattern(5));
    assert.equal((await whole(after, "/b")).length, 15);
  });

  it("never brings back bytes that a failed sync gave up on", async () => {
    let fail = true;
    const fs = memoryFileSystem({
      beforeOperation: ({ name }) => {
        if (name === "sync" && fail) throw new IOError("Cannot sync: broken (EIO)");
      },
    });
    const handle = await fs.open("/a", "create");
    await fs.syncDirectory("/");
    await handle.append(new Uint8Array(10).fill(1));
    await assert.rejects(handle.sync(), /broken/);
    fail = false;
    await handle.append(new Uint8Array(10).fill(2));
    await handle.sync();
    const expected = new Uint8Array(20).fill(2, 10);
    assert.deepEqual(await whole(fs.fork({ keep: "none" }), "/a"), expected);
    assert.deepEqual((await whole(fs, "/a")).slice(0, 10), new Uint8Array(10).fill(1));
  });

  it("gives a disk on which work goes on without touching the one it came from", async () => {
    const fs = memoryFileSystem();
    await put(fs, "/a", pattern(100));
    const fork = fs.fork({ keep: "all" });
    await put(fork, "/a", pattern(50, 3));
    await put(fs, "/a", pattern(70, 4));
    await fork.remove("/a");
    assert.deepEqual((await whole(fs, "/a")).slice(100), pattern(70, 4));
    assert.deepEqual(await fork.list("/"), []);
    assert.equal(fork.usedBytes, 0);
  });

  it("keeps the order of names, or not even that where it is asked to scatter them", async () => {
    const found = { random: new Set<string>(), scattered: new Set<string>() };
    for (const keep of ["random", "scattered"] as const) {
      for (let seed = 0; seed < 64; seed++) {
        const fs = memoryFileSystem();
        for (const name of ["a", "b", "c"]) await (await fs.open(`/${name}`, "create")).close();
        found[keep].add((await fs.crash({ keep, random: seeded(seed) }).list("/")).join(""));
      }
    }
    assert.deepEqual([...found.random].sort(), ["", "a", "ab", "abc"]);
    assert.deepEqual([...found.scattered].sort(), ["", "a", "ab", "abc", "ac", "b", "bc", "c"]);
  });

  it("refuses to guess where nothing was remembered", () => {
    const fs = memoryFileSystem({ durable: false });
    assert.throws(() => fs.crash({ keep: "none" }), TypeError);
    assert.throws(() => memoryFileSystem().crash(), /random/);
    fs.crash({ keep: "all" });
  });
});

describe("MemoryFileSystem.cutPowerAt", () => {
  it("publishes whole or not at all, wherever the power goes", async () => {
    const count = await operationsOf(publishTwice);
    assert.equal(count, 10);
    for (let at = 1; at <= count; at++) {
      for (const keep of ["none", "all", "random", "scattered"] as CrashKeep[]) {
        const fs = memoryFileSystem();
        fs.cutPowerAt(at);
        await assert.rejects(publishTwice(fs), PowerCutError);
        const after = fs.crash({ keep, random: seeded(at) });
        const content = await after.stat("/marker") === undefined ? undefined : await whole(after, "/marker");
        // The first publication is complete after five operations; then it must be there.
        const allowed = at <= 5 ? [undefined, 3000] : [3000, 5000];
        assert.ok(allowed.includes(content?.length), `cut at ${at}: ${content?.length} bytes`);
        if (content !== undefined) assert.deepEqual(content, pattern(content.length));
      }
    }
  });

  async function publishTwice(fs: MemoryFileSystem): Promise<void> {
    await publishFile(fs, "/marker", pattern(3000));
    await publishFile(fs, "/marker", pattern(5000));
  }

  async function operationsOf(work: (fs: MemoryFileSystem) => Promise<void>): Promise<number> {
    const fs = memoryFileSystem();
    await work(fs);
    return fs.operations;
  }

  it("is cheap enough to look at the disk after each of thousands of operations", async () => {
    let forks = 0;
    const fs: MemoryFileSystem = memoryFileSystem({
      afterOperation: ({ mutates }) => {
        if (mutates) forks += fs.fork({ random: seeded(forks) }).operations + 1;
      },
    });
    const log = await fs.open("/log", "create");
    for (let i = 0; i < 50; i++) await put(fs, `/table${i}`, pattern(1000), true);
    for (let i = 0; i < 1000; i++) {
      await log.append(pattern(300));
      await log.sync();
    }
    assert.equal(forks, fs.operations);
    assert.ok(forks > 2000);
  });
});

describe("MemoryFileSystem hooks", () => {
  it("count and name every operation", async () => {
    const seen: Operation[] = [];
    const fs = memoryFileSystem({ beforeOperation: (operation) => void seen.push(operation) });
    await publishFile(fs, "/a", new Uint8Array(3));
    const calls = seen.filter(({ mutates }) => mutates).map(({ index, name, path }) => `${index} ${name} ${path}`);
    assert.deepEqual(calls, [
      "1 create /a.new",
      "2 append /a.new",
      "3 sync /a.new",
      "4 rename /a.new",
      "5 syncDirectory /",
    ]);
    assert.equal(seen.find(({ name }) => name === "append")?.bytes, 3);
  });

  it("fail a call before or after it took effect", async () => {
    let fail = false;
    const broken = new IOError("Cannot do it: broken (EIO)");
    const before = memoryFileSystem({
      beforeOperation: () => {
        if (fail) throw broken;
      },
    });
    const after = memoryFileSystem({
      afterOperation: () => {
        if (fail) throw broken;
      },
    });
    for (const [fs, made] of [[before, false], [after, true]] as const) {
      fail = true;
      await assert.rejects(fs.makeDirectory("/d"), broken);
      fail = false;
      assert.equal(await fs.stat("/d") !== undefined, made);
    }
  });

  it("cut an append short", async () => {
    const fs = memoryFileSystem({
      beforeOperation: ({ name }) => {
        if (name !== "append") return undefined;
        return { writtenBytes: 2, error: new NoSpaceError("Cannot write: full (ENOSPC)") };
      },
    });
    const handle = await fs.open("/a", "create");
    await assert.rejects(handle.append(new Uint8Array(5)), NoSpaceError);
    assert.equal(handle.sizeSync(), 2);
  });

  it("delay asynchronous operations until their answer settles", async () => {
    let go = (): void => {};
    const fs = memoryFileSystem({
      delay: (name) => name === "append" ? new Promise((resolve) => go = resolve) : undefined,
    });
    const handle = await fs.open("/a", "create");
    const appended = handle.append(new Uint8Array(5));
    await Promise.resolve();
    assert.equal(handle.sizeSync(), 0);
    go();
    await appended;
    assert.equal(handle.sizeSync(), 5);
  });
});

describe("MemoryFileSystem capacity", () => {
  it("writes what fits, then says that the disk is full, and goes on once there is space", async () => {
    const fs = memoryFileSystem({ capacityBytes: 100 });
    await put(fs, "/a", pattern(60));
    const handle = await fs.open("/b", "create");
    await assert.rejects(handle.append(pattern(50)), NoSpaceError);
    assert.equal(handle.sizeSync(), 40);
    assert.equal(await fs.freeSpace("/"), 0);
    await handle.truncate(10);
    assert.equal(await fs.freeSpace("/"), 30);
    await fs.remove("/a");
    assert.equal(await fs.freeSpace("/"), 90);
    await handle.append(pattern(90));
    fs.capacityBytes = 200;
    assert.equal(await fs.freeSpace("/"), 100);
    await fs.remove("/b");
    assert.equal(fs.usedBytes, 100);
    await handle.close();
    assert.equal(fs.usedBytes, 0);
    assert.equal(await memoryFileSystem().freeSpace("/"), undefined);
  });
});

describe("MemoryFileSystem.otherProcess", () => {
  it("shares files and locks, and dies alone", async () => {
    const fs = memoryFileSystem();
    const other = fs.otherProcess();
    await other.lock("/LOCK");
    const handle = await other.open("/a", "create");
    await handle.append(pattern(5));
    assert.equal(fs.lockedHere("/LOCK"), false);
    assert.equal(other.lockedHere("/LOCK"), true);
    await assert.rejects(fs.lock("/LOCK"), (error: unknown) => {
      return error instanceof LockedError && /locked by another process/.test(error.message);
    });
    other.kill();
    await assert.rejects(handle.append(pattern(5)), IOError);
    await assert.rejects(other.stat("/a"), IOError);
    assert.equal((await whole(fs, "/a")).length, 5);
    (await fs.lock("/LOCK")).release();
  });
});
