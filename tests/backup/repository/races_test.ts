/** What another program does to a repository, or an answer that is lost, between two looks of a call. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ExistsError,
  HoldfastError,
  LineageError,
  RepositoryLockedError,
  StorageError,
} from "../../../lib/base/errors.ts";
import { beginSimulation } from "../../../lib/base/simulation.ts";
import { restoreInto, restoreTo } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { auditHistory } from "../../../lib/backup/repository/core/history.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { headKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS, takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { addKey, listKeys, removeKey, rotateKey } from "../../../lib/backup/repository/core/repository_keys.ts";
import {
  countedIngests,
  type Head,
  HeadTouchedError,
  readHead,
  readHeads,
  REPAIR_WRITER,
  switchHead,
} from "../../../lib/backup/repository/log/heads.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { tellPruned, trimHead } from "../../../lib/backup/repository/log/trim_head.ts";
import { deleteBackup, pruneRepository } from "../../../lib/backup/repository/pruning/prune.ts";
import { checkPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectStore,
  StoredObject,
} from "../../../lib/storage/object_store.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { openAt, put, settingsOf, write } from "../fixture.ts";
import { randomFrom } from "../../crash/random.ts";
import { keyOf, openOver, restored } from "./copy_fixture.ts";
import { House } from "./house.ts";
import { Gate, keysOf, prune } from "./prune_fixture.ts";
import { NO_WAIT } from "./sweep.ts";

const on = (operation: string, prefix: string) => (does: string, key: string): boolean =>
  does === operation && key.startsWith(prefix);

const at = (operation: string, prefix: string) => (call: StoreCall): boolean =>
  call.operation === operation && call.key.startsWith(prefix);

async function gated(repository: Parameters<typeof House.make>[0] = {}): Promise<{ house: House; gate: Gate }> {
  const gate = new Gate(new MemoryStore());
  return { house: await House.make({ store: gate.store, ...repository }), gate };
}

/** A store in which `meanwhile` happens just before the n-th call that fits. */
function busy(
  inner: MemoryStore,
  fits: (call: StoreCall) => boolean,
  meanwhile: () => Promise<unknown>,
  nth = 1,
): FaultStore {
  let count = 0;
  return new FaultStore(inner, {
    delay: async (call) => {
      if (fits(call) && ++count === nth) await meanwhile();
    },
  });
}

/** A store that lists one key at a time, and in which something happens behind the second object of the log. */
class SlowList extends MemoryStore {
  afterTwo: (() => Promise<unknown>) | undefined;

  override async list(options: ListOptions = {}): Promise<ListPage> {
    const { afterTwo } = this;
    if (options.after?.includes("/0000000000000003-") === true) {
      this.afterTwo = undefined;
      await afterTwo?.();
    }
    return await super.list({ ...options, limit: 1 });
  }
}

/** A full backup of version 1, and three objects of log behind it. */
async function archived(store = new MemoryStore()): Promise<House> {
  const house = await House.make({ store });
  await house.set("a", "1");
  await house.backup({ type: "full" });
  for (const key of ["b", "c", "d"]) {
    await house.set(key, key);
    await Shipper.of(house.context, house.engine).ship();
  }
  return house;
}

async function assertWhole(context: RepositoryContext): Promise<void> {
  assert.deepEqual((await verifyRepository(context, undefined, { read: "all" })).problems, []);
}

/** A house with two commits: a full backup of the first, an incremental one of the second. */
async function backedUpTwice(): Promise<House> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup();
  await house.set("b", "2");
  await house.backup({ type: "incremental" });
  return house;
}

