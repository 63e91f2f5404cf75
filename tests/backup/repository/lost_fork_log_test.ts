/** Log of a history that another one goes on from, and that is lost. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreTo } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { IntegrityError } from "../../../lib/base/errors.ts";
import type { Engine } from "../../../lib/engine/types.ts";
import { openAt, put, settingsOf, write } from "../fixture.ts";
import { verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { keysOf, prune } from "./prune_fixture.ts";

/** A base at version 1, log to 4, a base at 5; and a history that left at 3 and has no base. */
async function forked(): Promise<{ house: House; fork: Engine }> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "base", type: "full" });
  for (const key of ["b", "c", "d"]) await house.set(key, "of the first");
  await Shipper.of(house.context, house.engine).ship();
  const settings = settingsOf({ clock: house.time.clock });
  await restoreTo(house.fs, settings, house.handle, "/fork", { at: { version: 3 } });
  const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
  for (const key of ["x", "y"]) await write(fork, (batch) => put(batch, 0, key, { value: "of the fork" }));
  await Shipper.of(house.context, fork).ship();
  await house.set("e", "of the first");
  await house.backup({ id: "newest", type: "full" });
  return { house, fork };
}

describe("log that only a history needs which goes on from there", () => {
  it("is missed by verify and by a copy, and its loss told by repair", async () => {
    const { house, fork } = await forked();
    const prefix = `log/${house.engine.id}/${house.engine.lineage}/`;
    await house.store.delete((await keysOf(house.store, prefix))[0]!);
    const { problems } = await verify(house.context);
    assert.deepEqual(problems.map(({ key }) => key.slice(prefix.length)), ["0000000000000002-0000000000000004"]);
    const { context } = await House.make();
    await assert.rejects(copyRepository(house.context, context, {}), IntegrityError);
    const { lostPoints } = await repairRepository(house.context, { dryRun: false });
    const lost = lostPoints.filter(({ lineage }) => lineage === fork.lineage);
    assert.deepEqual(lost.map(({ to }) => to.version), [5]);
    assert.deepEqual((await verify(house.context)).problems, []);
    await copyRepository(house.context, context, {});
    await fork.close();
  });

  it("is not missed once a pruning let it go, and the base that made it needless was deleted", async () => {
    const { house, fork } = await forked();
    await house.backup({ id: "of-the-fork", type: "full" }, fork);
    await write(fork, (batch) => put(batch, 0, "z", { value: "of the fork" }));
    await Shipper.of(house.context, fork).ship();
    await house.store.put("pins/base", new Uint8Array(0));
    const { log } = await prune(house, { keepLast: 1 });
    assert.ok(log.some(({ key, keep }) => !keep && key.includes("/0000000000000002-")));
    await deleteBackup(house.context, "of-the-fork");
    assert.deepEqual((await verify(house.context)).problems, []);
    await fork.close();
  });
});
