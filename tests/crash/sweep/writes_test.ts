/** Every kind of accident at every call of writing, flushing, compacting and collecting. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SHARE } from "../random.ts";
import { sumOf, sweep } from "./sweep.ts";
import { writes } from "./writes.ts";

describe("an accident at any file-system call of a write", () => {
  for (const scenario of writes) {
    it(`${scenario.name}: is told, loses nothing acknowledged, and the work comes to the same end`, async () => {
      const cases = sumOf(await sweep(scenario, 2));
      assert.ok(cases >= (LONG ? 300 / SHARE : 10), `${cases} cases`);
    });
  }
});
