/**
 * Runs in which histories part and archiving is cut off, over and over: little is written, in few milliseconds; databases are
 * copied and restored, in place and beside; shipments end before their head is moved; slots lag, and log is lost before it is
 * archived; little is kept, days go by, and what was archived goes to the second repository and comes back.
 */
import { die, dropSlot, passTime, reopen, reopenPlace } from "./accidents.ts";
import { backUp, copyOver, isBeingDeleted, pin, prune, remove, replicate } from "./backups.ts";
import { check } from "./check.ts";
import type { Home } from "./home.ts";
import { compactOne, dying, failing, flushOne, inspect, type Operation, together } from "./operations.ts";
import { exportCopy, restoreBeside, restoreInto } from "./restores.ts";
import { attempt, isOfStore } from "./tasks.ts";
import type { World } from "./world.ts";
import { writeOne } from "./writes.ts";

const DAY = 86_400_000;

/** The limits on log that waits to be archived: in most runs it is lost early. */
export const FORKS_ARCHIVES: readonly (readonly [weight: number, number])[] = [[3, 2 ** 30], [2, 20_000], [3, 2000]];

/** Each with its weight. */
export const FORKS: readonly (readonly [weight: number, Operation])[] = [
  [16, (world) => writeFew(world, world.pickHome())],
  [14, (world) => backUp(world, world.pickHome())],
  [6, (world) => replicate(world, world.pickHome())],
  [6, cutShort],
  [5, abandon],
  [4, outrun],
  [4, daysLater],
  [6, (world) => exportCopy(world, world.pickHome())],
  [4, restoreBeside],
  [4, (world) => restoreInto(world, world.pickHome())],
  [5, (world) => prune(world, world.first)],
  [2, (world) => prune(world, world.second)],
  [2, (world) => remove(world, world.first)],
  [2, (world) => pin(world, world.first)],
  [4, (world) => copyOver(world)],
  [6, copyBack],
  [3, passTime],
  [2, flushOne],
  [4, compactOne],
  [2, (world) => reopen(world, world.pickHome())],
  [1, (world) => reopenPlace(world, world.random.pick([world.first, world.second]))],
  [2, (world) => die(world, world.random.pick(["kill", "power"]))],
  [0.5, (world) => dropSlot(world, world.pickHome())],
  [2, failing],
  [2, dying],
  [3, together],
  [2, (world) => check(world, world.first, { share: 0.3, times: 4 })],
  [2, (world) => inspect(world, world.random.pick([world.first, world.second]))],
];

/** One to three commits, most of them in one millisecond. */
async function writeFew(world: World, home: Home): Promise<void> {
  const { random, time } = world;
  for (let i = random.between(1, 3); i > 0; i--) {
    await writeOne(world, home);
    if (random.chance(0.15)) time.step(random.between(1, 40));
  }
}

/** A shipment puts its log and dies, or gives up, at the head. */
async function cutShort(world: World): Promise<void> {
  const { random, first } = world;
  const home = world.pickHome();
  await writeFew(world, home);
  const kind = random.pick(["die", "dieAfter", "refuse"] as const);
  const wanted = random.between(0, 1);
  world.note(`a shipment of ${home.name} comes to head ${wanted}: ${kind}`);
  let heads = 0;
  first.strike({
    at: ({ operation, key }) => operation === "put" && key.startsWith("heads/") && heads++ >= wanted,
    do: kind,
    times: kind === "refuse" ? Infinity : 1,
  });
  world.leaveLeases();
  const { replication } = home;
  if (replication === undefined) await backUp(world, home);
  else await attempt(world, "flush its replication", { places: [first] }, () => replication.flush());
  await world.quiet();
  if (first.store.dead) return await die(world, random.pick(["kill", "power"]));
  first.heal();
}

/** A replication ends without a last word, so that its slot lags. */
async function abandon(world: World): Promise<void> {
  const home = world.pickHome();
  if (home.replication === undefined) await replicate(world, home);
  for (let i = world.random.between(0, 2); i > 0 && home.replication !== undefined; i--) {
    await writeFew(world, home);
    await attempt(world, `ship ${home.name}`, { places: [world.first] }, () => home.replication!.flush());
  }
  const { replication } = home;
  world.note(`${home.name} is closed under its replication`);
  home.replication = undefined;
  world.catchUp();
  await world.quiet();
  await home.db.close();
  await replication?.stop().catch((error) => {
    if (!isOfStore(error)) throw error;
  });
  await home.open(world.disk, "close");
}

/** Log comes and goes faster than it is archived. */
async function outrun(world: World): Promise<void> {
  const home = world.pickHome();
  for (let i = 3; i > 0; i--) {
    await writeFew(world, home);
    await home.db.compact();
    home.note();
  }
  world.note(`${home.name} has compacted its log away`);
}

/** The day is over, and what was archived on it is merged. */
async function daysLater(world: World): Promise<void> {
  const { random, time } = world;
  time.step(random.pick([3_600_000, DAY, 2 * DAY]));
  world.note("days later");
  const home = world.pickHome();
  if (home.replication === undefined) await replicate(world, home);
  await writeFew(world, home);
  await time.advance(130_000, () => world.quiet());
  await world.quiet();
}

/** A few backups go from one repository to the other, or all, be it that they were pruned there. */
export async function copyBack(world: World): Promise<void> {
  const { random } = world;
  const [from, to] = random.chance(0.7) ? [world.second, world.first] : [world.first, world.second];
  const ids = [...from.backups.keys()];
  const some = random.chance(0.6) && ids.length > 0;
  const backups = some ? Array.from({ length: random.between(1, 2) }, () => random.pick(ids)) : undefined;
  const done = await attempt(
    world,
    `copy ${backups ?? "all"} from the ${from.name} repository to the ${to.name}`,
    { places: [from, to] },
    () => from.repo.copyTo(to.repo, { backups }),
    isBeingDeleted,
  );
  for (const id of done?.value.backups ?? []) to.backups.set(id, { pinned: false });
}