describe("keys that two change at once", () => {
  const encrypted = { repository: { encryption: keyOf(1) } };

  it("are not removed both: one stays", async () => {
    const { house, gate } = await gated(encrypted);
    const { context } = house;
    const [first] = await listKeys(context);
    const second = await addKey(context, keyOf(2));
    const stands = gate.hold(on("delete", PART.keys));
    const removing = removeKey(context, first!.id);
    await stands;
    await assert.rejects(removeKey(context, second.id), RepositoryLockedError);
    gate.open();
    await removing;
    assert.deepEqual((await listKeys(context)).map(({ id }) => id), [second.id]);
    await assert.rejects(removeKey(context, second.id), TypeError);
  });

  it("are not removed beside a rotation, which would leave none", async () => {
    const { house, gate } = await gated(encrypted);
    const { context } = house;
    const stands = gate.hold(on("delete", PART.keys));
    const rotating = rotateKey(context, keyOf(2));
    await stands;
    const made = (await listKeys(context)).map(({ id }) => id);
    for (const id of made) await assert.rejects(removeKey(context, id), RepositoryLockedError);
    gate.open();
    const { id } = await rotating;
    assert.deepEqual((await listKeys(context)).map((key) => key.id), [id]);
  });

  it("are not removed by one who slept when he had looked at the others", async () => {
    let left = Infinity;
    let asleep = (): Promise<void> => Promise.resolve();
    const store = new class extends MemoryStore {
      override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
        const found = await super.get(key, options);
        if (key.startsWith(PART.keys) && --left === 0) await asleep();
        return found;
      }
    }();
    const { context, time } = await House.make({ store, ...encrypted });
    const [first] = await listKeys(context);
    const second = await addKey(context, keyOf(2));
    left = 2;
    asleep = () => {
      time.now += LEASE_MS + 1;
      return removeKey(context, second.id);
    };
    await assert.rejects(removeKey(context, first!.id), RepositoryLockedError);
    assert.deepEqual(await listKeys(context), [first]);
  });

  for (const how of ["removes one", "rotates them"]) {
    it(`are not removed all by one who ${how}, and slept just before his delete`, async () => {
      const { house, gate } = await gated(encrypted);
      const { context, store, time } = house;
      const [first] = await listKeys(context);
      const second = how === "removes one" ? await addKey(context, keyOf(2)) : undefined;
      const stands = gate.hold(on("delete", PART.keys));
      const sleeping = second === undefined ? rotateKey(context, keyOf(2)) : removeKey(context, first!.id);
      await stands;
      time.now += LEASE_MS + 1;
      const made = second ?? (await listKeys(context)).find(({ id }) => id !== first!.id)!;
      await removeKey(context, made.id);
      gate.open();
      await assert.rejects(sleeping, RepositoryLockedError);
      assert.deepEqual(await listKeys(context), [first]);
      await openOver(store, time.clock, { encryption: keyOf(1) });
    });
  }

  it("are rotated one time after the other: what the first left behind opens nothing", async () => {
    const { house, gate } = await gated(encrypted);
    const { context } = house;
    const stands = gate.hold(on("put", PART.keys));
    const rotating = rotateKey(context, keyOf(2));
    await stands;
    await assert.rejects(rotateKey(context, keyOf(3)), RepositoryLockedError);
    gate.open();
    await rotating;
    assert.equal((await listKeys(context)).length, 1);
  });
});

describe("a writer that is overtaken", () => {
  for (const dropsSlot of [false, true]) {
    const how = dropsSlot ? "by the last commit, where there is no slot" : "by those behind the slot";
    it(`is told ${how}, and puts nothing behind what he never wrote`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      await house.copyDirectory("/copy");
      const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
      await house.set("b", "mine");
      await house.backup({ type: "incremental" });
      if (dropsSlot) await copy.dropSlot(house.context.id);
      for (const key of ["b", "c"]) await write(copy, (batch) => put(batch, 0, key, { value: "the other's" }));
      const store = new FaultStore(house.store);
      const other = await openOver(store, house.time.clock);
      await assert.rejects(Shipper.of(other, copy).ship(), LineageError);
      const { length } = store.calls;
      await assert.rejects(Shipper.of(other, copy).ship(), LineageError);
      assert.equal(store.calls.length, length, "he stays so");
      assert.equal((await readHead(other, copy.id, copy.lineage))!.body.version, 2);
      await copy.close();
    });
  }

  it("leaves the head that another began when he was about to begin it", async () => {
    const { house, gate } = await gated();
    await house.set("a", "1");
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await house.set("b", "mine");
    await write(copy, (batch) => put(batch, 0, "b", { value: "the other's" }));
    const stands = gate.hold(on("put", PART.heads));
    const shipping = Shipper.of(house.context, house.engine).claim(0);
    await stands;
    const other = Shipper.of(house.context, copy);
    await other.claim(0);
    const { head } = await other.ship();
    assert.equal(head.version, 2);
    gate.open();
    await assert.rejects(shipping, LineageError);
    assert.deepEqual((await readHead(house.context, copy.id, copy.lineage))!.body, head);
    await copy.close();
  });

  it("leaves the log that he and the other have in common, which that one counts", async () => {
    const { house, gate } = await gated();
    await house.set("a", "1");
    await house.backup();
    await house.set("b", "2");
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    const stands = gate.hold(on("put", PART.heads));
    const shipping = Shipper.of(house.context, house.engine).ship();
    await stands;
    const other = Shipper.of(house.context, copy);
    await other.claim();
    assert.equal((await other.ship()).head.version, 2);
    gate.open();
    await assert.rejects(shipping, LineageError);
    // And does not take it back from him.
    await assert.rejects(Shipper.of(house.context, house.engine).ship(), LineageError);
    assert.equal((await other.ship()).head.version, 2);
    assert.deepEqual((await house.restore()).contents, house.states.get(2));
    await assertWhole(house.context);
    await copy.close();
  });

  it("is none that only did not hear that it had the head, which a pruning has touched since", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const { id, lineage } = house.engine;
    const touch = (): Promise<void> => tellPruned(house.context, id, lineage, 1);
    const isHead = at("put", PART.heads);
    const store = busy(house.store as MemoryStore, isHead, touch, 2);
    store.inject({ at: isHead, do: "lose" });
    await house.engine.close();
    await house.open();
    const shipper = Shipper.of(await openOver(store, house.time.clock), house.engine);
    await shipper.claim();
    await house.set("b", "2");
    const { head } = await shipper.ship();
    assert.deepEqual([head.version, head.pruned], [2, 1]);
  });
});

