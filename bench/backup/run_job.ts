/**
 * Starting a measurement in a process of its own.
 *
 * @module
 */
import { appendFile } from "node:fs/promises";
import process from "node:process";
import { runMeasured } from "../measured_process.ts";
import { command, machine, type Runtime } from "../runtime.ts";
import { type Outcome, type Task, Unavailable } from "./jobs/job.ts";

/** A measurement as a line of the results file. */
export interface Line extends Outcome {
  /** Which bench and which of its rows. */
  row: string;
  /** Which repetition, from 1. */
  round: number;
  /** `node 26.10.0` */
  runtime: string;
}

/** Runs a job; throws `Unavailable`, or with what the process said when it fails. */
export async function runJob(
  runtime: Runtime,
  name: string,
  task: Partial<Task>,
): Promise<Outcome & { runtime: string }> {
  const whole: Task = { source: "", target: "", entries: 0, count: 0, generation: 0, options: {}, ...task };
  const [program, args] = command(runtime, "backup/measure.ts", [name, JSON.stringify(whole)]);
  const { result, code, out, errors } = await runMeasured(program, args);
  const missing = /^UNAVAILABLE (.*)$/m.exec(out)?.[1];
  if (missing !== undefined) throw new Unavailable(missing);
  if (code === 0 && result !== undefined) return JSON.parse(result) as Outcome & { runtime: string };
  // Some jobs end by killing themselves, and that is what they are for.
  if (code === "SIGKILL" && name.endsWith("AndDie")) return { ms: 0, runtime };
  const said = /^.*Error:.*$/m.exec(errors)?.[0] ?? errors.trim().split("\n").at(-1) ?? "";
  throw new Error(`${name}: exit ${code}; ${said.trim()}`);
}

/** Appends measurements to a file, a JSON line each. */
export async function record(out: string, lines: readonly Line[]): Promise<void> {
  const date = new Date().toISOString();
  await appendFile(out, lines.map((line) => `${JSON.stringify({ date, machine: machine(), ...line })}\n`).join(""));
}

/** Shows what goes on, where someone looks on. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}
