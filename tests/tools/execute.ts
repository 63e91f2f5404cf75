import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** How a process ended, and all it printed. */
export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly seconds: number;
  readonly output: string;
}

/** More than the slowest file needs on two slow cores, and well below what a machine that runs the tests allows in all. */
const LIMIT_MS = 10 * 60_000;

/** What the long forms may take. */
const LONG_LIMIT_MS = 2 * 60 * 60_000;

const running = new Set<ChildProcess>();

/** Runs a command without input and collects its output. It never rejects: a command that cannot start has ended with code 127. */
export function execute(
  command: readonly string[],
  { cwd, env = {}, limitMs = process.env["HOLDFAST_LONG"] === "1" ? LONG_LIMIT_MS : LIMIT_MS }: {
    cwd: string;
    env?: Record<string, string>;
    limitMs?: number;
  },
): Promise<Finished> {
  const started = performance.now();
  const [file = "", ...args] = command;
  return new Promise((resolve) => {
    const output: string[] = [];
    let timedOut = false;
    // A process group of its own, so that what a test has started can be ended together with it.
    const child = spawn(file, args, {
      cwd,
      env: { ...inheritedEnvironment(), ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: process.platform !== "win32",
    });
    running.add(child);
    const timer = setTimeout(() => {
      timedOut = true;
      end(child);
    }, limitMs);
    const done = (code: number | null, signal: string | null): void => {
      clearTimeout(timer);
      running.delete(child);
      const seconds = (performance.now() - started) / 1000;
      resolve({ code, signal, timedOut, seconds, output: output.join("") });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => output.push(text));
    }
    child.once("error", (error) => {
      output.push(`${error.message}\n`);
      done(127, null);
    });
    child.once("close", done);
    // A grandchild that outlives its parent may hold the pipes open for ever; what it prints later is not waited for.
    child.once("exit", (code, signal) => setTimeout(done, 1000, code, signal).unref());
  });
}

/** Ends whatever is still running. */
export function endAllProcesses(): void {
  for (const child of running) end(child);
}

function end(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** The environment without what npm adds to it, which would steer an npm or Bun that a test starts in another folder. */
function inheritedEnvironment(): Record<string, string> {
  const kept: Record<string, string> = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && name !== "FORCE_COLOR" && !/^npm_(package|lifecycle|config_local)/i.test(name)) {
      kept[name] = value;
    }
  }
  return kept;
}
