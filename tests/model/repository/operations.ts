/** All that may happen in a run, and how often. */
import assert from "node:assert/strict";
import type { RepositoryProblem } from "../../../mod.ts";
import { die, dropSlot, passTime, reopen, reopenPlace } from "./accidents.ts";
import { ailing } from "./ailing.ts";
import { backUp, changeKeys, copyOver, pin, prune, remove, replicate } from "./backups.ts";
import { check } from "./check.ts";
import { exportCopy, restoreAmid, restoreBeside, restoreInto } from "./restores.ts";
import { rotDatabase, rotRepository } from "./rot.ts";
import type { Place } from "./place.ts";
import { attempt } from "./tasks.ts";
import type { World } from "./world.ts";
import { writeAtOnce, writeSome } from "./writes.ts";

/** Something that is done. */
export type Operation = (world: World) => Promise<unknown>;

/** What may be done while a store fails. */
const REPOSITORY: readonly (readonly [weight: number, Operation])[] = [
  [24, (world) => backUp(world, world.pickHome())],
  [8, (world) => replicate(world, world.pickHome())],
  [6, (world) => prune(world, world.first)],
  [1, (world) => prune(world, world.second)],
  [2, (world) => remove(world, world.first)],
  [3, (world) => pin(world, world.first)],
  [4, (world) => copyOver(world)],
  [4, (world) => restoreInto(world, world.pickHome())],
  [2, restoreBeside],
  [2, (world) => changeKeys(world, world.random.chance(0.7) ? world.first : world.second)],
  [8, passTime],
];

/** Each with its weight. */
export const OPERATIONS: readonly (readonly [weight: number, Operation])[] = [
  [45, (world) => writeSome(world, world.pickHome())],
  [8, (world) => writeAtOnce(world, world.pickHome())],
  ...REPOSITORY,
  [2, flushOne],
  [3, compactOne],
  [2, (world) => reopen(world, world.pickHome())],
  [2, (world) => reopenPlace(world, world.random.chance(0.7) ? world.first : world.second)],
  [2, (world) => die(world, world.random.pick(["kill", "power"]))],
  [1, (world) => exportCopy(world, world.pickHome())],
  [0.5, (world) => dropSlot(world, world.pickHome())],
  [8, failing],
  [5, dying],
  [6, together],
  [2, (world) => check(world, world.first, { share: 0.2, times: 2 })],
  [1, (world) => inspect(world, world.first)],
];

/** What else happens where disks fail too, and rot. */
export const FAULTY: readonly (readonly [weight: number, Operation])[] = [
  ...OPERATIONS,
  [10, (world) => ailing(world, () => world.random.weighted(WHILE_AILING))],
  [8, rotDatabase],
  [1, rotRepository],
];

const WHILE_AILING: readonly (readonly [weight: number, Operation])[] = [
  [30, (world) => writeSome(world, world.pickHome())],
  [20, (world) => writeAtOnce(world, world.pickHome())],
  ...REPOSITORY,
  [6, flushOne],
  [6, compactOne],
  [4, (world) => reopen(world, world.pickHome())],
  [4, (world) => exportCopy(world, world.pickHome())],
];

/** What is written becomes durable. */
export async function flushOne(world: World): Promise<void> {
  const home = world.pickHome();
  world.note(`flush ${home.name}`);
  await home.db.flush();
  // A copy may have begun a line of its own.
  home.note();
  home.allDurable();
}

/** Rewrites all tables of one. */
export async function compactOne(world: World): Promise<void> {
  const home = world.pickHome();
  world.note(`compact ${home.name}`);
  await home.db.compact();
  home.note();
}

/** A few things while the stores fail now and then. */
export async function failing(world: World): Promise<void> {
  const { random, chance, first, second, stale } = world;
  const kinds = stale && random.chance(0.3)
    ? ["refuse", "stale", "hide"] as const
    : random.pick([["refuse", "lose", "tear"], ["lose"], ["tear"]] as const);
  const probability = random.pick([0.02, 0.1, 0.3]);
  world.note(`calls fail: ${kinds} ${probability}`);
  first.fail(chance.next, probability, kinds);
  if (random.chance(0.5)) second.fail(chance.next, probability, kinds);
  world.leaveLeases();
  for (let i = random.between(1, 5); i > 0; i--) {
    if (random.chance(0.5)) await writeSome(world, world.pickHome(), 3);
    await random.weighted(REPOSITORY)(world);
  }
  await world.quiet();
  world.leaveLeases();
  first.heal();
  second.heal();
  world.note("calls work again");
}

/** The process dies at some call on a store; then everything is opened again. */
export async function dying(world: World): Promise<void> {
  const { random, first, second } = world;
  const place = random.chance(0.8) ? first : second;
  const calls = random.pick([random.between(1, 10), random.between(1, 60)]);
  const kind = random.pick(["die", "dieAfter"] as const);
  world.note(`${place.name}: ${kind} at call ${calls} from now`);
  place.dieAt(calls, kind);
  world.leaveLeases();
  for (let i = 0; i < 3 && !place.store.dead; i++) {
    if (random.chance(0.5)) await writeSome(world, world.pickHome(), 3);
    await random.weighted(REPOSITORY)(world);
  }
  await die(world, random.pick(["kill", "power"]));
}

/** Several things at once. */
export async function together(world: World): Promise<void> {
  const { random, first } = world;
  const writer = world.pickHome();
  const other = world.pickHome();
  world.note("at once:");
  const later: (() => Promise<void>)[] = [];
  const tasks: Promise<unknown>[] = [writeSome(world, writer, 10), backUp(world, writer, true)];
  if (random.chance(0.5)) tasks.push(prune(world, first, true));
  if (random.chance(0.4)) tasks.push(copyOver(world, true));
  if (random.chance(0.3) && other !== writer) tasks.push(backUp(world, other, true));
  if (random.chance(0.5)) tasks.push(restoreAmid(world, first).then((after) => void later.push(after)));
  const dies = random.chance(0.15);
  if (dies) {
    first.dieAt(random.between(1, 60), "die");
    world.leaveLeases();
  }
  const results = await Promise.allSettled(tasks);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  for (const after of later) await after();
  world.note("all of that is done");
  if (dies) await die(world, "kill");
}

/** A repository looks at itself. */
export async function inspect(world: World, place: Place): Promise<void> {
  const { random } = world;
  await world.quiet();
  const read = random.pick(["all", "sample", "none"] as const);
  const done = await attempt(
    world,
    place === world.first ? `verify, ${read}` : `verify ${place.name}, ${read}`,
    { places: [place] },
    () => place.repo.verify(undefined, { read }),
  );
  if (done === undefined) return;
  const { problems } = done.value;
  if (!tellsOfLostHeads(world, problems)) return assert.deepEqual(problems, [], `${place.name}: verify in the middle`);
  await place.repo.repair();
  assert.deepEqual((await place.repo.verify(undefined, { read })).problems, [], `${place.name}: verify after a repair`);
}

/**
 * Whether all that was found is heads that are lost. Nothing told of it when others were missed, for they counted no log; then
 * a writer put some, and died before it put the head again.
 */
export function tellsOfLostHeads({ mended }: World, problems: readonly RepositoryProblem[]): boolean {
  return mended && problems.length > 0 &&
    problems.every(({ detail }) => /there is archived log that it has/.test(detail));
}
