import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SHARE } from "../random.ts";
import { intoOpen } from "./into_open.ts";
import { sumOf, sweep } from "./sweep.ts";

describe("restores into an open database", () => {
  for (const scenario of intoOpen) {
    it(`${scenario.name}: is told, leaves a state that it may leave, and does it the next time`, async () => {
      const cases = sumOf(await sweep(scenario, 0.5));
      assert.ok(cases >= (LONG ? 300 / SHARE : 1), `${cases} cases`);
    });
  }
});
