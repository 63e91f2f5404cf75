/** Archived log that is lost between two bases: no backup needs it, points in time do. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver } from "./copy_fixture.ts";
import { repair, verify, withoutLogBetween } from "./damage_fixture.ts";
import { House } from "./house.ts";

async function points(context: RepositoryContext): Promise<string[]> {
  const ranges = recoveryRanges(await readFacts(context));
  return ranges.map(({ from, to }) => `${from.version}-${to.version}`);
}

describe("log between two bases", () => {
  it("is missed by verify once it is lost, and given up by repair before anything needs it", async () => {
    const house = await withoutLogBetween();
    for (const read of ["none", "all"] as const) {
      const { problems } = await verify(house.context, read);
      assert.deepEqual(problems.map(({ detail, backups }) => [detail, backups]), [
        ["versions 2 to 3 are in no object, and points in time need it", []],
      ]);
    }
    await repair(house.context);
    assert.deepEqual((await verify(house.context)).problems, []);
    // Nothing is found, or asked for, when its points would be all there is.
    await deleteBackup(house.context, "newest");
    assert.deepEqual((await verify(house.context)).problems, []);
    await house.set("d", "4");
    await house.backup({ id: "next", type: "full" });
    await copyRepository(house.context, await openOver(new MemoryStore(), house.time.clock), {});
    assert.deepEqual(await points(house.context), ["1-1", "4-4"]);
    await house.engine.close();
  });

  it("is not missed where a copy of chosen backups left it out", async () => {
    const house = await House.make();
    for (const [i, type] of (["full", "incremental", "full", "incremental"] as const).entries()) {
      await house.set("a", String(i));
      await house.set("b", String(i));
      await house.backup({ id: `${type}-${i}`, type });
    }
    for (const choices of [["incremental-3"], ["incremental-1", "incremental-3"]]) {
      const to = await openOver(new MemoryStore(), house.time.clock);
      for (const backups of [...choices.map((id) => [id]), choices]) {
        await copyRepository(house.context, to, { backups });
        assert.deepEqual((await verify(to)).problems, [], `a copy of ${backups}`);
      }
      await copyRepository(house.context, to, {});
      assert.deepEqual((await verify(to)).problems, []);
      assert.deepEqual(await points(to), ["2-8"]);
    }
    await house.engine.close();
  });
});
