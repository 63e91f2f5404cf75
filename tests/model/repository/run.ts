/** One seed, one run of the model of backup repositories. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { checkSecrets, reopenPlace } from "./accidents.ts";
import { copyOver } from "./backups.ts";
import { check } from "./check.ts";
import { FORKS, FORKS_ARCHIVES } from "./forks.ts";
import type { Home } from "./home.ts";
import { MENDING } from "./mending.ts";
import type { RealStore } from "./place.ts";
import { FAULTY, OPERATIONS, tellsOfLostHeads } from "./operations.ts";
import { doAsTold, hasCode } from "./tasks.ts";
import { World } from "./world.ts";
import { beginSimulation } from "../../../lib/base/simulation.ts";
import { yieldToLoop } from "../../../lib/base/yield.ts";
import { loadAll } from "../../../lib/db/rest.ts";
import { Random } from "../random.ts";

/** What is to be run. */
export interface RepositoryRun {
  seed: number;
  /** How many operations; some are many at once. */
  operations: number;
  /** Whether disks fail too, and rot. */
  faulty?: boolean;
  /** What is done more often than in any run: see `PROFILES`. */
  profile?: Profile;
  /** Where the first and the second repository lie, if not where the seed says. */
  stores?: readonly RealStore[];
}

/**
 * What kinds of runs there are: of everything; of histories that part and archiving that is cut off; of everything, with
 * stores that check what they take, so that nothing is read back; of databases and repositories that lose files and objects,
 * are repaired and go on.
 */
export const PROFILES = ["any", "forks", "checks", "mends"] as const;

/** One of them. */
export type Profile = typeof PROFILES[number];

/** What a run did. */
export interface RunResult {
  operations: number;
  /** Restores that were compared, or rightly refused. */
  restores: number;
  /** A digest of all that was done, and of every call that was made on a store: the same for the same seed. */
  trace: string;
  /** What happened, by kind. */
  counts: Readonly<Record<string, number>>;
}

/** A step that takes so long hangs, ms. */
const HANGS_AFTER = 120_000;

const DAY = 86_400_000;

/** Runs; throws with all that it takes to run it again. */
export async function runRepositoryModel(
  { seed, operations, faulty = false, profile = "any", stores }: RepositoryRun,
): Promise<RunResult> {
  await loadAll();
  const simulation = beginSimulation(new Random(seed, 5).next);
  const forks = profile === "forks";
  const possible = profile === "mends" ? MENDING : forks ? FORKS : faulty ? FAULTY : OPERATIONS;
  const checks = profile === "checks";
  const world = new World(seed, simulation, { faulty, checks, stores, archives: forks ? FORKS_ARCHIVES : undefined });
  try {
    await watched(world, async () => {
      await world.begin();
      for (; world.step < operations; world.step++) await world.random.weighted(possible)(world);
      await finish(world);
    });
    return { operations, restores: world.restores, trace: digestOf(world), counts: world.counts };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    throw new Error(
      `model of repositories, seed ${seed}, step ${world.step} of ${operations}: ${message}\n` +
        `Again: HOLDFAST_SEED=${seed} in the environment. All that was done:\n  ${
          world.trace.join("\n  ")
        }\n${stack}\n`,
      { cause: error },
    );
  } finally {
    for (const { db, replication } of world.homes) {
      await replication?.stop().catch(() => {});
      await db?.close().catch(() => {});
    }
    for (const { repo } of [world.first, world.second]) await repo?.close().catch(() => {});
    // What the dead still had under way must not take part in another run.
    for (let i = 0; i < 50; i++) await yieldToLoop();
    simulation.end();
  }
}

function digestOf({ trace, first, second, disk }: World): string {
  const calls = [first, second].flatMap(({ store }) => store.calls);
  return createHash("sha256").update(JSON.stringify([trace, calls, disk.operations])).digest("hex");
}

/** All works again; then everything that is listed must be there. */
async function finish(world: World): Promise<void> {
  const { first, second, homes, time } = world;
  world.note("the end begins");
  await world.quiet();
  first.calm();
  second.calm();
  // Behind whatever the dead hold, and any time that was seen.
  time.step(time.latest - time.clock() + 2 * DAY);
  for (const home of homes) {
    home.assertUnchanged();
    const { replication } = home;
    home.replication = undefined;
    // It ends with the failure that it has met, however often it is asked; the last backup goes on where it ended.
    let asked = replication === undefined;
    await unlessOvertaken(world, home, async () => {
      if (asked) return;
      asked = true;
      await replication!.stop();
    });
  }
  for (const home of homes) {
    const made = await unlessOvertaken(world, home, () => first.repo.backup(home.db));
    const { id, version, lineage } = made ?? await first.repo.backup(home.db);
    first.backups.set(id, { pinned: false });
    world.note(`the last backup of ${home.name} is ${id} at ${version}`);
    assert.equal(version, home.version, `the last backup of ${home.name}`);
    const ranges = await first.repo.recoveryPoints({ lineage });
    assert.ok(ranges.some(({ from, to }) => from.version <= version && version <= to.version), `${id} is a point`);
  }
  // What a pruning had marked when it died refuses copies until the next one, as their error says.
  await second.repo.prune({ keepLast: Number.MAX_SAFE_INTEGER });
  const copied = await copyOver(world);
  assert.ok(copied || world.mended, "the last copy");
  for (const place of [first, second]) {
    let report = await place.repo.verify();
    if (tellsOfLostHeads(world, report.problems)) {
      await place.repo.repair();
      report = await place.repo.verify();
    }
    assert.deepEqual(report.problems, [], `${place.name}: verify`);
    assert.equal(report.ok, true);
  }
  if (copied) await assertAllCopied(world);
  await check(world, first, { share: 1, times: 6 });
  await check(world, second, { share: 0.5, times: 3 });
  await checkSecrets(first);
  await checkSecrets(second);
  await reopenPlace(world, first);
  await check(world, first, { share: 0.1, times: 1 });
}

/**
 * What `work` gives; undefined where a copy that stands in the same history has archived into it: who did so last is the one
 * from then on, and the other begins anew. Where something is lost for good, what an error says is done, once.
 */
async function unlessOvertaken<T>(
  world: World,
  home: Home,
  work: () => Promise<T>,
  mayBeTold: boolean = world.mended,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (mayBeTold && await doAsTold(world, { places: [world.first] }, error)) {
      return await unlessOvertaken(world, home, work, false);
    }
    const shares = world.homes.some((other) => other !== home && other.lineage === home.lineage);
    if (!shares || !hasCode(error, "LINEAGE")) throw error;
    await home.db.close();
    await home.open(world.disk, "close");
    return undefined;
  }
}

/** What the first lists, the second does. */
async function assertAllCopied({ first, second }: World): Promise<void> {
  const theirs = await second.repo.recoveryPoints();
  for (const range of await first.repo.recoveryPoints()) {
    const { lineage, from, to } = range;
    const copied = theirs.some((other) =>
      other.lineage === lineage && other.from.version <= from.version && to.version <= other.to.version
    );
    assert.ok(copied, `the second repository lacks ${JSON.stringify(range)}`);
  }
}

async function watched(world: World, run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let seen = "";
  const hangs = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const now = `${world.step} ${world.trace.length} ${world.restores}`;
      if (now === seen) reject(new Error(`nothing moves for ${HANGS_AFTER / 1000} s`));
      seen = now;
    }, HANGS_AFTER);
  });
  try {
    await Promise.race([run(), hangs]);
  } finally {
    clearInterval(timer);
  }
}
