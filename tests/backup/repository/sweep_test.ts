import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { sweep } from "./sweep.ts";
import { scenarios } from "./sweep_scenarios.ts";

/** Each runtime takes a third of the cases. */
const RUNTIME = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;

const LONG = process.env["HOLDFAST_LONG"] === "1";

describe("a repository whose every call on its store fails in turn", () => {
  let total = 0;
  for (const scenario of scenarios) {
    it(`survives it: ${scenario.name}`, async () => {
      total += LONG ? await sweep(scenario) : await sweep(scenario, RUNTIME, 3);
    });
  }

  it("was tried often enough to mean something", (t) => {
    t.diagnostic(`${total} cases in this runtime`);
    assert.ok(total > (LONG ? 1000 : 300), `${total} cases`);
  });
});
