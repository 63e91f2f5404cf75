import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { ownContext } from "../../../lib/backup/repository/core/context.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { ClosedError, GapError, LineageError, RepositoryLockedError, StorageError } from "../../../lib/base/errors.ts";
import type { Replication } from "../../../lib/backup/repository/replicating/replication.ts";
import type { ReplicationEvent } from "../../../lib/backup/repository/replicating/replication_options.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { dump, openAt } from "../fixture.ts";
import { openOver } from "./copy_fixture.ts";
import { turns, until } from "./fake_timers.ts";
import { House, MIDNIGHT } from "./house.ts";
import { DAY, prune } from "./prune_fixture.ts";

const SECOND = 1000;

/** Lets time go by, and each shipment end, unless it waits for time itself. */
async function pass(house: House, replication: Replication, ms: number): Promise<void> {
  await house.time.advance(ms, async () => {
    await turns(1);
    await until(() => replication.status().state !== "shipping" || house.time.keeping > 0);
  });
}

/** A store that can be switched off. */
function switchable(retryAfterMs?: number): { store: ObjectStore; away: (away: boolean) => void } {
  const inner = new MemoryStore();
  let off = false;
  const check = (operation: string, key: string): void => {
    const facts = { operation, key, retryable: true, retryAfterMs };
    if (off) throw new StorageError(`Cannot ${operation} ${key}: it is away`, facts);
  };
  const store: ObjectStore = {
    name: "switchable",
    capabilities: inner.capabilities,
    put: async (key, body, options) => (check("put", key), await inner.put(key, body, options)),
    get: async (key, options) => (check("get", key), await inner.get(key, options)),
    head: async (key, options) => (check("head", key), await inner.head(key, options)),
    list: async (options) => (check("list", options?.prefix ?? ""), await inner.list(options)),
    delete: async (key, options) => (check("delete", key), await inner.delete(key, options)),
  };
  return { store, away: (now) => void (off = now) };
}

/** A replication with a commit to ship whose store went away ten minutes ago, and how often it failed since. */
async function withoutStore(
  retryAfterMs?: number,
): Promise<{ house: House; replication: Replication; failures: number; away: (away: boolean) => void }> {
  const { store, away } = switchable(retryAfterMs);
  const house = await House.make({ store });
  const events: ReplicationEvent[] = [];
  const replication = await house.replicate({ onEvent: (event) => void events.push(event) });
  await replication.flush();
  await house.set("a", "1");
  away(true);
  await pass(house, replication, 600 * SECOND);
  return { house, replication, failures: events.filter(({ type }) => type === "failure").length, away };
}

