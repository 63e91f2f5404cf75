import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { runPrograms } from "./programs/run.ts";

/** Each runtime takes other seeds. */
const RUNTIME = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;
const LONG = process.env["HOLDFAST_LONG"] === "1";
const SEEDS = LONG ? 60 : 2;
const ROUNDS = LONG ? 40 : 10;

describe("programs on one repository at once, by clocks that are apart", () => {
  const given = process.env["HOLDFAST_SEED"];
  const seeds = given === undefined ? Array.from({ length: SEEDS }, (_, i) => 1 + 3 * i + RUNTIME) : [Number(given)];

  it("do the same again for the same seed", async () => {
    const again = async (): Promise<unknown> => {
      const { trace, counts, restores } = await runPrograms({ seed: 7, rounds: 4 });
      return { trace, counts, restores };
    };
    assert.deepEqual(await again(), await again());
  });

  for (const seed of seeds) {
    it(`lose nothing that was told of, and list nothing that is not whole (seed ${seed})`, async () => {
      const { restores } = await runPrograms({ seed, rounds: ROUNDS });
      assert.ok(restores >= 5 * ROUNDS, `${restores} restores`);
    });
  }
});
