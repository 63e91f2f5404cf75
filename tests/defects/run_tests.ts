/** Runs tests in a process of their own, with patches or without. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { execute, type Finished } from "../tools/execute.ts";
import { root } from "../tools/runtimes.ts";
import { type ChildOutcome, OUTCOME_VARIABLE, PATCHES_VARIABLE } from "./child.ts";
import type { Defect, Patch } from "./defect.ts";

/** Far more than the slowest of the tests takes. */
const LIMIT_MS = 90_000;

/** How a run ended; `outcome` is undefined when the process ended before its tests did. */
export interface TestRun extends Finished {
  readonly outcome: ChildOutcome | undefined;
}

/** Calls `work` with a directory that is removed behind it. */
export async function withScratch(work: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), "holdfast-defects-"));
  try {
    await work(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs the tests of a file whose names contain one of `names`, until the first one fails. */
export async function runTests(
  shared: string,
  file: string,
  names: readonly string[],
  patches: readonly Patch[] = [],
): Promise<TestRun> {
  const scratch = mkdtempSync(join(shared, "run-"));
  try {
    const temporary = join(scratch, "tmp");
    mkdirSync(temporary);
    const [given, told] = [join(scratch, "patches.json"), join(scratch, "outcome.json")];
    writeFileSync(given, JSON.stringify(patches));
    const command = [
      process.execPath,
      "--import=./tests/defects/patch_module.ts",
      "--test-reporter=./tests/defects/first_failure.ts",
      "--test-reporter-destination=stdout",
      ...names.map((name) => `--test-name-pattern=${literal(name)}`),
      file,
    ];
    const ended = await execute(command, {
      cwd: root,
      limitMs: LIMIT_MS,
      env: {
        [PATCHES_VARIABLE]: given,
        [OUTCOME_VARIABLE]: told,
        // The short form of sweeps notices as well, and always the same.
        HOLDFAST_LONG: "",
        HOLDFAST_ALONE: "1",
        HOLDFAST_SEED: "20261121",
        // Half of what these processes would do is to compile the same modules. It goes by content, so patches count.
        NODE_COMPILE_CACHE: join(shared, "compiled"),
        // Else the runner that this test may have been started by would be told of the child's tests.
        NODE_TEST_CONTEXT: "",
        TMPDIR: temporary,
        TMP: temporary,
        TEMP: temporary,
      },
    });
    return { ...ended, outcome: readOutcome(told) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function readOutcome(path: string): ChildOutcome | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ChildOutcome;
  } catch {
    return undefined; // The process ended before.
  }
}

/** A text as a regular expression that is found exactly where the text is. */
function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Errors by which a test says that the product is wrong: its own, and those that the library throws on purpose. */
const MEANT = ["AssertionError", "HoldfastError"];

/** Why a run under a defect does not show that the defect is noticed; undefined when it does. */
export function problemOf({ name, patches, caughtBy }: Defect, run: TestRun): string | undefined {
  const { outcome, timedOut, output } = run;
  const said = `"${name}", ${caughtBy.file} "${caughtBy.only}"`;
  if (timedOut) return `${said}: it took too long`;
  if (outcome === undefined) return `${said}: the process ended before its tests did: ${output}`;
  const files = new Set(patches.map(({ file }) => file)).size;
  if (outcome.patched !== files) return `${said}: ${outcome.patched} of ${files} changed files were loaded`;
  const { failed } = outcome;
  if (failed === undefined) return `${said}: nothing was noticed; add a test that does`;
  if (failed.type !== "testCodeFailure") return `${said}: it failed by ${failed.type}`;
  if (failed.errors.some(({ kinds }) => MEANT.some((kind) => kinds.includes(kind)))) return undefined;
  return `${said}: it failed by another error: ${JSON.stringify(failed.errors)}`;
}
