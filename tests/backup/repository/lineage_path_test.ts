/** Which versions belong to which lineage. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { identityAt, isOnPath, lineagePath } from "../../../lib/backup/repository/log/lineage_path.ts";

/** A left at 3 for B, B left at 5 for C. */
const C = { lineage: "C", parents: [{ lineage: "A", version: 3 }, { lineage: "B", version: 5 }] };

describe("identityAt", () => {
  it("is the lineage itself behind its fork", () => {
    for (const version of [6, 100]) assert.deepEqual(identityAt(C, version), C);
    assert.deepEqual(identityAt({ lineage: "A", parents: [] }, 0), { lineage: "A", parents: [] });
  });

  it("is the parent at a fork still, and before it down to the fork that it came from itself", () => {
    const { parents: [first] } = C;
    for (const version of [4, 5]) assert.deepEqual(identityAt(C, version), { lineage: "B", parents: [first] });
    for (const version of [0, 3]) assert.deepEqual(identityAt(C, version), { lineage: "A", parents: [] });
  });

  it("passes over a lineage in which nothing was committed", () => {
    const parents = [{ lineage: "A", version: 3 }, { lineage: "B", version: 3 }];
    assert.deepEqual(identityAt({ lineage: "C", parents }, 3), { lineage: "A", parents: [] });
    assert.deepEqual(identityAt({ lineage: "C", parents }, 4), { lineage: "C", parents });
  });

  it("is never one that was left before that version, by going back behind its own beginning", () => {
    // B went on to 5, and was put back to 2, which is A's.
    const parents = [{ lineage: "A", version: 3 }, { lineage: "B", version: 2 }];
    assert.deepEqual(identityAt({ lineage: "C", parents }, 3), { lineage: "C", parents });
    assert.deepEqual(identityAt({ lineage: "C", parents }, 2), { lineage: "A", parents: [] });
  });

  it("is on the path of the lineage, at every version", () => {
    const path = lineagePath(C.lineage, C.parents);
    for (let version = 0; version < 8; version++) {
      assert.ok(isOnPath(path, identityAt(C, version).lineage, version), `version ${version}`);
    }
  });
});

describe("lineagePath", () => {
  it("goes through each lineage up to where it was left, and back behind its beginning where it was", () => {
    assert.deepEqual(lineagePath(C.lineage, C.parents), [
      { lineage: "A", from: 0, to: 3 },
      { lineage: "B", from: 4, to: 5 },
      { lineage: "C", from: 6, to: Infinity },
    ]);
    const one = [{ lineage: "A", version: 3 }, { lineage: "B", version: 4 }];
    assert.deepEqual(lineagePath("C", one)[1], { lineage: "B", from: 4, to: 4 });
    for (const ends of [[3, 2], [2, 2], [5, 2, 2]]) {
      const parents = ends.map((version, i) => ({ lineage: "ABE"[i]!, version }));
      assert.deepEqual(lineagePath("C", parents), [
        { lineage: "A", from: 0, to: 2 },
        { lineage: "C", from: 3, to: Infinity },
      ], `${ends}`);
    }
  });
});
