/** Backups of all kinds, replication, and what thins them out. */
import assert from "node:assert/strict";
import type { BackupOptions, RecoveryRange, RetentionPolicy } from "../../../mod.ts";
import { beginningOf, keyName, randomKey } from "../values.ts";
import type { Part } from "./contents.ts";
import type { Home } from "./home.ts";
import type { Place } from "./place.ts";
import { attempt, hasCode, isBusy } from "./tasks.ts";
import type { World } from "./world.ts";

const DAY = 86_400_000;

/** A part to select. */
export function randomPart(
  { random }: World,
  home: Home,
): { part: Part; options: { prefix?: string | Uint8Array; namespace?: string[] } } {
  const prefix = beginningOf(random, randomKey(random, home.settings.pool, home.settings.encoding));
  return random.pick([
    { part: { prefix: keyName(prefix) }, options: { prefix } },
    { part: { space: "users" }, options: { namespace: ["users"] } },
    { part: { space: "users", prefix: keyName(prefix) }, options: { namespace: ["users"], prefix } },
    { part: { space: "users/drafts" }, options: { namespace: ["users", "drafts"] } },
  ]);
}

/** One backup into the first repository. */
export async function backUp(world: World, home: Home, beside = false): Promise<boolean> {
  const { random, first } = world;
  const type = random.weighted<BackupOptions["type"] | "part" | undefined>([
    [3, undefined],
    [2, "auto"],
    [2, "full"],
    [3, "snapshot"],
    [5, "incremental"],
    [2, "part"],
  ]);
  const options: BackupOptions = type === "part" || type === undefined ? {} : { type };
  let part: Part = {};
  if (type === "part") {
    const chosen = randomPart(world, home);
    part = chosen.part;
    Object.assign(options, chosen.options);
    if (random.chance(0.3)) {
      const tag = part.tag = random.pick(["red", "blue"]);
      options.filter = ({ tags }) => tags.includes(tag);
    }
  }
  if (random.chance(0.8)) options.id = world.newId();
  options.labels = { part: JSON.stringify(part) };
  if (random.chance(0.3)) options.compression = random.pick(["zstd", "gzip", "none"]);
  if (random.chance(0.2)) options.verify = false;
  if (random.chance(0.1) && type !== "part" && type !== "incremental") options.excludeLog = true;
  if (!beside && random.chance(0.1)) options.prune = randomPolicy(world);
  const { version: before, lineage } = home;
  const { filter: _, ...shown } = options;
  const made = await attempt(
    world,
    `backup of ${home.name} at ${before}: ${JSON.stringify(shown)}`,
    { places: [first], beside },
    () => first.repo.backup(home.db, options),
  );
  if (options.prune !== undefined) await recount(first);
  if (made === undefined) return false;
  const { id, version, lineage: of } = made.value;
  world.note(`backup ${id} is ${made.value.type} at ${version}`);
  assert.ok(version <= home.version, `backup ${id} shows version ${version}, the database stands at ${home.version}`);
  if (!options.excludeLog) assert.ok(version >= before, `backup ${id} shows version ${version}, ${before} was there`);
  if (!beside) {
    assert.ok(
      // A line that has lost all of its own commits still stands where it left its parent.
      [world.chronicle.lineOf(lineage, version)?.lineage, lineage].includes(of) || version < before,
      `backup ${id} is of lineage ${of}, not ${lineage}`,
    );
  }
  if (type !== "part") home.allDurable(version);
  if (options.prune === undefined) {
    first.backups.set(id, { pinned: false });
    return true;
  }
  // Another of the same version may stay in its place, or a history that goes on from there; a part is nobody's newest.
  const goesOn = [...world.chronicle.lines.values()].some(({ parents }) =>
    parents.some((parent) => parent.lineage === of && parent.version >= version)
  );
  if (first.failing || type === "part" || goesOn || world.chronicle.last(of) > version) return true;
  const points = await first.repo.recoveryPoints({ lineage: of });
  assert.ok(
    points.some(({ from, to }) => from.version <= version && version <= to.version),
    `version ${version}, of which backup ${id} was made, did not outlive its own pruning`,
  );
  return true;
}

/** A policy that keeps little. */
export function randomPolicy({ random }: World): RetentionPolicy {
  const policy: RetentionPolicy = {};
  if (random.chance(0.6)) policy.keepLast = random.between(1, 4);
  if (random.chance(0.3)) policy.keepHourly = random.between(1, 3);
  if (random.chance(0.3)) policy.keepDaily = random.between(1, 3);
  if (random.chance(0.3)) policy.keepWithin = random.pick([10_000, 3_600_000, DAY, "2d"]);
  if (random.chance(0.2)) policy.maxBackups = random.between(1, 5);
  if (random.chance(0.2)) policy.maxBytes = random.pick([1, 20_000, 200_000]);
  return Object.keys(policy).length > 0 ? policy : { keepLast: 1 };
}

