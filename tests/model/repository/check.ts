/**
 * What a repository must give back: every point that it lists and every backup, to the last byte; for every time the last
 * commit that was not later; for all else a `GapError`.
 */
import assert from "node:assert/strict";
import {
  type BackupInfo,
  DB,
  type Key,
  type RecoveryRange,
  type RestoreInfo,
  type RestoreOptions,
} from "../../../mod.ts";
import { GapError } from "../../../lib/base/errors.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { randomTag } from "../values.ts";
import type { State } from "./chronicle.ts";
import { assertTags, type Contents, contentsOf, differenceOf, type Part, partOf } from "./contents.ts";
import type { Place } from "./place.ts";
import type { World } from "./world.ts";

/** How much is looked at. */
export interface CheckOptions {
  /** The chance of each range's inner version, of each backup, to be restored. */
  share: number;
  /** Times of each line that are asked for. */
  times: number;
}

/** Restores this and that from a repository at rest. */
export async function check(world: World, place: Place, options: CheckOptions): Promise<void> {
  const { random } = world;
  await world.quiet();
  const ranges = await place.repo.recoveryPoints();
  world.note(`${place.name}: check ${ranges.map(shown).join(", ")}`);
  for (const range of ranges) {
    const { database, lineage, from, to } = range;
    for (const end of [from, to]) {
      assert.equal(
        world.chronicle.state(lineage, end.version)?.timestamp,
        end.timestamp,
        `the time of ${end.version} in ${shown(range)}`,
      );
    }
    const versions = new Set([from.version, to.version]);
    for (let i = 3; i > 0; i--) versions.add(random.between(from.version, to.version));
    for (const version of versions) {
      if (random.chance(options.share)) await checkVersion(world, place, { database, lineage }, version, true);
    }
  }
  await checkBackups(world, place, options.share);
  // What is archived meanwhile was outside when it was listed.
  const moving = world.homes.some(({ replication }) => replication !== undefined);
  for (const lineage of new Set(ranges.map((range) => range.lineage))) {
    if (moving) continue;
    await checkOutside(world, place, ranges, lineage);
    for (let i = options.times; i > 0; i--) await checkTime(world, place, ranges, lineage);
    await checkNewest(world, place, ranges, lineage);
  }
}

function shown({ lineage, from, to }: RecoveryRange): string {
  return `${lineage.slice(0, 8)} ${from.version}-${to.version}`;
}

/** Which history. */
interface Whose {
  database: string;
  lineage: string;
}

/** A version that is listed restores, one that is not is a gap. */
async function checkVersion(world: World, place: Place, whose: Whose, version: number, listed: boolean): Promise<void> {
  const what = `${place.name}: version ${version} of ${whose.lineage}`;
  // What lies before a fork is listed with the parent, which may not know that log behind the fork leads back to it.
  const isParents = world.chronicle.lineOf(whose.lineage, version)?.lineage !== whose.lineage;
  if (!listed) {
    if (!isParents || !await restores(place, { ...whose, at: { version } })) {
      return await assertGap(world, place, { ...whose, at: { version } }, what);
    }
  }
  const state = world.chronicle.state(whose.lineage, version);
  assert.ok(state !== undefined, `${what} is listed and never was`);
  const { info, contents } = await restored(world, place, { ...whose, at: { version } }, what);
  assertIs(world, info, contents, state, what);
}

async function restores(place: Place, options: RestoreOptions): Promise<boolean> {
  const fileSystem = memoryFileSystem({ durable: false });
  return await DB.restore(place.repo, "/restored", { ...options, fileSystem }).then(() => true, () => false);
}

/** What comes back must be what was. */
function assertIs(world: World, info: RestoreInfo, contents: Contents, state: State, what: string): void {
  const { version, timestamp } = state;
  assert.deepEqual(info.achieved, { version, timestamp }, `${what}: what was achieved`);
  assert.equal(differenceOf(contents, state.contents, { moment: world.time.latest }), undefined, what);
}

async function assertGap(world: World, place: Place, options: RestoreOptions, what: string): Promise<void> {
  const fileSystem = memoryFileSystem({ durable: false });
  world.restores++;
  await assert.rejects(DB.restore(place.repo, "/restored", { ...options, fileSystem }), (error) => {
    if (error instanceof GapError) return true;
    throw new Error(`${what}: not a GapError but ${error}`, { cause: error });
  }, `${what} is not listed and restores`);
  assert.equal(await DB.exists("/restored", { fileSystem }), false, `${what}: a refused restore leaves a database`);
}

/** Restores into a directory of its own and reads all of it. */
async function restored(
  world: World,
  place: Place,
  options: RestoreOptions,
  what: string,
): Promise<{ info: RestoreInfo; contents: Contents }> {
  const fileSystem = memoryFileSystem({ durable: false });
  world.restores++;
  let info: RestoreInfo;
  try {
    info = await DB.restore(place.repo, "/restored", { ...options, fileSystem });
  } catch (error) {
    throw new Error(`${what} does not restore: ${error}`, { cause: error });
  }
  const db = await DB.open<Key>("/restored", { readOnly: true, fileSystem, clock: world.time.clock });
  try {
    assertTags(db, randomTag(world.random));
    return { info, contents: contentsOf(db) };
  } finally {
    await db.close();
  }
}

