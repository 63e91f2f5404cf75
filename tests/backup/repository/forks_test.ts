/** Databases that go over from one line of history into another, and copies that stand in another's. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { exportDatabase } from "../../../lib/backup/export.ts";
import { restoreInto, restoreTo } from "../../../lib/backup/mod.ts";
import { readBackup } from "../../../lib/backup/repository/core/catalog.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { backupKey, headKey } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import type { PruneReport } from "../../../lib/backup/repository/pruning/prune.ts";
import { ensureSlot } from "../../../lib/backup/repository/log/slots.ts";
import type { Replication } from "../../../lib/backup/repository/replicating/replication.ts";
import { GapError, LineageError } from "../../../lib/base/errors.ts";
import type { Engine, EngineSettings } from "../../../lib/engine/types.ts";
import type { HeadDocument } from "../../../lib/format/repository/head_document.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { openOver } from "./copy_fixture.ts";
import { until } from "./fake_timers.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { type Contents, House } from "./house.ts";
import { keysOf, prune } from "./prune_fixture.ts";

/** Restores a version into a directory of its own, and opens that. */
async function forkAt(house: House, version: number, changes: Partial<EngineSettings> = {}): Promise<Engine> {
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version } });
  return await openAt(house.fs, "/fork", { clock: house.time.clock, ...changes });
}

/** Two commits, a second each, of which no log is left. */
async function writeWithoutLog(house: House, engine: Engine, value: string): Promise<void> {
  for (const key of ["x", "y"]) {
    house.time.now += 1000;
    await write(engine, (batch) => put(batch, 0, key, { value }));
    await engine.compact(); // Its log goes.
  }
}

/** A history of three versions, of which its replication has archived the first so far. */
async function replicatedToFirst(): Promise<{ house: House; original: Replication }> {
  const house = await House.make();
  await house.set("a", "a");
  const original = await house.replicate();
  await original.flush();
  for (const key of ["b", "c"]) await house.set(key, key);
  return { house, original };
}

/** Exports the database, and opens that. */
async function exported(house: House): Promise<Engine> {
  await exportDatabase(house.engine, "/exported");
  return await openAt(house.fs, "/exported", { clock: house.time.clock });
}

/** A copy at version 1 of a database that is replicated, and archived up to version 3. */
async function behindOriginal(): Promise<{ house: House; copy: Engine; original: Replication }> {
  const house = await House.make();
  await house.set("a", "a");
  const original = await house.replicate();
  await original.flush();
  const copy = await exported(house);
  for (const key of ["b", "c"]) await house.set(key, key);
  await original.flush();
  return { house, copy, original };
}

/**
 * Two copies of a directory that both wrote on behind version 1, in one lineage: the house's is archived up to version 2, the
 * other, at /other, stands at version 4. With `tables` all of it is in tables.
 */
async function twoThatWroteOn(tables: boolean): Promise<House> {
  const house = await House.make();
  await house.set("a", "a");
  await house.backup({ type: "full" });
  await house.copyDirectory("/other");
  await house.set("b", "b");
  await house.backup({ type: "incremental" });
  const other = await openAt(house.fs, "/other", { clock: house.time.clock, historyBytes: 0 });
  house.time.now += 1000;
  for (const key of ["x", "y", "z"]) await write(other, (batch) => put(batch, 0, key, { value: "of the other" }));
  if (tables) await other.compact();
  await exportDatabase(other, "/exported");
  await other.close();
  return house;
}

/** Closes the database and opens it again. */
async function reopen(house: House, path = "/db"): Promise<void> {
  await house.engine.close();
  house.engine = await house.open(path);
}

/** Takes a database to version 3 at the end of its second line, all of it archived; its slot lags at 1. */
async function throughTwoLines(house: House): Promise<void> {
  await house.set("a", "1");
  await house.backup({ type: "full" });
  for (const mode of ["merge", "replace"] as const) {
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode });
    house.note();
    await Shipper.of(house.context, house.engine).ship();
    await reopen(house);
  }
  await house.engine.setSlot({ ...house.engine.slots()[0]!, version: 1 });
}

/** All heads, by lineage. */
async function headsOf(house: House): Promise<HeadDocument[]> {
  return (await readHeads(house.context)).sort((a, b) => a.lineage < b.lineage ? -1 : 1);
}

describe("a database that went over into another line of history", () => {
  it("goes on behind what a copy of it archives of that line just then", async () => {
    const house = await House.make();
    const { engine } = house;
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await restoreInto(engine, house.handle, { at: { version: 1 }, mode: "merge" });
    let asked = 0;
    const race = { run: (): Promise<unknown> => Promise.resolve() };
    const store = new FaultStore(house.store, {
      delay: async ({ operation, key }) => {
        if (operation === "get" && key.endsWith(`${engine.lineage}.json`) && asked++ === 0) await race.run();
      },
    });
    const shipper = Shipper.of(await openOver(store, house.time.clock), engine);
    await shipper.ship();
    for (const key of ["b", "c"]) await house.set(key, "2");
    const copy = await exported(house);
    await write(copy, (batch) => put(batch, 0, "d", { value: "of the copy" }));
    // When this one looks for the head of its new line, the copy has just archived what both have of it.
    asked = 0;
    race.run = () => Shipper.of(house.context, copy).ship();
    await shipper.ship();
    assert.ok(asked > 1);
    await house.set("e", "2");
    await shipper.ship();
    for (const one of [engine, copy]) {
      const { contents } = await house.restore({ lineage: one.lineage, at: { version: one.visibleVersion } });
      assert.deepEqual(contents, dump(one, true));
    }
    await copy.close();
  });

  it("is restored by the log of both, where that of the first ends just at the fork", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await house.set("b", "2");
    await house.backup({ type: "incremental" });
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "merge" });
    house.note();
    await house.backup({ type: "incremental" }); // Archives up to the fork.
    for (const key of ["c", "d"]) await house.set(key, "3");
    await house.backup();
    for (let version = 1; version <= 5; version++) {
      const { contents } = await house.restore({ lineage: house.engine.lineage, at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
  });
});

