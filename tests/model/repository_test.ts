import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { runRepositoryModel, type RunResult } from "./repository/run.ts";

/** Each runtime takes other seeds. */
const RUNTIME = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;
const LONG = process.env["HOLDFAST_LONG"] === "1";
const SEEDS = LONG ? 200 : 3;
const OPERATIONS = LONG ? 200 : 60;

describe("backup repositories under random work, faults and accidents", () => {
  const given = process.env["HOLDFAST_SEED"];
  const seeds = given === undefined ? Array.from({ length: SEEDS }, (_, i) => 1 + 3 * i + RUNTIME) : [Number(given)];
  let restores = 0;
  // Before all others: to the first one the process has loaded little, and nothing has run in it.
  it("do the same again for the same seed, call by call", async () => {
    const [first, second] = [await again(), await again()];
    assert.equal(second.trace, first.trace);
    assert.notEqual(
      (await runRepositoryModel({ seed: repeated + 1, operations: 20, faulty: true })).trace,
      first.trace,
    );
  });
  /** One in which it would be seen that a call loads what it needs, and when a file of a store was begun. */
  const repeated = Number(given ?? 6);
  const again = (): Promise<RunResult> => runRepositoryModel({ seed: repeated, operations: 40, faulty: true });

  for (const seed of seeds) {
    it(`give back every state they list (seed ${seed})`, async () => {
      restores += (await runRepositoryModel({ seed, operations: OPERATIONS })).restores;
    });
  }

  for (const seed of seeds.map((each) => each + 100_000)) {
    it(`lose nothing that was acknowledged when disks fail as well, and rot (seed ${seed})`, async () => {
      restores += (await runRepositoryModel({ seed, operations: OPERATIONS, faulty: true })).restores;
    });
  }

  it("were restored often enough to mean something", (t) => {
    t.diagnostic(`${restores} restores compared in this runtime`);
    assert.ok(restores >= (given === undefined ? 100 : 1), `${restores} restores`);
  });
});
