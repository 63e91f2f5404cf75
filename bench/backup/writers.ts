/**
 * What writers notice of a full backup: with and without one in turn, each in a process of its own, on the same data.
 *
 * @module
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { mebibytes, median, short, table } from "../report.ts";
import { machine } from "../runtime.ts";
import { ENTRY_BYTES } from "./data.ts";
import { type Common, inTemporary } from "./options.ts";
import { type Line, progress, record, runJob } from "./run_job.ts";

/** Options of this bench. */
export interface WritersOptions extends Common {
  /** Raw bytes of the database. */
  bytes: number;
  /** How often everything is repeated. */
  rounds: number;
  /** How long writers are measured, at least. */
  seconds: number;
  /** Names of `LOAD_NAMES`; all unless given. */
  only: readonly string[] | undefined;
}

/** What goes on beside the writers. */
const WORKS = ["full", "none"] as const;

/** Writers keep at least so much of their commits per second ... */
const SHARE_MIN = 0.8;
/** ... and none waits so much longer than without. */
const WAIT_MAX_MS = 100;

const LOADS = [
  { durability: "interval", writers: 1 },
  { durability: "interval", writers: 64 },
  { durability: "commit", writers: 1 },
  { durability: "commit", writers: 64 },
];

/** As they are chosen: such as `commit-64`. */
export const LOAD_NAMES: readonly string[] = LOADS.map(nameOf);

function nameOf({ durability, writers }: (typeof LOADS)[number]): string {
  return `${durability}-${writers}`;
}

/** Runs it and prints its table; the exit code is 1 when a limit is passed. */
export async function writers(options: WritersOptions): Promise<void> {
  const { runtime, rounds, seconds, out, only = LOAD_NAMES } = options;
  const unknown = only.find((name) => !LOAD_NAMES.includes(name));
  if (unknown !== undefined) throw new TypeError(`Unknown writers "${unknown}"; there are: ${LOAD_NAMES.join(" ")}`);
  const entries = Math.floor(options.bytes / ENTRY_BYTES);
  console.log(`${machine()}; ${runtime}; database of ${mebibytes(options.bytes)}, rounds: ${rounds}`);
  const lines: Line[] = [];
  await inTemporary(options, async (root) => {
    const [loaded, source, target] = ["loaded", "source", "target"].map((name) => join(root, name));
    progress("loading");
    await runJob(runtime, "holdfast.load", { source: loaded!, entries });
    for (let round = 1; round <= rounds; round++) {
      for (const load of LOADS.filter((each) => only.includes(nameOf(each)))) {
        // Writers get slower by themselves as compaction falls behind them, so all are measured over the same time.
        let least = seconds * 1000;
        for (const work of WORKS) {
          const row = rowOf(load, work);
          progress(`round ${round} of ${rounds}, ${row}`);
          await mkdir(target!);
          // Links are enough: tables never change.
          const clone = { source: loaded!, target: source!, options: { verify: false } };
          await runJob(runtime, "holdfast.exportTo", clone);
          try {
            const task = { source: source!, target: target!, entries, options: { ...load, ms: least, work } };
            const line: Line = { row, round, ...await runJob(runtime, "writers.write", task) };
            lines.push(line);
            least = Math.max(least, line.ms);
            await record(out, [line]);
          } catch (error) {
            console.log(`failed: ${row}: ${(error as Error).message}`);
            process.exitCode = 1;
          }
          for (const path of [source!, target!]) await rm(path, { recursive: true, force: true });
        }
      }
    }
    progress("");
  });
  console.log(`\n${summary(lines)}\n`);
}

function rowOf(load: (typeof LOADS)[number], work: string): string {
  return `writers.${nameOf(load)}.${work}`;
}

function summary(lines: readonly Line[]): string {
  const rows = LOADS.flatMap((load) => {
    const figure = (work: string, name: string, pick: (values: number[]) => number) => {
      const values = lines.filter(({ row }) => row === rowOf(load, work)).map(({ figures }) => figures![name]!);
      return values.length === 0 ? undefined : pick(values);
    };
    const without = figure("none", "perSecond", median);
    const most = (values: number[]) => Math.max(...values);
    const longest = figure("none", "worstMs", most) ?? 0;
    return WORKS.toReversed().flatMap((work) => {
      const rate = figure(work, "perSecond", median);
      if (rate === undefined) return [];
      const worst = figure(work, "worstMs", most)!;
      const share = without === undefined ? 1 : rate / without;
      const bad = work === "full" && (share < SHARE_MIN || worst - longest > WAIT_MAX_MS);
      if (bad) process.exitCode = 1;
      const title = `${load.writers} x "${load.durability}", ${work === "none" ? "alone" : `during ${work}`}`;
      const wait = (name: string) => `${figure(work, name, median)!.toFixed(1)} ms`;
      return [[
        title,
        `${short(rate)}/s`,
        `${(share * 100).toFixed(0)} %`,
        wait("p99Ms"),
        wait("p999Ms"),
        `${worst.toFixed(1)} ms`,
        work === "full" ? bad ? "no" : "yes" : "",
      ]];
    });
  });
  return table(["writers", "commits", "kept", "p99", "p99.9", "worst", "within limits"], rows);
}
