import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SHARE } from "../random.ts";
import { scenarioOf } from "./making.ts";
import { copies } from "./makings.ts";
import { sumOf, sweep } from "./sweep.ts";

describe("copies", () => {
  for (const making of copies) {
    it(`${making.name}: leaves it whole or absent, and does it the next time`, async () => {
      const cases = sumOf(await sweep(scenarioOf(making), 0.5));
      // The smallest has a hundred; which of them a share takes is left to chance.
      assert.ok(cases >= (LONG ? 75 / SHARE : 1), `${cases} cases`);
    });
  }
});