describe("a database that went through several lines of history while nobody archived it", () => {
  it("is taken in line by line, behind what was archived", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await house.set("b", "2");
    await Shipper.of(house.context, house.engine).ship();
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "merge" });
    house.note();
    await Shipper.of(house.context, house.engine).ship();
    await reopen(house);
    // Another line, with nothing but this in it, and a third.
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "replace" });
    house.note();
    for (const key of ["c", "d"]) await house.set(key, "3");
    // Slots move lazily.
    await house.engine.setSlot({ ...house.engine.slots()[0]!, version: 1 });
    await reopen(house);
    const shipper = Shipper.of(house.context, house.engine);
    await shipper.claim();
    await shipper.ship({ heartbeat: true });
    const { parents } = house.engine.meta;
    assert.deepEqual(parents.map(({ version }) => version), [3, 4]);
    const heads = (await headsOf(house)).map(({ lineage, version, start }) => [lineage, start, version]);
    const lineages = [...parents.map(({ lineage }) => lineage), house.engine.lineage];
    assert.deepEqual(
      lineages.map((lineage) => heads.find(([each]) => each === lineage)),
      [[lineages[0], 2, 3], [lineages[1], 4, 4], [lineages[2], 5, 6]],
    );
    assert.equal(heads.length, 3);
    for (const { lineage, parents } of await headsOf(house)) {
      assert.deepEqual(parents.map((each) => each.lineage), lineages.slice(0, lineages.indexOf(lineage)));
    }
    for (let version = 1; version <= 6; version++) {
      const { contents } = await house.restore({ lineage: house.engine.lineage, at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
  });

  it("misses no more than what came behind the last fork where that is gone, though its slot lags", async () => {
    const house = await House.make({ engine: { historyBytes: 0, archiveBytes: 0 } });
    await throughTwoLines(house);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.engine.compact();
    await house.backup();
    const { lineage } = house.engine;
    const own = (await headsOf(house)).find((head) => head.lineage === lineage);
    assert.deepEqual(own?.gaps.map(({ from, to }) => [from, to]), [[4, 5]]);
    for (const version of [1, 2, 3, 5]) {
      assert.deepEqual((await house.restore({ lineage, at: { version } })).contents, house.states.get(version));
    }
    await assert.rejects(house.restore({ lineage, at: { version: 4 } }), GapError);
  });

  it("misses all behind what was archived where the log is gone from there on, and leaves that history as it was", async () => {
    const house = await House.make({ engine: { historyBytes: 0, archiveBytes: 0 } });
    await house.set("a", "1");
    await house.backup({ type: "full" });
    const [before] = await headsOf(house);
    await house.set("b", "2");
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "merge" });
    await reopen(house);
    await house.set("c", "3");
    await house.engine.compact();
    const { head, gap } = await Shipper.of(house.context, house.engine).ship();
    const { lineage } = house.engine;
    assert.deepEqual([gap, head.lineage, head.version], [{ from: 2, to: 4 }, lineage, 4]);
    assert.deepEqual(await headsOf(house), [before, head]);
    assert.deepEqual(head.gaps.map(({ from, to, chain }) => [from, to, chain]), [[2, 4, before!.chain]]);
  });

  it("begins where it stands without a slot, which had kept the log of the line before", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    const before = await headsOf(house);
    await house.set("b", "2");
    await restoreInto(house.engine, house.handle, { at: { version: 1 }, mode: "merge" });
    await reopen(house);
    await house.engine.dropSlot(house.context.id);
    await house.set("c", "3");
    assert.equal(await Shipper.of(house.context, house.engine).claim(), 4);
    const heads = (await headsOf(house)).map(({ lineage, start, version }) => [lineage, start, version]);
    assert.deepEqual(heads, [[before[0]!.lineage, 2, 1], [house.engine.lineage, 5, 4]]);
  });

  it("goes on at the last fork where all before it is archived and what came behind was lost, though its slot lags", async () => {
    const house = await House.make({ engine: { durability: "buffered" } });
    await throughTwoLines(house);
    await house.set("b", "lost");
    // The last line has begun, and its only commit is gone.
    const { store, time, fs } = house;
    const after = await House.make({ store, now: time.now, fs: fs.crash({ keep: "none" }) });
    const { engine, context } = after;
    const { lineage, meta: { parents } } = engine;
    assert.deepEqual([...parents.map(({ version }) => version), engine.visibleVersion], [2, 3, 3]);
    const before = await headsOf(after);
    await Shipper.of(context, engine).ship();
    assert.deepEqual(await headsOf(after), before, "there was nothing to take in");
    for (const key of ["b", "c"]) await after.set(key, "2");
    await Shipper.of(context, engine).ship();
    const own = (await headsOf(after)).find((head) => head.lineage === lineage);
    assert.deepEqual([own?.start, own?.version, own?.gaps], [4, 5, []]);
    for (let version = 1; version <= 5; version++) {
      const expected = version > 3 ? after.states.get(version) : house.states.get(version);
      assert.deepEqual((await after.restore({ lineage, at: { version } })).contents, expected, `version ${version}`);
    }
  });
});

