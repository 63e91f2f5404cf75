/** A history that left another one, whose log behind that place a pruning takes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreTo } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { headKey, pinKey } from "../../../lib/backup/repository/core/layout.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import type { RecoveryRange } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import type { Engine } from "../../../lib/engine/types.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { verify } from "./damage_fixture.ts";
import { type Contents, House } from "./house.ts";
import { DAY, keysOf, prune } from "./prune_fixture.ts";

/** A base at version 1, log to 4, more log and a base far behind; another history left at version 3, in the midst of an object. */
async function forked(): Promise<{ house: House; fork: Engine; states: Map<number, Contents> }> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "base", type: "full" });
  for (const key of ["b", "c", "d"]) await house.set(key, "of the first");
  await house.backup({ id: "second", type: "incremental" });
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 3 } });
  const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
  const states = new Map([2, 3].map((version) => [version, house.states.get(version)!]));
  for (const key of ["x", "y"]) {
    await write(fork, (batch) => put(batch, 0, key, { value: "of the fork" }));
    states.set(fork.visibleVersion, dump(fork, true));
  }
  await Shipper.of(house.context, fork).ship();
  for (const key of ["e", "f"]) await house.set(key, "of the first");
  await house.backup({ id: "third", type: "incremental" });
  await house.set("g", "of the first");
  await house.backup({ id: "newest", type: "full" });
  return { house, fork, states };
}

/** What of one history restores. */
async function pointsOf(house: House, { lineage }: Engine): Promise<RecoveryRange[]> {
  return (await house.points()).filter((range) => range.lineage === lineage);
}

/** Puts log beside that of the fork's place, as a shipment leaves that was cut off, and goes on with more. */
async function putBeside({ engine, store }: House): Promise<void> {
  const [held] = await keysOf(store, `log/${engine.id}/${engine.lineage}/`);
  const beside = held!.replace(/4-[0-9a-f]{64}$/, `5-${"0".repeat(64)}`);
  assert.notEqual(beside, held);
  await store.put(beside, new Uint8Array(100));
}

/** Days later the fork goes on, and gets a base of its own; gives its points. */
async function backedUpLater(house: House, fork: Engine, states: Map<number, Contents>): Promise<RecoveryRange[]> {
  await house.time.advance(2 * DAY);
  for (const key of ["z", "w"]) {
    await write(fork, (batch) => put(batch, 0, key, { value: "of the fork" }));
    states.set(fork.visibleVersion, dump(fork, true));
  }
  await house.backup({ id: "of-the-fork", type: "full" }, fork);
  const ranges = await pointsOf(house, fork);
  assert.deepEqual(ranges.map(({ from, to }) => [from.version, to.version]), [[1, 7]]);
  return ranges;
}

/** Keeps the last commits of the fork, which only log leads to from before it. */
const KEEP_FORK = { keepLast: 1, keepWithin: "1d" } as const;

async function assertForkRestores(
  house: House,
  { lineage }: Engine,
  states: ReadonlyMap<number, Contents>,
): Promise<void> {
  for (const [version, state] of states) {
    const { contents } = await house.restore({ lineage, at: { version } });
    assert.deepEqual(contents, state, `version ${version}`);
  }
}

const BEHIND = "a pruning that takes log behind the place where another history left it";

