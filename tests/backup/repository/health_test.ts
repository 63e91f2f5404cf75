import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  checkHealthPolicy,
  type HealthBackup,
  type HealthFacts,
  type HealthPolicy,
  type HealthReport,
  judgeHealth,
} from "../../../lib/backup/repository/care/health.ts";

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 25, 13);

function made(id: string, hoursAgo: number, more: Partial<HealthBackup> = {}): HealthBackup {
  return {
    id,
    createdAt: NOW - hoursAgo * HOUR,
    type: "full",
    selective: false,
    totalBytes: 1000,
    entryCount: 10,
    ...more,
  };
}
function judge(facts: Partial<HealthFacts>, policy?: HealthPolicy): HealthReport {
  const all = { backups: [made("now", 1)], attempts: [], proofs: [], gaps: [], ...facts };
  return judgeHealth(all, checkHealthPolicy("health", policy), NOW);
}
const codes = (facts: Partial<HealthFacts>, policy?: HealthPolicy): string[] =>
  judge(facts, policy).findings.map(({ code }) => code);

describe("judgeHealth()", () => {
  it("says OK when nothing is found", () => {
    assert.deepEqual(judge({ attempts: [{ at: NOW - HOUR, ok: true }] }), {
      ok: true,
      status: "OK",
      findings: [],
      checkedAt: NOW,
      lastBackupAt: NOW - HOUR,
      successRate: 1,
      lastVerifiedAt: undefined,
      lastDrillAt: undefined,
      lagMs: undefined,
    });
  });

  it("finds that there is no backup", () => {
    const report = judge({ backups: [] });
    assert.equal(report.ok, false);
    assert.equal(report.status, "FINDINGS");
    assert.deepEqual(report.findings, [{ code: "no-backup", severity: "error", message: "there is no backup" }]);
  });

  it("finds a backup that is overdue after 24 hours, and not before", () => {
    assert.deepEqual(codes({ backups: [made("a", 24)] }), []);
    assert.deepEqual(judge({ backups: [made("a", 26)] }).findings, [{
      code: "overdue",
      severity: "error",
      message: "the newest backup is 26h old; 1d is allowed",
      backupId: "a",
    }]);
    assert.deepEqual(codes({ backups: [made("a", 26)] }, { maxAge: "2d" }), []);
    assert.deepEqual(codes({ backups: [made("a", 2600)] }, { maxAge: 0 }), []);
  });

  it("finds it also behind one that a wrong clock dated far ahead", () => {
    const ahead = made("ahead", -10_000);
    assert.deepEqual(codes({ backups: [ahead, made("a", 25)] }), ["overdue"]);
    assert.equal(judge({ backups: [ahead, made("a", 25)] }).lastBackupAt, NOW - 25 * HOUR);
    assert.deepEqual(codes({ backups: [made("a", 25), made("a little ahead", -1)] }), []);
    assert.deepEqual(codes({ backups: [ahead] }), []);
  });

  it("does not take a selective backup for the whole", () => {
    assert.deepEqual(codes({ backups: [made("a", 26), made("part", 1, { selective: true })] }), ["overdue"]);
    assert.deepEqual(codes({ backups: [made("part", 1, { selective: true })] }), []);
  });

  it("finds that less than 95 % succeed", () => {
    const attempts = (failed: number): HealthFacts["attempts"] =>
      Array.from({ length: 100 }, (_, i) => ({ at: NOW - i * HOUR, ok: i >= failed }));
    assert.deepEqual(codes({ attempts: attempts(5) }), []);
    assert.match(
      judge({ attempts: attempts(6) }).findings[0]?.message ?? "",
      /^6 of 100 .* 94 % succeeded, 95 % should/,
    );
    assert.deepEqual(codes({ attempts: attempts(6) }, { minSuccessRate: 0.9 }), []);
    assert.equal(judge({ attempts: attempts(6) }, { window: "10h" }).successRate, 0.4);
  });

  it("finds a newest backup that is empty or much smaller than usual", () => {
    const usual = [made("a", 5), made("b", 4), made("c", 3)];
    assert.deepEqual(codes({ backups: [...usual, made("d", 1, { totalBytes: 0 })] }), ["empty-backup"]);
    assert.deepEqual(codes({ backups: [...usual, made("d", 1, { entryCount: 0 })] }), ["empty-backup"]);
    assert.deepEqual(codes({ backups: [...usual, made("d", 1, { totalBytes: 499 })] }), ["small-backup"]);
    assert.deepEqual(codes({ backups: [...usual, made("d", 1, { totalBytes: 500 })] }), []);
    // An increment of a quiet night is no sign of anything.
    assert.deepEqual(codes({ backups: [...usual, made("d", 1, { totalBytes: 0, type: "incremental" })] }), []);
  });

  for (
    const [kind, missing, failed, within] of [
      ["verify", "never-verified", "verify-failed", { verifyWithin: "7d" }],
      ["drill", "no-drill", "drill-failed", { drillWithin: "7d" }],
    ] as const
  ) {
    it(`finds a ${kind} that is missing, too old or failed`, () => {
      const proof = (hoursAgo: number, ok: boolean) => ({ kind, at: NOW - hoursAgo * HOUR, ok, backupId: "a" });
      assert.deepEqual(codes({}), []);
      assert.deepEqual(codes({}, within), [missing]);
      assert.deepEqual(codes({ proofs: [proof(200, true)] }, within), [missing]);
      assert.deepEqual(codes({ proofs: [proof(100, true)] }, within), []);
      assert.deepEqual(codes({ proofs: [proof(1, false), proof(2, true)] }), [failed]);
      assert.deepEqual(codes({ proofs: [proof(2, false), proof(1, true)] }), []);
      assert.match(
        judge({ proofs: [proof(1, false)] }).findings[0]?.message ?? "",
        /1h ago, found damage in backup a$/,
      );
    });
  }

  it("does not forget damage in a backup because another one is whole", () => {
    const backups = [made("a", 2), made("b", 1)];
    const proof = (hoursAgo: number, ok: boolean, backupId: string | null) => ({
      ...{ kind: "verify" as const, at: NOW - hoursAgo * HOUR, ok, backupId },
    });
    const bad = proof(3, false, "a");
    assert.equal(judge({ backups, proofs: [bad, proof(2, true, "b")] }).findings[0]?.backupId, "a");
    for (const later of [proof(2, true, "a"), proof(2, true, null)]) {
      assert.deepEqual(codes({ backups, proofs: [bad, later] }), []);
    }
    assert.deepEqual(codes({ backups: backups.slice(1), proofs: [bad, proof(2, true, "b")] }), [], "it is gone");
  });

  it("finds log that is behind, lost or no longer shipped", () => {
    assert.deepEqual(codes({ lagMs: 5 * 60_000 }), []);
    assert.deepEqual(codes({ lagMs: 5 * 60_000 + 1 }), ["lag"]);
    assert.deepEqual(codes({ lagMs: 5 * 60_000 + 1 }, { maxLag: "1h" }), []);
    assert.deepEqual(codes({ lagMs: 0, replicationError: "no space" }), ["lag"]);
    assert.deepEqual(codes({ gaps: [{ from: 3, to: 5 }] }), ["gap"]);
  });

  it("finds that space runs out, where the store tells", () => {
    assert.deepEqual(codes({ freeBytes: 10 }, { minFreeBytes: 11 }), ["space-low"]);
    assert.deepEqual(codes({ freeBytes: 11 }, { minFreeBytes: 11 }), []);
    assert.deepEqual(codes({}, { minFreeBytes: 11 }), []);
    // A full disk is no healthy one, though nobody has said how much should be free.
    assert.deepEqual(codes({ freeBytes: 0 }), ["space-low"]);
    assert.deepEqual(codes({ freeBytes: 16 * 2 ** 20 }), []);
    assert.deepEqual(codes({ freeBytes: 0 }, { minFreeBytes: 0 }), []);
  });

  it("puts errors first", () => {
    const findings = codes({ freeBytes: 1, gaps: [{ from: 1, to: 2 }] }, { minFreeBytes: 2, drillWithin: "1d" });
    assert.deepEqual(findings, ["gap", "no-drill", "space-low"]);
  });
});

describe("checkHealthPolicy()", () => {
  it("refuses what it does not know", () => {
    assert.throws(() => checkHealthPolicy("health", { maxage: 1 } as HealthPolicy), /did you mean "maxAge"/);
    assert.throws(() => checkHealthPolicy("health", { minSuccessRate: 95 }), RangeError);
    assert.throws(() => checkHealthPolicy("health", { maxAge: "yesterday" }), TypeError);
  });
});