describe("a history that left another one", () => {
  it("has nothing of what came behind in the other, though the same object of log holds it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    for (const key of ["b", "c", "d"]) await house.set(key, "of the first");
    await house.backup({ type: "incremental" });
    const fork = await forkAt(house, 2);
    const states = new Map<number, Contents>();
    for (const key of ["x", "y", "z"]) {
      await write(fork, (batch) => put(batch, 0, key, { value: "of the second" }));
      states.set(fork.visibleVersion, dump(fork, true));
    }
    await house.backup({ type: "snapshot" }, fork);
    for (const [version, state] of states) {
      const { contents } = await house.restore({ lineage: fork.lineage, at: { version } });
      assert.deepEqual(contents, state, `version ${version}`);
    }
    assert.deepEqual(
      (await house.restore({ lineage: fork.lineage, at: { version: 2 } })).contents,
      house.states.get(2),
    );
    await fork.close();
  });

  it("is not taken for a copy of the other where a backup without its log stands, though the other's log goes on there", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "of-the-first", type: "full" });
    for (const key of ["b", "c", "d"]) {
      house.time.now += 1000;
      await house.set(key, "of the first");
    }
    await house.backup({ type: "incremental" });
    const fork = await forkAt(house, 2);
    await write(fork, (batch) => put(batch, 0, "x", { value: "of the second" }));
    const contents = dump(fork, true);
    await fork.compact();
    await write(fork, (batch) => put(batch, 0, "y", { value: "of the second" }));
    const { id, version } = await house.backup({ type: "full", excludeLog: true }, fork);
    assert.equal(version, 3);
    await house.store.delete(backupKey("of-the-first")); // It would be the way out.
    for (const options of [{ backupId: id }, { lineage: fork.lineage, at: { version: 3 } }]) {
      assert.deepEqual((await house.restore(options)).contents, contents);
    }
    assert.deepEqual((await house.restore({ lineage: fork.lineage })).contents, dump(fork, true));
    await fork.close();
  });

  it("knows nothing of the times between the fork and its own first backup, however long the other went on", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await house.set("b", "of the first");
    await house.backup({ type: "incremental" });
    const at = house.time.now;
    const forkedAt = house.engine.visibleTimestamp;
    const fork = await forkAt(house, 2, { historyBytes: 0 });
    await writeWithoutLog(house, fork, "of the second");
    await house.backup({ type: "full" }, fork);
    house.time.now += 1000;
    await house.backup({ type: "incremental" });
    await assert.rejects(house.restore({ lineage: fork.lineage, at: at + 1500 }), GapError);
    // A commit of the same millisecond as the one at the fork may be lost.
    await assert.rejects(house.restore({ lineage: fork.lineage, at: forkedAt }), GapError);
    await assert.rejects(house.restore({ lineage: fork.lineage, at: { version: 3 } }), GapError);
    const { info } = await house.restore({ lineage: fork.lineage, at: at + 2000 });
    assert.equal(info.achieved.version, 4);
    await fork.close();
  });

  it("knows nothing of them from the history before that, which knows how long nothing came in itself", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    const second = await forkAt(house, 1);
    house.time.now += 1000;
    await write(second, (batch) => put(batch, 0, "b", { value: "of the second" }));
    await house.backup({}, second);
    await write(second, (batch) => put(batch, 0, "c", { value: "of the second" }));
    await house.backup({ type: "incremental" }, second);
    const at = house.time.now;
    const { lineage } = second;
    await second.close();
    await restoreTo(house.fs, settingsOf({ clock: house.time.clock }), house.handle, "/third", {
      lineage,
      at: { version: 3 },
    });
    const third = await openAt(house.fs, "/third", { clock: house.time.clock, historyBytes: 0 });
    await writeWithoutLog(house, third, "of the third");
    await house.backup({ type: "full" }, third);
    house.time.now += 1000;
    await house.backup({ type: "full" });
    await assert.rejects(house.restore({ lineage: third.lineage, at: at + 1500 }), GapError);
    const { info } = await house.restore({ lineage: third.lineage, at: at + 2000 });
    assert.equal(info.achieved.version, 5);
    await third.close();
  });
});

