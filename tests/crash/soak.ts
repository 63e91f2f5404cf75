/**
 * A database under mixed load on the real disk for as long as you like, killed several times a minute:
 *
 *     npm run soak -- --minutes 60                 an hour; ten minutes unless given
 *     npm run soak -- --runtime deno               the database runs in Deno (or node, bun)
 *     npm run soak -- --directory DIR              an empty directory on the disk that is meant
 *     npm run soak -- --seed 7                     the same plan and the same kinds of accidents
 *
 * Writers in all durabilities, transactions, bulk loads, deletes, ranges, expiry, tags, large values, snapshots, scans,
 * exports, backups of all kinds, replication, pruning, restores that are compared, verification and compaction run at once,
 * in a process that is killed and started again; after each start all contents are compared with what was acknowledged.
 * In between it runs undisturbed, and memory and open files are measured: they may not grow. A table of figures comes
 * at the end, also after Ctrl-C. The exit code is 0 when all held; otherwise the directory stays.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { isTaken, runSoak } from "./soak/campaign.ts";
import { growthFaults, reportOf } from "./soak/report.ts";
import { installedRuntimes, ownRuntime } from "./writer_process.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    runtime: { type: "string", default: ownRuntime },
    directory: { type: "string" },
    seed: { type: "string", default: process.env["HOLDFAST_SEED"] ?? String(Date.now() % 1_000_000_000) },
  },
});

const minutes = Number(values.minutes);
const seed = Number(values.seed);
const { runtime } = values;
if (!(minutes > 0)) refuse(`--minutes must be a number above 0, not ${values.minutes}`);
if (!Number.isSafeInteger(seed) || seed < 0) refuse(`--seed must be a whole number, not ${values.seed}`);
if (!installedRuntimes().includes(runtime)) refuse(`--runtime must be ${installedRuntimes().join(" or ")}`);
const directory = values.directory === undefined
  ? mkdtempSync(join(tmpdir(), "holdfast-soak-"))
  : resolve(values.directory);
if (isTaken(directory)) refuse(`${directory} holds something already; name an empty directory`);
mkdirSync(directory, { recursive: true });

function refuse(why: string): never {
  console.error(why);
  process.exit(1);
}

const stop = new AbortController();
process.once("SIGINT", () => {
  console.log("stopping: one last look at everything; Ctrl-C again ends at once");
  stop.abort();
});

const duration = minutes * 60_000;
/** Several minutes in an hour; in a short run as much as half of it leaves. */
const phase = Math.min(5 * 60_000, duration * 0.4);
console.log(`${minutes} minutes in ${runtime}, seed ${seed}, in ${directory}; Ctrl-C ends it with the report so far`);
const started = performance.now();
let lines = 0;
const tally = await runSoak({
  runtime,
  directory,
  seed,
  duration,
  phase: { kills: phase, stretch: phase },
  lifeMs: 12_000,
  killsMin: 1,
  slots: 6007,
  paceMs: 4,
  measureMs: 2000,
  signal: stop.signal,
  onLine: (line) => {
    if (++lines % 10 === 0) console.log(`${((performance.now() - started) / 60_000).toFixed(1)} min: ${line}`);
  },
});
console.log(reportOf(tally, { minutes: (performance.now() - started) / 60_000, runtime }));
const held = tally.failure === undefined && growthFaults(tally).length === 0;
if (held) {
  for (const name of ["data", "backups", "scratch", "said", "stop", "orders.json"]) {
    rmSync(join(directory, name), { recursive: true, force: true });
  }
  if (values.directory === undefined) rmSync(directory, { recursive: true, force: true });
} else console.log(`the directory stays: ${directory}; again: npm run soak -- --runtime ${runtime} --seed ${seed}`);
process.exit(held ? 0 : 1);
