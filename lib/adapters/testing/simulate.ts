/**
 * Programs under accidents, again and again, each as a seed says.
 *
 * @module
 */
import { checkOptions, describeValue } from "../../base/options.ts";
import { beginSimulation } from "../../base/simulation.ts";
import { loadAll } from "../../db/rest.ts";
import { type AccidentKind, ACCIDENTS, SimulatedMachine } from "./machine.ts";

/** Options of `simulate`. */
export interface SimulateOptions {
  /** How many seeds, at least 1. Default: 100. */
  seeds?: number | undefined;
  /** The first of them. Default: 1. */
  from?: number | undefined;
  /** What may happen to programs. Default: everything. */
  accidents?: readonly AccidentKind[] | undefined;
}

const NAMES = ["seeds", "from", "accidents"];

/** What was simulated. */
export interface SimulationReport {
  /** Seeds. */
  seeds: number;
  /** How many runs of programs ended by themselves, and by each kind of accident. */
  endings: Record<string, number>;
}

/**
 * Runs `scenario` once for each seed, on a machine of its own. A scenario runs a program several times with
 * `machine.run`, remembers what the program was told is done, and checks in the next run that it is there. All that is not
 * your own chance or time comes from the seed, so a seed that fails fails again: no real time passes, threads do not
 * overlap, and no other simulation may go on in this process meanwhile.
 *
 * Rejects with the first error of a scenario; the message names the seed.
 *
 * @example A counter never goes back
 * ```ts
 * import assert from "node:assert/strict";
 * import { DB } from "@holdfast/db";
 * import { simulate } from "@holdfast/db/testing";
 *
 * const { endings } = await simulate(async (machine) => {
 *   let acknowledged = 0;
 *   for (let life = 0; life < 5; life++) {
 *     await machine.run(async () => {
 *       await using db = await DB.open("/counter", machine.openOptions);
 *       const found = db.getSync<number>("count") ?? 0;
 *       assert.ok(found >= acknowledged, `${found} after ${acknowledged} was acknowledged`);
 *       for (let count = found + 1; count <= found + 20; count++) {
 *         await db.set("count", count);
 *         acknowledged = count;
 *       }
 *     });
 *   }
 * }, { seeds: 20 });
 * assert.ok(endings["power"]! > 0);
 * ```
 */
export async function simulate(
  scenario: (machine: SimulatedMachine, seed: number) => Promise<void>,
  options?: SimulateOptions,
): Promise<SimulationReport> {
  if (typeof scenario !== "function") {
    throw new TypeError(`simulate: scenario must be a function, not ${describeValue(scenario)}`);
  }
  const { seeds = 100, from = 1, accidents = ACCIDENTS }: SimulateOptions = checkOptions("simulate", options, NAMES);
  // Without any it would pass, whatever the scenario.
  checkWhole("seeds", seeds, 1);
  checkWhole("from", from, 0);
  if (!Array.isArray(accidents)) {
    throw new TypeError(`simulate: option "accidents" must be an array, not ${describeValue(accidents)}`);
  }
  for (const kind of accidents) {
    if (!ACCIDENTS.includes(kind)) {
      throw new TypeError(
        `simulate: option "accidents" holds ${JSON.stringify(kind)}, not one of ${ACCIDENTS.join(" ")}`,
      );
    }
  }
  await loadAll();
  const endings: Record<string, number> = {};
  for (let seed = from; seed < from + seeds; seed++) {
    const random = seededRandom(seed);
    const simulation = beginSimulation(seededRandom(seed + 0.5));
    try {
      const machine = new SimulatedMachine(simulation, random, accidents, (ending) => {
        endings[ending] = (endings[ending] ?? 0) + 1;
      });
      await scenario(machine, seed);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`simulate: seed ${seed}: ${message}; again with { from: ${seed}, seeds: 1 }`, { cause: error });
    } finally {
      simulation.end();
    }
  }
  return { seeds, endings };
}

function checkWhole(name: string, value: unknown, min: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min) return;
  throw new RangeError(`simulate: option "${name}" must be a whole number of at least ${min}, not ${String(value)}`);
}

/** A generator of numbers from 0 up to 1 (sfc32): the same ones for the same seed. */
export function seededRandom(seed: number): () => number {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, Math.trunc(seed * 2) ^ 0xdeadbeef];
  const next = (): number => {
    const sum = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next();
  return next;
}
