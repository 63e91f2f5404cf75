import { describe, it } from "node:test";
import { openEngine } from "../../lib/engine/open.ts";
import type { CrashOptions, MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Chronicle } from "./chronicle.ts";
import { type Case, judge, judgeExports } from "./judge.ts";
import { LONG, randomFrom, SEED } from "./random.ts";
import { again, record, type Recording } from "./recording.ts";
import { PATH, Run } from "./runner.ts";
import { diskFor } from "./workload.ts";
import { mixed, workloads } from "./workloads.ts";

/** How many seeds of what a cut leaves of the unsynced are tried, beside nothing of it. */
const RANDOM_OUTCOMES = LONG ? 6 : 2;

/** Of the cuts, each so many-th is followed by cuts in the recovery from it. */
const RECOVERY_EVERY = LONG ? 2 : 13;

const all = workloads(SEED);
// The long form takes some half an hour where it tries all; other seeds are other mixtures.
for (let i = 0; i < (LONG ? 10 : 2); i++) all.push(mixed(SEED + 100 + i, LONG ? 100 : 45));

describe("a power cut at every file operation", () => {
  for (const workload of all) {
    it(`${workload.name}: leaves a prefix of the commits with all that was acknowledged`, async () => {
      const started = performance.now();
      const recording = await record(workload);
      let cases = 0;
      let recoveries = 0;
      for (const at of recording.places) {
        const cut = await runUntil(recording, (disk) => disk.cutPowerAt(at));
        for (const { name, crash, brief } of outcomes) {
          await again(recording, at, `power cut, ${name}`, async () => {
            if (cut.run.exported.length > 0) {
              await judgeExports({ ...cut.one, image: crash(cut.disk, at) }, cut.run.exported);
            }
            await judge({ ...cut.one, image: crash(cut.disk, at) }, { brief });
          });
          cases++;
        }
        if (at % RECOVERY_EVERY === 0) {
          const image = cut.disk.crash({ random: randomFrom(SEED, at) });
          await again(recording, at, "power cut, random, and again in recovery", async () => {
            recoveries += await cutRecovery({ ...cut.one, image }, at);
          });
        }
      }
      report(
        workload.name,
        started,
        `${cases} outcomes of ${recording.places.length} cuts, ${recoveries} more in recovery`,
      );
    });
  }
});

describe("the end of the process at every file operation", () => {
  for (const workload of all) {
    it(`${workload.name}: leaves a prefix of the commits with all that was handed over`, async () => {
      const started = performance.now();
      const recording = await record(workload);
      for (const at of recording.places) {
        const killed = await runUntil(recording, (disk, operation) => {
          if (operation >= at) disk.kill();
        });
        // The same disk, with what is unsynced still at the mercy of the next power cut.
        const image = killed.disk.otherProcess();
        const next: CrashOptions = at % 2 === 0 ? { keep: "none" } : { keep: "random", random: randomFrom(SEED, at) };
        await again(recording, at, "kill", () => judge({ ...killed.one, image, power: false, next }));
      }
      report(workload.name, started, `${recording.places.length} kills`);
    });
  }
});

interface Outcome {
  name: string;
  /** Judged by what is found alone: the ways to go on from there are those of the outcomes before. */
  brief: boolean;
  crash: (disk: MemoryFileSystem, at: number) => MemoryFileSystem;
}

const outcomes: Outcome[] = [{
  name: "nothing unsynced is left",
  brief: false,
  crash: (disk) => disk.crash({ keep: "none" }),
}];
if (LONG) outcomes.push({ name: "all is left", brief: true, crash: (disk) => disk.crash({ keep: "all" }) });
for (let i = 0; i < RANDOM_OUTCOMES; i++) {
  const keep = i % 2 === 0 ? "random" : "scattered";
  outcomes.push({
    name: `${keep} ${i}`,
    brief: i > 0 && !LONG,
    crash: (disk, at) => disk.crash({ keep, random: randomFrom(SEED, at, i) }),
  });
}

/** Runs the workload into its accident, which `prepare` arranges before it begins, or at each operation. */
async function runUntil(
  { workload }: Recording,
  prepare: (disk: MemoryFileSystem, operation: number) => void,
): Promise<{ disk: MemoryFileSystem; run: Run; one: Case }> {
  const disk: MemoryFileSystem = diskFor(workload, {
    beforeOperation: (operation) => void (operation.mutates && prepare(disk, operation.index)),
  });
  prepare(disk, 0);
  const run = new Run(disk, new Chronicle(), { settings: workload.settings });
  await run.steps(workload.steps);
  await run.end();
  const { chronicle, machine } = run;
  return { disk, run, one: { image: disk, chronicle, machine, settings: workload.settings, power: true } };
}

/** Cuts the power again at every operation of the recovery, and judges what the second attempt finds. */
async function cutRecovery(one: Case, at: number): Promise<number> {
  for (let second = 1;; second++) {
    const disk = one.image.fork({ keep: "all" });
    disk.cutPowerAt(second);
    const engine = await openEngine(disk, PATH, one.machine.settings(one.settings)).catch(() => undefined);
    await engine?.close().catch(() => {});
    // Enough when the database was open before the power went.
    if (engine !== undefined) return second - 1;
    const keep = second % 2 === 0 ? "none" : "random";
    try {
      await judge({ ...one, image: disk.crash({ keep, random: randomFrom(SEED, at, second) }) });
    } catch (error) {
      throw new Error(`at operation ${second} of the recovery, keep ${keep}: ${error}`, { cause: error });
    }
  }
}

function report(name: string, started: number, what: string): void {
  console.log(`${name}: ${what}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
