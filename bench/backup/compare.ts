/**
 * Backups of this database beside the tools that people use, on the same data, in one run.
 *
 *     node bench/backup.ts compare [--entries 900000] [--rounds 3] [--runtime node] [--only full,restic]
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { median, short, table } from "../report.ts";
import { machine } from "../runtime.ts";
import { directoryBytes } from "./directory.ts";
import { GOALS, type Median, reached } from "./goals.ts";
import { Unavailable } from "./jobs/job.ts";
import { type Common, inTemporary } from "./options.ts";
import { type Line, progress, record, runJob } from "./run_job.ts";
import { shell } from "./shell.ts";
import { chosenSteps, type Step } from "./steps.ts";

/** Options of the comparison. */
export interface CompareOptions extends Common {
  /** How many entries are loaded. */
  entries: number;
  /** How often everything is repeated. */
  rounds: number;
  /** Which steps; all unless given. */
  only: string[] | undefined;
}

/** Of nine entries one is changed: 104 MB of 936. */
const CHANGED_SHARE = 9;

const LOADED = ["holdfast", "level", "sqlite", "lmdb"];

/** Those of them that a round changes. */
const CHANGED = ["holdfast", "level"];

/** One run. */
class Comparison {
  readonly lines: Line[] = [];
  readonly failures = new Map<string, string>();
  readonly #options: CompareOptions;
  readonly #root: string;
  readonly #steps: Step[];
  /** Folders without the content that they should have. */
  readonly #broken = new Set<string>();

  constructor(options: CompareOptions, root: string) {
    this.#options = options;
    this.#root = root;
    this.#steps = chosenSteps(options.only);
  }

  async run(): Promise<void> {
    for (const name of LOADED) {
      if (!this.#steps.some(({ source }) => source === name)) continue;
      progress(`loading ${name}`);
      await this.#measure({ id: name, job: `${name}.load`, source: name }, 0);
      console.log(`${name.padEnd(10)} ${megabytes(await directoryBytes(join(this.#root, name)))} on disk`);
    }
    for (let round = 1; round <= this.#options.rounds; round++) {
      this.#broken.clear();
      for (const name of CHANGED) await this.#renew(name);
      for (const step of this.#steps) {
        progress(`round ${round} of ${this.#options.rounds}, ${step.title ?? step.id}`);
        await this.#measure(step, round);
        for (const folder of this.#steps.map(({ id }) => id)) {
          if (this.#lastUse(folder) === step) await rm(join(this.#root, folder), { recursive: true, force: true });
        }
      }
    }
    progress("");
  }

  /** Makes a loaded database again what it was: what earlier rounds left unmerged in it would be stored, too. */
  async #renew(name: string): Promise<void> {
    if (!this.#steps.some(({ source }) => source === name)) return;
    await shell(
      `[ -d ${name}.loaded ] || mv ${name} ${name}.loaded; rm -rf ${name}; cp -r ${name}.loaded ${name}`,
      this.#root,
    );
  }

  async #measure(step: Step, round: number): Promise<void> {
    const { entries, runtime, out } = this.#options;
    if ([step.source, step.into ?? "", ...step.needs ?? []].some((id) => this.#broken.has(id))) {
      this.#broken.add(step.id);
      return;
    }
    const own = join(this.#root, step.into ?? step.id);
    // Who syncs a file waits for what others wrote before it, too.
    await shell("sync", this.#root);
    try {
      const outcome = await runJob(runtime, step.job, {
        source: step.source === "" ? own : join(this.#root, step.source),
        target: own,
        entries,
        count: step.count ?? Math.floor(entries / CHANGED_SHARE),
        generation: step.generation ?? 0,
        options: step.options ?? {},
      });
      const line: Line = { row: step.id, round, ...outcome };
      await record(out, [line]);
      if (step.title !== undefined) this.lines.push(line);
    } catch (error) {
      this.#broken.add(step.id);
      const { message } = error as Error;
      this.failures.set(message, `${error instanceof Unavailable ? "skipped" : "failed"}: ${step.id}: ${message}`);
    }
  }

  /** After this step nobody needs the folder any more. */
  #lastUse(folder: string): Step | undefined {
    return this.#steps.findLast(({ id, source, into }) => [id, source, into].includes(folder));
  }

  median(id: string): Median | undefined {
    const lines = this.lines.filter(({ row }) => row === id);
    if (lines.length === 0) return undefined;
    const of = (value: (line: Line) => number | undefined) => {
      const values = lines.map(value).filter((some) => some !== undefined);
      return values.length === 0 ? undefined : median(values);
    };
    return {
      ms: of(({ ms }) => ms)!,
      added: of(({ figures }) => figures?.["added"]),
      peakMemory: of(({ peakMemory }) => peakMemory),
    };
  }

  steps(): string {
    const rows = this.#steps.flatMap(({ id, title }) => {
      const measured = this.median(id);
      if (title === undefined || measured === undefined) return [];
      const times = this.lines.filter(({ row }) => row === id).map(({ ms }) => ms);
      const spread = `${seconds(Math.min(...times))} - ${seconds(Math.max(...times))}`;
      const { ms, added, peakMemory } = measured;
      return [[title, seconds(ms), spread, megabytes(added), megabytes(peakMemory)]];
    });
    return table(["", "s", "from - to", "stored", "peak memory"], rows);
  }

  goals(): string {
    const rows = GOALS.map((goal) => {
      const value = goal.value((id) => this.median(id));
      const limit = `${goal.bound} ${goal.limit} ${goal.unit}`;
      if (value === undefined) return [goal.title, "-", limit, "-"];
      return [goal.title, `${short(value)} ${goal.unit}`, limit, reached(goal, value) ? "yes" : "no"];
    });
    return table(["goal", "measured", "wanted", "reached"], rows);
  }
}

/** Runs the comparison and prints its tables. */
export async function compare(options: CompareOptions): Promise<void> {
  const megabytesRaw = (options.entries * 1.04e-3).toFixed(0);
  const entries = options.entries.toLocaleString("en-US");
  console.log(
    `${machine()}; ${options.runtime}; ${entries} entries of 1 KiB (${megabytesRaw} MB), rounds: ${options.rounds}`,
  );
  await inTemporary(options, async (root) => {
    const comparison = new Comparison(options, root);
    await comparison.run();
    console.log(`\n${comparison.steps()}\n\n${comparison.goals()}\n`);
    for (const failure of comparison.failures.values()) console.log(failure);
    if ([...comparison.failures.values()].some((text) => text.startsWith("failed"))) process.exitCode = 1;
  });
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? "-" : `${(bytes / 1e6).toFixed(1)} MB`;
}