/**
 * After what may have removed some, and gave no answer that tells: pinned ones are there, unless damage took them, of others
 * what is there.
 */
export async function recount(place: Place, mayLosePinned = false): Promise<void> {
  const listed = await listIds(place);
  if (listed === undefined) {
    for (const [id, { pinned }] of place.backups) if (!pinned) place.backups.delete(id);
    return;
  }
  for (const [id, { pinned }] of place.backups) {
    // A listing that lacks keys says nothing of what is gone.
    const there: boolean = listed.has(id) || (place.stale && await place.holds(`backups/${id}.json`));
    assert.ok(!pinned || there || mayLosePinned, `backup ${id} was pinned and is gone`);
    if (!there) place.backups.delete(id);
  }
}

async function listIds(place: Place): Promise<Set<string> | undefined> {
  try {
    return new Set((await place.repo.list()).map(({ id }) => id));
  } catch (error) {
    if (place.failing) return undefined;
    throw error;
  }
}

/** Prunes, and looks whether what must stay did. */
export async function prune(world: World, place: Place, beside = false): Promise<void> {
  const policy = randomPolicy(world);
  const now = world.time.clock();
  const calm = !beside && !place.failing && !isBusy(place);
  if (calm && world.random.chance(0.3)) {
    const { backups } = await place.repo.prune(policy, { dryRun: true });
    world.note(`${place.name}: dry prune would remove ${backups.filter(({ keep }) => !keep).length}`);
  }
  const listed = calm ? await place.repo.list() : [];
  const done = await attempt(
    world,
    `${place.name}: prune ${JSON.stringify(policy)}`,
    { places: [place], beside },
    () => place.repo.prune(policy),
  );
  await recount(place);
  if (done === undefined || !calm) return;
  const { backups, points } = done.value;
  const gone = new Set(backups.filter(({ keep }) => !keep).map(({ id }) => id));
  world.note(`${place.name}: pruned ${[...gone].join(" ")}`);
  const left = new Set((await place.repo.list()).map(({ id }) => id));
  for (const { id } of listed) {
    assert.equal(left.has(id), !gone.has(id), `backup ${id} stays or goes as the report says`);
  }
  const after = await place.repo.recoveryPoints();
  // What may still be used goes later; until then there is more.
  if (done.value.pendingBytes === 0) assert.deepEqual(after, points.after, "the points that a pruning says it leaves");
  else assertWithin(points.after, after);
  assertNewestStay(world, points.before, points.after);
  const { keepWithin } = policy;
  if (keepWithin === undefined) return;
  const since = now - (keepWithin === "2d" ? 2 * DAY : keepWithin as number);
  if (policy.maxBackups === undefined && policy.maxBytes === undefined) {
    assertSince(world, points.before, points.after, since);
  }
}

function assertWithin(inner: readonly RecoveryRange[], outer: readonly RecoveryRange[]): void {
  for (const { lineage, from, to } of inner) {
    const holds = outer.some((range) =>
      range.lineage === lineage && range.from.version <= from.version && to.version <= range.to.version
    );
    assert.ok(holds, `${from.version} to ${to.version} of ${lineage} was to stay`);
  }
}

/** The newest point of every history stays, unless another one goes on from there. */
function assertNewestStay(world: World, before: readonly RecoveryRange[], after: readonly RecoveryRange[]): void {
  const lineages = [...new Set(before.map(({ lineage }) => lineage))];
  for (const lineage of lineages) {
    const newest = (ranges: readonly RecoveryRange[]): number =>
      Math.max(...ranges.filter((range) => range.lineage === lineage).map(({ to }) => to.version));
    const goesOn = lineages.some((other) =>
      world.chronicle.lines.get(other)!.parents.some((parent) =>
        parent.lineage === lineage && parent.version >= newest(before)
      )
    );
    const [was, is] = [newest(before), newest(after)];
    // A replication beside may have brought more by then.
    const mayGrow = world.homes.some(({ replication }) => replication !== undefined);
    assert.ok(
      goesOn || is === was || (mayGrow && is > was),
      `the newest point of ${lineage} after a pruning: ${is}, and ${was} before it`,
    );
  }
}

