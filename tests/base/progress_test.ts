import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { type Progress, ProgressReporter } from "../../lib/base/progress.ts";

describe("ProgressReporter", () => {
  it("reports the start, a step per MiB or thousand items, and the end", () => {
    const seen: Progress[] = [];
    const reporter = new ProgressReporter((progress) => seen.push(progress));
    reporter.start("copy", { totalBytes: 2.5 * 2 ** 20, totalItems: undefined });
    for (let i = 0; i < 20; i++) reporter.add(2 ** 17);
    reporter.start("check");
    for (let i = 0; i < 2500; i++) reporter.add(1, 1);
    reporter.finish();
    reporter.finish();
    assert.deepEqual(seen.map(({ phase, doneBytes, doneItems }) => [phase, Math.round(doneBytes), doneItems]), [
      ["copy", 0, 0],
      ["copy", 2 ** 20, 0],
      ["copy", 2 ** 21, 0],
      ["copy", 2.5 * 2 ** 20, 0],
      ["check", 0, 0],
      ["check", 1000, 1000],
      ["check", 2000, 2000],
      ["check", 2500, 2500],
    ]);
    assert.equal(seen[0]?.totalBytes, 2.5 * 2 ** 20);
    assert.equal("totalItems" in seen[0]!, false);
    assert.equal("totalBytes" in seen[4]!, false);
  });

  it("only counts when nobody listens, and lets a listener end the work", () => {
    const silent = new ProgressReporter(undefined);
    silent.start("copy");
    silent.add(5, 1);
    assert.deepEqual([silent.doneBytes, silent.doneItems], [5, 1]);
    const ending = new ProgressReporter(({ doneBytes }) => {
      if (doneBytes > 0) throw new Error("enough");
    });
    ending.start("copy");
    assert.throws(() => ending.add(2 ** 21), /enough/);
  });

  it("ends the work at the next report with what an asynchronous listener rejected with", async () => {
    const reporter = new ProgressReporter(async ({ phase }) => await Promise.reject(new Error(`enough of ${phase}`)));
    reporter.start("copy");
    await new Promise((resolve) => setImmediate(resolve)); // here it would end the process
    reporter.add(1);
    assert.throws(() => reporter.finish(), /enough of copy/);
  });
});
