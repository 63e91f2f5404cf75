/** Gaps in a head that copies of chosen backups leave: filled by log that comes later, in part too, on either side. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineageError } from "../../../lib/base/errors.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { backupKey, headKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { dump } from "../fixture.ts";
import { assertBackupsRestore, assertSamePoints, openOver, rangesOf, type Source } from "./copy_fixture.ts";
import { repair, verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { assertAllRestore, prune } from "./prune_fixture.ts";

const gapsOf = async (context: RepositoryContext): Promise<[number, number][]> =>
  (await readHeads(context))[0]!.gaps.map(({ from, to }) => [from, to]);

describe("a gap that a copy of chosen backups left", () => {
  it("is closed in part by log that comes along, and closes no log off where that is there", async () => {
    const house = await House.make();
    const states: Source["states"] = new Map();
    const times = new Map<number, number>();
    const make = async (id: string): Promise<void> => {
      house.time.now += 1000;
      if (id.startsWith("inc")) await house.set(id, id);
      const { lineage, visibleVersion, visibleTimestamp } = house.engine;
      states.set(`${lineage}/${visibleVersion}`, dump(house.engine, true));
      times.set(visibleVersion, visibleTimestamp);
      await house.backup({ id, type: id.startsWith("inc") ? "incremental" : "snapshot" });
    };
    await house.set("a", "a");
    const ids = ["base-1", "inc-2", "inc-3", "inc-4", "base-4", "inc-5", "inc-6", "inc-7", "base-7", "inc-8"];
    for (const id of ids) await make(id);
    const [from, to] = [house.context, await openOver(new MemoryStore(), house.time.clock)];
    for (const id of ["inc-2", "inc-8"]) await copyRepository(from, to, { backups: [id] });
    assert.deepEqual(await gapsOf(to), [[3, 7]]);
    // As a pruning leaves it.
    for (const id of ids.slice(0, 4)) await house.store.delete(backupKey(id));
    for (const { key } of (await allKeys(house.store, PART.log)).slice(0, 3)) await house.store.delete(key);
    await copyRepository(from, to, { backups: ["inc-6"] });
    assert.deepEqual(await gapsOf(to), [[3, 4], [7, 7]]);
    await assertBackupsRestore(to, states);
    for (const range of await rangesOf(to)) {
      for (const { version, timestamp } of [range.from, range.to]) assert.equal(timestamp, times.get(version));
    }
    await copyRepository(to, from, {});
    await assertBackupsRestore(from, states);
    await copyRepository(from, to, {});
    await assertBackupsRestore(to, states);
    await assertSamePoints(from, to, states);
  });
});

describe("a gap that a repair noted in the source", () => {
  it("is none in a target that has the log, were it that a backup alone vouches for it which the source has lost", async () => {
    const house = await House.make();
    await house.set("a", "a");
    await house.backup({ id: "base", type: "full" });
    for (const id of ["inc-2", "inc-3"]) {
      await house.set(id, id);
      await house.backup({ id, type: "incremental" });
    }
    await house.set("b", "b");
    await house.backup({ id: "newest", type: "snapshot" });
    const [from, to] = [house.context, await openOver(new MemoryStore(), house.time.clock)];
    await copyRepository(from, to, {});
    // Nothing needs the log between the last incremental backup and the newest base.
    const target = Object.assign(Object.create(house), { context: to });
    assert.equal((await prune(target, { keepLast: 9 })).logObjects, 1);
    const [, lost] = await allKeys(house.store, PART.log);
    await house.store.delete(lost!.key);
    await repair(from);
    assert.deepEqual(await gapsOf(from), [[3, 3]]);
    await copyRepository(from, to, {});
    assert.deepEqual(await gapsOf(to), []);
    assert.deepEqual((await verify(to)).problems, []);
    assert.deepEqual(await assertAllRestore(target), ["base", "inc-2", "inc-3", "newest"]);
    await house.engine.close();
  });
});

describe("a history that began anew in a source that had lost all of it", () => {
  for (const lags of [false, true]) {
    it(`goes on in the target as the error says${lags ? ", where the slot lags" : ""}`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup({ id: "one", type: "full" });
      await house.set("b", "2");
      await house.backup({ id: "two", type: "incremental" });
      if (lags) {
        await house.set("c", "3");
        await Shipper.of(house.context, house.engine).ship();
      }
      const to = await openOver(new MemoryStore(), house.time.clock);
      await copyRepository(house.context, to, {});
      const held = house.engine.visibleVersion;
      for (const part of [PART.heads, PART.backups, PART.log]) {
        for (const { key } of await allKeys(house.store, part)) await house.store.delete(key);
      }
      await house.engine.close();
      await house.open();
      await house.openRepository();
      for (const [id, type] of [["three", "full"], ["four", "incremental"]] as const) {
        await house.set(id, id);
        await house.backup({ id, type });
      }
      await assert.rejects(copyRepository(house.context, to, {}), (error) => {
        return error instanceof LineageError &&
          /make a full backup there, prune what is older, and copy/.test(`${error}`);
      });
      await house.set("five", "5");
      await house.backup({ id: "five", type: "full" });
      await prune(house, { keepLast: 1 });
      await copyRepository(house.context, to, {});
      await house.set("d", "4");
      await house.backup({ id: "six", type: "incremental" });
      await copyRepository(house.context, to, {});
      assert.deepEqual((await verify(to)).problems, []);
      const points = (await rangesOf(to)).map(({ from, to }) => [from.version, to.version]);
      assert.deepEqual(points, [[1, held], [held + 3, held + 4]]);
      house.context = to;
      await assertAllRestore(house);
      await house.engine.close();
    });
  }
});

describe("a head", () => {
  it("comes along for the log of a chosen backup that a base leads to without it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "one", type: "full" });
    await house.set("b", "2");
    await house.backup({ id: "two", type: "incremental" });
    await house.backup({ id: "same", type: "full" });
    await house.set("c", "3");
    await house.backup({ id: "three", type: "incremental" });
    const to = await openOver(new MemoryStore(), house.time.clock);
    for (const backups of [["two"], undefined]) {
      await copyRepository(house.context, to, { backups });
      assert.deepEqual((await verify(to)).problems, []);
    }
    house.context = to;
    await assertAllRestore(house);
    await house.engine.close();
  });

  it("that the source has lost ends a copy, of all or of some", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "one", type: "full" });
    await house.set("b", "2");
    await house.backup({ id: "two", type: "incremental" });
    await house.store.delete(headKey(house.engine.id, house.engine.lineage));
    const to = await openOver(new MemoryStore(), house.time.clock);
    for (const backups of [undefined, ["two"]]) {
      await assert.rejects(copyRepository(house.context, to, { backups }), /is gone.*run verify, then repair there/);
    }
    await repair(house.context);
    await copyRepository(house.context, to, {});
    assert.deepEqual((await verify(to)).problems, []);
    await house.engine.close();
  });
});
