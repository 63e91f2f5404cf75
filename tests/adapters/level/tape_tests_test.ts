import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { collectTests, runTest, type TapeTest } from "./tape_tests.ts";

/** What of tape's assertions these tests use. */
interface T {
  plan(count: number): void;
  ok(value: unknown, message?: string): void;
  is(actual: unknown, expected: unknown, message?: string): void;
  end(): void;
}

const LIMIT_MS = 10_000;
const test = (run: (t: T) => unknown, ...options: unknown[]): TapeTest => ({
  name: "it",
  given: ["it", ...options, run],
});

describe("runTest()", () => {
  it("returns the assertions of a test that passes", async () => {
    const passed = test((t) => {
      t.plan(2);
      t.ok(true, "one");
      setTimeout(() => t.is(1, 1, "two"), 0);
    });
    assert.deepEqual(await runTest(passed, LIMIT_MS), [{ message: "one", ok: true }, { message: "two", ok: true }]);
    assert.deepEqual(await runTest(test(async () => {}), LIMIT_MS), []);
  });

  it("rejects when an assertion does not hold", async () => {
    const failing = test(async (t) => t.is(1, 2, "numbers agree"));
    await assert.rejects(runTest(failing, LIMIT_MS), /it: numbers agree: \{"expected":2,"actual":1\}/);
  });

  it("rejects when a planned assertion is missing, or one is made too many", async () => {
    await assert.rejects(
      runTest(test(async (t) => t.plan(1)), LIMIT_MS),
      /it: plan != count/,
    );
    const more = test((t) => {
      t.plan(1);
      t.ok(true);
      t.ok(true);
    });
    await assert.rejects(runTest(more, LIMIT_MS), /it: plan != count|it: \.end\(\) already called/);
  });

  it("rejects when the test does", async () => {
    await assert.rejects(
      runTest(test(() => Promise.reject(new Error("broken"))), LIMIT_MS),
      /it: Error: broken/,
    );
  });

  it("rejects when the test comes to no end", async () => {
    await assert.rejects(runTest(test((t) => t.ok(true)), 20), /it: no end within 20 ms/);
  });

  it("rejects when the test is skipped", async () => {
    const option = Object.fromEntries([["skip", true]]);
    await assert.rejects(runTest(test((t) => t.end(), option), LIMIT_MS), /it: skipped|it: it did not run/);
  });
});

describe("collectTests()", () => {
  it("runs nothing and keeps the order", () => {
    const tests = collectTests((test) => {
      test("a", () => assert.fail("it ran"));
      test("b", {}, () => assert.fail("it ran"));
    });
    assert.deepEqual(tests.map(({ name }) => name), ["a", "b"]);
  });
});
