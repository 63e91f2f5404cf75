/**
 * Proves the tests: each defect of the two tables is switched on by itself, and the test that the table names must fail by
 * it, on an assertion or an error of the library's own, and pass without it.
 *
 * The long form (`HOLDFAST_LONG=1`) switches on all of them, the short form every other one.
 *
 * Nothing of this is in the product: a source is changed in memory as a process of tests loads it (`patch_module.ts`). That
 * takes the loader of Node, so this runs under Node only, and looks like a test of the sources (`tests/tools/runtimes.ts`).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { LONG } from "../crash/random.ts";
import { runPool } from "../tools/pool.ts";
import { root } from "../tools/runtimes.ts";
import { backupDefects } from "./backup_defects.ts";
import type { ChildOutcome } from "./child.ts";
import { countOf, type Defect } from "./defect.ts";
import { engineDefects } from "./engine_defects.ts";
import { problemOf, runTests, type TestRun, withScratch } from "./run_tests.ts";

const defects = [...engineDefects, ...backupDefects];

/** In the short form one day the first, third, ... of them are switched on, the next day the others. */
const PARTS = LONG ? 1 : 2;
const seed = Number(process.env["HOLDFAST_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const tried = defects.filter((_, i) => i % PARTS === seed % PARTS);

/** The names that each file of tests is asked for. */
const chosen = new Map<string, string[]>();
for (const { caughtBy: { file, only } } of tried) {
  const names = chosen.get(file) ?? [];
  chosen.set(file, names.includes(only) ? names : [...names, only]);
}

describe("the defects", () => {
  it("have a name each, and there are enough of them", () => {
    assert.equal(new Set(defects.map(({ name }) => name)).size, defects.length);
    assert.ok(defects.length >= 20, `${defects.length} defects`);
  });

  it("change text that is in the product, once", () => {
    for (const { name, patches } of defects) {
      for (const { file, find } of patches) {
        const count = countOf(readFileSync(`${root}${file}`, "utf8"), find);
        assert.equal(count, 1, `update the defect "${name}" in tests/defects: ${file} holds its text ${count} times`);
      }
    }
  });

  it("are noticed by the tests, which pass without them", async () => {
    const clean = new Map<string, TestRun>();
    const dirty = new Map<Defect, TestRun>();
    await withScratch(async (scratch) => {
      const runs = [
        ...[...chosen].map(([file, names]) => async () => void clean.set(file, await runTests(scratch, file, names))),
        ...tried.map((defect) => async () => {
          const { caughtBy: { file, only }, patches } = defect;
          dirty.set(defect, await runTests(scratch, file, [only], patches));
        }),
      ];
      await runPool(runs, (run) => run());
    });

    for (const [file, names] of chosen) assertPasses(file, names, clean.get(file)!);
    const missed = tried.flatMap((defect) => {
      const problem = problemOf(defect, dirty.get(defect)!);
      return problem === undefined ? [] : [problem];
    });
    assert.deepEqual(missed, []);
    const files = [...chosen.keys()].map((file) => file.replace(/^tests\//, "").replace(/_test\.ts$/, ""));
    console.log(
      `${tried.length} of ${defects.length} defects (HOLDFAST_SEED=${seed}) caught by ${countTests()} tests of ` +
        files.join(", "),
    );
  });
});

describe("problemOf()", () => {
  const [defect] = defects as [Defect, ...Defect[]];
  const failure = (...kinds: string[]): NonNullable<ChildOutcome["failed"]> => {
    return { test: "it", type: "testCodeFailure", errors: [{ kinds: ["Error"], message: "" }, { kinds, message: "" }] };
  };
  const run = (outcome: ChildOutcome | undefined, timedOut = false): TestRun => {
    return { code: 1, signal: null, timedOut, seconds: 1, output: "", outcome };
  };
  const files = new Set(defect.patches.map(({ file }) => file)).size;
  const after = (failed: ChildOutcome["failed"], patched = files): ChildOutcome => {
    return failed === undefined ? { patched, passed: [] } : { patched, passed: [], failed };
  };

  it("takes an assertion or an error of the library for a defect that was noticed, also behind another error", () => {
    for (const kind of ["AssertionError", "HoldfastError"]) {
      assert.equal(problemOf(defect, run(after(failure("Special", kind)))), undefined);
    }
  });

  it("takes nothing else for it", () => {
    const others: Record<string, TestRun> = {
      "nothing was noticed": run(after(undefined)),
      "took too long": run(after(failure("AssertionError")), true),
      "ended before": run(undefined),
      "were loaded": run(after(failure("AssertionError"), files - 1)),
      "hookFailed": run(after({ ...failure("AssertionError"), type: "hookFailed" })),
      "another error": run(after(failure("TypeError"))),
    };
    for (const [said, other] of Object.entries(others)) assert.match(problemOf(defect, other) ?? "", new RegExp(said));
  });
});

function assertPasses(file: string, names: readonly string[], { outcome, output }: TestRun): void {
  assert.ok(outcome !== undefined, `${file} ended before its tests did: ${output}`);
  const { failed, passed }: ChildOutcome = outcome;
  assert.equal(failed, undefined, `${file} fails without any defect: ${JSON.stringify(failed)}`);
  for (const name of names) {
    assert.ok(passed.some((test) => test.includes(name)), `${file} has no test with "${name}" in its name`);
  }
}

function countTests(): number {
  return [...chosen.values()].reduce((sum, names) => sum + names.length, 0);
}