function assertSince(
  world: World,
  before: readonly RecoveryRange[],
  after: readonly RecoveryRange[],
  since: number,
): void {
  for (const { lineage, from, to } of before) {
    for (let version = from.version; version <= to.version; version++) {
      const state = world.chronicle.state(lineage, version);
      if (state === undefined || state.timestamp < since) continue;
      // One that was followed in the very ms in which the time begins is the state of none of it.
      const next = world.chronicle.state(lineage, version + 1);
      if (next !== undefined && next.timestamp <= since) continue;
      const stays = after.some((range) =>
        range.lineage === lineage && range.from.version <= version && version <= range.to.version
      );
      assert.ok(stays, `version ${version} of ${lineage} is within keepWithin and was pruned`);
    }
  }
}

/** Deletes one by its id. */
export async function remove(world: World, place: Place): Promise<void> {
  const ids = [...place.backups.keys()];
  if (ids.length === 0) return;
  const id = world.random.pick(ids);
  const { pinned } = place.backups.get(id)!;
  const done = await attempt(
    world,
    `${place.name}: delete ${id}`,
    { places: [place] },
    () => place.repo.delete(id),
    (error) => hasCode(error, "NEEDED") || (place.failing && hasCode(error, "NOT_FOUND")),
  );
  assert.ok(done === undefined || !pinned, `backup ${id} was pinned and could be deleted`);
  if (done !== undefined || place.failing) await recount(place);
}

/** Pins or unpins one. */
export async function pin(world: World, place: Place): Promise<void> {
  const ids = [...place.backups.keys()];
  if (ids.length === 0) return;
  const id = world.random.pick(ids);
  const pinned = world.random.chance(0.6);
  const done = await attempt(
    world,
    `${place.name}: ${pinned ? "pin" : "unpin"} ${id}`,
    { places: [place] },
    () => pinned ? place.repo.pin(id) : place.repo.unpin(id),
  );
  if (done !== undefined) place.backups.set(id, { pinned });
  else if (!pinned) place.backups.set(id, { pinned: false }); // Perhaps.
}

/** Starts, stops or flushes a replication into the first repository. */
export async function replicate(world: World, home: Home): Promise<void> {
  const { random, first } = world;
  const { replication } = home;
  if (replication === undefined) {
    const options = {
      interval: random.pick([10_000, 60_000]),
      heartbeat: random.pick([60_000, 600_000]),
      baseEvery: random.pick(["1h", "1d"] as const),
      baseBytes: 65_536,
    };
    const started = await attempt(
      world,
      `replicate ${home.name}: ${JSON.stringify(options)}`,
      { places: [first] },
      () => first.repo.replicate(home.db, options),
    );
    home.replication = started?.value;
    return;
  }
  if (random.chance(0.5)) {
    const done = await attempt(
      world,
      `flush the replication of ${home.name}`,
      { places: [first] },
      () => replication.flush(),
    );
    if (done !== undefined) home.allDurable(replication.status().archivedVersion);
    return;
  }
  home.replication = undefined;
  await attempt(world, `stop the replication of ${home.name}`, { places: [first] }, () => replication.stop());
}

/** Whether a copy met what a pruning of its target had marked and could not delete yet: the next pruning there does. */
export function isBeingDeleted(error: unknown): boolean {
  return hasCode(error, "REPOSITORY_LOCKED") && /a pruning there is about to delete it/.test(`${error}`);
}

/** Everything that is in the first goes into the second. */
export async function copyOver(world: World, beside = false): Promise<boolean> {
  const { first, second } = world;
  const done = await attempt(
    world,
    "copy to the second repository",
    { places: [first, second], beside },
    () => first.repo.copyTo(second.repo),
    isBeingDeleted,
  );
  for (const id of done?.value.backups ?? []) second.backups.set(id, { pinned: false });
  return done !== undefined;
}

/** Another key, or other keys. */
export async function changeKeys(world: World, place: Place): Promise<void> {
  if (place.secrets.length === 0) return;
  const secret = world.newSecret();
  const rotates = world.random.chance(0.5);
  const all = [...place.secrets, ...place.doubtful];
  const done = await attempt(
    world,
    `${place.name}: ${rotates ? "rotateKey" : "addKey"}`,
    { places: [place] },
    () => rotates ? place.repo.rotateKey(secret) : place.repo.addKey(secret),
  );
  if (done === undefined) {
    place.doubtful.push(secret);
    return;
  }
  if (!rotates) {
    place.secrets.push(secret);
    return;
  }
  place.lost.push(...all);
  place.secrets = [secret];
  place.doubtful = [];
}