describe("archiving into a repository", () => {
  it("goes on behind what a copy brings just then, and does not take that for log without its head", async () => {
    const house = await backedUpTwice();
    const inner = new MemoryStore();
    const target = await openOver(inner, house.time.clock);
    const log = `${PART.log}${house.engine.id}/${house.engine.lineage}/`;
    const store = busy(inner, at("list", log), () => copyRepository(house.context, target, {}));
    const shipper = Shipper.of(await openOver(store, house.time.clock), house.engine);
    assert.equal(await shipper.claim(), 2);
    await house.set("c", "3");
    await shipper.ship();
    assert.deepEqual((await restored(target, {})).contents, house.states.get(3));
  });

  it("looks again at log that is merged while it is compared with its own", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c", "d"]) {
      await house.set(key, key);
      await Shipper.of(house.context, house.engine).ship();
    }
    assert.equal(house.engine.slots()[0]!.version, 1);
    await house.engine.close();
    await house.open();
    house.time.now += 3 * 60_000;
    const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
    const merge = async (): Promise<void> => {
      assert.equal((await mergeLog(house.context, body, new MergeMemory())).made, 1);
    };
    const store = busy(house.store as MemoryStore, at("get", PART.log), merge);
    const shipper = Shipper.of(await openOver(store, house.time.clock), house.engine);
    assert.equal(await shipper.claim(), 4);
  });
});

describe("a restore", () => {
  it("takes all that is archived when more is, once it has listed the log", async () => {
    const house = await archived();
    const ship = async (): Promise<void> => {
      await house.set("e", "e");
      await Shipper.of(house.context, house.engine).ship();
    };
    const store = busy(house.store as MemoryStore, at("get", PART.heads), ship);
    const context = await openOver(store, house.time.clock);
    assert.deepEqual((await restored(context, {})).contents, house.states.get(5));
  });

  it("takes all that is archived when log is merged while it lists that", async () => {
    const store = new SlowList();
    const house = await archived(store);
    const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
    house.time.now += 3 * 60_000;
    // Two of three were listed; what takes their place lies before the third, which goes.
    store.afterTwo = () => mergeLog(house.context, body, new MergeMemory());
    assert.deepEqual((await house.restore()).contents, house.states.get(4));
    assert.equal(store.afterTwo, undefined);
  });

  it("finds all that an incremental backup goes on from, merged while that lists it", async () => {
    const store = new SlowList();
    const house = await archived(store);
    const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
    house.time.now += 3 * 60_000;
    await house.set("e", "e");
    store.afterTwo = () => mergeLog(house.context, body, new MergeMemory());
    assert.equal((await house.backup({ type: "incremental" })).type, "incremental");
    assert.equal(store.afterTwo, undefined);
  });
});

