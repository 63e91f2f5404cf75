import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ExistsError, NotFoundError, PermissionError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { allKeys, readAllDocuments } from "../../../lib/backup/repository/core/documents.ts";
import { gcMark } from "../../../lib/format/repository/house_documents.ts";
import { Collector } from "../../../lib/backup/repository/pruning/gc.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { House } from "./house.ts";
import { assertAllRestore, daily, DAY, Gate, keysOf, leaveObjects, prune } from "./prune_fixture.ts";

const MINUTE = 60_000;
const LAST = { keepLast: 1 };

/** A house behind a gate. */
async function gated(): Promise<{ house: House; gate: Gate }> {
  const gate = new Gate(new MemoryStore());
  return { house: await House.make({ store: gate.store }), gate };
}

const on = (operation: string, prefix: string) => (does: string, key: string): boolean =>
  does === operation && key.startsWith(prefix);

describe("a pruning beside a backup", () => {
  it("that starts once objects are marked: they are left to go, others take their place", async () => {
    const { house, gate } = await gated();
    await daily(house, 2);
    await house.engine.compact();
    house.note();
    const left = await leaveObjects(house, { id: "cut", type: "snapshot" });
    assert.ok(left.length > 0);
    const stands = gate.hold(on("delete", PART.objects));
    const pruning = prune(house, { keepLast: 10 });
    await stands;
    await house.backup({ id: "beside", type: "snapshot" });
    gate.open();
    assert.equal((await pruning).objects, left.length);
    assert.ok((await assertAllRestore(house)).includes("beside"));
  });

  it("that used unreferenced objects and was over before they were marked: they stay", async () => {
    const { house, gate } = await gated();
    await daily(house, 2);
    await house.engine.compact();
    house.note();
    const left = await leaveObjects(house, { id: "cut", type: "snapshot" });
    const stands = gate.hold(on("put", PART.marks));
    const pruning = prune(house, { keepLast: 10 });
    await stands;
    const { addedBytes } = await house.backup({ id: "beside", type: "snapshot" });
    assert.equal(addedBytes, 0, "it found all it needs");
    gate.open();
    assert.equal((await pruning).objects, 0);
    assert.ok((await keysOf(house.store)).includes(left[0]!));
    assert.ok((await assertAllRestore(house)).includes("beside"));
  });

  it("that is under way: what it may have seen stays marked until it is over", async () => {
    const { house, gate } = await gated();
    await daily(house, 2);
    await house.engine.compact();
    house.note();
    const left = await leaveObjects(house, { id: "cut", type: "snapshot" });
    const stands = gate.hold(on("head", PART.objects));
    const backup = house.backup({ id: "beside", type: "snapshot" });
    await stands;
    const report = await prune(house, { keepLast: 10 });
    assert.equal(report.objects, 0);
    assert.ok(report.pendingBytes > 0);
    assert.equal((await keysOf(house.store, PART.marks)).length, 1);
    gate.open();
    assert.equal((await backup).addedBytes, 0);
    const later = await prune(house, { keepLast: 10 });
    assert.deepEqual([later.objects, later.pendingBytes], [0, 0]);
    assert.deepEqual(await keysOf(house.store, PART.marks), []);
    assert.ok((await keysOf(house.store)).includes(left[0]!));
    await assertAllRestore(house);
  });

  it("that failed: its objects go with the next, though newer work is under way", async () => {
    const house = await House.make();
    await daily(house, 2);
    await leaveObjects(house, { id: "cut", type: "full" });
    const first = await takeLease(house.context, { kind: "verify", holder: "first" });
    const { pendingBytes } = await prune(house, { keepLast: 10 });
    const second = await takeLease(house.context, { kind: "verify", holder: "second" });
    assert.equal((await prune(house, { keepLast: 10 })).pendingBytes, pendingBytes, "the first still holds");
    await first.release();
    const report = await prune(house, { keepLast: 10 });
    assert.deepEqual([report.freedBytes, report.pendingBytes], [pendingBytes, 0], "the second came after the mark");
    await second.release();
    await assertAllRestore(house);
  });

  it("that builds on a backup which is to go: that one stays this time, and can't be deleted", async () => {
    const { house, gate } = await gated();
    await daily(house, 5);
    await house.set("more", "1");
    const stands = gate.hold(on("put", PART.log));
    const backup = house.backup({ id: "child", type: "incremental", parent: "day-2" });
    await stands;
    await assert.rejects(deleteBackup(house.context, "day-5"), RepositoryLockedError);
    const report = await prune(house, LAST);
    const told = report.backups.find(({ id }) => id === "day-2")!;
    assert.ok(told.keep && /is being made/.test(told.reasons.join()), told.reasons.join());
    gate.open();
    assert.equal((await backup).type, "incremental");
    assert.ok((await assertAllRestore(house)).includes("child"));
    await prune(house, LAST);
    assert.ok((await assertAllRestore(house)).includes("child"));
  });

  it("that built on one which is to go, before that was marked, and which would go itself by then: both stay this time", async () => {
    const { house, gate } = await gated();
    await daily(house, 1, "old");
    for (const id of ["old-2", "new"]) {
      await house.set(id, id);
      await house.backup({ id, type: "full" });
    }
    const stands = gate.hold(on("put", PART.marks));
    const pruning = prune(house, LAST);
    await stands;
    await house.set("more", "1");
    await house.backup({ id: "child", type: "incremental", parent: "old-2" });
    await house.backup({ id: "newest", type: "full" });
    gate.open();
    const { backups } = await pruning;
    assert.deepEqual(backups.filter(({ keep }) => keep).map(({ id }) => id).sort(), [
      "child",
      "new",
      "newest",
      "old-2",
    ]);
    assert.deepEqual((await assertAllRestore(house)).sort(), ["child", "new", "newest", "old-2"]);
    await prune(house, LAST);
    assert.deepEqual(await assertAllRestore(house), ["newest"]);
    await house.engine.close();
  });

  it("that starts once its parent is marked: it builds on none that goes", async () => {
    const { house, gate } = await gated();
    await daily(house, 5);
    await house.set("more", "1");
    const stands = gate.hold(on("delete", PART.backups));
    const pruning = prune(house, LAST);
    await stands;
    await assert.rejects(house.backup({ id: "no", type: "incremental", parent: "day-2" }), NotFoundError);
    await house.backup({ id: "yes", type: "incremental" });
    gate.open();
    await pruning;
    assert.deepEqual(await assertAllRestore(house), ["day-3", "day-4", "day-5", "yes"]);
  });

  it("that starts once the newest is marked: it builds on the one before", async () => {
    const { house, gate } = await gated();
    await daily(house, 3);
    await house.set("more", "1");
    const stands = gate.hold(on("delete", PART.backups));
    const deleting = deleteBackup(house.context, "day-3");
    await stands;
    const { type, parentId } = await house.backup({ id: "next" });
    assert.deepEqual([type, parentId], ["incremental", "day-2"]);
    gate.open();
    await deleting;
    assert.ok((await assertAllRestore(house)).includes("next"));
  });

  it("that is made under the id of one that goes, at each call: it is refused, or whole", async () => {
    let made = 0;
    let ran = true;
    for (let nth = 1; ran; nth++) {
      ran = false;
      const inner = new MemoryStore();
      const house = await House.make({ store: inner });
      for (const id of ["nightly", "newer"]) {
        await house.set("a", id);
        await house.backup({ id, type: "full" });
      }
      await house.set("a", "last");
      const store = new FaultStore(inner, {
        delay: async ({ index }) => {
          if (index !== nth) return;
          ran = true;
          const refused = (error: unknown): void =>
            assert.ok(error instanceof ExistsError || error instanceof RepositoryLockedError, String(error));
          await house.backup({ id: "nightly", type: "full" }).then(() => made++, refused);
        },
      });
      await deleteBackup({ ...house.context, store }, "nightly");
      await assertAllRestore(house);
      await house.engine.close();
    }
    assert.ok(made > 0);
  });
});

