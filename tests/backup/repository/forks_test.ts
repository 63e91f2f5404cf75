/** Databases that go over from one line of history into another, and copies that stand in another's. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exportDatabase } from "../../../lib/backup/export.ts";
import { restoreInto, restoreTo } from "../../../lib/backup/mod.ts";
import { dump, openAt, settingsOf } from "../fixture.ts";
import { House } from "./house.ts";

describe("a database that went over into another line of history", () => {
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
});