describe("a backup that stops at maxBytes", () => {
  /** A backup that takes back what it has put, while a replication ships what both have just when `stands` says so. */
  async function shippedWhile(stands: (gate: Gate) => Promise<void>): Promise<void> {
    const { house, gate } = await gated();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "merge" });
    house.note();
    const stood = stands(gate);
    const backup = house.backup({ type: "full", maxBytes: 1000, concurrency: 1 });
    await stood;
    await Shipper.of(house.context, house.engine).ship();
    gate.open();
    await assert.rejects(backup, /LIMIT/);
    await assertWhole(house.context);
    assert.deepEqual((await house.restore({ at: { version: 2 } })).contents, house.states.get(2));
  }

  it("takes nothing back that a replication has found, and refers to", async () => {
    const isObject = on("put", PART.objects);
    let count = 0;
    await shippedWhile((gate) => gate.hold((does, key) => isObject(does, key) && ++count === 2));
  });

  it("takes back nothing that a replication may still find: it puts a copy of what is on its way out", () =>
    shippedWhile((gate) => gate.hold(on("delete", PART.objects))));

  it("leaves what others may have found to a later pruning, also where it is cut off", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store, repository: { timers: NO_WAIT } });
    await house.set("a", "1");
    await house.backup();
    const before = await keysOf(house.store, PART.objects);
    const other = await takeLease(house.context, { kind: "replicate", holder: "another" });
    const heal = store.inject({ at: at("delete", PART.marks), do: "refuse", times: Infinity });
    await assert.rejects(house.backup({ type: "full", maxBytes: 500 }), /LIMIT/);
    heal();
    const made = await keysOf(house.store, PART.objects);
    assert.notDeepEqual(made, before);
    assert.equal((await keysOf(house.store, PART.marks)).length, 1);
    for (const left of [made, before]) {
      await prune(house, { keepLast: 1 });
      assert.deepEqual(await keysOf(house.store, PART.objects), left);
      await other.release();
    }
  });

  it("takes nothing back while others are at work, who may have found it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const other = await takeLease(house.context, { kind: "replicate", holder: "another" });
    await assert.rejects(house.backup({ maxBytes: 500 }), /LIMIT/);
    assert.equal((await keysOf(house.store, PART.objects)).length, 1);
    assert.deepEqual(await keysOf(house.store, PART.marks), []);
    await other.release();
  });

  it("takes nothing back from one that was made while it stood still, at any call from the mark on", async () => {
    let ran = true;
    let nth = 0;
    while (ran) {
      nth++;
      ran = false;
      const house = await House.make();
      const { context, store, time } = house;
      await house.set("a", "1");
      await house.engine.compact();
      const full = { type: "full", excludeLog: true, concurrency: 1 } as const;
      const { addedBytes } = await house.backup(full);
      const others = async (): Promise<void> => {
        ran = true;
        time.now += LEASE_MS + 1;
        await prune(house, { keepLast: 9 });
        await house.backup(full);
      };
      let awake: Promise<void> | undefined;
      let calls = 0;
      const slow = new FaultStore(store, {
        delay: ({ operation, key }) => {
          if (calls > 0 || (operation === "put" && key.startsWith(PART.marks))) calls++;
          return calls < nth ? undefined : awake ??= others();
        },
      });
      house.context = { ...context, store: slow };
      const backup = house.backup({ ...full, maxBytes: addedBytes - 1 });
      house.context = context;
      await backup.catch((error) => assert.ok(error instanceof HoldfastError, String(error)));
      await assertWhole(context);
      await house.engine.close();
    }
    assert.ok(nth > 5, `${nth} calls`);
  });
});

describe("a backup that prunes", () => {
  it("succeeds when it is given up behind its publication", async () => {
    const { house, gate } = await gated();
    await house.set("a", "1");
    await house.backup({ id: "old", type: "full" });
    await house.set("b", "2");
    const stands = gate.hold(on("put", PART.marks));
    const controller = new AbortController();
    const backup = house.backup({ id: "new", type: "full", prune: { keepLast: 1 }, signal: controller.signal });
    await stands;
    controller.abort(new Error("enough"));
    gate.open();
    assert.equal((await backup).id, "new");
    assert.ok((await listBackups(house.context)).some(({ id }) => id === "new"));
  });
});

