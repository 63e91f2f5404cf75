import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blame } from "../../../lib/backup/repository/care/check/affected.ts";
import { Findings } from "../../../lib/backup/repository/care/check/findings.ts";
import { neededLog } from "../../../lib/backup/repository/care/check/structure.ts";
import { backupKey } from "../../../lib/backup/repository/core/layout.ts";
import { type BaseDocument, type Coverage, reachOf } from "../../../lib/backup/repository/restoring/coverage.ts";
import type { RepositoryFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import type { BackupDocument } from "../../../lib/format/repository/backup_document.ts";

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

  it("is the most that anything knows", () => {
    const found = reachOf({ ...coverage({ version: 5, coveredUntil: 90 }), bases: [base] }, base);
    assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: 110 });
  });

  it("is also that the next commit is a base of its own", () => {
    for (const [version, expected] of [[6, 199], [7, 110]] as const) {
      const next = { ...base, version, timestamp: 200, coveredUntil: 210 };
      const found = reachOf({ ...coverage({ version: 4, coveredUntil: 90 }), bases: [base, next] }, base);
      assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: expected });
    }
  });

  it("is nothing at a fork, whatever is known in the history that was left there", () => {
    const found = reachOf({ ...coverage({ version: 5, coveredUntil: 150 }, 5), bases: [base] }, base);
    assert.deepEqual(found, { version: 5, timestamp: 100, coveredUntil: 99 });
  });
});

describe("a thousand backups of one history, made on top of each other", () => {
  /** The first has a base; `reads` counts how often anything goes through all. */
  function thousand(base: BackupDocument["base"]): RepositoryFacts & { reads: number } {
    const backups = Array.from({ length: 1000 }, (_, i) => ({
      id: `b${i}`,
      parentId: i === 0 ? null : `b${i - 1}`,
      database: "d",
      lineage: "l",
      parents: [],
      version: i + 1,
      timestamp: i,
      coveredUntil: i,
      selective: false,
      base: i === 0 ? base : null,
      log: i === 0 ? null : { from: i + 1, to: i + 1, chain: `c${i}` },
    })) as unknown as BackupDocument[];
    return {
      reads: 0,
      heads: [],
      logs: new Map(),
      get backups() {
        this.reads++;
        return backups;
      },
    };
  }

  it("are gone through a few times to tell which of them need what", () => {
    const facts = thousand({ files: [] } as unknown as BackupDocument["base"]);
    assert.equal(neededLog({ facts }).length, 999);
    assert.ok(facts.reads < 20, `${facts.reads} times`);
  });

  it("are gone through a few times to tell which are lost, and by what", () => {
    const facts = thousand(null);
    const findings = new Findings();
    const key = backupKey("b5");
    findings.add({ key, kind: "damaged", detail: "gone" });
    const found = blame({ facts, findings, ingests: new Map() }).find(({ finding }) => finding.key === key);
    // Itself, and all that were made on top of it.
    assert.equal(found!.backups.length, 995);
    assert.ok(facts.reads < 20, `${facts.reads} times`);
  });
});

describe("a thousand bases of one history, without log", () => {
  it("are gone through once to tell what each of them reaches", () => {
    let reads = 0;
    const backups = Array.from({ length: 1000 }, (_, i) => ({
      id: `b${i}`,
      parentId: null,
      database: "d",
      lineage: "l",
      parents: [],
      get version() {
        reads++;
        return i + 1;
      },
      timestamp: 10 * i,
      coveredUntil: 10 * i + 3,
      selective: false,
      base: { files: [] },
      log: null,
    })) as unknown as BackupDocument[];
    const [range, ...others] = recoveryRanges({ backups, heads: [], logs: new Map() });
    assert.deepEqual(others, []);
    assert.deepEqual([range!.from.version, range!.to.version, range!.coveredUntil], [1, 1000, 9993]);
    assert.ok(reads < 20_000, `${reads} looks`);
  });
});
