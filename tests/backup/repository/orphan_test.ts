/** Backups whose parent is lost: another base and archived log lead to them, as long as something vouches for that log. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import { repair, verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { assertAllRestore, keysOf, prune } from "./prune_fixture.ts";

describe("an incremental backup of what its parent holds, once that parent is lost", () => {
  it("stays restorable by a pruning that needs no log behind it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.backup({ id: "parent", type: "full" });
    // It has no log of its own, and so vouches for none.
    await house.backup({ id: "child", type: "incremental" });
    for (const key of ["d", "e"]) await house.set(key, "3");
    await house.backup({ id: "newest", type: "snapshot" });
    await house.store.delete(backupKey("parent"));
    await repair(house.context);
    const plan = await prune(house, { keepLast: 3 }, true);
    const report = await prune(house, { keepLast: 3 });
    assert.deepEqual(report.log, plan.log);
    assert.deepEqual(await assertAllRestore(house), ["base", "child", "newest"]);
    assert.equal((await keysOf(house.store, "log/")).length, 2);
    assert.deepEqual((await verify(house.context)).problems, []);
    await prune(house, { keepLast: 1 });
    assert.deepEqual(await assertAllRestore(house), ["newest"]);
    assert.deepEqual(await keysOf(house.store, "log/"), []);
    await house.engine.close();
  });
});
