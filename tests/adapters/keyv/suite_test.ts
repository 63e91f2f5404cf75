/**
 * The suite that Keyv publishes for its stores, `@keyv/test-suite`: all of it that is about stores, each of its tests a test
 * here. It is written for Keyv 5, so it runs with that; and with Keyv 6, but for what Keyv itself does otherwise there.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as suite from "@keyv/test-suite";
import Keyv6 from "keyv";
import Keyv5 from "keyv5";
import { DB } from "../../../mod.ts";
import { Keyv5Holdfast, KeyvHoldfast } from "../../../lib/adapters/keyv.ts";
import { collectTests, type Vitest, type VitestTest } from "./vitest_tests.ts";

type Suite = (vitest: Vitest, keyv: unknown, store: () => unknown) => void;
const { default: all, keyvIteratorTests } = suite as unknown as Record<string, Suite>;

/** What holds for no store with Keyv 6, which answers with an array. */
const NOT_IN_6 = [".deleteMany([keys]) with nonexistent keys resolves to false"];

describe("Keyv's suite on KeyvHoldfast", () => {
  let db: DB;
  let assertions = 0;
  let run = 0;
  before(async () => {
    // The suite sets the clock forward.
    db = await DB.open(":memory:", { clock: () => Date.now() });
  });
  after(() => db.close());

  const testsOf = (keyv: unknown, store: () => unknown): VitestTest[] => [
    ...collectTests((vitest) => all!(vitest, keyv, store)),
    ...collectTests((vitest) => keyvIteratorTests!(vitest, keyv, store)),
  ];
  // The suite puts something on the options of a store, which those of Keyv 6 have no more.
  const store6 = (): object => Object.assign(new KeyvHoldfast(db), { opts: {} });
  for (
    const [name, keyv, store, left] of [
      ["Keyv 5", Keyv5, () => new Keyv5Holdfast(db), []],
      ["Keyv 6", Keyv6, store6, NOT_IN_6],
    ] as const
  ) {
    const tests = testsOf(keyv, store);
    describe(name, () => {
      for (const test of tests.filter((each) => !(left as readonly string[]).includes(each.name))) {
        it(test.name, async () => {
          assertions += await test.run();
          run++;
        });
      }
    });
  }

  it("leaves out only what fails with Keyv's own store, too", async () => {
    const map = Object.assign(new Map(), { opts: {} });
    const tests = testsOf(Keyv6, () => map).filter(({ name }) => NOT_IN_6.includes(name));
    assert.equal(tests.length, NOT_IN_6.length);
    for (const test of tests) await assert.rejects(test.run(), assert.AssertionError);
  });

  it("has run in full", () => {
    assert.deepEqual({ run, assertions }, { run: 83, assertions: 157 });
  });
});