describe("a pruning beside a restore", () => {
  it("of a backup that is deleted meanwhile: it ends well, and then all of it goes", async () => {
    for (const part of [PART.objects, PART.log]) {
      const { house, gate } = await gated();
      await daily(house, 6);
      const stands = gate.hold(on("get", part));
      const restoring = house.restore({ backupId: part === PART.log ? "day-2" : "full" });
      await stands;
      const report = await prune(house, LAST);
      assert.ok(report.pendingBytes > 0);
      gate.open();
      const { contents, info } = await restoring;
      assert.deepEqual(contents, house.states.get(info.achieved.version));
      const later = await prune(house, LAST);
      assert.equal(later.pendingBytes, 0);
      assert.equal(later.freedBytes, report.pendingBytes);
      assert.deepEqual(await assertAllRestore(house), ["day-6"]);
    }
  });
});

describe("a pruning beside replication", () => {
  it("leaves log that is there before its head", async () => {
    const { house, gate } = await gated();
    await daily(house, 4);
    await house.set("shipped", "1");
    const replication = await house.replicate();
    await house.set("shipped", "2");
    const stands = gate.hold(on("put", PART.heads));
    const flushed = replication.flush();
    await stands;
    await prune(house, LAST);
    gate.open();
    await flushed;
    const { contents } = await house.restore();
    assert.deepEqual(contents, house.states.get(house.engine.visibleVersion));
    await replication.stop();
    await assertAllRestore(house);
  });

  it("keeps what it ships while the pruning looks", async () => {
    const { house, gate } = await gated();
    await daily(house, 4);
    const replication = await house.replicate();
    for (const part of [PART.log, PART.backups, PART.heads, PART.objects]) {
      const stands = gate.hold(on("list", part));
      const pruning = prune(house, LAST);
      await stands;
      await house.set("shipped", part);
      await replication.flush();
      gate.open();
      await pruning;
      assert.deepEqual((await house.restore()).contents, house.states.get(house.engine.visibleVersion));
    }
    await replication.stop();
    await assertAllRestore(house);
  });

  it("lets heads go of files that joined without log once that log is gone, and shipping goes on", async () => {
    const house = await House.make();
    await daily(house, 2);
    const replication = await house.replicate();
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    house.note();
    await replication.flush();
    const ingests = async (): Promise<number> =>
      (await readHeads(house.context)).flatMap((head) => head.ingests).length;
    assert.equal(await ingests(), 1);
    assert.deepEqual(await keysOf(house.store, PART.locks), [], "the lease under which it came is given back");
    await prune(house, { keepLast: 10 });
    assert.equal(await ingests(), 1, "points in time need it");
    await assertAllRestore(house);
    assert.deepEqual((await house.restore()).contents, house.states.get(house.engine.visibleVersion));
    await house.set("after", "1");
    await house.engine.compact();
    house.note();
    await house.backup({ id: "newest", type: "full" });
    const report = await prune(house, LAST);
    assert.equal(await ingests(), 0);
    assert.ok(report.objects > 0);
    await house.set("after", "2");
    await replication.flush();
    assert.equal(replication.status().state, "waiting");
    assert.deepEqual((await house.restore()).contents, house.states.get(house.engine.visibleVersion));
    await replication.stop();
    await assertAllRestore(house);
  });

  it("says in the head that log was let go once it goes, and not while it only waits", async () => {
    const house = await House.make();
    await daily(house, 4);
    const pruned = async (): Promise<number[]> => (await readHeads(house.context)).map(({ pruned = 0 }) => pruned);
    const lease = await takeLease(house.context, { kind: "verify", holder: "other" });
    const before = logObjects(await allKeys(house.store, PART.log));
    assert.ok((await prune(house, LAST)).pendingBytes > 0);
    assert.deepEqual(await pruned(), [0]);
    await lease.release();
    await prune(house, LAST);
    const left = new Set(await keysOf(house.store, PART.log));
    const gone = before.filter(({ key }) => !left.has(key)).map(({ last }) => last);
    assert.ok(gone.length > 0);
    assert.deepEqual(await pruned(), [Math.max(...gone)]);
    await house.engine.close();
  });

  it("removes log that a cut-off merge left beside the merged, and nothing that only looks like it", async () => {
    const house = await House.make();
    const replication = await house.replicate({ interval: 1000 });
    for (let i = 0; i < 5; i++) {
      await house.time.advance(1000);
      await house.set("k", `v${i}`);
      await replication.flush();
    }
    await replication.stop();
    const small = new Map<string, Uint8Array>();
    for (const key of await keysOf(house.store, PART.log)) {
      for await (const piece of (await house.store.get(key))!.body) small.set(key, piece);
    }
    await house.time.advance(10 * MINUTE);
    const [head] = await readHeads(house.context);
    const { made } = await mergeLog(house.context, head!, new MergeMemory());
    assert.equal(made, 1);
    const [merged] = await keysOf(house.store, PART.log);
    for (const [key, bytes] of small) await house.store.put(key, bytes);
    const other = [...small.keys()][1]!.replace(/[0-9a-f]{64}$/, "a".repeat(64));
    await house.store.put(other, new Uint8Array(3));
    const report = await prune(house, { keepLast: 10 });
    assert.deepEqual((await keysOf(house.store, PART.log)).sort(), [merged!, other].sort());
    assert.ok(report.log.some(({ key, reasons }) => small.has(key) && reasons[0] === `all of it is in ${merged}`));
    await assertAllRestore(house);
  });
});

