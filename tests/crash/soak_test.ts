/** A few seconds of the soak (`npm run soak`), so that it works when it is wanted, and its judgement of memory. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LONG, SEED } from "./random.ts";
import { runSoak, type Tally } from "./soak/campaign.ts";
import { growthOf, type Measured } from "./soak/measure.ts";
import { actionOf, type Plan, stateAt } from "./soak/plan.ts";
import { growthFaults, reportOf, times } from "./soak/report.ts";
import { ownRuntime } from "./writer_process.ts";

const MINUTES = LONG ? 3 : 0.08;

const MIB = 2 ** 20;
const calm: Measured = {
  rss: 100 * MIB,
  heap: 20 * MIB,
  buffers: 10 * MIB,
  resources: 5,
  files: 20,
  fileBytes: 8 * MIB,
  repositoryBytes: 9 * MIB,
  liveBytes: 4 * MIB,
  pins: 2,
  commits: 1000,
  handles: 40,
  strays: 0,
};

/** Measurements of which one figure changes from step to step. */
function run(what: keyof Measured, at: (step: number) => number | undefined): Measured[] {
  return Array.from({ length: 30 }, (_, step) => ({ ...calm, [what]: at(step) }));
}

describe("a soak", () => {
  it("of some seconds finds everything in place after each kill, and all copies as they should be", async () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-soak-"));
    let tally: Tally | undefined;
    try {
      const duration = MINUTES * 60_000;
      tally = await runSoak({
        runtime: ownRuntime,
        directory,
        seed: SEED,
        duration,
        phase: { kills: duration * 0.6, stretch: duration * 0.4 },
        lifeMs: LONG ? 10_000 : 1000,
        killsMin: LONG ? 20 : 2,
        slots: LONG ? 2003 : 211,
        paceMs: 2,
        measureMs: LONG ? 1000 : 100,
        signal: new AbortController().signal,
      });
      const report = reportOf(tally, { minutes: MINUTES, runtime: ownRuntime });
      assert.equal(tally.failure, undefined, `${report}\nagain with HOLDFAST_SEED=${SEED}`);
      if (LONG) assert.deepEqual(growthFaults(tally), [], report);
      const { kills, checked, numbers, transfers } = tally;
      const [copies, backups, jobs] = ["compared ", "backup ", "did "].map((word) => times(tally!, word));
      console.log(
        `${kills} kills, ${numbers} commits and ${transfers} transactions, contents compared ${checked} times; ` +
          `${jobs} jobs, among them ${backups} backups; ${copies} copies compared`,
      );
      assert.ok(kills > 0 && checked > 1 && numbers > 0 && jobs! > 0 && copies! > 0, report);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("knows the state after any number from two epochs alone", () => {
    const plan: Plan = { seed: 5, slots: 31, lives: [{ first: 0, clock: 0 }] };
    const whole = new Map<number, number>();
    for (let n = 0; n < 31 * 8; n++) {
      const action = actionOf(plan, n);
      const end = action.do === "range" ? action.end : action.slot + 1;
      for (let slot = action.slot; slot < end; slot++) {
        if (slot % 4 === 3 === (action.slot % 4 === 3)) whole.delete(slot);
      }
      if (action.do === "set") whole.set(action.slot, n);
      const sorted = (state: Map<number, number>): [number, number][] => [...state].sort(([a], [b]) => a - b);
      assert.deepEqual(sorted(stateAt(plan, n)), sorted(whole), `after number ${n}`);
    }
  });
});

describe("growthOf()", () => {
  const grown = (samples: readonly Measured[]): string[] =>
    growthOf(samples).filter((each) => each.grown).map(({ what }) => what);

  it("lets pass what stays, what goes up and down, and what fills up at first", () => {
    assert.deepEqual(grown(run("heap", () => 20 * MIB)), []);
    assert.deepEqual(grown(run("rss", (step) => (step % 2 === 0 ? 90 : 300) * MIB)), []);
    assert.deepEqual(grown(run("buffers", (step) => Math.min(step, 6) * 50 * MIB)), []);
  });

  it("finds memory, handles and resources that grow from step to step", () => {
    assert.deepEqual(grown(run("heap", (step) => (20 + 2 * step) * MIB)), ["heap"]);
    assert.deepEqual(grown(run("rss", (step) => (100 + 10 * step) * MIB)), ["rss"]);
    assert.deepEqual(grown(run("handles", (step) => 40 + 3 * step)), ["handles"]);
    assert.deepEqual(grown(run("strays", (step) => step)), ["strays"]);
    assert.deepEqual(grown(run("resources", (step) => 2 * step)), ["resources"]);
  });

  it("says nothing of what a system doesn't tell, and nothing from too few measurements", () => {
    assert.deepEqual(growthOf(run("handles", () => undefined)).some(({ what }) => what === "handles"), false);
    assert.deepEqual(growthOf(run("heap", (step) => step * MIB).slice(0, 5)), []);
  });
});