describe("a copy that was never written to", () => {
  it("is backed up as it stands, and not as far as its original is archived", async () => {
    const house = await House.make();
    for (const key of ["a", "b", "c"]) await house.set(key, key);
    await house.backup({ type: "full" });
    await house.set("d", "d");
    await house.backup({ type: "incremental" });
    const settings = settingsOf({ clock: house.time.clock });
    await restoreTo(house.fs, settings, house.handle, "/behind", { at: { version: 3 } });
    const behind = await openAt(house.fs, "/behind", { clock: house.time.clock });
    for (const type of ["auto", "incremental"] as const) {
      const { id, version } = await house.backup({ type }, behind);
      assert.equal(version, 3);
      assert.deepEqual((await house.restore({ backupId: id })).contents, dump(behind, true));
    }
    await behind.close();
  });

  it("is backed up as it stands, where its original is not archived as far", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await house.backup({ type: "full" });
    await house.set("b", "b");
    await exportDatabase(house.engine, "/exported");
    const copy = await openAt(house.fs, "/exported", { clock: house.time.clock });
    for (const type of ["auto", "incremental"] as const) {
      const { id, version } = await house.backup({ type }, copy);
      assert.equal(version, 2);
      assert.deepEqual((await house.restore({ backupId: id })).contents, dump(copy, true));
    }
    await copy.close();
    // The original goes on as if there had been no copy.
    await house.set("c", "c");
    const { id } = await house.backup({ type: "incremental" });
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(3));
  });

  it("does not vouch for its last millisecond, in which its original may have written on", async () => {
    const house = await House.make();
    for (const key of ["a", "b"]) await house.set(key, key);
    const at = house.engine.visibleTimestamp;
    const copy = await exported(house);
    house.time.now = at;
    await house.set("c", "c");
    assert.equal(house.engine.visibleTimestamp, at);
    house.time.now += 1000;
    for (const type of ["full", "incremental"] as const) {
      const { id } = await house.backup({ type }, copy);
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(2));
      await assert.rejects(house.restore({ at }), GapError);
      assert.equal((await house.points())[0]!.coveredUntil, at - 1);
    }
    // By what a backup says of its version a repair makes a lost head anew.
    const { id } = await house.backup({ prefix: "a" }, copy);
    assert.equal((await readBackup(house.context, id))!.coveredUntil, at - 1);
    await copy.close();
  });

  it("leaves the head to its original, however it is replicated and backed up", async () => {
    const house = await House.make();
    await house.set("a", "a");
    const original = await house.replicate();
    await original.flush();
    const copy = await exported(house);
    const before = await headsOf(house);
    const second = await house.replicate({}, copy);
    await second.flush();
    for (const type of ["full", "snapshot", "incremental"] as const) await house.backup({ type }, copy);
    await second.stop();
    assert.deepEqual(await headsOf(house), before);
    await house.set("b", "b");
    await original.flush();
    const [head] = await headsOf(house);
    assert.deepEqual([head!.version, head!.epoch, head!.writer], [2, before[0]!.epoch, before[0]!.writer]);
    assert.deepEqual((await house.restore()).contents, house.states.get(2));
    await original.stop();
    await copy.close();
  });

  it("begins no head for its original, which begins it", async () => {
    const house = await House.make();
    await house.set("a", "a");
    const copy = await exported(house);
    const second = await house.replicate({}, copy);
    await second.flush();
    await second.stop();
    assert.deepEqual(await headsOf(house), []);
    await house.backup();
    await house.set("b", "b");
    await house.backup();
    assert.deepEqual((await headsOf(house)).map(({ version }) => version), [2]);
    assert.deepEqual((await house.restore()).contents, house.states.get(2));
    await copy.close();
  });

  it("is backed up though the head of its original is lost, which its original is told of", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await house.backup();
    await house.set("b", "b");
    await house.backup();
    const copy = await exported(house);
    const { id, lineage } = house.engine;
    await house.store.delete(headKey(id, lineage));
    for (const type of ["full", "snapshot"] as const) {
      const made = await house.backup({ type }, copy);
      assert.deepEqual((await house.restore({ backupId: made.id })).contents, house.states.get(2));
    }
    await Shipper.of(house.context, house.engine).detach();
    await assert.rejects(house.backup(), /its head is lost, and log that it counted is there; run repair/);
    assert.deepEqual(await headsOf(house), []);
    await copy.close();
  });

  it("leaves the rest for its original to archive, without a slot and with one at where it stands", async () => {
    const { house, original } = await replicatedToFirst();
    const copy = await exported(house);
    const before = await headsOf(house);
    await Shipper.of(house.context, copy).ship();
    assert.deepEqual(await headsOf(house), before);
    const second = await house.replicate({}, copy);
    await second.flush();
    assert.deepEqual(await headsOf(house), before);
    await second.stop();
    await original.stop();
    await copy.close();
  });

  it("goes on behind the fork once it was written to, and has no gap where its original has archived less", async () => {
    const { house, original } = await replicatedToFirst();
    await house.engine.compact();
    const copy = await exported(house);
    const second = await house.replicate({}, copy);
    await second.flush();
    await write(copy, (batch) => put(batch, 0, "own", { value: "of the copy" }));
    assert.equal((await Shipper.of(house.context, copy).ship()).gap, undefined);
    const heads = (await headsOf(house)).map(({ lineage, start, version }) => [lineage, start, version]);
    assert.deepEqual(heads.find(([lineage]) => lineage === copy.lineage), [copy.lineage, 4, 4]);
    assert.deepEqual((await house.restore({ lineage: copy.lineage })).contents, dump(copy, true));
    await second.stop();
    await original.stop();
    await copy.close();
  });

  it("archives what its original has not yet, which goes on behind that", async () => {
    const { house, original } = await replicatedToFirst();
    const copy = await exported(house);
    await house.backup({ type: "snapshot", excludeLog: true }, copy);
    const [head] = await headsOf(house);
    assert.equal(head!.version, 3, "the copy archived up to where it stands");
    await house.backup();
    await house.set("d", "d");
    await original.flush();
    assert.deepEqual((await headsOf(house)).map(({ lineage, version }) => [lineage, version]), [[head!.lineage, 4]]);
    for (const [version, contents] of house.states) {
      if (version > 0) assert.deepEqual((await house.restore({ at: { version } })).contents, contents);
    }
    await original.stop();
    await copy.close();
  });

  it("notes no gap in the history of its original, whose log it does not have", async () => {
    const { house, original } = await replicatedToFirst();
    // The copy takes along what is in no table.
    await house.engine.compact();
    await house.set("d", "d");
    const copy = await exported(house);
    house.time.now += 1000;
    await house.set("e", "e");
    const at = house.time.now;
    house.time.now += 1000;
    const before = await headsOf(house);
    const { gap } = await Shipper.of(house.context, copy).ship();
    assert.deepEqual(gap, { from: 2, to: 4 }, "and is told of it");
    for (const type of ["full", "snapshot"] as const) {
      const { id, version } = await house.backup({ type, excludeLog: true }, copy);
      assert.equal(version, 3);
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(3));
    }
    const second = await house.replicate({}, copy);
    await second.flush();
    await second.stop();
    assert.deepEqual(await headsOf(house), before);
    await assert.rejects(house.restore({ at }), GapError, "the time of a commit that is not archived yet");
    await original.flush();
    for (let version = 1; version <= 5; version++) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    for (const key of ["x", "y"]) await write(copy, (batch) => put(batch, 0, key, { value: "of the copy" }));
    await house.backup({}, copy);
    assert.deepEqual((await house.restore({ lineage: copy.lineage })).contents, dump(copy, true));
    await original.stop();
    await copy.close();
  });

  it("begins a head of its own with the first shipment after it was written to", async () => {
    const { house, copy, original } = await behindOriginal();
    const shipper = Shipper.of(house.context, copy);
    await shipper.ship();
    await write(copy, (batch) => put(batch, 0, "own", { value: "of the copy" }));
    await shipper.ship();
    const heads = (await headsOf(house)).map((head) => [head.lineage, head.version, head.start]);
    assert.deepEqual(heads, [[house.engine.lineage, 3, 2], [copy.lineage, 2, 2]]);
    await original.stop();
    await copy.close();
  });

  it("waits for what was written to it, and does not take what its original has archived for that", async () => {
    const { house, copy, original } = await behindOriginal();
    const second = await house.replicate({}, copy);
    await write(copy, (batch) => put(batch, 0, "own", { value: "of the copy" }));
    assert.notEqual(second.status().lagVersions, 0);
    await second.flush();
    assert.equal(second.status().lagVersions, 0);
    const { lineage } = copy;
    assert.deepEqual((await house.restore({ lineage })).contents, dump(copy, true));
    await house.set("d", "d");
    await original.flush();
    assert.deepEqual((await house.restore({ lineage: house.engine.lineage })).contents, house.states.get(4));
    await second.stop();
    await original.stop();
    await copy.close();
  });
});