describe("a check beside a replication", () => {
  it("that ships between its look at the heads and its look at the log, each time, finds nothing", async () => {
    const second = new Gate(new MemoryStore());
    const first = new Gate(second.store);
    const house = await House.make({ store: first.store });
    await house.set("k", "v");
    await house.backup({ id: "full" });
    const replication = await house.replicate({ interval: 1000 });
    let listings = 0;
    const isListing = on("list", PART.log);
    const isSecond = (does: string, key: string): boolean =>
      isListing(does, key) && key === PART.log && ++listings === 2;
    const stands = [
      first.hold((does, key) => isListing(does, key) && key === PART.log),
      second.hold(isSecond),
    ];
    const checking = verifyRepository(house.context, undefined, { read: "all" });
    const ship = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await house.time.advance(1000);
        await house.set("k", `v${i}`);
        await replication.flush();
      }
    };
    await stands[0];
    await ship();
    first.open();
    // It looks once more where something seems wrong.
    await Promise.race([stands[1], checking]);
    await ship();
    second.open();
    assert.deepEqual((await checking).problems, []);
    await replication.stop();
  });
});

describe("a merge beside a pruning", () => {
  it("takes log for gone that was listed and is removed before its times are read", async () => {
    const { house, gate } = await gated();
    const replication = await house.replicate({ interval: 1000 });
    for (let i = 0; i < 5; i++) {
      await house.time.advance(1000);
      await house.set("k", `v${i}`);
      await replication.flush();
    }
    await replication.stop();
    await house.time.advance(10 * MINUTE);
    const [head] = await readHeads(house.context);
    const [oldest] = (await keysOf(house.store, PART.log)).sort();
    const stands = gate.hold(on("get", PART.log));
    const merging = mergeLog(house.context, head!, new MergeMemory());
    await stands;
    await house.store.delete(oldest!);
    gate.open();
    const merged = await merging;
    assert.deepEqual(merged, { made: 0, removed: 0 });
    // The next one does its work.
    assert.equal((await mergeLog(house.context, head!, new MergeMemory())).made, 1);
  });
});

