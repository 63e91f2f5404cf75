import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { concatBytes } from "../../../lib/base/bytes.ts";
import { IntegrityError, ReadOnlyError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { auditHistory } from "../../../lib/backup/repository/core/history.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { findBackup, listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { pinBackup, unpinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { childrenFirst, keepParents } from "../../../lib/backup/repository/pruning/parents.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import type { PruneState } from "../../../lib/backup/repository/pruning/prune_facts.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { CleanUpOptions } from "../../../lib/storage/object_store.ts";
import { openOver } from "./copy_fixture.ts";
import { verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { assertAllRestore, daily, DAY, image, keysOf, prune } from "./prune_fixture.ts";

const stores = {
  "in memory": () => new MemoryStore(),
  "in a directory": () => directoryStore("/repository", { fileSystem: memoryFileSystem() }),
};

/** A second later, a backup; an incremental one with a commit of its own. */
async function backUp(house: House, id: string, type: "incremental" | "snapshot"): Promise<void> {
  house.time.now += 1000;
  if (type === "incremental") await house.set(id, id);
  await house.backup({ id, type });
}

for (const [where, make] of Object.entries(stores)) {
  describe(`prune(), ${where}`, () => {
    it("keeps what the policy wants and what that needs, and frees the rest", async () => {
      const house = await House.make({ store: make() });
      await daily(house, 8);
      const bytes = await stored(house);
      const report = await prune(house, { keepLast: 2 });
      assert.deepEqual(await assertAllRestore(house), ["day-6", "day-7", "day-8"]);
      const reasons = Object.fromEntries(report.backups.map(({ id, reasons }) => [id, reasons]));
      assert.ok(reasons["day-6"]!.includes("needed by day-7 as its base"), reasons["day-6"]!.join());
      assert.deepEqual(report.backups.filter(({ keep }) => keep).map(({ id }) => id), ["day-6", "day-7", "day-8"]);
      assert.ok(report.logObjects > 0 && report.objects > 0);
      assert.equal(report.pendingBytes, 0);
      assert.equal(bytes - await stored(house), report.freedBytes);
      const [range] = report.points.after;
      assert.deepEqual([range!.from.version, range!.to.version], [13, 17]);
      assert.deepEqual(report.points.after, await house.points());
      assert.equal(report.points.before[0]!.from.version, 1);
      assert.deepEqual(await keysOf(house.store, "gc/"), []);
      assert.deepEqual(await keysOf(house.store, "locks/"), []);
      const again = await prune(house, { keepLast: 2 });
      assert.deepEqual([again.logObjects, again.objects, again.freedBytes], [0, 0, 0]);
    });

    it("says in a dry run what would come of it, and writes nothing at all", async () => {
      const house = await House.make({ store: make() });
      await daily(house, 7);
      const before = await image(house.store);
      const dry = await prune(house, { keepLast: 1 }, true);
      assert.deepEqual(await image(house.store), before);
      const wet = await prune(house, { keepLast: 1 });
      assert.deepEqual({ ...dry, dryRun: false }, wet);
      assert.ok(wet.freedBytes > 0);
      await assertAllRestore(house);
    });
  });
}

/** The bytes of an object. */
async function bytesOf(house: House, key: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of (await house.store.get(key))!.body) parts.push(piece.slice());
  return concatBytes(...parts);
}

/** Bytes of everything but the notes that pruning itself makes. */
async function stored(house: House): Promise<number> {
  let bytes = 0;
  for (const part of ["objects/", "log/", "backups/"]) {
    for (const key of await keysOf(house.store, part)) bytes += (await house.store.head(key))!.size;
  }
  return bytes;
}

describe("prune()", () => {
  it("never takes the last backup, whatever the policy says", async () => {
    const house = await House.make();
    await daily(house, 1);
    await house.time.advance(1000 * DAY);
    await prune(house, { keepWithin: 1, maxBytes: 1 });
    assert.deepEqual(await assertAllRestore(house), ["full", "day-1"]);
  });

  it("keeps knowing until when nothing was committed, though the last log object is gone", async () => {
    const house = await House.make();
    await daily(house, 3);
    await house.time.advance(DAY);
    // Nothing to take in: it only says that nothing came.
    await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    const before = (await house.points()).at(-1)!;
    assert.ok(before.coveredUntil > before.to.timestamp + DAY / 2);
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await keysOf(house.store, "log/"), []);
    const after = (await house.points()).at(-1)!;
    assert.deepEqual([after.from.version, after.coveredUntil], [7, before.coveredUntil]);
    const { info } = await house.restore({ at: new Date(before.coveredUntil) });
    assert.equal(info.achieved.version, 7);
  });

  it("leaves pinned backups and what they need, and takes them once they are let go", async () => {
    const house = await House.make();
    await daily(house, 6);
    await pinBackup(house.context, "day-2");
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await assertAllRestore(house), ["full", "day-1", "day-2", "day-6"]);
    assert.equal((await findBackup(house.context, "day-2"))?.pinned, true);
    await unpinBackup(house.context, "day-2");
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await assertAllRestore(house), ["day-6"]);
  });

  it("leaves the backup that was last proven good, and removes proofs and pins of backups that are gone", async () => {
    const house = await House.make();
    await daily(house, 6);
    const { database, lineage } = (await listBackups(house.context))[0]!;
    for (const [id, ok] of [["day-1", true], ["day-2", false], ["day-3", true]] as const) {
      await writeDocument(house.context, "proof", `proofs/verify-${id}.json`, {
        kind: "verify",
        at: house.time.now,
        backupId: id,
        ...{ database, lineage, version: 1, timestamp: 0, ok, problems: 0, entries: null },
        ...{ contentChecksum: null, durationMs: 1 },
      });
    }
    // What was proven of it once counts no more.
    for (const [how, ok, at] of [["ok", true, -1], ["failed", false, 0]] as const) {
      await writeDocument(house.context, "proof", `proofs/verify-day-4-${how}.json`, {
        kind: "verify",
        at: house.time.now + at,
        backupId: "day-4",
        ...{ database, lineage, version: 1, timestamp: 0, ok, problems: 0, entries: null },
        ...{ contentChecksum: null, durationMs: 1 },
      });
    }
    await house.store.put("pins/long-gone", new Uint8Array(0));
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await assertAllRestore(house), ["day-3", "day-6"]);
    assert.deepEqual(await keysOf(house.store, "proofs/"), ["proofs/verify-day-3.json"]);
    assert.deepEqual(await keysOf(house.store, "pins/"), []);
  });

  it("deletes nothing when a manifest or a head is damaged, and names it", async () => {
    for (const part of ["backups/", "heads/"]) {
      const house = await House.make();
      await daily(house, 4);
      const key = (await keysOf(house.store, part)).at(-1)!;
      await house.store.put(key, new TextEncoder().encode("{}"));
      const before = (await keysOf(house.store)).filter((each) => !each.startsWith("audit/"));
      await assert.rejects(prune(house, { keepLast: 1 }), (error) => {
        assert.ok(error instanceof IntegrityError && error.message.includes(key), String(error));
        return true;
      });
      assert.deepEqual((await keysOf(house.store)).filter((each) => !each.startsWith("audit/")), before);
    }
  });

  it("takes what needs something before what it needs: manifests from the newest on, then log, then objects", async () => {
    const deleted: string[] = [];
    const inner = new MemoryStore();
    const store = new FaultStore(inner, {
      delay: ({ operation, key }) => {
        if (operation === "delete") deleted.push(key);
        return undefined;
      },
    });
    const house = await House.make({ store });
    await daily(house, 4);
    deleted.length = 0;
    await prune(house, { keepLast: 1 });
    const manifests = ["day-2", "day-1", "full"].map((id) => `${PART.backups}${id}.json`);
    assert.deepEqual(deleted.slice(0, 3), manifests);
    const parts = deleted.slice(3).map((key) => key.startsWith(PART.log) ? 1 : key.startsWith(PART.objects) ? 2 : 3);
    assert.ok(parts.includes(1) && parts.includes(2));
    assert.deepEqual(parts, parts.toSorted());
  });

  it("takes none before all that build on it", () => {
    const backups = [["base", null], ["a", "base"], ["b", "base"], ["b-1", "b"], ["b-2", "b-1"]]
      .map(([id, parentId]) => ({ id, parentId }));
    const state = { plan: { backups } } as unknown as PruneState;
    const all = new Set(backups.map(({ id }) => id!));
    assert.deepEqual(childrenFirst(state, all), [["a", "b-2"], ["b-1"], ["b"], ["base"]]);
    const freed = new Set(["base", "a", "b", "b-1"]);
    keepParents(state, freed);
    assert.deepEqual([...freed], ["a"]);
  });

  it("ends what puts have left unfinished in the store for a week, and nothing that may be under way", async () => {
    const inner = new MemoryStore();
    const asked: number[] = [];
    const cleanUp = ({ before }: CleanUpOptions): Promise<number> => Promise.resolve(asked.push(before));
    const store = Object.assign(inner, { cleanUp });
    const house = await House.make({ store });
    await daily(house, 1);
    await prune(house, { keepLast: 1 }, true);
    await prune(house, { keepLast: 1 });
    assert.deepEqual(asked, [house.time.now - 7 * DAY]);
  });

  it("deletes no object and no log where every manifest is gone: rather they are lost", async () => {
    const house = await House.make();
    await daily(house, 2);
    for (const key of await keysOf(house.store, PART.backups)) await house.store.delete(key);
    const data = async (): Promise<string[]> => [
      ...await keysOf(house.store, PART.objects),
      ...await keysOf(house.store, PART.log),
    ];
    const before = await data();
    assert.ok([PART.objects, PART.log].every((part) => before.some((key) => key.startsWith(part))));
    await prune(house, { keepLast: 1 }).catch((error) => assert.ok(error instanceof IntegrityError, String(error)));
    assert.deepEqual(await data(), before);
  });

  it("does not take a manifest that was read before for another one under the same id", async () => {
    const house = await House.make();
    await daily(house, 1);
    await house.backup({ id: "chosen", type: "full" });
    const { context } = house;
    const [before] = (await listBackups(context)).filter(({ id }) => id === "chosen");
    await house.openRepository();
    await deleteBackup(house.context, "chosen");
    await house.set("chosen", "x".repeat(5000));
    await house.engine.compact();
    house.note();
    const made = await house.backup({ id: "chosen", type: "full" });
    house.context = context;
    assert.deepEqual((await listBackups(context)).filter(({ id }) => id === "chosen"), [made]);
    assert.notEqual(made.version, before!.version);
    await prune(house, { keepLast: 4 });
    await assertAllRestore(house);
  });

  it("keeps the base that leads to a backup whose parent is lost", async () => {
    const house = await House.make();
    await house.set("a", "a");
    for (const id of ["base-1", "inc-2", "lost", "inc-3", "inc-4", "base-4", "inc-5"]) {
      await backUp(house, id, id.startsWith("inc") ? "incremental" : "snapshot");
    }
    await house.store.delete("backups/lost.json");
    await repairRepository(house.context, { dryRun: false });
    await pinBackup(house.context, "inc-3");
    await prune(house, { keepLast: 1 });
    assert.deepEqual((await assertAllRestore(house)).sort(), ["base-1", "base-4", "inc-3", "inc-5"]);
    await assert.rejects(deleteBackup(house.context, "base-1"), /inc-3 builds on it/);
    await unpinBackup(house.context, "inc-3");
    await prune(house, { keepLast: 1 });
    assert.deepEqual((await assertAllRestore(house)).sort(), ["base-4", "inc-5"]);
  });

  it("keeps the base that leads to a backup of which a copy brought no log", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await backUp(house, "base-1", "snapshot");
    await backUp(house, "inc-2", "incremental");
    await backUp(house, "base-2", "snapshot");
    const from = house.context;
    house.context = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(from, house.context, { backups: ["inc-2"] });
    await house.set("b", "b");
    await house.backup({ id: "here", type: "full" });
    await pinBackup(house.context, "inc-2");
    await prune(house, { keepLast: 1 });
    const left = await assertAllRestore(house);
    assert.deepEqual(left.sort(), ["base-2", "here", "inc-2"]);
    // The parent is not needed, and no check misses it.
    assert.deepEqual((await verify(house.context)).problems, []);
    assert.ok((await auditHistory(house.context)).some(({ detail }) => detail?.keys === "backups/base-1.json"));
  });

  it("leaves log beyond its head alone, and objects that are none of its own", async () => {
    const house = await House.make();
    await daily(house, 2);
    const [head] = await keysOf(house.store, "heads/");
    const old = await bytesOf(house, head!);
    const counted = await keysOf(house.store, "log/");
    await house.time.advance(DAY);
    await house.set("more", "1");
    await house.engine.compact();
    house.note();
    await house.backup({ id: "newest", type: "snapshot" });
    const beyond = (await keysOf(house.store, "log/")).filter((key) => !counted.includes(key));
    assert.ok(beyond.length > 0);
    await house.store.put(head!, old);
    await house.store.put("objects/notes.txt", new Uint8Array(3));
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await keysOf(house.store, "log/"), beyond);
    assert.ok(await house.store.head("objects/notes.txt"));
    assert.deepEqual(await assertAllRestore(house), ["newest"]);
  });

  it("does not believe a listing that lacks what something else there names", async () => {
    for (const hides of [/day-3|day-5/, /^heads/]) {
      const house = await House.make();
      await daily(house, 7);
      await pinBackup(house.context, "day-5");
      const before = await keysOf(house.store);
      const { context } = house;
      const hidden = (key: string): boolean => hides.test(key) && key.endsWith(".json");
      const faults = [{ at: () => true, times: Infinity, do: "hide" as const, hidden }];
      house.context = { ...context, store: new FaultStore(house.store, { faults }) };
      await assert.rejects(
        prune(house, { keepLast: 1 }),
        (error: Error) => error instanceof IntegrityError && /is there and was not listed/.test(error.message),
      );
      house.context = context;
      assert.deepEqual(
        (await keysOf(house.store)).filter((key) => !/^audit/.test(key)),
        before.filter((key) => !/^audit/.test(key)),
      );
    }
  });

  it("notes what it did", async () => {
    const house = await House.make();
    await daily(house, 4);
    const report = await prune(house, { keepLast: 1 });
    const { action, result, detail } = (await auditHistory(house.context)).at(-1)!;
    assert.deepEqual([action, result, detail["removed"]], ["prune", "ok", "full day-1 day-2"]);
    assert.equal(detail["freedBytes"], report.freedBytes);
  });

  it("refuses a repository that is open for reading, and another pruning beside it", async () => {
    const house = await House.make();
    await daily(house, 1);
    await house.store.put("locks/prune.json", new Uint8Array(0), { ifAbsent: true });
    await assert.rejects(prune(house, { keepLast: 1 }), IntegrityError);
    await house.store.delete("locks/prune.json");
    const lease = await takeLease(house.context, { kind: "prune", name: "prune", holder: "other" });
    await assert.rejects(prune(house, { keepLast: 1 }), RepositoryLockedError);
    await lease.release();
    await house.openRepository({ readOnly: true });
    await assert.rejects(prune(house, { keepLast: 1 }), ReadOnlyError);
    assert.equal((await prune(house, { keepLast: 1 }, true)).dryRun, true);
  });
});

