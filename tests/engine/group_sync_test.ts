/** Groups of commits that are written while the one before is being synced. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { IOError, NoSpaceError, ReadOnlyError } from "../../lib/base/errors.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { SyncChoice } from "../../lib/engine/writing/sync_choice.ts";
import type { EngineSettings } from "../../lib/engine/types.ts";
import type { MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { get, open, put } from "./fixture.ts";
import { type HeldSyncs, withHeldSyncs } from "./held_syncs.ts";

/** Waits for what must come: it fails when it doesn't. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; !await condition(); turn++) {
    assert.ok(turn < 2000, "it never comes");
    await pause(1);
  }
}

/** Which of some keys stand in the log, whether they are visible or not. */
async function written(fs: MemoryFileSystem, names: string): Promise<string> {
  const reader = await open(fs.otherProcess(), { readOnly: true });
  try {
    return [...names].filter((name) => get(reader, name) !== undefined).join("");
  } finally {
    await reader.close();
  }
}

/** Four commits that wait for a sync, where groups begin to overlap: two of them are being synced, two are written. */
async function overlapped(
  { changes, capacityBytes, value = "1" }: {
    changes?: Partial<EngineSettings>;
    capacityBytes?: number;
    value?: string;
  } = {},
): Promise<HeldSyncs & { writes: Promise<unknown>[]; shown: string[]; letGo: (error?: unknown) => void }> {
  const held = await withHeldSyncs({ durability: "commit", flushInterval: 60_000, ...changes }, capacityBytes);
  const { engine } = held;
  for (const name of ["second", "third", "fourth"]) {
    const written = put(engine, { [name]: "1" });
    (await held.begun())();
    await written;
  }
  const shown: string[] = [];
  const writes = ["a", "b", "c", "d"].map((name) => put(engine, { [name]: value }).then(() => shown.push(name)));
  const letGo = await held.begun();
  await until(async () => await written(held.fs, "abcd") === "abcd");
  return { ...held, writes, shown, letGo };
}