describe("a pruning beside a pin", () => {
  it("either sees the pin, or the pin is refused", async () => {
    const { house, gate } = await gated();
    await daily(house, 6);
    let stands = gate.hold(on("put", PART.marks));
    let pruning = prune(house, LAST);
    await stands;
    await assert.rejects(pinBackup(house.context, "none"), NotFoundError);
    await pinBackup(house.context, "day-1");
    gate.open();
    await pruning;
    assert.deepEqual(await assertAllRestore(house), ["full", "day-1", "day-6"]);
    await house.store.delete("pins/day-1");
    stands = gate.hold(on("delete", PART.backups));
    pruning = prune(house, LAST);
    await stands;
    await assert.rejects(pinBackup(house.context, "full"), RepositoryLockedError);
    gate.open();
    await pruning;
    assert.deepEqual(await assertAllRestore(house), ["day-6"]);
    assert.deepEqual(await keysOf(house.store, PART.pins), []);
  });
});

describe("a mark", () => {
  it("is not written, nor written once more, by who has lost his lease: another may have swept by it", async () => {
    const house = await House.make();
    const marks = (): Promise<string[]> => keysOf(house.store, PART.marks);
    const lease = await takeLease(house.context, { kind: "prune", name: "prune", holder: "one" });
    const collector = await Collector.begin(house.context, lease, false);
    await collector.mark(["objects/a", "objects/b"]);
    const [first] = await marks();
    await house.store.delete(`${PART.locks}prune.json`);
    await assert.rejects(collector.mark(["objects/c"]), RepositoryLockedError);
    assert.deepEqual(await marks(), [first]);
    await house.store.delete(first!);
    await assert.rejects(collector.finish(new Set(["objects/a"])), RepositoryLockedError);
    assert.deepEqual(await marks(), []);
    await house.engine.close();
  });

  it("waits for the leases of when it was written alone, also where others are marked just then", async () => {
    const house = await House.make();
    const lease = await takeLease(house.context, { kind: "prune", name: "prune", holder: "one" });
    const begin = (): Promise<Collector> => Collector.begin(house.context, lease, false);
    const first = await takeLease(house.context, { kind: "verify", holder: "first" });
    assert.deepEqual((await (await begin()).mark(["objects/a"])).pending, new Set(["objects/a"]));
    await first.release();
    const second = await takeLease(house.context, { kind: "verify", holder: "second" });
    const { free, pending } = await (await begin()).mark(["objects/a", "objects/b"]);
    assert.deepEqual([free, pending], [new Set(["objects/a"]), new Set(["objects/b"])]);
    const marks = await readAllDocuments(house.context, "gc", PART.marks, gcMark);
    assert.deepEqual(marks.map(({ body }) => body.keys).sort(), [["objects/a"], ["objects/b"]]);
    await second.release();
    await house.engine.close();
  });

  it("stays for those of its keys that could not go yet, and no others", async () => {
    const house = await House.make();
    const lease = await takeLease(house.context, { kind: "prune", name: "prune", holder: "one" });
    const collector = await Collector.begin(house.context, lease, false);
    await collector.mark(["objects/a", "objects/b"]);
    await collector.mark(["objects/c"]);
    await collector.finish(new Set(["objects/b"]));
    const marks = await readAllDocuments(house.context, "gc", PART.marks, gcMark);
    assert.deepEqual(marks.map(({ body }) => body.keys), [["objects/b"]]);
    await house.engine.close();
  });
});

