import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BaseDocument, type Coverage, reachOf } from "../../../lib/backup/repository/restoring/coverage.ts";

/** A history whose log ends where its newest base stands. */
function coverage(end: { version: number; coveredUntil: number }, to = Infinity): Coverage {
  const history = { database: "d", lineage: "l", parents: [] };
  return {
    history: history as unknown as Coverage["history"],
    path: [{ lineage: "l", from: 0, to }],
    bases: [],
    covers: [{ from: 1, to: end.version, timestamp: 100, coveredUntil: end.coveredUntil, objects: [] }],
    ingests: [],
    heads: [],
  };
}

const base = { lineage: "l", version: 5, timestamp: 100, coveredUntil: 110 } as BaseDocument;

describe("what is known of the time behind a base", () => {
  it("is what anything knows that stands exactly there, the end of a log too", () => {
    for (const [version, expected] of [[5, 150], [4, 110]] as const) {
      const found = reachOf({ ...coverage({ version, coveredUntil: 150 }), bases: [base] }, base);
      assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: expected });
    }
  });

  it("is nothing at a fork, whatever is known in the history that was left there", () => {
    const found = reachOf({ ...coverage({ version: 5, coveredUntil: 150 }, 5), bases: [base] }, base);
    assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: 99 });
  });
});
