/**
 * What a try whose sync failed has left is seen, and not durable. The next one that succeeds builds upon it, and then all of
 * it must outlive the power. `HOLDFAST_LONG=1` fails each sync, not a sample; `HOLDFAST_SEED=0` begins with the first.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StorageError } from "../../../lib/base/errors.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { ownContext, type RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { LONG, TURN } from "../../crash/random.ts";
import { openOver, rangesOf, restored, smallSource } from "./copy_fixture.ts";
import { House, MIDNIGHT } from "./house.ts";
import { NO_WAIT } from "./sweep.ts";

const storeOn = (fileSystem: MemoryFileSystem): ObjectStore =>
  directoryStore("/repository", { fileSystem, clock: () => MIDNIGHT, delay: () => Promise.resolve() });

/**
 * Runs `work` with the n-th sync of a directory failing, and again when that ended it; false: there are not so many. Once:
 * then what can is tried again by itself.
 */
async function again(disk: MemoryFileSystem, n: number, times: number, work: () => Promise<unknown>): Promise<boolean> {
  let left = n;
  const heal = disk.inject({ at: ({ name }) => name === "syncDirectory" && --left < 0, do: "fail", times });
  const failed = await work().then(() => false, (error) => {
    assert.ok(error instanceof StorageError, String(error));
    return true;
  });
  heal();
  if (failed) await work();
  return left < 0;
}

/** The short form fails every so many-th sync. */
const STEP = 5;

/**
 * Fails syncs in turn, once and for the rest of the try: every one in the long form, each `STEP`-th else, from a place that
 * changes from day to day. Gives back how many.
 */
async function eachSync(run: (n: number, times: number, label: string) => Promise<boolean>): Promise<number> {
  let cases = 0;
  for (const times of [1, Infinity]) {
    for (let n = LONG ? 0 : TURN % STEP;; n += LONG ? 1 : STEP, cases++) {
      if (!await run(n, times, `sync ${n}, ${times === 1 ? "once" : "and all behind it"}`)) break;
    }
  }
  return cases;
}

async function assertWhole(context: RepositoryContext, label: string): Promise<void> {
  const { problems } = await verifyRepository(context, undefined, { read: "all" });
  assert.deepEqual(problems, [], label);
}

describe("what a failed sync left is durable, once it was built upon,", () => {
  it("by the next backup", async () => {
    const cases = await eachSync(async (n, times, label) => {
      const disk = memoryFileSystem();
      const house = await House.make({ store: storeOn(disk), repository: { timers: NO_WAIT } });
      await house.set("a", "1");
      await house.backup();
      await house.engine.flush();
      await house.set("b", "2");
      let id = "";
      const goesOn = await again(disk, n, times, async () => id = (await house.backup({ type: "full" })).id);
      const context = await openOver(storeOn(disk.crash({ keep: "none" })), house.time.clock);
      await assertWhole(context, label);
      assert.deepEqual((await restored(context, { backupId: id })).contents, house.states.get(2), label);
      const next = await backupTo(house.engine, ownContext({ ...context }, context), {});
      assert.equal(next.version, 2, label);
      await house.engine.close();
      return goesOn;
    });
    console.log(`${cases} syncs of a backup failed`);
    assert.ok(cases >= (LONG ? 20 : 4));
  });

  it("by the next copy", async () => {
    const { house, states } = await smallSource();
    const { clock } = house.time;
    const points = await rangesOf(house.context);
    const cases = await eachSync(async (n, times, label) => {
      const disk = memoryFileSystem();
      const goesOn = await again(disk, n, times, async () => {
        const to = await openOver(storeOn(disk), clock, { concurrency: 1 });
        await copyRepository(house.context, to, {});
      });
      const to = await openOver(storeOn(disk.crash({ keep: "none" })), clock);
      await assertWhole(to, label);
      assert.deepEqual(await rangesOf(to), points, label);
      const { lineage, version, contents } = await restored(to, {});
      assert.deepEqual(contents, states.get(`${lineage}/${version}`), label);
      return goesOn;
    });
    console.log(`${cases} syncs of a copy failed`);
    assert.ok(cases >= (LONG ? 50 : 16));
  });
});
