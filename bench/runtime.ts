/**
 * The three runtimes: which one this is, how to start another, what it used.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, platform } from "node:os";
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

/** The program and arguments that run `script` of this folder in `runtime`, with every permission. */
export function command(runtime: Runtime, script: string, args: readonly string[]): [string, string[]] {
  const path = fileURLToPath(new URL(script, import.meta.url));
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