describe("a copy", () => {
  it("goes on when a pruning touches a head of its target meanwhile", async () => {
    const house = await backedUpTwice();
    const inner = new MemoryStore();
    await copyRepository(house.context, await openOver(inner, house.time.clock), {});
    await house.set("c", "3");
    await house.backup({ type: "incremental" });
    const { id, lineage } = house.engine;
    const other = await openOver(inner, house.time.clock);
    const store = busy(inner, at("put", PART.log), () => tellPruned(other, id, lineage, 1));
    const target = await openOver(store, house.time.clock);
    await copyRepository(house.context, target, {});
    const { body } = (await readHead(target, id, lineage))!;
    assert.deepEqual([body.version, body.pruned], [3, 1]);
    assert.deepEqual((await restored(target, {})).contents, house.states.get(3));
  });

  it("says what to do where another takes a backup back that it has just published", async () => {
    const house = await backedUpTwice();
    const inner = new MemoryStore();
    let puts = 0;
    let key = "";
    const store = new FaultStore(inner, {
      delay: async (call) => {
        if (at("put", PART.backups)(call) && ++puts === 1) await inner.put(key = call.key, new Uint8Array(9));
        else if (call.operation === "get" && call.key === key) await inner.delete(key);
      },
    });
    const target = await openOver(store, house.time.clock);
    await assert.rejects(copyRepository(house.context, target, {}), RepositoryLockedError);
    const again = await openOver(inner, house.time.clock);
    await copyRepository(house.context, again, {});
    assert.equal((await listBackups(again)).length, 2);
  });

  it("builds on none that a pruning of its target is about to delete", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    const gate = new Gate(new MemoryStore());
    const target = await openOver(gate.store, house.time.clock);
    await copyRepository(house.context, target, {});
    await house.set("b", "2");
    await house.backup({ id: "child", type: "incremental" });
    const stands = gate.hold(on("delete", PART.backups));
    const deleting = deleteBackup(target, "full");
    await stands;
    await assert.rejects(copyRepository(house.context, target, {}), RepositoryLockedError);
    gate.open();
    await deleting;
    await copyRepository(house.context, target, {});
    for (const backupId of ["full", "child"]) await restored(target, { backupId });
  });
});

describe("what a pruning of its target has marked", () => {
  const mark = async (context: RepositoryContext, ...keys: string[]): Promise<void> => {
    const body = { id: "mark", markedAt: context.clock(), keys, leases: [] };
    await writeDocument(context, "gc", `${PART.marks}mark.json`, body);
  };

  it("is not put by a copy that brings log of that name", async () => {
    const house = await backedUpTwice();
    const target = await openOver(new MemoryStore(), house.time.clock);
    await mark(target, ...await keysOf(house.store, PART.log));
    await assert.rejects(copyRepository(house.context, target, {}), (error: RepositoryLockedError) => {
      return error instanceof RepositoryLockedError && /a pruning there is about to delete it/.test(error.message);
    });
    assert.deepEqual(await keysOf(target.store, PART.log), []);
  });

  it("is shared by no backup that is copied later, though one that lies there has it", async () => {
    const house = await backedUpTwice();
    const target = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, target, {});
    const there = await keysOf(target.store, PART.objects);
    await mark(target, ...there);
    await house.backup({ id: "shares", type: "snapshot" });
    await copyRepository(house.context, target, {});
    const shares = (await listBackups(target)).find(({ id }) => id === "shares")!;
    assert.ok(shares.addedBytes > 0);
    const added = (await keysOf(target.store, PART.objects)).filter((key) => !there.includes(key));
    assert.equal(added.length, shares.fileCount);
  });
});

describe("a backup that was deleted, and copied once more", () => {
  it("is read anew by a repository that was open all the time", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const { id } = await house.backup();
    const store = new MemoryStore();
    const open = await openOver(store, house.time.clock);
    const other = await openOver(store, house.time.clock);
    await copyRepository(house.context, other, {});
    assert.deepEqual((await listBackups(open)).map((backup) => backup.id), [id]);
    const reader = await takeLease(other, { kind: "restore", holder: "reader" });
    assert.ok((await deleteBackup(other, id)).pendingBytes > 0);
    await copyRepository(house.context, other, {});
    await reader.release();
    const swept = await prune(Object.assign(await House.make({ store }), { context: other }), { keepLast: 9 });
    assert.ok(swept.objects > 0);
    assert.deepEqual((await restored(open, { backupId: id })).contents, house.states.get(1));
  });
});

