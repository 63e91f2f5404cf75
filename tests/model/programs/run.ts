/**
 * One seed, one run of programs beside each other: backups, prunings, copies, checks, repairs, restores and replications at once
 * on two repositories, by clocks that are up to 40 minutes apart, some of them killed.
 */
import { beginSimulation } from "../../../lib/base/simulation.ts";
import { yieldToLoop } from "../../../lib/base/yield.ts";
import { loadAll } from "../../../lib/db/rest.ts";
import { Random } from "../random.ts";
import type { RunResult } from "../repository/run.ts";
import { assertNewest, assertTidy, judge } from "./judge.ts";
import { program } from "./program.ts";
import { MINUTE, World } from "./world.ts";

/** Rounds between two looks at what is left behind. */
const TIDY_EVERY = 10;

/** Runs; throws with all that it takes to run it again. */
export async function runPrograms({ seed, rounds }: { seed: number; rounds: number }): Promise<RunResult> {
  await loadAll();
  const simulation = beginSimulation(new Random(seed, 5).next);
  const world = new World(seed);
  let round = 0;
  try {
    await begin(world);
    for (; round < rounds; round++) await runRound(world, round);
    return { operations: rounds, restores: world.restores, trace: world.trace.join("\n"), counts: world.counts };
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    throw new Error(
      `programs beside each other, seed ${seed}, round ${round} of ${rounds}: ${message}\n` +
        `In this round:\n  ${world.trace.filter((line) => line.startsWith(`${round}.`)).join("\n  ")}\n${stack}\n`,
      { cause: error },
    );
  } finally {
    await world.db?.close().catch(() => {});
    // What the dead still had under way must not take part in another run.
    for (let i = 0; i < 50; i++) await yieldToLoop();
    simulation.end();
  }
}

async function begin(world: World): Promise<void> {
  await world.begin();
  for (let times = 0; times < 20; times++) await world.commit();
  const [first, second] = [await world.open(world.first.store), await world.open(world.second.store)];
  const { id, version } = await first.backup(world.db, { type: "full" });
  world.told.set(id, version);
  await first.copyTo(second);
  await second.close();
  await first.close();
}

async function runRound(world: World, round: number): Promise<void> {
  const { random, first, second } = world;
  for (let left = random.below(6); left > 0; left--) await world.commit();
  world.dying = false;
  const programs = Array.from({ length: random.between(2, 5) }, (_, i) => program(world, `${round}.${i}`));
  const ended = await Promise.allSettled(programs.map((run) => run()));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  if (random.chance(0.5)) world.pass(16 * MINUTE);
  await assertNewest(world, await judge(world, first, 2));
  await judge(world, second, 1);
  if (round % TIDY_EVERY < TIDY_EVERY - 1) return;
  // What a shipment that was cut off has left lies beyond its head until the next.
  world.pass(26 * 60 * MINUTE);
  const [one, two] = [await world.open(first.store), await world.open(second.store)];
  await one.prune({ keepLast: 3 });
  await two.prune({ keepLast: 3 });
  await one.backup(world.db);
  await one.copyTo(two);
  await two.close();
  await one.close();
  await assertTidy(world, first);
  await assertTidy(world, second);
  world.told.clear();
}
