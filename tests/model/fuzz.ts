/**
 * The model test for as long as you like:
 *
 *     npm run fuzz                              until it fails or is stopped
 *     npm run fuzz -- --seeds 500 --ops 10000   so many seeds, so many operations each
 *     npm run fuzz -- --from 7 --seeds 1        one seed
 *     npm run fuzz -- --limits tiny --disk files
 *     npm run fuzz -- --keep-going              doesn't stop at a failure
 *     npm run fuzz -- --repository --ops 100    the model of backup repositories instead
 *     npm run fuzz -- decoders --seconds 60     changed bytes for every decoder instead: see tests/fuzz/command.ts
 *
 * Without `--limits` and `--disk` most runs are under tiny limits and in memory, where most goes wrong soonest. The first
 * seed is taken from the clock, and printed.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { fuzzDecoders } from "../fuzz/command.ts";
import type { RunKind } from "./limits.ts";
import { runRepositoryModel } from "./repository/run.ts";
import { runModel } from "./run.ts";

if (process.argv[2] === "decoders") process.exit(await fuzzDecoders(process.argv.slice(3)));

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    ops: { type: "string", default: "5000" },
    from: { type: "string", default: process.env["HOLDFAST_SEED"] ?? String(Date.now() % 1_000_000_000) },
    limits: { type: "string" },
    disk: { type: "string" },
    "keep-going": { type: "boolean", default: false },
    repository: { type: "boolean", default: false },
  },
});

const from = number("from", values.from, 0);
const seeds = values.seeds === undefined ? Infinity : number("seeds", values.seeds, 1);
const operations = number("ops", values.ops, 1);

function number(name: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min) return value;
  console.error(`--${name} must be a whole number of at least ${min}, not ${text}`);
  process.exit(1);
}

function choice<T extends string>(name: string, given: string | undefined, choices: readonly T[]): T | undefined {
  const found = choices.find((one) => one === given);
  if (given === undefined || found !== undefined) return found;
  console.error(`--${name} must be ${choices.join(" or ")}, not ${given}`);
  process.exit(1);
}

const limits = choice("limits", values.limits, ["tiny", "normal"]);
const disk = choice("disk", values.disk, ["memory", "files"]);

function kindOf(seed: number): RunKind {
  return {
    limits: limits ?? (seed % 8 === 3 ? "normal" : "tiny"),
    disk: disk ?? (seed % 16 === 5 ? "files" : "memory"),
  };
}

const started = performance.now();
let total = 0;
let failed = 0;
let stopped = false;
process.once("SIGINT", () => stopped = true);

console.log(`from seed ${from}, ${operations} operations each; Ctrl-C stops after the seed under way`);
for (let i = 0; i < seeds && !stopped; i++) {
  const seed = from + i;
  const kind = kindOf(seed);
  try {
    total += values.repository
      ? (await runRepositoryModel({ seed, operations })).operations
      : await runModel({ seed, operations, ...kind });
  } catch (error) {
    failed++;
    console.log(
      error instanceof Error ? `${error.message}\n${(error.cause as Error | undefined)?.stack ?? ""}` : error,
    );
    const again = values.repository
      ? `--repository --ops ${operations}`
      : `--limits ${kind.limits} --disk ${kind.disk}`;
    console.log(`again: npm run fuzz -- --from ${seed} --seeds 1 ${again}`);
    if (!values["keep-going"]) break;
  }
  const seconds = (performance.now() - started) / 1000;
  if (i % 10 === 9 || seconds > 60) {
    console.log(
      `seed ${seed}: ${i + 1} runs, ${total.toLocaleString("en")} operations, ${(total / seconds).toFixed(0)} a second`,
    );
  }
}
console.log(failed === 0 ? `no difference in ${total.toLocaleString("en")} operations` : `${failed} runs failed`);
process.exitCode = failed === 0 ? 0 : 1;
