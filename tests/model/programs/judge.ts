/** What must hold behind every round: all that is listed is whole and comes back, and nothing is gone that was told of. */
import assert from "node:assert/strict";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { type BackupRepository, DB, type RecoveryRange, type RestoreOptions } from "../../../mod.ts";
import { contentsOf, differenceOf } from "../repository/contents.ts";
import { MINUTE, type Repository, type World } from "./world.ts";

/** Restores into a new directory, and compares. */
export async function assertRestores(world: World, repo: BackupRepository, wanted: RestoreOptions): Promise<void> {
  const fileSystem = memoryFileSystem();
  const info = await DB.restore(repo, "/restored", { ...wanted, fileSystem });
  const db = await DB.open("/restored", { fileSystem, clock: world.clock, readOnly: true });
  try {
    const { version } = info.achieved;
    const about = `${JSON.stringify(wanted)} gave version ${version} of ${info.lineage}`;
    const state = world.chronicle.state(info.lineage, version);
    assert.ok(state, `${about}, which never was`);
    if ("at" in wanted && typeof wanted.at === "number") {
      assert.equal(version, world.chronicle.at(info.lineage, wanted.at)?.version, about);
    }
    assert.equal(differenceOf(contentsOf(db), state.contents, { moment: world.clock() }), undefined, about);
    world.restores++;
  } finally {
    await db.close();
  }
}

/** Checks a repository, and restores some of it. */
export async function judge(world: World, { store }: Repository, times: number): Promise<RecoveryRange[]> {
  const { random, chronicle } = world;
  const repo = await world.open(store);
  assert.deepEqual((await repo.verify()).problems, []);
  const backups = await repo.list();
  const points = await repo.recoveryPoints();
  for (const { id, lineage, version } of backups) {
    assert.ok(chronicle.state(lineage, version), `backup ${id} is of version ${version}, which never was`);
  }
  for (let left = times; left > 0 && points.length > 0; left--) {
    const { lineage, from, to, coveredUntil } = random.pick(points);
    await assertRestores(world, repo, { at: { version: random.between(from.version, to.version) }, lineage });
    if (coveredUntil < from.timestamp) continue;
    await assertRestores(world, repo, { at: random.between(from.timestamp, coveredUntil), lineage });
  }
  if (backups.length > 0) await assertRestores(world, repo, { backupId: random.pick(backups).id });
  if (points.length > 0) await assertRestores(world, repo, {});
  await repo.close();
  return points;
}

/** No policy takes the newest of what was told of, nor the log behind it. */
export async function assertNewest(world: World, points: readonly RecoveryRange[]): Promise<void> {
  const repo = await world.open(world.first.store);
  const backups = await repo.list();
  const newest = Math.max(0, ...world.told.values());
  assert.ok(backups.some(({ version }) => version >= newest), `the newest backup, at version ${newest}, is gone`);
  assert.ok(points.some(({ to }) => to.version >= newest), `version ${newest} can't be restored any more`);
  const ids = new Set(backups.map(({ id }) => id));
  for (const id of [...world.told.keys()]) if (!ids.has(id)) world.told.delete(id);
  await repo.close();
}

const countOf = async (store: ObjectStore, prefix: string): Promise<number> => (await allKeys(store, prefix)).length;

/** Once prunings have found all quiet, nothing is left behind that nobody needs: a copy is as large. */
export async function assertTidy(world: World, place: Repository): Promise<void> {
  const repo = await world.open(place.store);
  for (let times = 0; times < 2; times++) {
    await repo.prune({ keepLast: 3 });
    world.pass(20 * MINUTE);
  }
  for (const prefix of ["locks/", "gc/"]) {
    assert.equal(await countOf(place.store, prefix), 0, `${place.name} has something left below ${prefix}`);
  }
  const anew = { name: `a copy of the ${place.name}`, store: new MemoryStore() };
  const copy = await world.open(anew.store);
  await repo.copyTo(copy);
  const ranges = async (of: BackupRepository): Promise<unknown> =>
    (await of.recoveryPoints()).map(({ lineage, from, to, coveredUntil }) => [lineage, from, to, coveredUntil]);
  assert.deepEqual(await ranges(copy), await ranges(repo), `${anew.name}: points`);
  for (const prefix of ["objects/", "backups/", "heads/"]) {
    assert.equal(await countOf(place.store, prefix), await countOf(anew.store, prefix), `${place.name}: ${prefix}`);
  }
  await copy.close();
  await repo.close();
  await judge(world, anew, 1);
}
