/** Copies of chosen backups whose base is of another history, left in the midst of its log. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreTo } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { verify } from "./damage_fixture.ts";
import { type Contents, House } from "./house.ts";

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
