import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { collectTests } from "./vitest_tests.ts";

describe("collectTests()", () => {
  it("runs what belongs before and after a test, and counts its assertions", async () => {
    const seen: string[] = [];
    const [test, ...others] = collectTests(({ it, beforeEach, afterEach }) => {
      beforeEach(() => seen.push("before"));
      it("a test", async ({ expect }) => {
        expect(1).toBe(1);
        await undefined;
        expect({ a: 1 }).toEqual({ a: 1 });
        seen.push("test");
      });
      afterEach(() => seen.push("after"));
    });
    assert.deepEqual([test!.name, others, seen], ["a test", [], []]);
    assert.equal(await test!.run(), 2);
    assert.deepEqual(seen, ["before", "test", "after"]);
  });

  it("rejects for every assertion that does not hold, for a wrong number of them, and for none", async () => {
    const tests = collectTests(({ it }) => {
      it("toBeTruthy", ({ expect }) => expect(0).toBeTruthy());
      it("toBeFalsy", ({ expect }) => expect([]).toBeFalsy());
      it("toBeUndefined", ({ expect }) => expect(null).toBeUndefined());
      it("toBeDefined", ({ expect }) => expect(undefined).toBeDefined());
      it("toBeNull", ({ expect }) => expect(undefined).toBeNull());
      it("toBe", ({ expect }) => expect({}).toBe({}));
      it("toEqual", ({ expect }) => expect({ a: 1 }).toEqual({ a: 2 }));
      it("not.toBe", ({ expect }) => expect(1).not.toBe(1));
      it("assertions", ({ expect }) => {
        expect.assertions(2);
        expect(1).toBe(1);
      });
      it("none", () => {});
    });
    assert.equal(tests.length, 10);
    for (const test of tests) await assert.rejects(test.run(), assert.AssertionError, test.name);
  });
});
