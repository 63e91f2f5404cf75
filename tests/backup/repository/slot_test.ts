/** A database's slot for a repository, dropped and made anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { GapError } from "../../../lib/base/errors.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { settingsOf } from "../fixture.ts";
import { House } from "./house.ts";

/** Drops it, in an earlier run of the program. */
async function dropped(house: House): Promise<void> {
  await house.engine.dropSlot(house.context.id);
  await house.engine.close();
  await house.open();
}

describe("a slot that was dropped", () => {
  for (const type of ["full", "incremental"] as const) {
    it(`is made anew by a backup, ${type}, that goes on where the archive ends`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      await dropped(house);
      for (const key of ["b", "c", "d"]) await house.set(key, "2");
      await house.backup({ type });
      for (let version = 1; version <= 4; version++) {
        const { contents } = await house.restore({ at: { version } });
        assert.deepEqual(contents, house.states.get(version));
      }
    });
  }

  it("leaves a gap where the log went meanwhile", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    await house.set("a", "1");
    await house.backup();
    await dropped(house);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.engine.compact();
    await house.set("d", "3");
    for (let i = 0; i < 2; i++) {
      const { id, version } = await house.backup();
      assert.equal(version, 4);
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(4));
    }
    await assert.rejects(house.restore({ at: { version: 2 } }), GapError);
    assert.deepEqual((await house.restore({ at: { version: 1 } })).contents, house.states.get(1));
  });
});

describe("a slot that is ahead of where a new head begins", () => {
  it("is taken back to there, so that log is kept though archiving was cut off", async () => {
    const house = await House.make({ engine: { historyBytes: 0 } });
    for (const key of ["a", "b"]) await house.set(key, "1");
    await house.backup();
    await house.engine.close();
    const settings = settingsOf({ clock: house.time.clock });
    await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 2 } });
    await house.open("/fork");
    for (const key of ["c", "d"]) await house.set(key, "2");
    // The slot is made at version 4, and the head of the new history begins at the fork.
    const { context } = house;
    const store = new FaultStore(house.store, {
      faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith("log/"), do: "die" }],
    });
    house.context = { ...context, store };
    await assert.rejects(house.backup());
    house.context = context;
    assert.deepEqual(house.engine.slots().map(({ version }) => version), [2]);
    await house.engine.close();
    await house.open("/fork");
    await house.set("e", "3");
    await house.engine.compact();
    house.time.now += LEASE_MS + 1;
    await house.backup();
    const { lineage } = house.engine;
    for (let version = 2; version <= 5; version++) {
      const { contents } = await house.restore({ lineage, at: { version } });
      assert.deepEqual(contents, house.states.get(version), `version ${version}`);
    }
  });
});

describe("a commit in the same millisecond as a backup before it", () => {
  it("has a later time, so that the time of the backup means what it shows", async () => {
    const house = await House.make();
    const at = house.time.now;
    await house.set("a", "1");
    const { timestamp } = await house.backup();
    assert.equal(timestamp, at);
    await house.set("b", "2");
    assert.equal(house.engine.visibleTimestamp, at + 1);
    assert.deepEqual((await house.restore({ at })).contents, house.states.get(1), "before it is archived");
    await house.backup();
    assert.deepEqual((await house.restore({ at })).contents, house.states.get(1));
    assert.deepEqual((await house.restore({ at: at + 1 })).contents, house.states.get(2));
  });
});
