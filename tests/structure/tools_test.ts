import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import process from "node:process";
import { describe, it } from "node:test";
import { execute, type Finished } from "../tools/execute.ts";
import { countTests } from "../tools/junit.ts";
import { judgeTests } from "../tools/outcome.ts";

const NODE = `<?xml version="1.0" encoding="utf-8"?>
<testsuites>
	<testsuite name="Outer" tests="3" failures="1" skipped="1">
		<testcase name="good" time="0.000521" classname="Outer" file="a_test.ts"/>
		<testsuite name="Inner" tests="1" failures="1">
			<testcase name="a > b &quot;c&quot;" classname="Outer.Inner" failure="boo &#10; > &lt;">
				<failure type="testCodeFailure" message="boo">at &lt;anonymous> (a_test.ts:6:88)</failure>
			</testcase>
		</testsuite>
		<testcase name="left out" classname="Outer"><skipped type="skipped" message="true"/></testcase>
	</testsuite>
</testsuites>`;

const BUN = `<testsuites name="bun test" tests="3" failures="1">
  <testsuite name="a_test.ts" file="a_test.ts" tests="3" failures="1">
    <testsuite name="Outer" file="a_test.ts" line="3" tests="3">
      <testcase name="good" classname="Outer" time="0.0007" file="a_test.ts" line="4" assertions="0" />
      <testcase name="bad" classname="Inner &gt; Outer"><failure type="Error" message="boo">Error: boo&#10;</failure>
      </testcase>
      <testcase name="left out" classname="Outer" time="0"><skipped /></testcase>
    </testsuite>
  </testsuite>
</testsuites>`;

const DENO = `<testsuites name="deno test" tests="5" failures="3" errors="0" time="0.014">
    <testsuite name="./a_test.ts" tests="1" failures="1">
        <testcase name="Outer" classname="./a_test.ts"><failure message="1 test step failed">1 failed.</failure></testcase>
    </testsuite>
    <testsuite name="ext:deno_node/testing.ts" tests="4" failures="2">
        <testcase name="Outer &gt; good" classname="ext:deno_node/testing.ts" time="0.001"></testcase>
        <testcase name="Outer &gt; Inner"><failure message="1 test step failed">1 test step failed.</failure></testcase>
        <testcase name="Outer &gt; Inner &gt; bad"><failure message="Uncaught
 several lines">Error: boo =&gt; x</failure></testcase>
        <testcase name="Outer &gt; left out"><skipped/></testcase>
    </testsuite>
</testsuites>`;

describe("countTests()", () => {
  for (const [runtime, xml] of Object.entries({ NODE, BUN, DENO })) {
    it(`counts tests and not suites in the report of ${runtime.toLowerCase()}`, () => {
      assert.deepEqual(countTests(xml), { passed: 1, failed: 1, skipped: 1 });
    });
  }

  it("finds nothing in a report without tests", () => {
    assert.deepEqual(countTests('<testsuites name="deno test" tests="0"></testsuites>'), {
      passed: 0,
      failed: 0,
      skipped: 0,
    });
  });
});

describe("judgeTests()", () => {
  const ended: Finished = { code: 0, signal: null, timedOut: false, seconds: 1, output: "" };
  const good = { passed: 3, failed: 0, skipped: 0 };

  it("passes a run whose tests all passed", () => {
    assert.deepEqual(judgeTests(ended, good), { passed: 3, failed: 0, seconds: 1, problems: [], output: "" });
  });

  const bad = {
    "in which no test ran": judgeTests(ended, { passed: 0, failed: 0, skipped: 0 }),
    "without a report": judgeTests(ended, undefined),
    "with a skipped test": judgeTests(ended, { ...good, skipped: 1 }),
    "that ended with another code than 0 though all tests passed": judgeTests({ ...ended, code: 1 }, good),
    "that was killed": judgeTests({ ...ended, code: null, signal: "SIGKILL" }, good),
    "that took too long": judgeTests({ ...ended, timedOut: true }, good),
  };
  for (const [what, outcome] of Object.entries(bad)) {
    it(`fails a run ${what}, and says why`, () => {
      assert.equal(outcome.failed, 1);
      assert.equal(outcome.problems.length, 1);
    });
  }

  it("counts the tests that failed", () => {
    assert.equal(judgeTests({ ...ended, code: 1 }, { passed: 1, failed: 2, skipped: 0 }).failed, 2);
  });
});

describe("execute()", () => {
  const cwd = tmpdir();

  it("gives the code and all the output of a process", async () => {
    const run = await execute([process.execPath, "-e", "console.log('a'); console.error('b'); process.exit(3)"], {
      cwd,
    });
    assert.deepEqual([run.code, run.signal, run.timedOut, [...run.output].sort().join("").trim()], [
      3,
      null,
      false,
      "ab",
    ]);
  });

  it("ends a process that takes too long, and what it has started", async () => {
    const forever = "require('node:child_process').spawn('sleep', ['60'], { stdio: 'inherit' })";
    const run = await execute([process.execPath, "-e", forever], { cwd, limitMs: 200 });
    assert.equal(run.timedOut, true);
    assert.equal(run.signal, "SIGKILL");
  });

  it("says so when a command cannot start", async () => {
    const run = await execute(["no-such-command"], { cwd });
    assert.equal(run.code, 127);
    assert.match(run.output, /ENOENT/);
  });
});
