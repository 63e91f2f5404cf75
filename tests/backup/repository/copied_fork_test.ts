/** Copies of histories that left another in the midst of its log. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreTo } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { backupKey, logPrefix, pinKey } from "../../../lib/backup/repository/core/layout.ts";
import { readHead } from "../../../lib/backup/repository/log/heads.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { readBytes } from "../../../lib/backup/repository/core/documents.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { verify } from "./damage_fixture.ts";
import { type Contents, House } from "./house.ts";
import { DAY, prune } from "./prune_fixture.ts";

/** A backup of a history that left another at version 3, and whose own base was lost and given up. */
async function withoutOwnBase(): Promise<{ house: House; contents: Contents }> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "base", type: "full" });
  await house.set("b", "of the first");
  await house.backup({ id: "before", type: "incremental" });
  for (const key of ["c", "d"]) {
    house.time.now += 1000;
    await house.set(key, "of the first");
  }
  await house.backup({ id: "behind", type: "incremental" });
  await house.set("e", "of the first");
  await house.backup({ id: "newest" });
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 3 } });
  const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
  await write(fork, (batch) => put(batch, 0, "x", { value: "of the fork" }));
  await house.backup({ id: "lost", type: "full" }, fork);
  await write(fork, (batch) => put(batch, 0, "y", { value: "of the fork" }));
  await house.backup({ id: "chosen", type: "incremental" }, fork);
  const contents = dump(fork, true);
  await fork.close();
  await house.store.delete(backupKey("lost"));
  await repairRepository(house.context, { dryRun: false });
  return { house, contents };
}

describe("a copy of a backup that goes on from another history", () => {
  for (const others of [[], ["before"], ["behind"]]) {
    it(`restores, chosen with ${others.length === 0 ? "no other" : `one ${others[0]} the fork`}, and takes in the rest later`, async () => {
      const { house, contents } = await withoutOwnBase();
      const other = await House.make();
      await copyRepository(house.context, other.context, { backups: ["chosen", ...others] });
      assert.deepEqual((await other.restore({ backupId: "chosen" })).contents, contents);
      assert.deepEqual((await verify(other.context)).problems, []);
      const points = await other.points();
      assert.deepEqual(points.map(({ from, to }) => [from.version, to.version]), [[1, 4], [1, 5]]);
      const [first] = points;
      const { info } = await house.restore({ lineage: house.engine.lineage, at: { version: 4 } });
      assert.equal(first?.to.timestamp, info.achieved.timestamp);
      await copyRepository(house.context, other.context, {});
      assert.deepEqual(await other.points(), await house.points());
      assert.deepEqual((await verify(other.context)).problems, []);
    });
  }
});

/** A history that left at version 5, with no base of its own, and log of the first in small objects up to a base at 10. */
async function inSmallObjects(): Promise<{ house: House; lineage: string }> {
  const house = await House.make();
  const ship = (engine = house.engine): Promise<unknown> => Shipper.of(house.context, engine).ship();
  const set = async (key: string): Promise<void> => {
    await house.set(key, "of the first");
    await ship();
  };
  await house.set("a", "1");
  await house.backup({ id: "base", type: "full" });
  for (const key of ["b", "c"]) await set(key);
  await house.backup({ id: "third", type: "full" });
  for (const key of ["d", "e", "f", "g", "h"]) await set(key);
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 5 } });
  const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
  for (const key of ["x", "y"]) await write(fork, (batch) => put(batch, 0, key, { value: "of the fork" }));
  await ship(fork);
  await fork.close();
  await house.time.advance(2 * DAY);
  for (const key of ["i", "j"]) await set(key);
  await house.backup({ id: "newest", type: "full" });
  return { house, lineage: fork.lineage };
}

/** Merges that log up to version 8, and lets go of what is behind. */
async function mergeAndPrune(house: House): Promise<void> {
  const { id, lineage } = house.engine;
  for (const backup of ["base", "third"]) await house.store.put(pinKey(backup), new Uint8Array(0));
  const head = await readHead(house.context, id, lineage);
  await mergeLog(house.context, head!.body, new MergeMemory());
  await prune(house, { keepLast: 1 });
  assert.deepEqual(await objectsOf(house, house), ["2-8"]);
}

/** The versions in each object of the first history's log. */
async function objectsOf(house: House, { engine: { id, lineage } }: House): Promise<string[]> {
  const prefix = logPrefix(id, lineage);
  return logObjects(await allKeys(house.store, prefix)).map(({ first, last }) => `${first}-${last}`);
}

describe("a copy of log that was merged where histories part", () => {
  it("leaves the points of the other one, where a pruning left a part of that log in the target", async () => {
    const { house, lineage } = await inSmallObjects();
    const other = await House.make();
    await copyRepository(house.context, other.context, {});
    await prune(other, { keepLast: 1 });
    assert.deepEqual(await objectsOf(other, house), ["4-4", "5-5"]);
    await mergeAndPrune(house);
    await copyRepository(house.context, other.context, {});
    assert.deepEqual(await objectsOf(other, house), ["2-3", "4-4", "5-5", "6-8"]);
    assert.deepEqual(await other.points(), await house.points());
    const { contents } = await house.restore({ lineage });
    assert.deepEqual((await other.restore({ lineage })).contents, contents);
    assert.deepEqual((await verify(other.context)).problems, []);
  });

  it("brings them where an earlier copy was cut off behind a part of that log; what is damaged there is passed over", async () => {
    for (const damaged of [false, true]) {
      const { house, lineage } = await inSmallObjects();
      const other = await House.make();
      const left = (await allKeys(house.store, logPrefix(house.engine.id, house.engine.lineage))).slice(0, 4);
      for (const { key } of left) {
        const bytes = (await readBytes(house.store, key, 2 ** 20))!.bytes;
        await other.store.put(key, damaged ? bytes.subarray(0, -1) : bytes);
      }
      await mergeAndPrune(house);
      await copyRepository(house.context, other.context, {});
      assert.deepEqual((await objectsOf(other, house)).includes("6-8"), !damaged);
      if (damaged) continue;
      assert.deepEqual(await other.points(), await house.points());
      const { contents } = await house.restore({ lineage });
      assert.deepEqual((await other.restore({ lineage })).contents, contents);
      assert.deepEqual((await verify(other.context)).problems, []);
    }
  });
});
