import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { durationOption, formatDuration, parseDuration } from "../../lib/base/duration.ts";

const HOUR = 3_600_000;

describe("parseDuration()", () => {
  it("knows each unit", () => {
    const cases: [string, number][] = [
      ["250ms", 250],
      ["30s", 30_000],
      ["15m", 900_000],
      ["12h", 12 * HOUR],
      ["1.5h", 1.5 * HOUR],
      ["30d", 720 * HOUR],
      ["2w", 336 * HOUR],
      ["1y", 8760 * HOUR],
      ["0d", 0],
    ];
    for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
  });

  it("refuses all else", () => {
    for (const text of ["", "30", "d", "30 d", "-1d", "1e3s", "1d12h", "3mo", "1D", "1.d", "١d", "9999999999999999y"]) {
      assert.equal(parseDuration(text), undefined, text);
    }
  });
});

describe("durationOption()", () => {
  const read = (value: unknown, min?: number): number | undefined =>
    durationOption("prune", { keepWithin: value }, "keepWithin", undefined, min);

  it("takes ms and text, and nothing", () => {
    assert.equal(read(5), 5);
    assert.equal(read("2h"), 2 * HOUR);
    assert.equal(read(undefined), undefined);
    assert.equal(durationOption("prune", {}, "keepWithin", 7), 7);
  });

  it("says what it wants", () => {
    assert.throws(() => read("soon"), {
      name: "TypeError",
      message:
        'prune: option "keepWithin" must be milliseconds or a duration such as "30d", "12h" or "15m", not "soon"',
    });
    assert.throws(() => read(new Date(0)), TypeError);
    assert.throws(() => read(1n), TypeError);
    assert.throws(() => read(-1), RangeError);
    assert.throws(() => read(NaN), RangeError);
    assert.throws(() => read(Infinity), RangeError);
    assert.throws(() => read("10s", 60_000), /at least 1m, not "10s"/);
  });
});

describe("formatDuration()", () => {
  it("is short and tells enough", () => {
    const cases: [number, string][] = [
      [0, "0s"],
      [250, "250ms"],
      [1000, "1s"],
      [1500, "1500ms"],
      [90_000, "90s"],
      [60_000, "1m"],
      [24 * HOUR, "1d"],
      [26 * HOUR, "26h"],
      [60 * HOUR, "2.5d"],
      [720 * HOUR, "30d"],
      [336 * HOUR, "2w"],
      [8760 * HOUR, "1y"],
      [400 * 24 * HOUR, "400d"],
      [-HOUR, "-1h"],
    ];
    for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
  });
});
