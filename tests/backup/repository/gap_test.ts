/** The state just before a gap: it is found by its own version and time, neither refused nor taken for another. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { GapError } from "../../../lib/base/errors.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver, rangesOf, restored } from "./copy_fixture.ts";
import { repair } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { Gate, keysOf, prune } from "./prune_fixture.ts";

const SECOND = 1000;

/** Ships log, and is cut off before the head counts it. */
async function shipWithoutHead(house: House): Promise<void> {
  const store = new FaultStore(house.store, {
    faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith("heads/"), do: "die" }],
  });
  await assert.rejects(Shipper.of({ ...house.context, store }, house.engine).ship());
  assert.equal((await keysOf(house.store, "log/")).length, 2);
}

describe("the state just before a gap", () => {
  for (const left of ["nothing", "an object that no head counts"]) {
    it(`is told with the time of its last commit, where ${left} is left of the log in the gap`, async () => {
      const house = await House.make({ engine: { historyBytes: 0, archiveBytes: 0 } });
      await house.set("a", "1");
      await house.backup();
      house.time.now += 10 * SECOND;
      const at = house.time.now;
      await house.set("b", "2");
      house.time.now += 10 * SECOND;
      // Nothing has come for ten seconds, says the head.
      await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
      house.time.now += 10 * SECOND;
      for (const key of ["c", "d"]) await house.set(key, "3");
      if (left !== "nothing") await shipWithoutHead(house);
      await house.engine.compact();
      await house.backup();
      await house.set("e", "4");
      await house.backup();
      const [before, behind, ...others] = await house.points();
      assert.deepEqual([before!.to, before!.coveredUntil], [{ version: 2, timestamp: at }, at + 10 * SECOND - 1]);
      assert.deepEqual([behind!.from.version, behind!.to.version, others], [4, 5, []]);
      for (const wanted of [{ version: 2 }, at, before!.coveredUntil]) {
        const { info, contents } = await house.restore({ at: wanted });
        assert.deepEqual([info.achieved.version, info.achieved.timestamp], [2, at]);
        assert.deepEqual(contents, house.states.get(2));
      }
      assert.equal((await house.restore({ at: at - 1 })).info.achieved.version, 1);
      await assert.rejects(house.restore({ at: before!.coveredUntil + 1 }), GapError);
    });
  }

  it("is told in a copy of the repository as in the repository, where pruned log makes the gap", async () => {
    const house = await House.make();
    const to = await openOver(new MemoryStore(), house.time.clock);
    const times: number[] = [0];
    const commit = async (type: "full" | "incremental" | "snapshot"): Promise<void> => {
      house.time.now += 10 * SECOND;
      times.push(house.time.now);
      const version = await house.set("key", `value ${times.length}`);
      house.time.now += SECOND;
      await house.backup({ id: `at-${version}`, type });
    };
    for (const type of ["full", "incremental"] as const) await commit(type);
    await copyRepository(house.context, to, {});
    for (let version = 3; version <= 6; version++) await commit("incremental");
    for (const type of ["snapshot", "incremental"] as const) await commit(type);
    await pinBackup(house.context, "at-4");
    await prune(house, { keepLast: 1 });
    // There the head was at version 2; it gets versions 3 to 4 and 8, and notes that 5 to 7 are missing.
    await copyRepository(house.context, to, {});
    const ranges = await rangesOf(house.context);
    assert.deepEqual(ranges.map(({ from, to }) => [from.version, to.version]), [[1, 4], [7, 8]]);
    assert.deepEqual(await rangesOf(to), ranges);
    assert.deepEqual(ranges[0]!.to, { version: 4, timestamp: times[4] });
    for (const wanted of [{ version: 4 }, times[4]!, ranges[0]!.coveredUntil]) {
      const { version, contents } = await restored(to, { at: wanted });
      assert.equal(version, 4);
      assert.deepEqual(contents, house.states.get(4));
    }
    assert.equal((await restored(to, { at: times[4]! - 1 })).version, 3);
    await assert.rejects(restored(to, { at: ranges[0]!.coveredUntil + 1 }), GapError);
  });
});

/** Versions 3 and 4 are of the same millisecond and lie in two objects of log; version 5 is in a third. */
async function twoOfOneTime(): Promise<{ house: House; at: number; log: string[] }> {
  const gate = new Gate(new MemoryStore());
  const house = await House.make({ store: gate.store });
  await house.set("a", "1");
  await house.backup();
  await house.set("b", "2");
  house.time.now += SECOND;
  const at = house.time.now;
  const shipper = Shipper.of(house.context, house.engine);
  await shipper.detach();
  const reading = gate.hold((operation, key) => operation === "get" && key.startsWith("heads/"));
  const shipped = shipper.ship();
  await reading;
  await house.set("c", "3");
  gate.open();
  await gate.hold((operation, key) => operation === "put" && key.startsWith("log/"));
  await house.set("d", "4");
  gate.open();
  await shipped;
  assert.equal(house.engine.visibleTimestamp, at);
  assert.equal(shipper.head?.version, 3);
  await shipper.ship();
  await house.set("e", "5");
  await shipper.ship();
  return { house, at, log: await keysOf(house.store, "log/") };
}

describe("a commit of the same millisecond as the last one before a gap", () => {
  it("may be in the gap, so that the state at that time is not known after a repair", async () => {
    const { house, at, log } = await twoOfOneTime();
    await house.store.delete(log[1]!);
    await repair(house.context);
    await assert.rejects(house.restore({ at }), GapError);
    assert.deepEqual((await house.restore({ at: at - 1 })).contents, house.states.get(2));
    assert.deepEqual((await house.restore({ at: { version: 3 } })).contents, house.states.get(3));
    assert.deepEqual((await house.points())[0]!.to, { version: 3, timestamp: at });
  });

  it("may be lost behind a head that was made anew, so that the state at that time is not known", async () => {
    const { house, at, log } = await twoOfOneTime();
    for (const key of [...log.slice(1), ...await keysOf(house.store, "heads/")]) await house.store.delete(key);
    await repair(house.context);
    await assert.rejects(house.restore({ at }), GapError);
    assert.deepEqual((await house.restore({ at: at - 1 })).contents, house.states.get(2));
    assert.deepEqual((await house.restore()).contents, house.states.get(3));
  });
});
