import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LONG, SHARE } from "../random.ts";
import { scenarioOf } from "./making.ts";
import { restores } from "./makings.ts";
import { sumOf, sweep } from "./sweep.ts";

describe("restores", () => {
  for (const making of restores) {
    it(`${making.name}: leaves it whole or absent, and does it the next time`, async () => {
      const cases = sumOf(await sweep(scenarioOf(making), 0.5));
      assert.ok(cases >= (LONG ? 300 / SHARE : 1), `${cases} cases`);
    });
  }
});
