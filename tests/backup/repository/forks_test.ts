/** Databases that go over from one line of history into another, and copies that stand in another's. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exportDatabase } from "../../../lib/backup/export.ts";
import { restoreInto, restoreTo } from "../../../lib/backup/mod.ts";
import { GapError } from "../../../lib/base/errors.ts";
import type { Engine, EngineSettings } from "../../../lib/engine/types.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { type Contents, House } from "./house.ts";

/** Restores a version into a directory of its own, and opens that. */
async function forkAt(house: House, version: number, changes: Partial<EngineSettings> = {}): Promise<Engine> {
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version } });
  return await openAt(house.fs, "/fork", { clock: house.time.clock, ...changes });
}

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

  it("knows nothing of the times between the fork and its own first backup, however long the other went on", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    await house.set("b", "of the first");
    await house.backup({ type: "incremental" });
    const at = house.time.now;
    const fork = await forkAt(house, 2, { historyBytes: 0 });
    for (const key of ["x", "y"]) {
      house.time.now += 1000;
      await write(fork, (batch) => put(batch, 0, key, { value: "of the second" }));
      await fork.compact(); // Its log goes.
    }
    await house.backup({ type: "full" }, fork);
    house.time.now += 1000;
    await house.backup({ type: "incremental" });
    await assert.rejects(house.restore({ lineage: fork.lineage, at: at + 1500 }), GapError);
    await assert.rejects(house.restore({ lineage: fork.lineage, at: { version: 3 } }), GapError);
    const { info } = await house.restore({ lineage: fork.lineage, at: at + 2000 });
    assert.equal(info.achieved.version, 4);
    await fork.close();
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