for (const own of [false, true]) {
  describe(
    own ? "a copy that began a history, with no commit yet" : "a copy in a history that nobody archived yet",
    () => {
      /** A copy at version 2, as its original is, of which nothing behind the fork at version 1 is archived. */
      async function notArchived(): Promise<{ house: House; copy: Engine }> {
        const house = await House.make();
        await house.set("a", "a");
        await house.backup();
        await house.engine.close();
        house.engine = await forkAt(house, 1);
        await house.set("b", "b");
        const copy = await exported(house);
        if (own) await copy.compact();
        return { house, copy };
      }

      /** Closes a copy and opens it again; slots move lazily. */
      async function again(house: House, copy: Engine): Promise<Engine> {
        await copy.setSlot({ ...copy.slots()[0]!, version: 1 });
        await copy.close();
        return await openAt(house.fs, "/exported", { clock: house.time.clock, historyBytes: 0 });
      }

      it("archives the rest up to where it stands, and says nothing of what its original did since", async () => {
        const made = await notArchived();
        const { house } = made;
        house.time.now += 1000;
        await house.set("c", "c");
        const at = house.time.now;
        house.time.now += 1000;
        await house.backup({}, made.copy);
        const copy = await again(house, made.copy);
        const replication = await house.replicate({ heartbeat: 60_000 }, copy);
        await house.time.advance(120_000, () => replication.flush());
        await replication.stop();
        const { lineage } = house.engine;
        assert.deepEqual((await headsOf(house)).map((head) => [head.lineage, head.version])[1], [lineage, 2]);
        assert.deepEqual((await house.restore({ lineage, at: { version: 2 } })).contents, house.states.get(2));
        await assert.rejects(house.restore({ lineage, at }), GapError, "the time of a commit that is not archived yet");
        await house.backup();
        assert.deepEqual((await house.restore({ lineage, at })).contents, house.states.get(3));
        await copy.close();
      });

      it("keeps the log of its own commits, however far its original is archived", async () => {
        const made = await notArchived();
        const { house } = made;
        await house.backup({}, made.copy);
        for (const key of ["c", "d", "e"]) await house.set(key, "of the original");
        await house.backup();
        const copy = await again(house, made.copy);
        await house.backup({}, copy);
        assert.ok(copy.slots()[0]!.version <= 2, "the slot is ahead of the copy");
        const states = new Map<number, Contents>();
        for (const key of ["x", "y"]) {
          await write(copy, (batch) => put(batch, 0, key, { value: "of the copy" }));
          states.set(copy.visibleVersion, dump(copy, true));
          await copy.compact();
        }
        await house.backup({}, copy);
        for (const [version, contents] of states) {
          assert.deepEqual((await house.restore({ lineage: copy.lineage, at: { version } })).contents, contents);
        }
        await copy.close();
      });

      it("archives for its original, whose first backup was cut off, and that goes on from there", async () => {
        for (let calls = 0; calls < 3; calls++) {
          const { house, copy } = await notArchived();
          await house.set("c", "c");
          const { context } = house;
          const { lineage } = house.engine;
          const at = ({ key }: { key: string }): boolean => key.includes(lineage) && calls-- === 0;
          const left = calls;
          house.context = await openOver(
            new FaultStore(house.store, { faults: [{ at, do: "die" }] }),
            house.time.clock,
          );
          await assert.rejects(house.backup());
          calls = left;
          house.context = context;
          house.time.now += LEASE_MS + 1;
          await reopen(house, "/fork");
          await write(copy, (batch) => put(batch, 0, "x", { value: "of the copy" }));
          await house.backup({}, copy);
          assert.deepEqual((await house.restore({ lineage: copy.lineage })).contents, dump(copy, true));
          await house.backup();
          assert.deepEqual((await house.restore({ lineage })).contents, house.states.get(3));
          await copy.close();
        }
      });

      it("is not overtaken by its original, which takes over the head that it began for it", async () => {
        const { house, copy } = await notArchived();
        const shipper = Shipper.of(house.context, copy);
        await ensureSlot(copy, house.context, shipper);
        await copy.setSlot({ ...copy.slots()[0]!, version: 1 });
        await shipper.ship();
        const { lineage } = house.engine;
        const writerOf = async (): Promise<string | undefined> =>
          (await headsOf(house)).find((head) => head.lineage === lineage)?.writer;
        const first = await writerOf();
        assert.notEqual(first, undefined);
        await house.set("c", "c");
        await house.backup();
        assert.notEqual(await writerOf(), first);
        await shipper.detach();
        await shipper.ship();
        await copy.close();
      });

      it("leaves the head to its original where all is archived, though its slot lags", async () => {
        const made = await notArchived();
        const { house } = made;
        await house.backup({}, made.copy);
        const original = await house.replicate();
        await original.flush();
        const { lineage } = house.engine;
        const theirs = async (): Promise<HeadDocument | undefined> =>
          (await headsOf(house)).find((head) => head.lineage === lineage);
        const before = await theirs();
        const copy = await again(house, made.copy);
        const second = await house.replicate({}, copy);
        await second.flush();
        await house.backup({}, copy);
        await second.stop();
        assert.deepEqual(await theirs(), before);
        await house.set("c", "c");
        await original.flush();
        assert.deepEqual((await house.restore({ lineage })).contents, house.states.get(3));
        await original.stop();
        await copy.close();
      });
    },
  );
}

