/** One seed, one run: the same seed and kind always do the same. */
import { type Disk, diskOf, type RunKind } from "./limits.ts";
import { compareAll, reopen } from "./maintenance.ts";
import { glance, OPERATIONS } from "./operations.ts";
import { Random } from "./random.ts";
import { World } from "./world.ts";

/** What is to be run. */
export interface RunOptions extends RunKind {
  seed: number;
  /** How many operations, about. */
  operations: number;
  /** Told now and then how many are done. */
  onProgress?: (operations: number) => void;
}

/** A run in which nothing moves for so long hangs, ms. */
const HANGS_AFTER = 60_000;

/** Commits that stay in the model's memory, for `changes` to be compared with. */
const COMMITS_KEPT = 2000;

/** Runs; resolves to the number of operations, or throws with all that it takes to run it again. */
export async function runModel(options: RunOptions): Promise<number> {
  const random = new Random(options.seed, options.limits === "tiny" ? 1 : 2, options.disk === "memory" ? 1 : 2);
  const disk = await diskOf(random, options);
  const world = new World(random, disk, options);
  let step = 0;
  try {
    await withWatchdog(() => step, async () => {
      await world.open();
      for (let last = 0; world.operations < options.operations; step++, world.operations++) {
        await random.weighted(OPERATIONS)(world);
        if (random.chance(0.5)) glance(world);
        if (world.operations - last < 500) continue;
        last = world.operations;
        forget(world);
        options.onProgress?.(world.operations);
      }
      compareAll(world);
      await reopen(world);
      compareAll(world);
    });
    await world.db.close();
    return world.operations;
  } catch (error) {
    throw failure(options, world, step, error);
  } finally {
    await end(world, disk);
  }
}

async function end(world: World, disk: Disk): Promise<void> {
  await world.letGo().catch(() => {});
  await world.db?.close().catch(() => {});
  disk.dispose();
}

/** Keeps the model from growing without end. */
function forget(world: World): void {
  const held = [...world.snapshots.map(({ point }) => point.version), ...world.followers.map(({ last }) => last)];
  world.model.forget(Math.min(world.durable, world.model.version - COMMITS_KEPT, ...held));
}

async function withWatchdog(step: () => number, run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let seen = -1;
  const hangs = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (step() === seen) reject(new Error(`nothing moves for ${HANGS_AFTER / 1000} s`));
      seen = step();
    }, HANGS_AFTER);
  });
  try {
    await Promise.race([run(), hangs]);
  } finally {
    clearInterval(timer);
  }
}

function failure({ seed, limits, disk }: RunOptions, world: World, step: number, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  return new Error(
    `model test, seed ${seed}, ${limits} limits, ${disk}, step ${step}: ${message}\n` +
      `Again: HOLDFAST_SEED=${seed} in the environment. The last operations:\n  ${
        world.trace.slice(-30).join("\n  ")
      }\n`,
    { cause: error },
  );
}