describe("an answer that was lost", () => {
  it("of a line of the audit log: it is written once", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store, repository: { timers: NO_WAIT } });
    await house.set("a", "1");
    const { id } = await house.backup();
    store.inject({ at: at("put", PART.audit), do: "lose" });
    await pinBackup(house.context, id);
    assert.deepEqual((await auditHistory(house.context)).map(({ action }) => action), ["backup", "pin"]);
  });

  it("of a head that a repair makes: the repair goes on", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store, repository: { timers: NO_WAIT } });
    await house.set("a", "1");
    await house.backup();
    await house.set("b", "2");
    await house.backup({ type: "incremental" });
    await store.delete((await keysOf(store, PART.heads))[0]!);
    store.inject({ at: at("put", PART.heads), do: "lose" });
    const { repaired } = await repairRepository(house.context, { dryRun: false });
    assert.match(repaired.join(), /was made anew/);
    await assertWhole(house.context);
  });
});

describe("a backup whose chosen id another takes as it publishes", () => {
  it("fails, and leaves the other's", async () => {
    const inner = new MemoryStore();
    const other = await House.make({ store: inner, engine: { randomId: () => new Uint8Array(16).fill(9) } });
    const store = busy(inner, at("put", `${PART.backups}mine.json`), () => other.backup({ id: "mine" }));
    const house = await House.make({ store });
    await house.set("a", "1");
    await assert.rejects(house.backup({ id: "mine" }), ExistsError);
    assert.deepEqual((await listBackups(other.context)).map(({ database }) => database), [other.engine.id]);
  });
});

describe("a head that was changed since it was read", () => {
  /** Switches a head that was read at epoch 3 and has become something else since. */
  async function switched(now: Partial<HeadDocument> | undefined, claims: Partial<HeadDocument> = {}): Promise<Head> {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const { id, lineage } = house.engine;
    const key = headKey(id, lineage);
    const ours = { ...(await readHead(house.context, id, lineage))!.body, epoch: 3 };
    await house.store.delete(key);
    const put = await writeDocument(house.context, "head", key, ours, { ifAbsent: true });
    await house.store.delete(key);
    if (now !== undefined) await writeDocument(house.context, "head", key, { ...ours, ...now });
    const to = { ...ours, coveredUntil: ours.coveredUntil + 1, ...claims };
    return await switchHead(house.context, { body: ours, etag: put!.etag }, to);
  }

  const another = "0123456789abcdef".repeat(2);

  it("is read again where a repair or a pruning did that, or one of before was put back, or it is gone", async () => {
    for (const now of [{ writer: REPAIR_WRITER }, { pruned: 1 }, { writer: another, epoch: 2 }, undefined]) {
      await assert.rejects(switched(now), HeadTouchedError);
    }
    await assert.rejects(switched({ pruned: 1 }, { writer: another, epoch: 4 }), HeadTouchedError);
  });

  it("is another writer's where that has taken it over", async () => {
    for (const epoch of [3, 4]) await assert.rejects(switched({ writer: another, epoch }), LineageError);
  });
});

describe("a head that is trimmed", () => {
  /** A head that keeps a file which no log needs any more. */
  async function withIngest(store: ObjectStore): Promise<{ house: House; head: HeadDocument }> {
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup({ id: "full" });
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    const { head } = await Shipper.of(house.context, house.engine).ship();
    assert.equal(head.ingests.length, 1);
    return { house, head };
  }

  for (const operation of ["get", "put"] as const) {
    it(`stays as another changes it just before the ${operation}`, async () => {
      const inner = new MemoryStore();
      const { house, head } = await withIngest(inner);
      const { database, lineage } = head;
      const facts = { ...await readFacts(house.context), logs: new Map() };
      for (const key of await keysOf(inner, PART.log)) await inner.delete(key);
      const store = busy(inner, at(operation, PART.heads), () => tellPruned(house.context, database, lineage, 1));
      const context = await openOver(store, house.time.clock);
      assert.deepEqual(await trimHead(context, [facts], head, false), head);
      assert.deepEqual((await readHead(house.context, database, lineage))!.body, { ...head, pruned: 1 });
    });
  }

  it("says of pruned log how far it was ever let go", async () => {
    const { house, head: { database, lineage } } = await withIngest(new MemoryStore());
    for (const version of [2, 1]) await tellPruned(house.context, database, lineage, version);
    assert.equal((await readHead(house.context, database, lineage))!.body.pruned, 2);
  });

  it("keeps a file of log that only one look has found", async () => {
    const { house, head } = await withIngest(new MemoryStore());
    const facts = await readFacts(house.context);
    const missed = { ...facts, logs: new Map() };
    for (const looks of [[facts, missed], [missed, facts]]) {
      assert.equal((await trimHead(house.context, looks, head, true)).ingests.length, 1);
    }
    assert.equal((await trimHead(house.context, [missed, missed], head, true)).ingests.length, 0);
  });

  it("keeps a file of log that came back behind all looks", async () => {
    const { house, head } = await withIngest(new MemoryStore());
    const missed = { ...await readFacts(house.context), logs: new Map() };
    assert.deepEqual(await trimHead(house.context, [missed, missed], head, false), head);
    for (const key of await keysOf(house.store, PART.log)) await house.store.delete(key);
    assert.deepEqual((await trimHead(house.context, [missed, missed], head, false)).ingests, []);
  });
});