describe("replicate()", () => {
  it("ships what was committed once the interval is over, and says how far it is behind", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    await replication.flush();
    assert.equal(replication.status().archivedVersion, 1);
    house.time.now++;
    await house.set("b", "2");
    await house.time.advance(400);
    const behind = replication.status();
    assert.deepEqual([behind.lagVersions, behind.lagMs], [1, 400]);
    assert.ok(behind.lagBytes > 0);
    assert.equal(house.time.keeping, 1, "what waits keeps the process");
    await pass(house, replication, 600);
    const { lagVersions, lagBytes, lagMs, state } = replication.status();
    assert.deepEqual([lagVersions, lagBytes, lagMs, state], [0, 0, 0, "waiting"]);
    assert.equal(house.time.keeping, 0, "an idle one doesn't");
    assert.deepEqual((await house.restore()).contents, house.states.get(2));
    await replication.stop();
  });

  it("has a backup in the same program wait for the base that it just makes", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    const gone = new AbortController();
    const refused = assert.rejects(house.backup({ signal: gone.signal }), /too late/);
    const made = house.backup({ id: "by-hand" });
    gone.abort(new Error("too late"));
    await refused;
    assert.equal((await made).id, "by-hand");
    assert.equal((await readBackups(house.context)).length, 2, "and the base");
    await replication.stop();
  });

  it("restores every second of the past exactly, without any call to backup", async () => {
    const house = await House.make();
    const replication = await house.replicate();
    const at = new Map<number, number>();
    for (let i = 0; i < 30; i++) {
      const version = await house.set(`k${i % 7}`, `v${i}`, i % 3 === 0 ? ["t"] : []);
      at.set(house.time.now, version);
      await pass(house, replication, SECOND);
    }
    await replication.stop();
    for (const [time, version] of at) {
      const { info, contents } = await house.restore({ at: new Date(time) });
      assert.equal(info.achieved.version, version);
      assert.deepEqual(contents, house.states.get(version), `at ${time}`);
      assert.deepEqual((await house.restore({ at: time + 999 })).contents, house.states.get(version));
    }
  });

  it("says by its heartbeat that nothing was committed, so that later times are known", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate({ heartbeat: 60 * SECOND });
    await replication.flush();
    const later = house.time.now + 50 * SECOND;
    await assert.rejects(house.restore({ at: later }), (error: GapError) => {
      assert.ok(error instanceof GapError);
      assert.equal(error.requested, later);
      return true;
    });
    assert.deepEqual((await house.restore({ at: later, allowEarlier: true })).contents, house.states.get(1));
    await pass(house, replication, 61 * SECOND);
    assert.deepEqual((await house.restore({ at: later })).contents, house.states.get(1));
    await replication.stop();
  });

  it("goes on after a restart of the program, in the same history and without a new base", async () => {
    const house = await House.make();
    let replication = await house.replicate();
    await replication.flush();
    for (let i = 0; i < 5; i++) await house.set(`a${i}`, "x");
    await pass(house, replication, SECOND);
    await replication.stop();
    await house.engine.close();
    await house.open();
    await house.openRepository();
    replication = await house.replicate();
    assert.equal(replication.status().bases, 0);
    await house.set("b", "y");
    await replication.flush();
    const [range, ...others] = await house.points();
    assert.deepEqual(others, []);
    assert.deepEqual([range?.from.version, range?.to.version], [0, 6]);
    assert.deepEqual((await house.restore({ at: { version: 3 } })).contents, house.states.get(3));
    assert.deepEqual((await house.restore()).contents, house.states.get(6));
    await replication.stop();
  });

  it("loses at most an interval when the machine is gone", async () => {
    const house = await House.make();
    const replication = await house.replicate({ interval: 2 * SECOND });
    await replication.flush();
    let last = 0;
    for (let i = 0; i < 11; i++) {
      last = await house.set(`k${i}`, "x");
      await pass(house, replication, 700);
    }
    // No stop: nothing is left but the store.
    const { info, contents } = await house.restore();
    const lost = last - info.achieved.version;
    assert.ok(lost <= 3, `${lost} commits of 700 ms lost`);
    assert.deepEqual(contents, house.states.get(info.achieved.version));
  });

  it("backs off while the store is away, keeps all log, and catches up", async () => {
    const { house, replication, failures, away } = await withoutStore();
    assert.ok(failures >= 5 && failures < 40, `${failures} tries in ten minutes`);
    const { failures: row, error, lagVersions } = replication.status();
    assert.equal(row, failures, "all of them in a row");
    assert.ok(error instanceof StorageError);
    assert.equal(lagVersions, 1);
    for (let i = 0; i < 20; i++) await house.set(`k${i}`, "x".repeat(2000));
    assert.ok(replication.status().lagMs >= 600 * SECOND);
    away(false);
    await pass(house, replication, 100 * SECOND);
    assert.equal(replication.status().lagVersions, 0);
    assert.equal(replication.status().state, "waiting");
    await replication.flush();
    for (const version of [1, 7, 21]) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    const { coveredUntil } = replication.status();
    away(true);
    await house.set("b", "1");
    await pass(house, replication, 100 * SECOND);
    const known = replication.status();
    const told = [known.archivedVersion, known.lagVersions, known.coveredUntil];
    assert.deepEqual(told, [21, 1, coveredUntil], "what is archived stays so while the store is away");
    away(false);
    await replication.stop();
  });

  for (const { asked, tries } of [{ asked: 120, tries: [4, 5] }, { asked: 86_400, tries: [1, 2] }]) {
    it(`leaves a store alone that asks for ${asked} seconds, but for no more than an hour`, async () => {
      const { house, replication, failures, away } = await withoutStore(asked * SECOND);
      assert.ok(failures >= tries[0]! && failures <= tries[1]!, `${failures} tries in ten minutes`);
      away(false);
      await pass(house, replication, 3700 * SECOND);
      assert.equal(replication.status().lagVersions, 0);
      await replication.stop();
    });
  }

  it("goes on by its own handle, whatever becomes of another's store", async () => {
    const inner = new MemoryStore();
    const house = await House.make({ store: inner });
    const replication = await house.replicate();
    await replication.flush();
    const store = new FaultStore(inner);
    const other = await openOver(store, house.time.clock);
    store.inject({ at: () => true, do: "refuse", times: Infinity });
    await assert.rejects(backupTo(house.engine, ownContext({ ...other }, other), {}), StorageError);
    const version = await house.set("a", "1");
    await replication.flush();
    assert.equal(replication.status().archivedVersion, version);
    await replication.stop();
  });

  it("counts as lag what is being archived until it is, also when that takes long", async () => {
    const inner = new MemoryStore();
    let opened = (): void => {};
    let gate: Promise<void> | undefined;
    const store = new FaultStore(inner, { delay: ({ operation }) => operation === "put" ? gate : undefined });
    const house = await House.make({ store });
    const replication = await house.replicate({ interval: 1000 });
    await replication.flush();
    gate = new Promise((resolve) => opened = resolve);
    await house.set("a", "1");
    house.time.now += 5 * SECOND;
    const flushed = replication.flush();
    await turns(20);
    house.time.now += 100 * SECOND;
    assert.equal(replication.status().lagMs, 105 * SECOND);
    // Later commits don't make it less.
    await house.set("b", "2");
    assert.equal(replication.status().lagMs, 105 * SECOND);
    gate = undefined;
    opened();
    await flushed;
    await replication.flush();
    assert.equal(replication.status().lagMs, 0);
    await replication.stop();
  });

  it("flushes with a base, though one that was under way fails", async () => {
    const gate = Promise.withResolvers<void>();
    const isObject = ({ operation, key }: { operation: string; key: string }): boolean =>
      operation === "put" && key.startsWith("objects/");
    const store = new FaultStore(new MemoryStore(), {
      faults: [{ at: isObject, do: "refuse", error: () => new Error("over by now") }],
      delay: (call) => isObject(call) ? gate.promise : undefined,
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    const replication = await house.replicate();
    const flushed = replication.flush();
    gate.resolve();
    await flushed;
    assert.equal(replication.status().bases, 1);
    assert.deepEqual((await house.restore()).contents, house.states.get(1));
    await replication.stop();
  });

  it("says that it could not flush where another's backup of the database keeps the base from being made", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const other = await takeLease(house.context, {
      kind: "backup",
      name: `backup-${house.engine.id}`,
      holder: "another program",
    });
    const replication = await house.replicate();
    await assert.rejects(replication.flush(), RepositoryLockedError);
    await other.release();
    await replication.flush();
    assert.deepEqual((await house.restore()).contents, house.states.get(1));
    await replication.stop();
  });

  it("makes its base later when the store was away at first", async () => {
    const { store, away } = switchable();
    const house = await House.make({ store });
    const replication = await house.replicate();
    away(true);
    await house.set("a", "1");
    await pass(house, replication, 60 * SECOND);
    away(false);
    await pass(house, replication, 100 * SECOND);
    await replication.flush();
    assert.equal(replication.status().bases, 1);
    assert.deepEqual((await house.restore()).contents, house.states.get(1));
    await replication.stop();
  });

  it("stops the older of two writers of one history with LineageError", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const first = await house.replicate();
    await first.flush();
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    const second = await house.replicate({}, copy);
    await house.set("b", "mine");
    await assert.rejects(first.flush(), LineageError);
    assert.equal(first.status().state, "stopped");
    await assert.rejects(first.flush(), LineageError);
    await first.stop();
    // What the second writes is the history now, and the first's commit is nowhere in it.
    const other = house.engine;
    house.engine = copy;
    await house.set("c", "theirs");
    await second.flush();
    assert.deepEqual((await house.restore()).contents, dump(copy, true));
    await second.stop();
    await copy.close();
    await other.close();
  });

  it("says of a copy that was never written to what of it is archived, and not what its parent has", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const parent = await house.replicate();
    await parent.flush();
    const { engine } = await house.restore();
    const copy = await openAt(house.fs, engine.path, { clock: house.time.clock });
    await house.set("b", "2");
    await house.set("c", "3");
    await parent.flush();
    const replication = await house.replicate({}, copy);
    await replication.flush();
    const { version, archivedVersion, lagVersions } = replication.status();
    assert.deepEqual([version, archivedVersion, lagVersions], [1, 1, 0]);
    await replication.stop();
    await parent.stop();
    await copy.close();
  });

  it("refuses a copy that went its own way after the history went on", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    await replication.flush();
    await house.copyDirectory("/copy");
    await house.set("b", "2");
    await house.set("c", "3");
    await replication.stop();
    const before = await house.restore();
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await assert.rejects(house.replicate({}, copy), LineageError, "behind");
    const original = house.engine;
    house.engine = copy;
    for (let i = 0; i < 5; i++) await house.set(`own${i}`, "x");
    await assert.rejects(house.replicate({}, copy), LineageError, "ahead, with other commits");
    await assert.rejects(house.backup({}, copy), LineageError);
    assert.deepEqual((await house.restore()).contents, before.contents);
    await copy.close();
    await original.close();
  });

  it("records a gap when the archive's limit took log away, and makes a new base", async () => {
    const { store, away } = switchable();
    const house = await House.make({
      store,
      engine: { archiveBytes: 2 ** 16, historyBytes: 2 ** 12, memtableBytes: 2 ** 14 },
    });
    const events: ReplicationEvent[] = [];
    const replication = await house.replicate({ onEvent: (event) => void events.push(event) });
    await house.set("before", "1");
    await replication.flush();
    const known = house.time.now;
    away(true);
    for (let i = 0; i < 60; i++) {
      await house.set(`k${i}`, "x".repeat(4000));
      house.time.now += SECOND;
    }
    const lost = house.time.now - 30 * SECOND;
    away(false);
    await pass(house, replication, 120 * SECOND);
    await until(() => replication.status().bases === 2);
    assert.ok(events.some(({ type }) => type === "gap"));
    assert.equal(replication.status().gaps, 1);
    await house.set("after", "1");
    await replication.flush();
    assert.deepEqual((await house.restore({ at: known })).contents, house.states.get(1));
    await assert.rejects(house.restore({ at: lost }), GapError);
    assert.deepEqual((await house.restore({ at: lost, allowEarlier: true })).contents, house.states.get(1));
    await assert.rejects(house.restore({ at: { version: 30 } }), GapError);
    assert.deepEqual((await house.restore()).contents, house.states.get(62));
    const ranges = (await house.points()).map(({ from, to }) => [from.version, to.version]);
    assert.deepEqual(ranges, [[1, 1], [61, 62]]);
    await replication.stop();
  });

  it("makes a new base when its own was deleted, within a minute, or by flush at once", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    await replication.flush();
    const deleteBase = async (): Promise<void> => {
      const [base, ...more] = await readBackups(house.context);
      assert.deepEqual(more, []);
      await deleteBackup(house.context, base!.id);
      assert.deepEqual(await house.points(), []);
    };
    await deleteBase();
    for (let i = 0; i < 61; i++) {
      await house.set("b", `${i}`);
      await pass(house, replication, SECOND);
    }
    await until(() => replication.status().bases === 2);
    await replication.flush();
    assert.deepEqual((await house.restore()).contents, house.states.get(62));

    await deleteBase();
    await replication.flush();
    assert.equal(replication.status().bases, 3);
    assert.deepEqual((await house.restore()).contents, house.states.get(62), "nothing was committed since");
    await replication.stop();
  });

  it("makes its next base by the clock that it has, though a wrong one dated the last far ahead", async () => {
    const house = await House.make();
    house.time.now += 900 * DAY;
    await house.set("a", "1");
    const replication = await house.replicate();
    await replication.flush();
    house.time.now -= 900 * DAY;
    await house.set("a", "2");
    await replication.flush();
    assert.equal(replication.status().bases, 2);
    await replication.stop();
    await house.engine.close();
  });

  it("looks for its base by the clock that it has, though that was far ahead when it looked last", async () => {
    const house = await House.make();
    house.time.now += 900 * DAY;
    await house.set("a", "1");
    const replication = await house.replicate({ baseEvery: "2000d" });
    await replication.flush();
    house.time.now -= 900 * DAY;
    const [base] = await readBackups(house.context);
    await deleteBackup(house.context, base!.id);
    await house.set("a", "2");
    await pass(house, replication, SECOND);
    await until(() => replication.status().bases === 2);
    await replication.stop();
    await house.engine.close();
  });

  it("goes on from another base when its own was pruned, and from none whose log was", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    await replication.flush();
    const [first] = await readBackups(house.context);
    await pinBackup(house.context, first!.id);
    for (let i = 0; i < 3; i++) {
      await house.set("b", `${i}`);
      await replication.flush();
    }
    house.time.now += DAY;
    await house.backup({ id: "second", type: "full" });
    const { log } = await prune(house, { keepLast: 1 });
    assert.ok(log.some(({ keep }) => !keep), "log between the two is pruned");
    await house.set("c", "1");
    await replication.flush();
    assert.equal(replication.status().bases, 1, "the second will do");
    await deleteBackup(house.context, "second");
    await house.set("d", "1");
    await replication.flush();
    assert.equal(replication.status().bases, 2);
    assert.deepEqual((await house.restore()).contents, house.states.get(6));
    await replication.stop();

    for (const { id } of (await readBackups(house.context)).slice(1)) await deleteBackup(house.context, id);
    const again = await house.replicate();
    await house.set("e", "1");
    await again.flush();
    assert.equal(again.status().bases, 1, "the pinned one leads on to nothing");
    assert.deepEqual((await house.restore()).contents, house.states.get(7));
    await again.stop();
  });

  it("follows a restore into the database into its new history", async () => {
    const house = await House.make();
    const replication = await house.replicate();
    await replication.flush();
    for (let i = 0; i < 6; i++) await house.set(`k${i}`, `v${i}`);
    await pass(house, replication, SECOND);
    const old = house.engine.lineage;
    await restoreInto(house.engine, house.handle, { at: { version: 3 } });
    const restored = house.note();
    await house.set("new", "1");
    assert.notEqual(house.engine.lineage, old);
    await pass(house, replication, 2 * SECOND);
    await replication.flush();
    for (const version of [2, 6, restored, restored + 1]) {
      const { contents } = await house.restore({ at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
    await replication.stop();
  });

  it("ends with the database, and says so", async () => {
    const house = await House.make();
    const replication = await house.replicate();
    await house.engine.close();
    await assert.rejects(replication.flush().then(() => replication.flush()), ClosedError).catch(() => {});
    await replication.stop();
    assert.equal(replication.status().state, "stopped");
    await assert.rejects(replication.flush(), ClosedError);
  });

  it("ends with a database that is closed while commits wait, once, and keeps no program alive for them", async () => {
    const house = await House.make();
    const events: string[] = [];
    const replication = await house.replicate({
      async onEvent({ type }) {
        events.push(type);
        return await Promise.reject(new Error("nobody's affair but the listener's"));
      },
    });
    await replication.flush();
    await house.set("a", "x");
    await house.engine.close();
    assert.equal(replication.status().state, "stopped");
    assert.equal(replication.status().lagVersions, 1);
    await pass(house, replication, 61 * SECOND);
    assert.equal(house.time.keeping, 0);
    assert.equal(events.filter((type) => type === "stopped").length, 1);
    assert.equal(events.filter((type) => type === "failure").length, 1);
    await replication.stop();
    assert.equal(events.filter((type) => type === "stopped").length, 1);
  });

  it("leaves at most 200 log objects of a day, of which any second restores", async () => {
    const long = process.env["HOLDFAST_LONG"] === "1";
    const house = await House.make({ engine: { historyBytes: 2 ** 14, memtableBytes: 2 ** 16 } });
    const replication = await house.replicate({ baseEvery: "30d" });
    const seed = Number(process.env["HOLDFAST_SEED"] ?? 1);
    let most = 0;
    const versions: [number, number][] = [];
    const contents = new Map<number, string>();
    const end = MIDNIGHT + 86_400 * SECOND;
    // The short form fills the last hour with a commit a second, and the hours before it with one a minute.
    while (house.time.now < end) {
      const n = versions.length;
      const { engine } = house;
      await house.set(`k${n % 5}`, `v${n}`);
      const version = engine.visibleVersion;
      contents.set(version, JSON.stringify(house.states.get(version)));
      house.states.clear();
      versions.push([house.time.now, version]);
      await pass(house, replication, long || house.time.now >= end - 3600 * SECOND ? SECOND : 60 * SECOND);
      if (n % 50 === 0) most = Math.max(most, (await house.store.list({ prefix: "log/" })).objects.length);
    }
    await replication.stop();
    const { objects } = await house.store.list({ prefix: "log/" });
    assert.ok(objects.length <= 200 && most <= 200, `${objects.length} log objects, ${most} at most (seed ${seed})`);
    let state = seed;
    for (let i = 0; i < (long ? 200 : 12); i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      const [time, version] = versions[state % versions.length]!;
      const { contents: found } = await house.restore({ at: time });
      assert.equal(JSON.stringify(found), contents.get(version), `at ${time} (seed ${seed})`);
    }
  });
});
