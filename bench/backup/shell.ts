/**
 * Programs run beside: how long they take and the most memory that they and all they start have resident.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { type Outcome, Unavailable } from "./jobs/job.ts";

/** How often memory is looked at. Linux keeps each process's peak, so only those of a few ms could be missed. */
const SAMPLE_MS = 25;

/** Runs a line of `sh` in `directory`; fails with what it said when its code is not 0. */
export async function shell(
  line: string,
  directory: string,
  environment: Record<string, string> = {},
): Promise<Outcome> {
  const start = performance.now();
  // Without pipefail a broken `tar` before `zstd` would count as success.
  const child = spawn("bash", ["-o", "pipefail", "-ec", line], {
    cwd: directory,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const peaks = new Map<number, number>();
  const timer = setInterval(() => samplePeaks(child.pid!, peaks), SAMPLE_MS);
  try {
    const [code, signal] = await once(child, "close") as [number | null, string | null];
    if (code !== 0) throw new Error(`${line}: ${code ?? signal}; ${errors.trim().split("\n").at(-1)}`);
  } finally {
    clearInterval(timer);
  }
  const ms = performance.now() - start;
  return { ms, peakMemory: [...peaks.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

/** The sum of the peaks of all processes seen is what a pipe of them takes at most. Only Linux tells. */
function samplePeaks(pid: number, peaks: Map<number, number>): void {
  try {
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    if (peak !== null) peaks.set(pid, Number(peak[1]) * 1024);
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ");
      for (const child of children) if (child !== "") samplePeaks(Number(child), peaks);
    }
  } catch {
    // It has ended meanwhile, or this is not Linux.
  }
}

/** Throws `Unavailable` where a program is not on the path. */
export async function requirePrograms(...programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const places = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program));
    const found = await Promise.all(places.map((place) => access(place, constants.X_OK).then(() => true, () => false)));
    if (!found.includes(true)) {
      const name = program === "borg" ? "borgbackup" : program;
      throw new Unavailable(`${program} is not installed: apt-get install -y --no-install-recommends ${name}`);
    }
  }
}