describe("a lease that another has broken", () => {
  it("is not given back in the other's place", async () => {
    const store = new MemoryStore();
    const slow = await House.make({ store });
    const fast = await House.make({ store });
    fast.time.now += LEASE_MS + 1;
    const options = { kind: "backup", name: "backup-one", holder: "somebody" };
    const first = await takeLease(slow.context, options);
    const second = await takeLease(fast.context, options);
    await assert.rejects(first.assertHeld(), RepositoryLockedError);
    await first.release();
    await second.assertHeld();
  });

  const options = { kind: "backup", name: "backup-one", holder: "somebody" } as const;
  const noWrites = { at: at("put", PART.locks), do: "refuse", times: Infinity } as const;

  it("is not given back in the other's place by work that stood still and failed", async () => {
    const store = new MemoryStore();
    const slow = await House.make({ store });
    const fast = await House.make({ store });
    const first = await takeLease(slow.context, options);
    fast.time.now += LEASE_MS + 1;
    const second = await takeLease(fast.context, options);
    slow.time.now += LEASE_MS / 2;
    await first.release();
    await second.assertHeld();
  });

  for (
    const [what, operation, part, isFirst] of [
      ["a backup", "put", PART.backups, true],
      ["log", "get", PART.heads, false],
      ["a head that counts it", "put", PART.log, false],
    ] as const
  ) {
    it(`lets a copy publish nothing any more: ${what}`, async () => {
      const inner = new MemoryStore();
      const house = await archived();
      const whole = await openOver(inner, house.time.clock);
      if (!isFirst) await copyRepository(house.context, whole, {});
      if (part === PART.heads) {
        const [head] = await readHeads(whole);
        const body = { ...head!, writer: "ab".repeat(16) };
        await writeDocument(whole, "head", headKey(body.database, body.lineage), body);
      }
      await house.set("e", "e");
      await Shipper.of(house.context, house.engine).ship();
      const before = await keysOf(inner, PART.backups);
      const heads = await readHeads(whole);
      const store = busy(inner, at(operation, part), async () => {
        for (const key of await keysOf(inner, PART.locks)) await inner.delete(key);
        // No manifest named them yet.
        if (isFirst) { for (const key of await keysOf(inner, PART.objects)) await inner.delete(key); }
      });
      const to = await openOver(store, house.time.clock);
      await assert.rejects(copyRepository(house.context, to, {}), RepositoryLockedError);
      assert.deepEqual(await keysOf(inner, PART.backups), before);
      const counted = (all: HeadDocument[]): unknown => all.map(({ version, writer }) => [version, writer]);
      const announced = heads.map((head) => ({ ...head, writer: REPAIR_WRITER }));
      assert.deepEqual(counted(await readHeads(whole)), counted(part === PART.log ? announced : heads));
    });
  }

  it("lets no head count files that a pruning may have taken since", async () => {
    const inner = new MemoryStore();
    const fast = await House.make({ store: inner, engine: { randomId: () => new Uint8Array(16).fill(9) } });
    let isBroken = false;
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (isBroken || operation !== "put" || !key.startsWith(PART.log)) return;
        isBroken = true;
        fast.time.now += LEASE_MS + 1;
        await pruneRepository(fast.context, checkPolicy("prune", { keepLast: 1 }), {});
      },
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup({ id: "full" });
    // What it brings in passes by the log.
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    await assert.rejects(Shipper.of(house.context, house.engine).ship(), RepositoryLockedError);
    assert.ok(isBroken);
    const heads = await readHeads(house.context);
    assert.deepEqual(heads.flatMap(countedIngests), []);
  });

  it("is not published under while the store takes no writes", async () => {
    const inner = new MemoryStore();
    const store = new FaultStore(inner);
    const slow = await House.make({ store, repository: { timers: NO_WAIT } });
    const fast = await House.make({ store: inner });
    const first = await takeLease(slow.context, options);
    store.inject(noWrites);
    await first.assertHeld();
    fast.time.now += LEASE_MS + 1;
    await takeLease(fast.context, options);
    await assert.rejects(first.assertHeld(), RepositoryLockedError);
  });

  it("is not published under while the store does nothing at all, for nobody knows", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store, repository: { timers: NO_WAIT } });
    const lease = await takeLease(house.context, options);
    const end = store.inject({ at: () => true, do: "refuse", times: Infinity });
    await assert.rejects(lease.assertHeld(), StorageError);
    end();
    await lease.assertHeld();
  });
});