describe("a copy of a database that another copy was archived instead of", () => {
  for (const [path, what] of [["/exported", "an export of it"], ["/other", "a reader of it"]] as const) {
    for (const archived of ["less", "as far", "further"]) {
      it(`is not taken for that where ${archived} is archived than it holds: ${what}`, async () => {
        const house = await twoThatWroteOn(false);
        house.time.now += 1000;
        for (const key of { less: [], "as far": ["c", "d"], further: ["c", "d", "e"] }[archived]!) {
          await house.set(key, key);
        }
        await house.backup();
        const copy = await openAt(house.fs, path, { clock: house.time.clock, readOnly: path === "/other" });
        const objects = await keysOf(house.store, "objects/");
        for (const type of ["auto", "full", "incremental"] as const) {
          await assert.rejects(house.backup({ type }, copy), LineageError);
        }
        assert.deepEqual(await keysOf(house.store, "objects/"), objects, "nothing of it was put");
        await copy.close();
        assert.equal((await listBackups(house.context)).length, 3);
      });
    }
  }

  for (const isFirst of [false, true]) {
    it(`does not take the place of a backup behind which the log begins, made ${isFirst ? "before" : "after"}`, async () => {
      const house = await House.make();
      await house.set("a", "a");
      await house.copyDirectory("/other");
      await house.set("b", "b");
      const other = await openAt(house.fs, "/other", { clock: house.time.clock });
      house.time.now -= 1000;
      await write(other, (batch) => put(batch, 0, "x", { value: "of the other" }));
      house.time.now += 1000;
      await other.close();
      const reader = await openAt(house.fs, "/other", { clock: house.time.clock, readOnly: true });
      if (isFirst) await house.backup({ id: "other" }, reader);
      await house.backup({ type: "full" });
      for (const key of ["c", "d"]) await house.set(key, key);
      await house.backup({ type: "incremental" });
      if (isFirst) {
        assert.deepEqual((await house.restore({ backupId: "other" })).contents, dump(reader, true));
      } else {
        await assert.rejects(house.backup({ type: "full" }, reader), LineageError);
      }
      for (let version = 2; version <= 4; version++) {
        const { contents } = await house.restore({ at: { version } });
        assert.deepEqual(contents, house.states.get(version), `version ${version}`);
      }
      await reader.close();
    });
  }

  it("is nothing for the other to build on: a pruning would leave nothing that leads to what is built", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await house.backup({ type: "full" });
    await house.copyDirectory("/other");
    for (const key of ["b", "c", "d"]) await house.set(key, key);
    house.time.now += 1000;
    const other = await openAt(house.fs, "/other", { clock: house.time.clock });
    for (const key of ["x", "y"]) await write(other, (batch) => put(batch, 0, key, { value: "of the other" }));
    await other.close();
    const reader = await openAt(house.fs, "/other", { clock: house.time.clock, readOnly: true });
    const apart = await house.backup({ type: "full" }, reader);
    assert.equal(apart.version, 3);
    house.time.now += 1000;
    const { id, parentId } = await house.backup({ type: "incremental" });
    assert.notEqual(parentId, apart.id);
    for (const keepLast of [2, 1]) {
      house.time.now += LEASE_MS + 1;
      await prune(house, { keepLast });
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(4));
    }
    await reader.close();
  });

  describe("beside what leads to the other's log", () => {
    /** Archives commits of the one, each by itself. */
    async function archive(house: House, ...keys: string[]): Promise<void> {
      const replication = await house.replicate();
      for (const key of keys) {
        await house.set(key, key);
        await replication.flush();
      }
      await replication.stop();
    }

    /** Bases at versions 1 and 2 of the one, at 4 of the other by a reader, and the log of the one with commits of `keys` behind version 2. */
    async function besideOther(
      early: (house: House) => Promise<unknown>,
      ...keys: string[]
    ): Promise<{ house: House; other: Engine }> {
      const house = await House.make();
      await house.set("a", "a");
      await house.backup({ type: "full", id: "first" });
      await archive(house, "b");
      await house.backup({ type: "full", id: "second" });
      await house.copyDirectory("/other");
      house.time.now += 1000;
      const writer = await openAt(house.fs, "/other", { clock: house.time.clock });
      for (const key of ["x", "y"]) await write(writer, (batch) => put(batch, 0, key, { value: "of the other" }));
      await writer.close();
      const other = await openAt(house.fs, "/other", { clock: house.time.clock, readOnly: true });
      await house.backup({ type: "full", id: "other" }, other);
      await early(house);
      await archive(house, ...keys);
      house.time.now += LEASE_MS + 1;
      return { house, other };
    }

    const keptOf = ({ backups }: PruneReport): string[] => backups.filter(({ keep }) => keep).map(({ id }) => id);

    for (const [keepLast, ...keys] of [[1, "c", "d"], [2, "c", "d", "e"], [3, "c", "d", "e"]] as const) {
      it(`takes nobody's place in a pruning that keeps the last ${keepLast}`, async () => {
        const { house, other } = await besideOther(async (house) => {
          // Nothing tells it yet; that is not remembered.
          const kept = keptOf(await prune(house, { keepLast }, true));
          assert.deepEqual(kept, ["first", "second", "other"].slice(-keepLast));
        }, ...keys);
        assert.deepEqual(
          keptOf(await prune(house, { keepLast })),
          keepLast === 3 ? ["first", "second", "other"] : ["second", "other"],
        );
        const [from, to] = [keepLast === 3 ? 1 : 2, 2 + keys.length];
        assert.deepEqual((await house.points()).map(({ from, to }) => [from.version, to.version]), [[from, to]]);
        for (let version = from; version <= to; version++) {
          assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
        }
        assert.deepEqual((await house.restore({ backupId: "other" })).contents, dump(other, true));
        await other.close();
      });
    }

    it("is not what the one was at that version, though its log ends just there", async () => {
      const { house, other } = await besideOther(async () => {}, "c", "d");
      const time = house.engine.visibleTimestamp;
      for (const at of [undefined, time, { version: 4 }] as const) {
        const { contents } = await house.restore(at === undefined ? {} : { at });
        assert.deepEqual(contents, house.states.get(4), JSON.stringify(at));
      }
      assert.deepEqual((await house.restore({ backupId: "other" })).contents, dump(other, true));
      // Where nothing else leads there, it is refused and not taken for it.
      const refused = /Backup other of .* is of a copy .* another commit of version 4/;
      await assert.rejects(house.restore({ replayLog: false }), refused);
      const { contents } = await house.restore({ replayLog: false, allowEarlier: true });
      assert.deepEqual(contents, house.states.get(2));
      for (const id of ["first", "second"]) await house.store.delete(backupKey(id));
      await assert.rejects(house.restore({ at: { version: 4 } }), refused);
      await other.close();
    });

    it("is not what a backup needs whose parent is lost", async () => {
      const { house, other } = await besideOther(async () => {}, "c", "d", "e");
      const { type } = await house.backup({ type: "incremental", id: "last", parent: "second" });
      assert.equal(type, "incremental");
      await house.store.delete(backupKey("second"));
      assert.deepEqual(keptOf(await prune(house, { keepLast: 1 })), ["first", "last"]);
      assert.deepEqual((await house.restore({ backupId: "last" })).contents, house.states.get(5));
      await other.close();
    });
  });

  it("is no base of what the other builds on its own backups, where their base is lost", async () => {
    const house = await House.make();
    await house.set("a", "a");
    const first = await house.backup({ type: "full" });
    await house.copyDirectory("/other");
    for (const key of ["b", "c", "d"]) await house.set(key, key);
    house.time.now += 1000;
    const other = await openAt(house.fs, "/other", { clock: house.time.clock });
    for (const key of ["x", "y"]) await write(other, (batch) => put(batch, 0, key, { value: "of the other" }));
    await other.close();
    const reader = await openAt(house.fs, "/other", { clock: house.time.clock, readOnly: true });
    await house.backup({ type: "full" }, reader);
    await reader.close();
    assert.equal((await house.backup({ type: "incremental", parent: first.id })).type, "incremental");
    await house.store.delete(backupKey(first.id));
    await house.set("e", "e");
    const { id, type } = await house.backup({ type: "incremental" });
    assert.equal(type, "snapshot");
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(5));
  });

  it("is restored as it was, and never with the log of the other behind it", async () => {
    const house = await twoThatWroteOn(true);
    const copy = await openAt(house.fs, "/exported", { clock: house.time.clock });
    // Nothing that both have is left in its log.
    const { id, version } = await house.backup({}, copy);
    assert.equal(version, 4);
    house.time.now += 1000;
    for (const key of ["c", "d", "e"]) await house.set(key, key);
    await house.backup({ type: "incremental" });
    for (let version = 1; version <= 5; version++) {
      assert.deepEqual(
        (await house.restore({ at: { version } })).contents,
        house.states.get(version),
        `version ${version}`,
      );
    }
    assert.deepEqual((await house.restore()).contents, house.states.get(5));
    assert.deepEqual((await house.restore({ at: house.time.now, allowEarlier: true })).contents, house.states.get(5));
    assert.deepEqual((await house.restore({ backupId: id })).contents, dump(copy, true));
    await copy.close();
  });
});

