/** A database's slot for a repository, dropped and made anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GapError } from "../../../lib/base/errors.ts";
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
