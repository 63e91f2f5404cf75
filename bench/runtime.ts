/**
 * The three runtimes: which one this is, how to start another, what it used of memory and disk.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime that the benches know. */
export type Runtime = "node" | "deno" | "bun";

/** All of them, in the order of the tables. */
export const RUNTIMES: readonly Runtime[] = ["node", "deno", "bun"];

/** The runtime that runs this. */
export function currentRuntime(): Runtime {
  if (process.versions["deno"] !== undefined) return "deno";
  if (process.versions["bun"] !== undefined) return "bun";
  return "node";
}

/** `node 26.10.0` */
export function runtimeVersion(): string {
  const runtime = currentRuntime();
  return `${runtime} ${process.versions[runtime]}`;
}

/** `linux x64, 2 cores of Some CPU` */
export function machine(): string {
  const cores = cpus();
  return `${platform()} ${arch()}, ${cores.length} cores of ${cores[0]?.model.trim() ?? "unknown"}`;
}

/** This folder. */
export const BENCH: string = fileURLToPath(new URL(".", import.meta.url));

/** The program and arguments that run `script` of this folder (or another) in `runtime`, with every permission. */
export function command(
  runtime: Runtime,
  script: string,
  args: readonly string[],
  folder: string = BENCH,
): [string, string[]] {
  const path = join(folder, script);
  const before = {
    node: ["--disable-warning=ExperimentalWarning"],
    deno: ["run", "-A", "--no-check", "--unstable-kv"],
    bun: ["run"],
  };
  return [executable(runtime), [...before[runtime], path, ...args]];
}

function executable(runtime: Runtime): string {
  if (runtime === currentRuntime()) return process.execPath;
  const installed = fileURLToPath(new URL(`../node_modules/.bin/${runtime}`, import.meta.url));
  return existsSync(installed) ? installed : runtime;
}

/** The most memory that this process has had resident so far, in bytes. */
export function peakMemory(): number {
  // Linux counts it per process; where /proc isn't, the runtime's own figure (KiB) has to do.
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (line !== null) return Number(line[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

/** The bytes that this process has had written to disk so far; undefined where the system doesn't tell. */
export function bytesWritten(): number | undefined {
  try {
    const line = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return line === null ? undefined : Number(line[1]);
  } catch {
    // Not Linux, or not allowed.
    return undefined;
  }
}

/** The bytes of all files in a directory and below. */
export function bytesOnDisk(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? bytesOnDisk(path) : statSync(path).size;
  }
  return bytes;
}
