/**
 * Starts the process of one measurement.
 *
 * @module
 */
import { cp, mkdir, rm } from "node:fs/promises";
import process from "node:process";
import { LIBRARY } from "./drivers/holdfast.ts";
import { runMeasured } from "./measured_process.ts";
import type { Measured, Row } from "./rows/row.ts";
import { command, type Runtime } from "./runtime.ts";

/** What is to be measured. */
export interface Job {
  runtime: Runtime;
  row: string;
  driver: string;
  directory: string;
  entries: number;
  /** How many values of 1 MiB. */
  large: number;
  seconds: number;
  /** The folder of the benches to run; this one, if left out. */
  folder?: string | undefined;
  /** The entry of this library as it is to be measured (`drivers/holdfast.ts`); the sources, if left out. */
  library?: string | undefined;
  /** Where Node keeps compiled code, so that processes begin sooner; it compiles anew each time, if left out. */
  codeCache?: string | undefined;
  /** After so long it is given up; an hour, if left out. */
  timeoutMs?: number;
}

/** What came of it. */
export interface Result extends Measured {
  runtime: string;
  peakMemory: number;
  diskBytes: number;
  /** Bytes written to disk by the process, where the system tells. */
  writtenBytes?: number;
}

/** Runs one measurement in a process of its own; throws with what it said when it fails. */
export async function runRow(job: Job): Promise<Result> {
  const { runtime, row, driver, folder, timeoutMs = 3_600_000 } = job;
  const [program, args] = command(runtime, "measure.ts", [
    ...["--row", row, "--driver", driver, "--directory", job.directory],
    ...["--entries", String(job.entries), "--large", String(job.large), "--seconds", String(job.seconds)],
  ], folder);
  const env = {
    ...process.env,
    ...job.library !== undefined && { [LIBRARY]: job.library },
    ...job.codeCache !== undefined && { NODE_COMPILE_CACHE: job.codeCache },
  };
  const { result, code, errors } = await runMeasured(program, args, { env, timeoutMs });
  if (code !== 0 || result === undefined) throw new Error(`${driver}, ${row}: exit ${code}; ${saidIn(errors)}`);
  return JSON.parse(result) as Result;
}

/** The line of a failed process's output that says why; Bun writes "error:", and Deno adds colors. */
function saidIn(errors: string): string {
  // deno-lint-ignore no-control-regex
  const lines = errors.replaceAll(/\x1b\[[\d;]*m/g, "").trim().split("\n");
  return lines.find((line) => /error(?: \[\w+\])?: /i.test(line)) ?? lines.at(-1) ?? "";
}

/** Makes it an empty directory. */
export async function fresh(directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  return directory;
}

/** Where a row finds what it needs: the loaded database itself, a copy of it, or nothing. */
export async function placeOf(needs: Row["needs"], loaded: string, scratch: string): Promise<string> {
  if (needs === "loaded") return loaded;
  await fresh(scratch);
  if (needs === "copy") await cp(loaded, scratch, { recursive: true });
  return scratch;
}

/** Says what is going on, where somebody may be looking. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}