describe("a lease that a writer takes over when he was dead", () => {
  it("is not that of a copy on another machine, which has its own history at the same path", async () => {
    const { beginProcess, end } = beginSimulation(randomFrom(1));
    try {
      const { house, gate } = await gated();
      await house.set("a", "1");
      await house.backup();
      const elsewhere = memoryFileSystem();
      await restoreTo(elsewhere, settingsOf({ clock: house.time.clock }), house.handle, "/db");
      const stands = gate.hold(on("put", PART.backups));
      const backup = house.backup();
      await stands;
      beginProcess();
      const copy = await openAt(elsewhere, "/db", { clock: house.time.clock });
      await write(copy, (batch) => put(batch, 0, "b", { value: "of the copy" }));
      await assert.rejects(house.backup({}, copy), RepositoryLockedError);
      gate.open();
      await backup;
      await house.backup({}, copy);
      assert.equal((await listBackups(house.context)).length, 3);
    } finally {
      end();
    }
  });
});

describe("a check", () => {
  it("does not miss the backup of a pin that was put while it looked", async () => {
    const house = await House.make();
    await house.set("a", "1");
    let count = 0;
    const pin = async (): Promise<void> => {
      const { id } = await house.backup({ id: `pinned-${++count}` });
      await pinBackup(house.context, id);
    };
    const isPins = at("list", PART.pins);
    const store = new FaultStore(house.store, { delay: async (call) => isPins(call) ? await pin() : undefined });
    await assertWhole(await openOver(store, house.time.clock));
    assert.ok(count > 0);
  });
});

describe("a pruning", () => {
  it("goes on when a backup is made and pinned while it looks", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "old", type: "full" });
    const pin = async (): Promise<void> => {
      await house.backup({ id: "new", type: "full" });
      await pinBackup(house.context, "new");
    };
    const store = busy(house.store as MemoryStore, at("list", PART.pins), pin);
    await pruneRepository(await openOver(store, house.time.clock), checkPolicy("prune", { keepLast: 1 }), {});
    assert.equal((await listBackups(house.context)).find(({ id }) => id === "new")?.pinned, true);
  });
});

describe("a pin that two put at once", () => {
  it("stays for the one who was told so, though the other was refused", async () => {
    const { house, gate } = await gated();
    for (const id of ["old", "new"]) {
      await house.set("a", id);
      await house.backup({ id, type: "full" });
    }
    const stands = gate.hold(on("head", PART.pins));
    const pruning = prune(house, { keepLast: 1 });
    await stands;
    const slow = new Gate(house.store);
    const sawMark = slow.hold((does, key) => key.startsWith(PART.pins) && does !== "put" || key.startsWith(PART.audit));
    const refused = assert.rejects(
      pinBackup(await openOver(slow.store, house.time.clock), "old"),
      RepositoryLockedError,
    );
    await sawMark;
    gate.open();
    await pruning;
    await pinBackup(house.context, "old");
    slow.open();
    await refused;
    await prune(house, { keepLast: 1 });
    assert.deepEqual((await listBackups(house.context)).map(({ id, pinned }) => [id, pinned]), [
      ["old", true],
      ["new", false],
    ]);
  });
});
