import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pace } from "../../lib/base/pace.ts";

const MIB = 2 ** 20;

function paced(): { pace: Pace; waits: number[]; work: () => void } {
  const waits: number[] = [];
  let [now, commits] = [0, 0];
  const pace = new Pace({
    activity: () => commits,
    monotonic: () => now,
    delay: async (ms) => {
      waits.push(ms);
      now += ms;
      // Whoever others are, they use the time.
      commits++;
    },
  });
  return { pace, waits, work: () => void commits++ };
}

describe("Pace", () => {
  it("goes on at once while nobody else works", async () => {
    const { pace, waits } = paced();
    for (let i = 0; i < 100; i++) await pace.took(MIB);
    assert.deepEqual(waits, []);
  });

  it("keeps to a rate while others work, also in small pieces", async () => {
    for (const piece of [MIB, MIB / 4, MIB / 64]) {
      const { pace, waits, work } = paced();
      for (let done = 0; done < 56 * MIB; done += piece) {
        work();
        await pace.took(piece);
      }
      const total = waits.reduce((sum, ms) => sum + ms, 0);
      assert.ok(total > 990 && total < 1010, `${total} ms for 56 MiB in pieces of ${piece}`);
      assert.ok(Math.min(...waits) >= 2 && Math.max(...waits) < 20);
    }
  });

  it("holds back all that goes on at once together", async () => {
    const { pace, waits, work } = paced();
    await Promise.all([1, 2, 3, 4].map((i) => (work(), pace.took(i * MIB))));
    const total = waits.reduce((sum, ms) => sum + ms, 0);
    assert.ok(total > 170 && total < 186, `${total} ms for 10 MiB`);
  });
});
