/** Restores that the run lives on with: into an open database, and copies that go on as histories of their own. */
import assert from "node:assert/strict";
import { DB, type RecoveryRange, type RestoreOptions } from "../../../mod.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import { randomPart } from "./backups.ts";
import { type Contents, contentsOf, differenceOf, restoredOver, WHOLE } from "./contents.ts";
import type { Home } from "./home.ts";
import type { Place } from "./place.ts";
import { attempt } from "./tasks.ts";
import type { World } from "./world.ts";
import { GapError, NotFoundError } from "../../../lib/base/errors.ts";

/** A point that a repository lists. */
async function pickPoint(
  world: World,
  place: Place,
  fits: (range: RecoveryRange) => boolean = () => true,
): Promise<{ database: string; lineage: string; version: number } | undefined> {
  let ranges: RecoveryRange[];
  try {
    ranges = (await place.repo.recoveryPoints()).filter(fits);
  } catch (error) {
    if (place.failing || world.ails) return undefined;
    throw error;
  }
  if (ranges.length === 0) return undefined;
  const { database, lineage, from, to } = world.random.pick(ranges);
  return { database, lineage, version: world.random.between(from.version, to.version) };
}

/** Restores a point into an open database: all of it or a part, in place of what is there or over it. */
export async function restoreInto(world: World, home: Home): Promise<void> {
  const { random, chronicle, time } = world;
  const { encoding } = home.settings;
  const place = random.chance(0.8) ? world.first : world.second;
  const point = await pickPoint(world, place, ({ database }) => chronicle.encodings.get(database) === encoding);
  if (point === undefined) return;
  const { database, lineage, version } = point;
  const chosen = random.chance(0.5) ? undefined : randomPart(world, home);
  const part = chosen?.part ?? WHOLE;
  const merge = random.chance(0.4);
  const options: RestoreOptions = {
    database,
    lineage,
    at: { version },
    mode: merge ? "merge" : "replace",
    ...chosen?.options,
  };
  const before = home.state;
  const source = chronicle.state(lineage, version);
  assert.ok(source !== undefined, `version ${version} of ${lineage} is listed and never was`);
  const expected = (at: { version: number; timestamp: number }): Contents =>
    restoredOver(before.contents, source.contents, { part, merge, ...at, moment: engineOf(home.db)!.now() });
  // A write whose sync failed may come back too: then this restore is refused, and it is that one's version.
  const earlier = home.pending;
  home.pending = earlier === undefined ? () => expected({ version: before.version + 1, timestamp: 0 }) : "anything";
  world.restores++;
  const done = await attempt(
    world,
    `${place.name}: restore version ${version} of ${lineage.slice(0, 8)} into ${home.name}, ${options.mode} ${
      JSON.stringify(part)
    }`,
    { places: [place] },
    () => place.repo.restore(home.db, options),
  );
  if (done === undefined) {
    // An accident comes next, or it did not happen.
    if (!place.store.dead && !world.ails) home.pending = earlier;
    return home.assertUnchanged();
  }
  const { achieved } = done.value;
  assert.equal(achieved.version, before.version + 1, "the version of a restore");
  const shown = world.calmly(() => contentsOf(home.db));
  assert.equal(differenceOf(shown, expected(achieved), { moment: time.latest }), undefined, "what a restore made");
  home.note();
  home.answered();
  home.allDurable();
}

/** Restores a point into a directory of its own, which goes on as a database of the run. */
export async function restoreBeside(world: World): Promise<void> {
  const { random, chronicle } = world;
  const place = random.chance(0.8) ? world.first : world.second;
  const point = await pickPoint(world, place);
  if (point === undefined) return;
  const path = world.newPath();
  const { database, lineage, version } = point;
  world.restores++;
  const done = await attempt(
    world,
    `${place.name}: restore version ${version} of ${lineage.slice(0, 8)} to ${path}`,
    { places: [place] },
    () => DB.restore(place.repo, path, { database, lineage, at: { version }, fileSystem: world.disk }),
  );
  if (done === undefined) {
    // A call that took effect may have answered with an error.
    if (world.ails) return;
    assert.equal(await DB.exists(path, { fileSystem: world.disk }), false, `${path} after a restore that failed`);
    return;
  }
  await world.dropOne();
  await world.addHome(path, chronicle.encodings.get(database)!);
}

/** Restores a point beside what else goes on: as long as it stays listed it must come back. */
export async function restoreAmid(world: World, place: Place): Promise<() => Promise<void>> {
  const point = await pickPoint(world, place);
  if (point === undefined) return async () => {};
  const { database, lineage, version } = point;
  const path = world.newPath();
  const { disk } = world;
  let failure: unknown;
  world.restores++;
  world.note(`${place.name}: restore version ${version} of ${lineage.slice(0, 8)} beside all that`);
  try {
    await DB.restore(place.repo, path, { database, lineage, at: { version }, fileSystem: disk });
  } catch (error) {
    failure = error;
  }
  return async () => {
    if (failure === undefined) {
      const home = await world.addHome(path, world.chronicle.encodings.get(database)!);
      world.homes.splice(world.homes.indexOf(home), 1);
      await home.db.close();
      await DB.destroy(path, { fileSystem: disk });
      return;
    }
    if (place.failing || world.ails) return;
    const ranges = await place.repo.recoveryPoints();
    const listed = ranges.some((range) =>
      range.lineage === lineage && range.from.version <= version && version <= range.to.version
    );
    if (!listed && (failure instanceof GapError || failure instanceof NotFoundError)) return;
    throw new Error(`version ${version} of ${lineage} did not restore beside other work: ${failure}`, {
      cause: failure,
    });
  };
}

/** A copy of a database, as export makes it, which goes on as a database of the run. */
export async function exportCopy(world: World, home: Home): Promise<void> {
  const path = world.newPath();
  world.note(`export ${home.name} to ${path}`);
  await home.db.export(path);
  home.allDurable();
  await world.dropOne();
  const copy = await world.addHome(path, home.settings.encoding);
  assert.equal(copy.version, home.version, "the version of a copy");
}