describe("two copies of a directory that both wrote on", () => {
  /** Every point in time that the repository has is a state that one of them held. */
  async function assertNotMixed(house: House, ...held: Map<number, Contents>[]): Promise<void> {
    for (const { from, to } of await house.points()) {
      for (let version = from.version; version <= to.version; version++) {
        const { contents } = await house.restore({ at: { version } });
        const whole = held.map((states) => states.get(version)).filter((state) => state !== undefined);
        assert.ok(whole.some((state) => isDeepStrictEqual(state, contents)), `version ${version}`);
      }
    }
  }

  /** What a copy wrote, by version. */
  async function writeOn(copy: Engine, ...keys: string[]): Promise<Map<number, Contents>> {
    const states = new Map<number, Contents>();
    for (const key of keys) {
      await write(copy, (batch) => put(batch, 0, key, { value: "of the copy" }));
      states.set(copy.visibleVersion, dump(copy, true));
    }
    return states;
  }

  /** Both wrote on from version 1, in one lineage; the house's is archived up to version 3. */
  async function withCopy(): Promise<{ house: House; copy: Engine }> {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await house.set("a", "a");
    await house.copyDirectory("/other");
    for (const key of ["b", "c"]) await house.set(key, key);
    await house.backup({ type: "full" });
    house.time.now += 1000;
    return { house, copy: await openAt(house.fs, "/other", { clock: house.time.clock, historyBytes: 0 }) };
  }

  for (const type of ["full", "incremental", "snapshot"] as const) {
    it(`don't go on behind each other where one's log begins just there: ${type}`, async () => {
      const { house, copy } = await withCopy();
      await writeOn(copy, "w", "x");
      await copy.compact();
      const states = await writeOn(copy, "y", "z");
      const { id, version } = await house.backup({ type }, copy);
      assert.equal(version, 5);
      assert.deepEqual((await house.restore({ backupId: id })).contents, states.get(5));
      await assertNotMixed(house, house.states, states);
      // Its own history goes on from there, also without a base.
      await copy.close();
      const again = await openAt(house.fs, "/other", { clock: house.time.clock, historyBytes: 0 });
      const later = await writeOn(again, "q");
      assert.equal((await house.backup({ type: "incremental" }, again)).type, "incremental");
      await assertNotMixed(house, house.states, states, later);
      await assert.rejects(house.set("d", "d").then(() => house.backup()), LineageError);
      await again.close();
    });

    it(`don't go on behind each other where nothing but a first backup is there of the other: ${type}`, async () => {
      const { house, copy } = await withCopy();
      await writeOn(copy, "w", "x", "y");
      await assert.rejects(house.backup({ type }, copy), LineageError);
      await assertNotMixed(house, house.states);
      await copy.close();
    });

    it(`are told apart where both stand at the same version and its log is gone: ${type}`, async () => {
      const { house, copy } = await withCopy();
      await writeOn(copy, "w", "x");
      await copy.compact();
      await assert.rejects(house.backup({ type }, copy), LineageError);
      await copy.close();
    });
  }

  it("are told of by a replication that begins at a gap, with a base of its own", async () => {
    const { house, copy } = await withCopy();
    await writeOn(copy, "w", "x");
    await copy.compact();
    const states = await writeOn(copy, "y", "z");
    const events: string[] = [];
    const replication = await house.replicate({ onEvent: ({ type }) => events.push(type) }, copy);
    await replication.flush();
    const later = await writeOn(copy, "q");
    await replication.flush();
    assert.equal(replication.status().gaps, 1);
    await until(() => events.includes("base"));
    await replication.stop();
    assert.deepEqual([events[0], ...events.slice(1).sort()], ["gap", "base", "shipped", "stopped"]);
    await assertNotMixed(house, house.states, states, later);
    assert.deepEqual((await house.restore({ at: { version: 6 } })).contents, later.get(6));
    await copy.close();
  });

  it("don't go on behind each other through an export of one, backed up without its log at first", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await house.backup({ type: "full" });
    await house.copyDirectory("/other");
    for (const key of ["b", "c"]) await house.set(key, key);
    await house.backup({ type: "incremental" });
    house.time.now += 1000;
    const copy = await openAt(house.fs, "/other", { clock: house.time.clock, historyBytes: 0, archiveBytes: 0 });
    await writeOn(copy, "w", "x");
    await copy.compact();
    const states = await writeOn(copy, "y", "z");
    await exportDatabase(copy, "/exported");
    await copy.close();
    const exported = await openAt(house.fs, "/exported", { clock: house.time.clock });
    await house.backup({ type: "full", excludeLog: true }, exported);
    const { id } = await house.backup({}, exported);
    assert.deepEqual((await house.restore({ backupId: id })).contents, states.get(5));
    for (const key of ["d", "e"]) await house.set(key, key);
    await house.backup({ type: "incremental" });
    for (let version = 1; version <= 4; version++) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    await exported.close();
  });
});

