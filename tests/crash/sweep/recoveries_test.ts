import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SHARE } from "../random.ts";
import { openings, repairs } from "./recoveries.ts";
import { sumOf, sweep } from "./sweep.ts";

describe("recoveries", () => {
  for (const scenario of [...openings, ...repairs]) {
    it(`${scenario.name}: is told, leaves a state that it may leave, and does it the next time`, async () => {
      const cases = sumOf(await sweep(scenario, 0.5));
      assert.ok(cases >= (LONG ? 60 / SHARE : 0), `${cases} cases`);
    });
  }
});
