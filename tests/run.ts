/**
 * Runs all that the project checks, two things at a time, and says calmly what came of it.
 *
 *     npm test                                  everything
 *     npm test -- tests/format lint             only test files and checks whose path or name contains one of the words
 *     npm test -- --runtime node                only the tests, only under Node (may be given twice)
 *     npm test -- --only tests                  all tests and no checks (or: --only checks)
 *     npm test -- --long crash                  the long forms: every case where otherwise a sample is tried
 *
 * The checks come first (tests/tools/checks.ts): format, lint, types, documentation, the examples inside the
 * documentation, and what a publication would contain. Then every `tests/**\/*_test.ts` runs in a process of its own under
 * Deno, Bun and Node, with a temporary directory of its own; `tests/structure/` looks at the sources and not at a runtime,
 * so it runs under Node only, as do `tests/defects/`, which needs Node's loader, and the command line on a bucket. Each runtime writes a JUnit report, and
 * that is what is counted: a file in which no test ran, a skipped test and a process that ended badly are all failures.
 *
 * The output of whatever fails is printed in full, below its row. The last line is always `tests: N passed, M failed`;
 * a check that fails counts as one failure, one that passes is not counted as a test. The exit code is 0 only when
 * nothing failed. Runs on the pinned Node (`npm test` sees to that); nothing it uses has to be installed.
 */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { readArguments } from "./tools/arguments.ts";
import { allChecks, type Check } from "./tools/checks.ts";
import { endAllProcesses } from "./tools/execute.ts";
import { addOutcomes, type Outcome } from "./tools/outcome.ts";
import { runPool } from "./tools/pool.ts";
import { Report } from "./tools/report.ts";
import { runCheck, runTestFile } from "./tools/run_unit.ts";
import { startServers } from "./storage/servers/for_a_run.ts";
import { runtimesOf } from "./tools/runtimes.ts";
import { testFiles } from "./tools/sources.ts";

const wanted = readArguments(process.argv.slice(2));
const checks: Check[] = wanted.checks ? allChecks().filter((check) => wanted.matches(check.name)) : [];
const files = wanted.tests ? testFiles().filter((file) => wanted.matches(file) && runtimesFor(file).length > 0) : [];

if (checks.length + files.length === 0) {
  console.error("nothing matches; npm test without arguments runs everything");
  process.exit(1);
}

const scratch = mkdtempSync(join(tmpdir(), "holdfast-tests-"));
// Some tests run a program as another user, who must be able to reach it.
chmodSync(scratch, 0o755);
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    endAllProcesses();
    rmSync(scratch, { recursive: true, force: true });
    process.exit(1);
  });
}

// The test files read it, each in a process of its own.
if (wanted.long) process.env["HOLDFAST_LONG"] = "1";

const report = new Report([...checks.map((check) => check.name), ...files]);
const outcomes: Outcome[] = [];

report.checksBegin(checks.length);
await runPool(checks, async (check) => {
  report.begin(check.name);
  const outcome = await runCheck(check, scratch);
  report.checkDone(check.name, outcome);
  outcomes.push(outcome);
});

const servers = await startServers(files);
report.testsBegin(files.length);
const units = files.flatMap((file) => runtimesFor(file).map((runtime) => ({ file, runtime })));
await runPool(units, async ({ file, runtime }) => {
  report.begin(`${file} (${runtime})`);
  const outcome = await runTestFile(file, runtime, scratch);
  report.testDone(file, runtime, runtimesFor(file), outcome);
  outcomes.push(outcome);
});

await servers.stop();
rmSync(scratch, { recursive: true, force: true });
const total = addOutcomes(outcomes);
report.end(total);
process.exitCode = total.failed === 0 ? 0 : 1;

function runtimesFor(file: string): ReturnType<typeof runtimesOf> {
  return runtimesOf(file).filter((runtime) => wanted.runtimes.includes(runtime));
}