async function checkBackups(world: World, place: Place, share: number): Promise<void> {
  const listed = await place.repo.list();
  const ids = new Set(listed.map(({ id }) => id));
  for (const id of place.backups.keys()) {
    assert.ok(ids.has(id), `${place.name}: backup ${id} was made and is not listed`);
  }
  for (const info of listed) if (world.random.chance(share)) await checkBackup(world, place, info);
}

async function checkBackup(
  world: World,
  place: Place,
  { id, lineage, version, timestamp, labels, selective }: BackupInfo,
): Promise<void> {
  const what = `${place.name}: backup ${id} of version ${version} of ${lineage}`;
  const state = world.chronicle.state(lineage, version);
  assert.ok(state !== undefined, `${what} shows what never was`);
  assert.equal(timestamp, state.timestamp, `${what}: its time`);
  const { info, contents } = await restored(world, place, { backupId: id }, what);
  if (!selective) return assertIs(world, info, contents, state, what);
  const part = JSON.parse(labels["part"]!) as Part;
  const expected = partOf(state.contents, part);
  const options = { moment: world.time.latest, versions: false, spaces: part.tag === undefined };
  assert.equal(differenceOf(contents, expected, options), undefined, what);
}

/**
 * Whether a version of a line is within what is listed, of it or of those it came from: a range of a line that went on from
 * another holds what that other had before it, too.
 */
function isListed(world: World, ranges: readonly RecoveryRange[], lineage: string, version: number): boolean {
  const way = [{ lineage, version: Infinity }, ...world.chronicle.lines.get(lineage)?.parents ?? []];
  return ranges.some(({ lineage: of, from, to }) =>
    from.version <= version && version <= to.version &&
    way.some((stretch) => stretch.lineage === of && version <= stretch.version)
  );
}

async function checkOutside(
  world: World,
  place: Place,
  ranges: readonly RecoveryRange[],
  lineage: string,
): Promise<void> {
  const { database } = ranges.find((range) => range.lineage === lineage)!;
  const last = Math.max(world.chronicle.last(lineage), ...ranges.map(({ to }) => to.version)) + 2;
  const outside = Array.from({ length: last + 1 }, (_, version) => version)
    .filter((version) => !isListed(world, ranges, lineage, version));
  for (const version of new Set([outside[0]!, outside.at(-1)!, world.random.pick(outside)])) {
    await checkVersion(world, place, { database, lineage }, version, false);
  }
}

/** A time: near a commit, near an end of what is listed, or any. */
function randomTime(world: World, ranges: readonly RecoveryRange[], lineage: string): number {
  const { random, chronicle } = world;
  const near = random.weighted<() => number>([
    [3, () => chronicle.state(lineage, random.below(chronicle.last(lineage) + 1))?.timestamp ?? 0],
    [2, () => random.pick(ranges).coveredUntil],
    [1, () => random.pick(ranges).to.timestamp],
    [1, () => world.time.latest + random.between(1, 1000)],
  ])();
  return near + random.pick([0, 0, -1, 1, random.between(-50, 50)]);
}

async function checkTime(world: World, place: Place, all: readonly RecoveryRange[], lineage: string): Promise<void> {
  const ranges = all.filter((range) => range.lineage === lineage);
  const { database } = ranges[0]!;
  const time = Math.max(0, randomTime(world, ranges, lineage));
  const what = `${place.name}: time ${time} of ${lineage}`;
  const covered = ranges.some(({ from, coveredUntil }) => from.timestamp <= time && time <= coveredUntil);
  const beyond = ranges.every(({ coveredUntil }) => time > coveredUntil);
  const options = { database, lineage, at: time };
  if (beyond) return await assertGap(world, place, options, `${what}, beyond what is known`);
  let result: Awaited<ReturnType<typeof restored>>;
  try {
    result = await restored(world, place, options, what);
  } catch (error) {
    if (!covered && error instanceof Error && error.cause instanceof GapError) return;
    throw error;
  }
  const state = world.chronicle.at(lineage, time);
  assert.ok(state !== undefined, `${what}: nothing was there yet`);
  assertIs(world, result.info, result.contents, state, what);
}

/** Without a wish for a point in time comes the newest there is. */
async function checkNewest(
  world: World,
  place: Place,
  ranges: readonly RecoveryRange[],
  lineage: string,
): Promise<void> {
  const mine = ranges.filter((range) => range.lineage === lineage);
  const what = `${place.name}: the newest of ${lineage}`;
  const { info, contents } = await restored(world, place, { database: mine[0]!.database, lineage }, what);
  const newest = Math.max(...mine.map(({ to }) => to.version));
  assertIs(world, info, contents, world.chronicle.state(lineage, newest)!, what);
}
