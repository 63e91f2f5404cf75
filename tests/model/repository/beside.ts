/** Work that is given up in the middle, and another process that works on the same repository. */
import assert from "node:assert/strict";
import { type BackupRepository, DB } from "../../../mod.ts";
import { isBeingDeleted, randomPolicy, recount } from "./backups.ts";
import type { Place } from "./place.ts";
import { attempt, hasCode } from "./tasks.ts";
import type { World } from "./world.ts";

/** Takes over what a repository lists, after what others did there. */
async function listAnew(place: Place): Promise<void> {
  const listed = await place.repo.list();
  place.backups.clear();
  for (const { id, pinned } of listed) place.backups.set(id, { pinned });
}

/** A call on a repository is given up at some call on its store: it leaves no lease, and nothing that is half done. */
export async function giveUp(world: World): Promise<void> {
  const { random, first, second, disk } = world;
  const place = random.chance(0.7) ? first : second;
  const home = world.pickHome();
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("given up");
  const at = random.pick([random.between(1, 10), random.between(1, 80)]);
  let calls = 0;
  const unwatch = place.store.inject({
    at: () => {
      if (++calls === at) controller.abort(reason);
      return false;
    },
    do: "refuse",
  });
  const id = world.newId();
  const path = world.newPath();
  const type = random.pick(["auto", "full", "snapshot", "incremental"] as const);
  const [point] = place.failing || world.ails ? [] : await place.repo.recoveryPoints();
  const works: Record<string, () => Promise<unknown>> = {
    backup: () => first.repo.backup(home.db, { id, signal, type, labels: { part: "{}" } }),
    prune: () => place.repo.prune(randomPolicy(world), { signal }),
    copy: () => place.repo.copyTo(place === first ? second.repo : first.repo, { signal }),
    verify: () => place.repo.verify(undefined, { read: "all", signal }),
    repair: () => place.repo.repair({ signal }),
    restore: async () => {
      if (point === undefined) return;
      const { database, lineage, to: { version } } = point;
      await DB.restore(place.repo, path, { database, lineage, at: { version }, fileSystem: disk, signal });
      await DB.destroy(path, { fileSystem: disk });
    },
  };
  const what = random.pick(["backup", ...Object.keys(works)]);
  const done = await attempt(
    world,
    `${place.name}: ${what}, given up at call ${at}`,
    { places: [first, second] },
    works[what]!,
    (error) => error === reason || isBeingDeleted(error),
  );
  unwatch();
  world.count(`${done === undefined ? "given up" : "not given up in time"}: ${what}`);
  if (what === "restore" && done === undefined && !world.ails) {
    assert.equal(await DB.exists(path, { fileSystem: disk }), false, `${path} after a restore that was given up`);
  }
  if (what === "backup" && done !== undefined) {
    first.backups.set(id, { pinned: false });
    home.note();
  }
  if (what === "prune") await recount(place);
  if (what === "copy" && done !== undefined) await listAnew(place === first ? second : first);
}

/** Another process does something in the first repository: what this one remembers of it is old. */
export async function elsewhere(world: World): Promise<void> {
  const { random, first, second } = world;
  // Which key opens it is not known.
  if (first.doubtful.length > 0) return;
  const what = random.pick(["prune", "prune", "copy", "repair", "backup", "delete", "pin"] as const);
  const home = world.pickHome();
  const one = random.pick([...first.backups.keys(), undefined]);
  await world.quiet();
  const work = async (repo: BackupRepository): Promise<unknown> => {
    if (what === "prune") return await repo.prune(randomPolicy(world));
    if (what === "copy") return await second.repo.copyTo(repo);
    if (what === "repair") return await repo.repair();
    if (what === "backup") return await repo.backup(home.db, { id: world.newId(), labels: { part: "{}" } });
    if (one === undefined) return;
    return what === "pin" ? await repo.pin(one) : await repo.delete(one);
  };
  const done = await attempt(
    world,
    `another process: ${what}`,
    { places: [first, second] },
    () => first.elsewhere(work),
    (error) => isBeingDeleted(error) || hasCode(error, "NEEDED"),
  );
  if (done === undefined) return await recount(first);
  if (what === "backup") home.note();
  await listAnew(first);
}
