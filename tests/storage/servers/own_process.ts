/** What the test servers share: processes that this one started and ends, free ports, waiting until something answers. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";

/** All that this process has started and not yet ended. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A server's process. */
export interface OwnProcess {
  /** Sends a signal, SIGKILL unless told otherwise, and waits for the end. */
  end(signal?: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Throws what it printed when it has ended. */
  assertRuns(): void;
}

/** Starts a program whose output goes to a file. It does not keep this process alive. */
export function startProcess(
  command: readonly string[],
  { log, env = {} }: { log: string; env?: Record<string, string> },
): OwnProcess {
  const [file = "", ...args] = command;
  const output = openSync(log, "a");
  const child = spawn(file, args, { stdio: ["ignore", output, output], env: { ...process.env, ...env } });
  closeSync(output);
  running.add(child);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    const done = (): void => {
      ended = true;
      running.delete(child);
      resolve();
    };
    child.once("exit", done);
    child.once("error", done);
  });
  child.unref();
  return {
    async end(signal = "SIGKILL") {
      if (ended) return;
      child.ref();
      child.kill(signal);
      await end;
    },
    assertRuns() {
      if (ended) throw new Error(`${file} has ended:\n${readFileSync(log, "utf8").slice(-3000)}`);
    },
  };
}

/** Runs a program to its end and gives what it printed; a failure shows all of it. */
export function runProgram(command: readonly string[], input?: string): string {
  const [file = "", ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    encoding: "utf8",
    ...(input === undefined ? {} : { input }),
  });
  if (status !== 0) throw new Error(`${command.join(" ")} failed: ${error ?? ""}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Ports that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(servers.map((server) =>
    new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    })
  ));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Asks again every 20 ms until the answer is true; what the processes printed is the error when one ended or 60 s passed. */
export async function until(
  what: string,
  ask: () => Promise<boolean>,
  processes: readonly OwnProcess[],
): Promise<void> {
  const limit = performance.now() + 60_000;
  while (!(await ask())) {
    for (const each of processes) each.assertRuns();
    if (performance.now() > limit) throw new Error(`${what}: no answer in 60 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Whether an address answers at all. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    return false;
  }
}

/** The path of a program, where it is installed. */
export function findProgram(name: string): string | undefined {
  const { status, stdout } = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * Whether these programs are here; where one is missing and we are root, the packages are installed first. Gives the reason,
 * in a line, when they can't be had.
 */
export function missingPrograms(programs: readonly string[], packages: readonly string[]): string | undefined {
  const missing = (): string[] => programs.filter((name) => findProgram(name) === undefined);
  let absent = missing();
  if (absent.length === 0) return undefined;
  if (process.getuid?.() !== 0) return `${absent.join(", ")} not installed, and not root`;
  if (findProgram("apt-get") === undefined) return `${absent.join(", ")} not installed, and no apt-get`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  // One at a time: test files of several processes may come here together. apt waits for its own lock.
  const get = ["-o", "DPkg::Lock::Timeout=600", "-qq"];
  spawnSync("apt-get", [...get, "update"], { env, stdio: "ignore" });
  spawnSync("apt-get", [...get, "install", "-y", "--no-install-recommends", ...packages], { env, stdio: "ignore" });
  absent = missing();
  return absent.length === 0 ? undefined : `${absent.join(", ")} not installed, and apt-get could not install it`;
}