describe("a database that has lost commits which are archived", () => {
  it("is told so, and the head stays where it is", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.copyDirectory("/older");
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.backup();
    const before = await headsOf(house);
    const older = await openAt(house.fs, "/older", { clock: house.time.clock });
    for (const type of ["full", "auto"] as const) {
      await assert.rejects(
        house.backup({ type }, older),
        (error: LineageError) =>
          error instanceof LineageError && /stands at version 1, .* up to version 3/.test(error.message),
      );
    }
    assert.deepEqual(await headsOf(house), before);
    await older.close();
  });
});

describe("a copy that began a history of its own and has no commit in it", () => {
  for (const part of [{ type: "full" }, { prefix: "a" }] as const) {
    it(`is backed up under its parent's lineage${"prefix" in part ? ", also a part of it" : ""}`, async () => {
      const house = await House.make();
      for (const key of ["a", "b"]) await house.set(key, key);
      await house.backup({ id: "of-the-original" });
      const copy = await exported(house);
      await copy.compact();
      assert.deepEqual(copy.meta.parents, [{ lineage: house.engine.lineage, version: 2 }]);
      assert.equal(copy.visibleVersion, 2);
      const { lineage } = await house.backup({ id: "of-the-copy", ...part }, copy);
      assert.equal(lineage, house.engine.lineage);
      const listed = await listBackups(house.context, { lineage });
      assert.deepEqual(listed.map(({ id }) => id).sort(), ["of-the-copy", "of-the-original"]);
      const { contents } = await house.restore({ backupId: "of-the-copy" });
      assert.ok(":a" in contents);
      await copy.close();
    });
  }

  it("is backed up where the first shipment of what it was copied from was cut off", async () => {
    const house = await House.make();
    for (const key of ["a", "b"]) await house.set(key, key);
    await house.backup();
    const first = await exported(house);
    await first.compact();
    await exportDatabase(first, "/second");
    const second = await openAt(house.fs, "/second", { clock: house.time.clock });
    assert.equal(second.lineage, first.lineage);
    await write(first, (batch) => put(batch, 0, "c", { value: "c" }));
    await Shipper.of(house.context, first).claim();
    const { id, version } = await house.backup({ type: "full" }, second);
    assert.equal(version, 2);
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(2));
    await house.backup({}, first);
    assert.deepEqual((await house.restore({ lineage: first.lineage })).contents, dump(first, true));
    await first.close();
    await second.close();
  });

  it("is backed up so without its log as well, once it has commits that are in the log alone", async () => {
    const house = await House.make();
    for (const key of ["a", "b"]) await house.set(key, key);
    await house.backup();
    const copy = await exported(house);
    await copy.compact();
    await write(copy, (batch) => put(batch, 0, "c", { value: "in the log" }));
    const { lineage, version } = await house.backup({ id: "without-log", type: "full", excludeLog: true }, copy);
    assert.deepEqual([lineage, version, copy.visibleVersion], [house.engine.lineage, 2, 3]);
    await house.backup({ id: "later" }, copy);
    const { contents } = await house.restore({ backupId: "without-log" });
    assert.deepEqual(contents, house.states.get(2));
    await copy.close();
  });
});
