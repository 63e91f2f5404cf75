import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Turns } from "../../lib/base/turns.ts";

describe("Turns", () => {
  it("begins each piece of work when the one before has ended, also by a failure that only its own caller hears of", async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string, fails = false): Promise<string> =>
      turns.take(async () => {
        seen.push(name);
        await new Promise<void>((resolve) => ends.push(resolve));
        if (fails) throw new Error(name);
        return name;
      });
    const [a, b, c] = [work("a"), work("b", true), work("c")];
    for (const [i, one] of [a, b, c].entries()) {
      for (let n = 0; ends.length <= i && n < 100; n++) await undefined;
      assert.deepEqual(seen, ["a", "b", "c"].slice(0, i + 1));
      ends[i]!();
      if (i === 1) await assert.rejects(one, /b/);
      else assert.equal(await one, ["a", "b", "c"][i]);
    }
  });
});