describe(BEHIND, () => {
  it("leaves the points in time of that other one, as do the next and a copy", async () => {
    const { house, fork, states } = await forked();
    const ranges = await pointsOf(house, fork);
    assert.deepEqual(ranges.map(({ from, to }) => [from.version, to.version]), [[1, 5]]);
    const { logObjects, points } = await prune(house, { keepLast: 1 });
    assert.equal(logObjects, 2);
    assert.deepEqual(points.after.filter(({ lineage }) => lineage === fork.lineage), ranges);
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    await prune(house, { keepLast: 1 });
    await assertForkRestores(house, fork, states);
    assert.deepEqual((await verify(house.context)).problems, []);
    const other = await House.make();
    for (let i = 0; i < 2; i++) await copyRepository(house.context, other.context, {});
    assert.deepEqual(await pointsOf(other, fork), ranges);
    await assertForkRestores(other, fork, states);
    await fork.close();
  });

  it("leaves a repository whose head, when it is lost, is made anew at the end of the log all the same", async () => {
    const { house, fork, states } = await forked();
    for (const key of ["h", "i"]) await house.set(key, "of the first");
    await Shipper.of(house.context, house.engine).ship();
    await prune(house, { keepLast: 1 });
    const ranges = await house.points();
    const { id, lineage } = house.engine;
    await house.store.delete(headKey(id, lineage));
    const { lostPoints } = await repairRepository(house.context, { dryRun: false });
    assert.deepEqual(lostPoints, []);
    const newest = (all: RecoveryRange[]): number[] => all.map(({ to }) => to.version).slice(-1);
    assert.deepEqual(newest(await house.points()), newest(ranges));
    await house.set("j", "of the first");
    await house.backup({ type: "incremental" });
    assert.deepEqual((await house.restore({ lineage })).contents, house.states.get(10));
    await assertForkRestores(house, fork, states);
    await fork.close();
  });

  it("leaves the log up to the head where two objects hold that place, for nothing else tells which is meant", async () => {
    const { house, fork, states } = await forked();
    const [before] = await keysOf(house.store, `log/${house.engine.id}/${house.engine.lineage}/`);
    const beside = before!.replace(/4-[0-9a-f]{64}$/, `5-${"0".repeat(64)}`);
    assert.notEqual(beside, before);
    await house.store.put(beside, new Uint8Array(100));
    const ranges = await pointsOf(house, fork);
    const { logObjects, log } = await prune(house, { keepLast: 1 });
    assert.equal(logObjects, 0);
    assert.ok(log.every(({ keep }) => keep));
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    await house.store.delete(beside);
    assert.equal((await prune(house, { keepLast: 1 })).logObjects, 2);
    await assertForkRestores(house, fork, states);
    await fork.close();
  });

  it("leaves that log too for points that a policy keeps, where the other one has a base of its own behind them", async () => {
    const { house, fork, states } = await forked();
    await putBeside(house);
    const ranges = await backedUpLater(house, fork, states);
    await prune(house, KEEP_FORK);
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    // Once no policy wants them that log goes.
    assert.ok((await prune(house, { keepLast: 1 })).logObjects > 2);
    await fork.close();
  });

  it("leaves the backup by which alone it is known what is meant there, for points that a policy keeps", async () => {
    const { house, fork, states } = await forked();
    await house.store.put(pinKey("second"), new Uint8Array(0));
    await prune(house, { keepLast: 1 });
    await house.store.delete(pinKey("second"));
    await putBeside(house);
    const ranges = await backedUpLater(house, fork, states);
    for (const dryRun of [true, false]) {
      const { backups, points } = await prune(house, KEEP_FORK, dryRun);
      const second = backups.find(({ id }) => id === "second");
      assert.ok(second?.keep && /alone/.test(`${second.reasons}`));
      assert.deepEqual(points.after.filter(({ lineage }) => lineage === fork.lineage), ranges);
    }
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    const { backups } = await prune(house, { keepLast: 1 });
    assert.equal(backups.find(({ id }) => id === "second")?.keep, false);
    await fork.close();
  });

  it("leaves them where what was merged lies beside a part of it, which ends alike", async () => {
    const { house, fork, states } = await forked();
    const ranges = await pointsOf(house, fork);
    await prune(house, { keepLast: 1 });
    const [held] = await keysOf(house.store, `log/${house.engine.id}/${house.engine.lineage}/`);
    const beside = held!.replace(/2-([0-9]{16}-[0-9a-f]{64})$/, "3-$1");
    assert.notEqual(beside, held);
    await house.store.put(beside, new Uint8Array(100));
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    await fork.close();
  });

  it("leaves them where a backup behind that place vouches for one of two objects that hold it", async () => {
    const { house, fork, states } = await forked();
    const ranges = await pointsOf(house, fork);
    await house.store.put(pinKey("second"), new Uint8Array(0));
    await prune(house, { keepLast: 1 });
    const [held] = await keysOf(house.store, `log/${house.engine.id}/${house.engine.lineage}/`);
    const beside = held!.replace(/4-[0-9a-f]{64}$/, `5-${"0".repeat(64)}`);
    await house.store.put(beside, new Uint8Array(100));
    assert.deepEqual(await pointsOf(house, fork), ranges);
    await assertForkRestores(house, fork, states);
    await fork.close();
  });
});
