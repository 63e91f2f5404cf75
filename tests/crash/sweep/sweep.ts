/** Runs a scenario again and again, with each kind of accident at each call on the file system. */
import assert from "node:assert/strict";
import { HoldfastError } from "../../../lib/base/errors.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { Clockwork } from "../public_database.ts";
import { LONG, pick, randomFrom, SHARE, TURN } from "../random.ts";
import { kinds } from "./kinds.ts";
import { Trial, type World } from "./trial.ts";

/** Nothing here waits for a clock, so what takes this long hangs. */
const HANG_MS = 60_000;

/** One kind of work. */
export interface Scenario<Before = unknown> {
  name: string;
  /** Makes what is there before; the same for all cases. */
  prepare(world: World): Promise<Before>;
  /** Arms the trial, does the work, lets `told` judge each error, checks all that must hold, and does the work again. */
  run(trial: Trial, before: Before): Promise<void>;
}

/** Counts of one sweep, by kind. */
export type Counts = Map<string, number>;

/**
 * Tries every kind at every place, or a third of them (`SHARE`). In the short form at about `sample` places for each kind, and below one for such a share
 * of the kinds.
 */
export async function sweep<Before>(scenario: Scenario<Before>, sample: number): Promise<Counts> {
  const started = performance.now();
  const world: World = { disk: memoryFileSystem(), machine: new Clockwork() };
  const before = await scenario.prepare(world);
  const rehearsal = new Trial(world, kinds[0]!, Infinity);
  await within(scenario.run(rehearsal, before));
  const counts: Counts = new Map();
  for (const [index, kind] of kinds.entries()) {
    const calls = rehearsal.calls.filter((call) => kind.applies(call)).length;
    const random = randomFrom(TURN, index, scenario.name.length);
    if (!LONG && random() >= sample) continue;
    const every = LONG ? SHARE : Math.max(1, Math.ceil(calls / Math.max(1, sample)));
    let cases = 0;
    for (let at = 1 + pick(random, every); at <= calls; at += every) {
      const trial = new Trial(world, kind, at);
      await within(scenario.run(trial, before)).catch((error) => {
        throw new Error(
          `${scenario.name}: ${kind.name}, at call ${at} of ${calls} (${trial.hit?.name} ${trial.hit?.path}), ` +
            `HOLDFAST_SEED=${TURN}: ${error instanceof Error ? error.stack : error}`,
          { cause: error },
        );
      });
      // Work side by side may take a call less this time.
      if (trial.hit !== undefined) cases++;
    }
    counts.set(kind.name, cases);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(`${scenario.name}: ${sumOf(counts)} cases in ${seconds.toFixed(1)} s, HOLDFAST_SEED=${TURN}`);
  if (LONG) { for (const [kind, count] of counts) console.log(`  ${scenario.name} | ${kind} | ${count}`); }
  return counts;
}

/** All cases. */
export function sumOf(counts: Counts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** The error of a call, or undefined: it must be one of the library's, of a kind that names what went wrong. */
export async function errorOf(
  trial: Trial,
  call: Promise<unknown>,
  also: readonly string[] = [],
): Promise<HoldfastError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    assert.ok(trial.hit !== undefined, `failed with nothing wrong: ${error instanceof Error ? error.stack : error}`);
    assert.ok(
      error instanceof HoldfastError,
      `no error of the library: ${error instanceof Error ? error.stack : error}`,
    );
    // A source that can't be read does not verify; it says why.
    const unread = error.code === "INTEGRITY" && error.message.includes("injected") || also.includes(error.code);
    assert.ok(unread || trial.kind.codes.includes(error.code), `${error.code}: ${error.stack}`);
    return error;
  }
}

async function within(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it hangs")), HANG_MS);
  });
  try {
    await Promise.race([work, hang]);
  } finally {
    clearTimeout(timer);
  }
}
