/**
 * The process of one measurement, from its start to its end.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";

/** What a process said, and how it ended. */
export interface Ended {
  /** What stands behind `RESULT` in a line of its output. */
  result: string | undefined;
  /** All of its output. */
  out: string;
  /** All that it said of errors. */
  errors: string;
  /** Its exit code, or the signal that ended it; 0 also where it told its result and had to be ended. */
  code: number | string;
}

/**
 * A process that has told its result has so long to end, ms. Node 26 may never: while it ends, a thread of V8's that compiles
 * can wait for a garbage collection, which no one makes any more.
 */
const END_MS = 2000;

/** A whole line: a part of one is no result. */
const RESULT = /^RESULT (.*)\n/m;

/** Also that there is none to be had here. */
const TOLD = /^(?:RESULT|UNAVAILABLE) .*\n/m;

/** Runs it; with `timeoutMs` for so long at most. */
export async function runMeasured(
  program: string,
  args: readonly string[],
  { env = process.env, timeoutMs }: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<Ended> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let ending: ReturnType<typeof setTimeout> | undefined;
  let isEnded = false;
  let out = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    if (TOLD.test(out)) ending ??= setTimeout(() => isEnded = child.kill("SIGKILL"), END_MS);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const [code, signal] = await once(child, "close") as [number | null, string | null];
  clearTimeout(timer);
  clearTimeout(ending);
  return { result: RESULT.exec(out)?.[1], out, errors, code: isEnded ? 0 : code ?? signal! };
}