describe("delete()", () => {
  it("refuses what others build on, and what is pinned, and names them", async () => {
    const house = await House.make();
    await daily(house, 2);
    const needed = (id: string, text: RegExp): Promise<void> =>
      assert.rejects(
        deleteBackup(house.context, id),
        (error: { code?: string; message: string }) => error.code === "NEEDED" && text.test(error.message),
      );
    await needed("full", /day-1 builds on it/);
    await pinBackup(house.context, "day-2");
    await needed("day-2", /pinned/);
    await assert.rejects(deleteBackup(house.context, "none"), { code: "NOT_FOUND" });
    assert.equal((await assertAllRestore(house)).length, 3);
    assert.deepEqual(await keysOf(house.store, "gc/"), []);
  });

  it("keeps every other point in time", async () => {
    const house = await House.make();
    await daily(house, 7);
    const [before] = await house.points();
    const report = await deleteBackup(house.context, "day-3").catch((error) => error);
    assert.equal(report.code, "NEEDED");
    await deleteBackup(house.context, "day-7");
    await deleteBackup(house.context, "day-5");
    assert.deepEqual((await house.points())[0], before);
    for (const version of house.states.keys()) {
      const { contents } = await house.restore({ at: { version } });
      assert.deepEqual(contents, house.states.get(version));
    }
  });

  it("takes the last backup of a database too, with all its log and objects", async () => {
    const house = await House.make();
    await daily(house, 1);
    await deleteBackup(house.context, "day-1");
    await deleteBackup(house.context, "full");
    for (const part of ["backups/", "objects/", "log/"]) assert.deepEqual(await keysOf(house.store, part), [], part);
    await house.set("again", "1");
    assert.equal((await house.backup({ id: "anew" })).type, "full");
    await house.set("again", "2");
    await house.backup({ id: "more" });
    await assertAllRestore(house);
  });
});
