import { describe, it } from "node:test";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory_file_system.ts";
import { openEngine } from "../../lib/engine/open.ts";
import { Chronicle } from "./chronicle.ts";
import { type Case, judge, judgeExports } from "./judge.ts";
import { LONG, randomFrom, SEED } from "./random.ts";
import { again, record, type Recording } from "./recording.ts";
import { PATH, Run } from "./runner.ts";
import { mixed, workloads } from "./workloads.ts";

/** Seeds of what a cut leaves of the unsynced, beside nothing and all of it. */
const RANDOM_OUTCOMES = LONG ? 12 : 2;

/** Of the cuts, each so many-th is followed by cuts in the recovery from it. */
const RECOVERY_EVERY = LONG ? 1 : 9;

const all = workloads(SEED);
for (let i = 0; i < (LONG ? 40 : 2); i++) all.push(mixed(SEED + 100 + i, LONG ? 150 : 70));

describe("a power cut at every file operation", () => {
  for (const workload of all) {
    it(`${workload.name}: leaves a prefix of the commits with all that was acknowledged`, async () => {
      const started = performance.now();
      const recording = await record(workload);
      let cases = 0;
      let recoveries = 0;
      for (const at of recording.places) {
        const cut = await runUntil(recording, at);
        for (const outcome of outcomes) {
          await again(recording, at, outcome.name, async () => {
            const one = { ...cut.one, power: outcome.name !== "all" };
            if (cut.run.exported.length > 0) {
              await judgeExports({ ...one, image: outcome.crash(cut.disk, at) }, cut.run.exported);
            }
            await judge({ ...one, image: outcome.crash(cut.disk, at) });
            cases++;
            if (at % RECOVERY_EVERY === 0) {
              recoveries += await cutRecovery({ ...one, image: outcome.crash(cut.disk, at) }, at);
            }
          });
        }
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${workload.name}: ${recording.places.length} cuts, ${cases} outcomes, ${recoveries} more cuts in recovery, ${seconds} s`);
    });
  }
});

interface Outcome {
  name: string;
  crash: (disk: MemoryFileSystem, at: number) => MemoryFileSystem;
}

const outcomes: Outcome[] = [
  { name: "none", crash: (disk) => disk.crash({ keep: "none" }) },
  { name: "all", crash: (disk) => disk.crash({ keep: "all" }) },
];
for (let i = 0; i < RANDOM_OUTCOMES; i++) {
  outcomes.push({ name: `random ${i}`, crash: (disk, at) => disk.crash({ random: randomFrom(SEED, at, i) }) });
}

/** Runs the workload up to the cut. */
async function runUntil(
  recording: Recording,
  at: number,
): Promise<{ disk: MemoryFileSystem; run: Run; one: Omit<Case, "power"> }> {
  const { settings, steps } = recording.workload;
  const disk = memoryFileSystem();
  disk.cutPowerAt(at);
  const run = new Run(disk, new Chronicle(), { settings });
  await run.steps(steps);
  await run.end();
  return { disk, run, one: { image: disk, chronicle: run.chronicle, machine: run.machine, settings } };
}

/** Cuts the power again at every operation of the recovery, and judges what the second attempt finds. */
async function cutRecovery(one: Case, at: number): Promise<number> {
  for (let second = 1;; second++) {
    const disk = one.image.fork({ keep: "all" });
    disk.cutPowerAt(second);
    const settings = one.machine.settings(one.settings);
    const engine = await openEngine(disk, PATH, settings).catch(() => undefined);
    // Enough when the database was open before the power went.
    if (engine !== undefined) {
      await engine.close().catch(() => {});
      return (second - 1) * 2;
    }
    for (const keep of ["none", "random"] as const) {
      const image = disk.crash({ keep, random: randomFrom(SEED, at, second) });
      try {
        await judge({ ...one, image });
      } catch (error) {
        throw new Error(`recovery cut at its operation ${second}, "${keep}": ${error}`, { cause: error });
      }
    }
  }
}
