/** @module */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { peakMemory } from "../../runtime.ts";

/** What a job is given; all of it travels as JSON. */
export interface Task {
  /** The database worked on: a directory, or what the job's tool keeps in it. */
  source: string;
  /** Where the result goes, or what is read back. */
  target: string;
  /** How many entries the database was loaded with. */
  entries: number;
  /** How many are changed, or how many records a log has. */
  count: number;
  /** Which change it is. */
  generation: number;
  /** Options of the call measured. */
  options: Record<string, unknown>;
}

/** What a job measured. */
export interface Outcome {
  /** How long the work itself took, without the start of the process or opening the database. */
  ms: number;
  /** The most memory resident meanwhile: of this process, or of the tool that it ran. */
  peakMemory?: number;
  /** What was resident before the work began, the database being open. */
  idleMemory?: number;
  /** Figures beside the time. */
  figures?: Record<string, number>;
}

/** Work that is measured in a process of its own. Throws `Unavailable` where something is not installed. */
export type Job = (task: Task) => Promise<Outcome>;

/** A tool or module that is not there; the message says how to install it. */
export class Unavailable extends Error {}

/** Runs `work` and tells how long it took and what memory was resident before and meanwhile. */
export async function timed(work: () => unknown): Promise<Outcome> {
  resetPeak();
  const idleMemory = process.memoryUsage().rss;
  const start = performance.now();
  await work();
  return { ms: performance.now() - start, idleMemory, peakMemory: peakMemory() };
}

/** Forgets the peak of opening and before, where the system can; elsewhere it stays that of the whole process. */
function resetPeak(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux.
  }
}