describe("groups of commits that overlap", () => {
  it("are acknowledged each behind its own sync, and read by nobody before", async () => {
    const { fs, engine, begun, waiting, release, writes, shown, letGo } = await overlapped();
    assert.equal(waiting(), 0);
    assert.deepEqual(shown, []);
    assert.equal(get(engine, "a"), undefined);
    letGo();
    const second = await begun();
    await Promise.all(writes.slice(0, 2));
    await pause(1);
    assert.deepEqual(shown, ["a", "b"]);
    assert.deepEqual(["a", "b", "c", "d"].map((name) => get(engine, name)), ["1", "1", undefined, undefined]);
    const cut = await open(fs.crash({ keep: "none" }));
    assert.deepEqual(["a", "b"].map((name) => get(cut, name)), ["1", "1"]);
    await cut.close();
    release();
    second();
    await Promise.allSettled(writes);
    await engine.close().catch(() => {});
  });

  it("write while the sync before is under way", async () => {
    const { fs, engine, begun, release, writes, shown, letGo } = await overlapped();
    assert.equal(await written(fs, "abcd"), "abcd");
    assert.deepEqual(shown, []);
    letGo();
    (await begun())();
    await Promise.all(writes);
    assert.deepEqual(shown, ["a", "b", "c", "d"]);
    release();
    await engine.close();
  });

  it("are at most two: the commits behind them gather for one sync", async () => {
    const { fs, engine, begun, release, writes, shown, letGo } = await overlapped();
    for (const name of ["e", "f", "g"]) {
      writes.push(put(engine, { [name]: "1" }).then(() => shown.push(name)));
      await pause(1);
    }
    assert.equal(await written(fs, "efg"), "");
    letGo();
    const second = await begun();
    await until(async () => await written(fs, "efg") === "efg");
    second();
    (await begun())();
    await Promise.all(writes);
    assert.deepEqual(shown, ["a", "b", "c", "d", "e", "f", "g"]);
    release();
    await engine.close();
  });

  it("are refused together when the first sync fails, and nothing of them is seen", async () => {
    const { fs, engine, release, writes, letGo } = await overlapped();
    const late = put(engine, { late: "1" });
    letGo(new IOError("the disk is gone (EIO)"));
    for (const write of writes) await assert.rejects(write, IOError);
    await assert.rejects(late, ReadOnlyError);
    release();
    await assert.rejects(put(engine, { never: "1" }), ReadOnlyError);
    assert.deepEqual(["a", "c", "late"].map((name) => get(engine, name)), [undefined, undefined, undefined]);
    await engine.close().catch(() => {});
    const again = await open(fs.crash({ keep: "none" }));
    assert.equal(get(again, "fourth"), "1");
    await again.close();
  });

  it("leave the one being synced as it is when the next finds the disk full", async () => {
    const { engine, begun, release, writes, letGo } = await overlapped({ capacityBytes: 100_000 });
    const huge = put(engine, { huge: "x".repeat(200_000) });
    const refused = assert.rejects(huge, NoSpaceError);
    await pause(1);
    letGo();
    (await begun())();
    release();
    await Promise.all([...writes, refused]);
    assert.deepEqual(["a", "d", "huge"].map((name) => get(engine, name)), ["1", "1", undefined]);
    await put(engine, { small: "1" });
    await engine.close();
  });

  for (const refused of [false, true]) {
    it(`are shown before a commit that waits for no sync${refused ? ", behind one that did not pass" : ""}`, async () => {
      const { engine, begun, release, writes, shown, letGo } = await overlapped();
      if (refused) {
        const batch = new Batch();
        writes.push(engine.commit(batch, { durability: "commit", check: () => false }));
      }
      const buffered = put(engine, { e: "1" }, "buffered").then(() => shown.push("e"));
      letGo();
      const second = await begun();
      await Promise.all(writes.slice(0, 2));
      await pause(1);
      assert.deepEqual(shown, ["a", "b"]);
      second();
      await Promise.all([...writes, buffered]);
      assert.deepEqual(shown, ["a", "b", "c", "d", "e"]);
      release();
      await engine.close();
    });
  }

  it("take a commit with them that waits for no sync when theirs fails, behind one that did not pass", async () => {
    const { engine, begun, release, writes, letGo } = await overlapped();
    writes.push(engine.commit(new Batch(), { durability: "commit", check: () => false }));
    const buffered = put(engine, { e: "1" }, "buffered");
    const all = Promise.allSettled([...writes, buffered]);
    letGo();
    const second = await begun();
    await pause(1);
    second(new IOError("the disk is gone (EIO)"));
    release();
    assert.deepEqual((await all).map(({ status }) => status), [
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
      "rejected",
      "rejected",
    ]);
    assert.equal(get(engine, "e"), undefined);
    await engine.close().catch(() => {});
  });

  it("are shown before a memtable that they filled is sealed", async () => {
    const long = { changes: { memtableBytes: 20_000 }, value: "x".repeat(6000) };
    const { fs, engine, begun, release, writes, letGo } = await overlapped(long);
    const next = put(engine, { e: "1" });
    letGo();
    const second = await begun();
    await pause(1);
    const logs = async (): Promise<number> => (await fs.list("/db")).filter((name) => name.endsWith(".log")).length;
    assert.equal(await logs(), 1);
    release();
    second();
    await Promise.all([...writes, next]);
    assert.equal(await logs(), 2);
    await engine.close();
  });

  it("are waited for by a group that others are to gather for", async () => {
    const { fs, engine, begun, release, writes, letGo } = await overlapped();
    const stands = async (names: string): Promise<void> => {
      await until(async () => await written(fs, "efgh") === names);
      await pause(2);
      assert.equal(await written(fs, "efgh"), names);
    };
    const put1 = (name: string): number => writes.push(put(engine, { [name]: "1" }));
    put1("e");
    await stands("");
    letGo();
    const second = await begun();
    await stands("e");
    put1("f");
    await stands("e");
    second();
    const third = await begun();
    await stands("ef");
    put1("g");
    await stands("ef");
    third();
    const fourth = await begun();
    put1("h");
    await stands("ef");
    release();
    fourth();
    await Promise.all(writes);
    await stands("efgh");
    await engine.close();
  });

  it("are each told with the time of their own sync", async () => {
    let now = 0;
    const told: [number, number][] = [];
    const changes: Partial<EngineSettings> = {
      monotonic: () => now,
      onEvent: (event) => void (event.type === "sync" && told.push([event.durationMs, event.commits])),
    };
    const { engine, begun, release, writes, letGo } = await overlapped({ changes });
    told.length = 0;
    now += 5;
    letGo();
    const second = await begun();
    await pause(1);
    now += 3;
    second();
    await Promise.all(writes);
    assert.deepEqual(told, [[5, 2], [3, 2]]);
    release();
    await engine.close();
  });

  it("are all in place before a task of the queue: what is pinned has them", async () => {
    const { engine, begun, release, writes, letGo } = await overlapped();
    let pinned = false;
    const pinning = engine.pin().then((pin) => {
      pinned = true;
      return pin;
    });
    letGo();
    const second = await begun();
    await pause(1);
    assert.equal(pinned, false);
    second();
    // It needs no sync of its own, which would be held.
    await until(() => pinned);
    const pin = await pinning;
    assert.equal(pin.version, 8);
    pin.release();
    release();
    await Promise.all(writes);
    await engine.close();
  });
});

describe("SyncChoice", () => {
  it("lets groups overlap where syncs are short beside what so many commits take", () => {
    const choice = new SyncChoice();
    assert.equal(choice.overlaps(64), false, "before a sync was measured");
    choice.took(0.2, false);
    assert.equal(choice.overlaps(64), true);
    choice.took(0.01, false);
    assert.deepEqual([choice.overlaps(15), choice.overlaps(16)], [false, true]);
    choice.took(2, false);
    assert.equal(choice.overlaps(64), false);
    assert.equal(choice.overlaps(1000), true);
  });

  it("depends on no clock over simulated files", () => {
    const choice = new SyncChoice(true);
    const first = Array.from({ length: 8 }, () => choice.overlaps(1));
    choice.took(1000, false);
    assert.deepEqual(first, [false, false, false, false, true, true, true, true]);
    assert.deepEqual(Array.from({ length: 8 }, () => choice.overlaps(1)), first);
  });
});
