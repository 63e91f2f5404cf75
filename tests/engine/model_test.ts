/**
 * The engine against a model: random commits, reads, cursors, snapshots, compactions, ingests, reopenings and power cuts,
 * each answer compared with that of a plain sorted array of versions.
 *
 * `HOLDFAST_SEED=7` runs the one seed 7, `HOLDFAST_LONG=1` many more of them.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { EngineRun } from "../model/engine_run.ts";

const seed = process.env["HOLDFAST_SEED"];
const long = process.env["HOLDFAST_LONG"] === "1";
// Each runtime has seeds of its own.
const runtime = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;
const seeds = seed === undefined
  ? Array.from({ length: long ? 400 : 20 }, (_, i) => 1 + 3 * i + runtime)
  : [Number(seed)];

describe("the engine", () => {
  for (const one of seeds) {
    it(`answers as a sorted array of versions does (seed ${one})`, async () => {
      const run = new EngineRun(one);
      await run.run(long ? 3000 : 700);
      assert.ok(run.commits.length > 0);
    });
  }
});
