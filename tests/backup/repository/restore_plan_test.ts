/** Which base and which log a state is made of: one history, and what is chosen of it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GapError } from "../../../lib/base/errors.ts";
import type { BaseDocument, Coverage } from "../../../lib/backup/repository/restoring/coverage.ts";
import { planPoint, type RestorePlan } from "../../../lib/backup/repository/restoring/restore_plan.ts";
import type { WantedPoint } from "../../../lib/backup/restore_options.ts";

interface Part {
  first: number;
  last: number;
  until?: number;
}

/** A base; the time of version 7 is 70. One of a reader knows nothing of what came behind. */
function base(version: number, isReader = false): BaseDocument {
  const timestamp = version * 10;
  const coveredUntil = isReader ? timestamp - 1 : timestamp;
  return { id: `at-${version}`, lineage: "l", version, timestamp, coveredUntil } as BaseDocument;
}

/** A history of these bases and log, with files that joined at these versions, and a fork where it ends. */
function history(bases: BaseDocument[], parts: Part[], { ingests = [] as number[], fork = Infinity } = {}): Coverage {
  const objects = parts.map((part) => ({ ...part, key: `${part.first}-${part.last}`, chain: "", size: 1 }));
  const to = parts.at(-1)?.last ?? 0;
  const cover = { from: parts[0]?.first ?? 0, to, timestamp: to * 10, coveredUntil: to * 10 + 5, objects };
  return {
    history: { database: "d", lineage: "l", parents: [] },
    path: [{ lineage: "l", from: 0, to: fork }],
    bases,
    covers: parts.length === 0 ? [] : [cover],
    ingests: ingests.map((version) => ({ version, files: [] })),
    heads: [],
  };
}

function plan(coverage: Coverage, point: WantedPoint, changes: { allowEarlier?: boolean; replayLog?: boolean } = {}) {
  const { allowEarlier = false, replayLog = true } = changes;
  const wish = { point, database: undefined, lineage: undefined, allowEarlier, replayLog };
  const { base, log, version, time, ingests, standsIn }: RestorePlan = planPoint("call", "name", coverage, wish);
  return {
    base: base.version,
    log: log.map(({ key }) => key),
    version,
    time,
    ingests: ingests.map((one) => one.version),
    standsIn,
  };
}

const LOG = [{ first: 6, last: 10 }, { first: 11, last: 14 }, { first: 15, last: 20 }];
const usual = history([base(5), base(14)], LOG, { ingests: [5, 8, 12, 13, 20] });
const nothing = { time: undefined, standsIn: undefined };

describe("a version", () => {
  it("is made of the newest base before it, and of the log in between with the files that joined there", () => {
    assert.deepEqual(plan(usual, { version: 12 }), {
      ...nothing,
      base: 5,
      log: ["6-10", "11-14"],
      version: 12,
      ingests: [8, 12],
    });
    assert.deepEqual(plan(usual, { version: 20 }), {
      ...nothing,
      base: 14,
      log: ["15-20"],
      version: 20,
      ingests: [20],
    });
  });

  it("needs no log where a base stands", () => {
    assert.deepEqual(plan(usual, { version: 14 }), { ...nothing, base: 14, log: [], version: 14, ingests: [] });
    const alone = history([base(5)], []);
    assert.deepEqual(plan(alone, { version: 5 }), { ...nothing, base: 5, log: [], version: 5, ingests: [] });
  });

  it("that is beyond what is known is a gap, or the nearest before it where that is allowed", () => {
    assert.throws(() => plan(usual, { version: 21 }), (error) => error instanceof GapError && error.available === 20);
    assert.equal(plan(usual, { version: 21 }, { allowEarlier: true }).version, 20);
  });

  it("before the first base is a gap, also where an earlier one would do", () => {
    for (const allowEarlier of [false, true]) {
      assert.throws(
        () => plan(usual, { version: 4 }, { allowEarlier }),
        (error) => error instanceof GapError && error.available === 5,
      );
    }
  });
});

describe("a time", () => {
  it("begins with the newest base that is not later", () => {
    for (const [time, expected] of [[50, 5], [139, 5], [140, 14], [205, 14]] as const) {
      assert.deepEqual([plan(usual, { time }).base, plan(usual, { time }).version], [expected, undefined]);
    }
  });

  it("before the first base is a gap, and so is one of which it is not known whether more came", () => {
    for (const [time, available] of [[49, 50], [206, 205]] as const) {
      assert.throws(() => plan(usual, { time }), (error) => error instanceof GapError && error.available === available);
    }
    assert.deepEqual(plan(usual, { time: 206 }, { allowEarlier: true }).base, 14);
  });

  it("is that of the base where no log goes on behind it", () => {
    const found = plan(history([base(5)], []), { time: 50 });
    assert.deepEqual([found.base, found.log, found.version, found.time], [5, [], 5, 50]);
  });
});

describe("the newest state", () => {
  it("begins with the newest of the bases that lead to it", () => {
    assert.deepEqual(plan(usual, {}), { ...nothing, base: 14, log: ["15-20"], version: 20, ingests: [20] });
  });

  it("is the newest base by itself where no log is wanted", () => {
    assert.deepEqual(plan(usual, {}, { replayLog: false }), {
      ...nothing,
      base: 14,
      log: [],
      version: 14,
      ingests: [],
    });
  });
});

describe("log that is left at a fork", () => {
  it("is not read for what lies behind the fork", () => {
    const forked = history([base(8)], [{ first: 6, last: 10, until: 8 }, { first: 9, last: 12 }]);
    assert.deepEqual(plan(forked, { version: 11 }).log, ["9-12"]);
  });
});

describe("a base of a reader, for whom nobody vouches", () => {
  it("is held against the log that has its last commit", () => {
    for (const parts of [LOG, [{ first: 1, last: 6, until: 5 }, ...LOG], [{ first: 1, last: 5 }, ...LOG]]) {
      const found = plan(history([base(5, true)], parts), { version: 7 });
      assert.equal(found.standsIn?.key, parts === LOG ? undefined : `1-${parts[0]!.last}`);
    }
    assert.equal(plan(history([base(5)], [{ first: 1, last: 5 }, ...LOG]), { version: 7 }).standsIn, undefined);
  });

  it("is not where its history leaves the one of that log", () => {
    const forked = history([base(5, true)], [{ first: 1, last: 5 }, ...LOG], { fork: 5 });
    assert.equal(plan(forked, { version: 7 }).standsIn, undefined);
  });
});
