import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Check } from "./checks.ts";
import { execute, type Finished } from "./execute.ts";
import { type Counts, countTests } from "./junit.ts";
import { addOutcomes, judgeCommand, judgeTests, type Outcome } from "./outcome.ts";
import { root, type Runtime, testCommand } from "./runtimes.ts";

let places = 0;

/** Tests that count system calls, kill, patch modules or take rights away: nothing is to be written there but by the product. */
const UNTOUCHED = /^tests\/(crash|defects|db|cli|structure)\//;

/** Runs one test file under one runtime, with an empty temporary directory of its own inside `scratch`. */
export async function runTestFile(file: string, runtime: Runtime, scratch: string): Promise<Outcome> {
  const { directory, junit } = newPlace(scratch);
  // Node takes the types out of the sources once for all its processes, which otherwise is most of what a short test does.
  const cache = UNTOUCHED.test(file) ? {} : { NODE_COMPILE_CACHE: join(scratch, "compiled") };
  const run = await executeIn(directory, testCommand(runtime, file, junit), runtime === "node" ? cache : {});
  return judgeTests(run, readCounts(junit));
}

/** Runs the commands of a check one after the other; however many of them fail, that is one failure. */
export async function runCheck(check: Check, scratch: string): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const command of check.commands) {
    const { directory, junit } = newPlace(scratch);
    const run = await executeIn(directory, command.map((word) => word.replace("{junit}", junit)));
    outcomes.push(check.countsTests ? judgeTests(run, readCounts(junit)) : judgeCommand(run));
  }
  const total = addOutcomes(outcomes);
  return check.countsTests ? total : { ...total, failed: Math.min(total.failed, 1) };
}

function newPlace(scratch: string): { directory: string; junit: string } {
  const directory = join(scratch, String(++places));
  mkdirSync(directory);
  return { directory, junit: `${directory}.xml` };
}

function executeIn(directory: string, command: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  return execute(command, { cwd: root, env: { TMPDIR: directory, TMP: directory, TEMP: directory, ...env } });
}

function readCounts(junit: string): Counts | undefined {
  try {
    return countTests(readFileSync(junit, "utf8"));
  } catch {
    return undefined; // the process ended before it wrote its report
  }
}
