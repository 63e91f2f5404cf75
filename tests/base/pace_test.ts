import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pace } from "../../lib/base/pace.ts";

const MIB = 2 ** 20;

/** A pace beside others who make so many steps a second while it waits. */
function paced(perSecond: number): { pace: Pace; waits: number[]; work: () => void } {
  const waits: number[] = [];
  let [now, commits] = [0, 0];
  const pace = new Pace({
    activity: () => commits,
    monotonic: () => now,
    delay: async (ms) => {
      waits.push(ms);
      now += ms;
      commits += perSecond * ms / 1000;
    },
  });
  return { pace, waits, work: () => void commits++ };
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

describe("Pace", () => {
  it("goes on at once while nobody else works", async () => {
    const { pace, waits } = paced(0);
    for (let i = 0; i < 100; i++) await pace.took(MIB);
    assert.deepEqual(waits, []);
  });

  it("keeps to a rate while others are busy, also in small pieces", async () => {
    for (const piece of [MIB, MIB / 4, MIB / 64]) {
      const { pace, waits, work } = paced(50_000);
      for (let done = 0; done < 18 * MIB; done += piece) {
        work();
        await pace.took(piece);
      }
      assert.ok(sum(waits) > 980 && sum(waits) < 1010, `${sum(waits)} ms for 18 MiB in pieces of ${piece}`);
      assert.ok(Math.min(...waits) >= 2 && Math.max(...waits) < 60);
    }
  });

  it("goes faster the less others do, but not without end", async () => {
    for (const [perSecond, rate] of [[10_000, 36], [5000, 54], [100, 54]] as const) {
      const { pace, waits, work } = paced(perSecond);
      const all: number[] = [];
      for (let done = 0; done < 500; done++) {
        work();
        await pace.took(MIB);
        all.push(sum(waits));
      }
      // What goes on is found out first.
      const [early, late] = [all[99]!, all[499]!];
      const found = 400 / (late - early) * 1000;
      assert.ok(found > rate * 0.9 && found < rate * 1.1, `${found} MiB/s beside ${perSecond}`);
    }
  });

  it("goes slowly where others are held up, though they do next to nothing", async () => {
    const waits: number[] = [];
    let now = 0;
    const delay = async (ms: number): Promise<void> => {
      waits.push(ms);
      now += ms;
    };
    const pace = new Pace({ activity: () => 0, isBehind: () => now < 500, monotonic: () => now, delay });
    for (let i = 0; i < 100; i++) await pace.took(MIB);
    assert.ok(sum(waits) >= 500 && sum(waits) < 560, `${sum(waits)} ms`);
  });

  it("holds back all that goes on at once together", async () => {
    const { pace, waits, work } = paced(50_000);
    await Promise.all([1, 2, 3, 4].map((i) => (work(), pace.took(i * MIB))));
    assert.ok(sum(waits) > 540 && sum(waits) < 580, `${sum(waits)} ms for 10 MiB`);
  });
});
