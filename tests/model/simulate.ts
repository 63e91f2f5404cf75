/**
 * The simulator: databases and their repositories on simulated disks and stores, with a simulated clock. Each seed is one
 * run, which repeats exactly.
 *
 *     npm run simulate                        2000 seeds, two at a time
 *     npm run simulate -- --seeds 50          so many
 *     npm run simulate -- --from 7 --seeds 1  one seed
 *     npm run simulate -- --ops 200           so many operations each
 *     npm run simulate -- --profile forks     runs in which histories part and archiving is cut off
 *     npm run simulate -- --profile checks    runs with stores that check what they take: nothing is read back
 *     npm run simulate -- --profile mends     runs in which what is lost for good is repaired, and life goes on
 *     npm run simulate -- --profile programs  rounds of several programs on two repositories at once, by clocks of their own
 *
 * Each run is a random mixture of writes, transactions, scans, exports, backups, replication, pruning, restores,
 * compactions and reopenings of one to four databases and two repositories, beside power cuts, ends of the process, I/O
 * errors, full disks, failing stores, rotting files and clocks that are set. After each accident everything is opened
 * again and compared with what was acknowledged; in the end everything that a repository lists is restored.
 */
import { fork } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runPrograms } from "./programs/run.ts";
import { type Profile, PROFILES, runRepositoryModel, type RunResult } from "./repository/run.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: process.env["HOLDFAST_SEED"] ?? "1" },
    ops: { type: "string", default: "80" },
    jobs: { type: "string", default: "2" },
    profile: { type: "string", default: "any" },
  },
});

function whole(name: keyof typeof values, min: number): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= min) return value;
  console.error(`--${name} must be a whole number of at least ${min}, not ${values[name]}`);
  process.exit(1);
}

function chosenProfile(): Profile | "programs" {
  const all = [...PROFILES, "programs"] as const;
  const found = all.find((name) => name === values.profile);
  if (found !== undefined) return found;
  console.error(`--profile must be one of ${all.join(", ")}, not ${values.profile}`);
  process.exit(1);
}

const profile = chosenProfile();

/** Seeds that one process runs before another takes over: what a run leaves in memory does not add up. */
const SEEDS_PER_PROCESS = 20;

type Answer = { seed: number; restores: number; counts: RunResult["counts"] } | { seed: number; error: string };

const [seeds, from, operations, jobs] = [whole("seeds", 1), whole("from", 0), whole("ops", 1), whole("jobs", 1)];

if (process.send === undefined) await lead();
else await work();

/** Runs one share of the seeds and tells of each. */
async function work(): Promise<void> {
  for (let seed = from; seed < from + seeds; seed++) {
    let answer: Answer;
    try {
      const { restores, counts } = profile === "programs"
        ? await runPrograms({ seed, rounds: operations })
        : await runRepositoryModel({ seed, operations, faulty: true, profile });
      answer = { seed, restores, counts };
    } catch (error) {
      answer = { seed, error: error instanceof Error ? error.message : String(error) };
    }
    process.send!(answer);
  }
  process.disconnect!();
}

/** Hands out shares of the seeds, and adds up. */
async function lead(): Promise<void> {
  const started = performance.now();
  const shown = profile === "any" ? "" : ` --profile ${profile}`;
  const totals: Record<string, number> = {};
  const failed: number[] = [];
  let [next, done, restores] = [from, 0, 0];
  console.log(`seeds ${from} to ${from + seeds - 1}, ${operations} operations each, ${jobs} at a time`);
  const take = (answer: Answer): void => {
    done++;
    if ("error" in answer) {
      failed.push(answer.seed);
      console.log(
        `${answer.error}\nagain: npm run simulate -- --from ${answer.seed} --seeds 1 --ops ${operations}${shown}`,
      );
      return;
    }
    restores += answer.restores;
    for (const [what, count] of Object.entries(answer.counts)) totals[what] = (totals[what] ?? 0) + count;
    if (done % 100 === 0) console.log(`${done} seeds, ${((performance.now() - started) / 1000).toFixed(0)} s`);
  };
  const worker = async (): Promise<void> => {
    while (next < from + seeds) {
      const first = next;
      const count = Math.min(SEEDS_PER_PROCESS, from + seeds - first);
      next += count;
      await share(first, count, take);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  for (const [what, count] of Object.entries(totals).sort(([a], [b]) => a < b ? -1 : 1)) {
    console.log(`${what.padEnd(56)} ${count.toLocaleString("en").padStart(9)}`);
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${done} seeds, ${restores.toLocaleString("en")} restores compared, ${failed.length} failed` +
      `${failed.length === 0 ? "" : ` (${failed.join(" ")})`}, ${seconds.toFixed(0)} s`,
  );
  process.exitCode = failed.length === 0 && done === seeds ? 0 : 1;
}

function share(first: number, count: number, take: (answer: Answer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [
      "--from",
      `${first}`,
      "--seeds",
      `${count}`,
      "--ops",
      `${operations}`,
      "--profile",
      `${profile}`,
    ]);
    let answered = 0;
    child.on("message", (answer: Answer) => {
      answered++;
      take(answer);
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (answered === count) return resolve();
      take({ seed: first + answered, error: `seed ${first + answered}: its process ended with ${code}` });
      const rest = count - answered - 1;
      if (rest > 0) share(first + answered + 1, rest, take).then(resolve, reject);
      else resolve();
    });
  });
}