describe("leases that ran out", () => {
  it("hold nothing back, and their objects are removed", async () => {
    const house = await House.make();
    await daily(house, 2);
    await leaveObjects(house, { id: "cut", type: "full" });
    await takeLease(house.context, { kind: "backup", name: `backup-${house.engine.id}`, holder: "dead" });
    await takeLease(house.context, { kind: "restore", holder: "dead" });
    await takeLease(house.context, { kind: "prune", name: "prune", holder: "dead" });
    await assert.rejects(prune(house, LAST), RepositoryLockedError);
    await house.time.advance(16 * MINUTE);
    const report = await prune(house, LAST);
    assert.ok(report.objects > 0);
    assert.equal(report.pendingBytes, 0);
    assert.deepEqual(await keysOf(house.store, PART.locks), []);
    await assertAllRestore(house);
  });

  it("are removed where there is nothing to prune too, and those that hold stay", async () => {
    const house = await House.make();
    await daily(house, 2);
    await takeLease(house.context, { kind: "verify", holder: "dead" });
    await house.time.advance(16 * MINUTE);
    const living = await takeLease(house.context, { kind: "restore", holder: "living" });
    await prune(house, { keepLast: 10 }, true);
    assert.equal((await keysOf(house.store, PART.locks)).length, 2);
    await prune(house, { keepLast: 10 });
    assert.deepEqual(await keysOf(house.store, PART.locks), [`${PART.locks}${living.name}.json`]);
    await living.release();
  });

  it("stay where nobody may delete them, which ends no pruning", async () => {
    const house = await House.make();
    await daily(house, 2);
    const dead = await takeLease(house.context, { kind: "verify", holder: "dead" });
    await house.time.advance(16 * MINUTE);
    const { store } = house.context;
    const remove = store.delete.bind(store);
    store.delete = async (key, options) => {
      if (key.includes(dead.name)) throw new PermissionError(`Cannot delete ${key}: this role may not (PERMISSION)`);
      return await remove(key, options);
    };
    assert.equal((await prune(house, { keepLast: 10 })).freedBytes, 0);
    assert.deepEqual(await keysOf(house.store, PART.locks), [`${PART.locks}${dead.name}.json`]);
  });

  for (const [moment, key] of [["before it publishes", PART.objects], ["as it publishes", PART.backups]] as const) {
    it(`by a clock that jumped, of a backup that lives, ${moment}: it fails, and leaves no manifest of what is gone`, async () => {
      const { house, gate } = await gated();
      await daily(house, 2);
      await house.engine.compact();
      house.note();
      await leaveObjects(house, { id: "cut", type: "snapshot" });
      const stands = gate.hold(on(key === PART.backups ? "put" : "head", key));
      const backup = house.backup({ id: "slow", type: "snapshot" });
      await stands;
      const { context } = house;
      house.context = { ...context, clock: () => house.time.now + DAY };
      // What it is about to publish is spared by the first, and that it stands still for so long is not foreseen by any.
      if (key === PART.backups) assert.equal((await prune(house, { keepLast: 10 })).objects, 0);
      assert.ok((await prune(house, { keepLast: 10 })).objects > 0);
      house.context = context;
      gate.open();
      await assert.rejects(backup, RepositoryLockedError);
      assert.deepEqual(await assertAllRestore(house), ["full", "day-1", "day-2"]);
      await house.backup({ id: "next", type: "snapshot" });
      await assertAllRestore(house);
    });
  }

  it("were active when a mark was cut off before it knew of them: they are asked again", async () => {
    const { house, gate } = await gated();
    await daily(house, 2);
    await house.engine.compact();
    house.note();
    await leaveObjects(house, { id: "cut", type: "snapshot" });
    const stands = gate.hold(on("head", PART.objects));
    const backup = house.backup({ id: "beside", type: "snapshot" });
    await stands;
    const { context } = house;
    const faulty = new FaultStore(house.store, {
      faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith(PART.marks), do: "dieAfter" }],
    });
    house.context = { ...context, store: faulty };
    await assert.rejects(prune(house, { keepLast: 10 }));
    house.context = context;
    await house.store.delete("locks/prune.json");
    assert.equal((await keysOf(house.store, PART.marks)).length, 1);
    assert.equal((await prune(house, { keepLast: 10 })).objects, 0);
    gate.open();
    await backup;
    await prune(house, { keepLast: 10 });
    await assertAllRestore(house);
  });
});
