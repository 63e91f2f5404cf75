/**
 * The database against a model: random operations over the whole public API, compared with a plain sorted array.
 *
 * The seeds are dealt out to the three runtimes, so that a run of all tests makes more than 100,000 operations over more
 * than 50 seeds. A failure names its seed: `HOLDFAST_SEED=7` runs that one, under all limits and on all disks.
 * `HOLDFAST_LONG=1` runs many more; `npm run fuzz` goes on for as long as you like.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import type { RunKind } from "./limits.ts";
import { runModel } from "./run.ts";

interface Plan extends RunKind {
  seeds: number[];
  operations: number;
}

const KINDS: readonly RunKind[] = [
  { limits: "tiny", disk: "memory" },
  { limits: "normal", disk: "memory" },
  { limits: "tiny", disk: "files" },
  { limits: "normal", disk: "files" },
];

/** Seeds are dealt to runtimes by their remainder. */
function runtimeNumber(): number {
  return "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;
}

function mine(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + 3 * i + runtimeNumber());
}

function plans(): Plan[] {
  const given = process.env["HOLDFAST_SEED"];
  const long = process.env["HOLDFAST_LONG"] === "1";
  if (given !== undefined) {
    return KINDS.map((kind) => ({ ...kind, seeds: [Number(given)], operations: long ? 20_000 : 4000 }));
  }
  const [tinyMemory, normalMemory, tinyFiles, normalFiles] = KINDS as [RunKind, RunKind, RunKind, RunKind];
  const factor = long ? 20 : 1;
  return [
    { ...tinyMemory, seeds: mine(1, 16 * factor), operations: 2000 },
    { ...normalMemory, seeds: mine(1001, 4 * factor), operations: 2000 },
    { ...tinyFiles, seeds: mine(2001, 2 * factor), operations: 400 },
    { ...normalFiles, seeds: mine(3001, 1 * factor), operations: 400 },
  ];
}

for (const { limits, disk, seeds, operations } of plans()) {
  describe(`the database under ${limits} limits, ${disk === "memory" ? "in memory" : "on real files"}`, () => {
    for (const seed of seeds) {
      it(`does what a sorted array does (seed ${seed})`, async () => {
        assert.ok(await runModel({ seed, operations, limits, disk }) >= operations);
      });
    }
  });
}
