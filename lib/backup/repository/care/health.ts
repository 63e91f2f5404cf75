/**
 * Is this repository well? Judged from facts alone, against thresholds.
 *
 * Every finding has a stable `code`; an `"error"` means that data may be lost today, a `"warning"` that something drifts
 * there. One finding of either kind makes the report not ok: what nobody needs to hear of is not a finding.
 *
 * @module
 */
import { type Duration, durationOption, formatDuration } from "../../../base/duration.ts";
import { checkOptions, numberOption } from "../../../base/options.ts";

/** What counts as well. 0 switches a check of time or size off. */
export interface HealthPolicy {
  /** How old the newest backup may be. Default: `"24h"`. */
  maxAge?: Duration | undefined;
  /** The least share of backups that succeed, 0 to 1. Default: 0.95. */
  minSuccessRate?: number | undefined;
  /** Over how long that share is counted. Default: `"30d"`. */
  window?: Duration | undefined;
  /** How small the newest whole backup may be, of the median of those before it, 0 to 1. Default: 0.5. */
  sizeDropRatio?: number | undefined;
  /** How far the archived log may be behind the database while it is replicated. Default: `"5m"`. */
  maxLag?: Duration | undefined;
  /** How long ago the last good verification may be; checked once given. */
  verifyWithin?: Duration | undefined;
  /** How long ago the last good drill may be; checked once given. */
  drillWithin?: Duration | undefined;
  /** How much space must be free, in bytes, where the store tells. Default: 16 MiB. */
  minFreeBytes?: number | undefined;
}

/** What a finding is about. */
export type HealthCode =
  | "no-backup"
  | "overdue"
  | "success-rate"
  | "empty-backup"
  | "small-backup"
  | "never-verified"
  | "verify-failed"
  | "no-drill"
  | "drill-failed"
  | "lag"
  | "gap"
  | "space-low";

/** One thing that is not as it should be. */
export interface HealthFinding {
  /** Stable, for programs. */
  code: HealthCode;
  /** `"error"`: data may be lost today. */
  severity: "error" | "warning";
  /** For people: what is, what should be. */
  message: string;
  /** The backup it is about, if one. */
  backupId?: string;
}

/** The judgement of a repository. */
export interface HealthReport {
  /** Whether nothing was found. */
  ok: boolean;
  /** The same in a word. */
  status: "OK" | "FINDINGS";
  /** What was found, errors first. */
  findings: HealthFinding[];
  /** When it was judged, ms. */
  checkedAt: number;
  /** When the newest backup was made, ms. */
  lastBackupAt: number | undefined;
  /** The share of backups that succeeded in the window; undefined without any. */
  successRate: number | undefined;
  /** When a verification last found all well, ms. */
  lastVerifiedAt: number | undefined;
  /** When a drill last restored all, ms. */
  lastDrillAt: number | undefined;
  /** How far the archived log is behind, ms; undefined where nothing is replicated. */
  lagMs: number | undefined;
}

/** A listed backup. */
export interface HealthBackup {
  /** Its id. */
  id: string;
  /** When it was made, ms. */
  createdAt: number;
  /** Its type. */
  type: "full" | "incremental" | "snapshot";
  /** Whether it leaves something out. */
  selective: boolean;
  /** Its raw bytes. */
  totalBytes: number;
  /** Its entries. */
  entryCount: number;
}

/** An attempt, as the audit log tells. */
export interface HealthAttempt {
  /** When, ms. */
  at: number;
  /** Whether it succeeded. */
  ok: boolean;
}

/** A verification or drill. */
export interface HealthProof {
  /** What was done. */
  kind: "verify" | "drill";
  /** When, ms. */
  at: number;
  /** Whether all was well. */
  ok: boolean;
  /** The backup it looked at, where it was one. */
  backupId?: string | null | undefined;
}

/** What the judgement is made from. */
export interface HealthFacts {
  /** The listed backups, oldest first by version. */
  backups: readonly HealthBackup[];
  /** Attempts to make a backup. */
  attempts: readonly HealthAttempt[];
  /** Verifications and drills. */
  proofs: readonly HealthProof[];
  /** How far the archived log is behind, ms, where it is replicated. */
  lagMs?: number | undefined;
  /** Whether the replication is given up, with the reason. */
  replicationError?: string | undefined;
  /** Versions that the log lost and that no backup after them covers. */
  gaps: readonly { from: number; to: number }[];
  /** Free bytes of the store, where it tells. */
  freeBytes?: number | undefined;
}

const NAMES: readonly (keyof HealthPolicy)[] = [
  "maxAge",
  "minSuccessRate",
  "window",
  "sizeDropRatio",
  "maxLag",
  "verifyWithin",
  "drillWithin",
  "minFreeBytes",
];

const HOUR = 3_600_000;

/** A policy with its defaults, checked; all times in ms. */
export type CheckedHealthPolicy = Record<keyof HealthPolicy, number>;

/**
 * With less there is no room for a few objects on their way, nor for what a pruning notes. Not more: a disk that is small, and
 * kept nearly full on purpose, is its owner's to judge.
 */
const FREE_BYTES_MIN = 16 * 2 ** 20;

/** Checks a health policy. */
export function checkHealthPolicy(call: string, policy: HealthPolicy | undefined): CheckedHealthPolicy {
  const checked = checkOptions(call, policy, NAMES);
  const ratio = { min: 0, max: 1, integer: false };
  return {
    maxAge: durationOption(call, checked, "maxAge", 24 * HOUR),
    minSuccessRate: numberOption(call, checked, "minSuccessRate", 0.95, ratio),
    window: durationOption(call, checked, "window", 30 * 24 * HOUR),
    sizeDropRatio: numberOption(call, checked, "sizeDropRatio", 0.5, ratio),
    maxLag: durationOption(call, checked, "maxLag", HOUR / 12),
    verifyWithin: durationOption(call, checked, "verifyWithin", 0),
    drillWithin: durationOption(call, checked, "drillWithin", 0),
    minFreeBytes: numberOption(call, checked, "minFreeBytes", FREE_BYTES_MIN, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

/** How many whole backups before the newest one say what size is usual. */
const USUAL = 5;

/** Judges a repository at a moment; nothing is read or written. */
export function judgeHealth(facts: HealthFacts, policy: CheckedHealthPolicy, now: number): HealthReport {
  const last = (kind: "verify" | "drill", ok: boolean): HealthProof | undefined =>
    latestOf(facts.proofs.filter((proof) => proof.kind === kind && proof.ok === ok));
  const attempts = facts.attempts.filter(({ at }) => at > now - policy.window);
  const successRate = attempts.length === 0 ? undefined : attempts.filter(({ ok }) => ok).length / attempts.length;
  const findings: HealthFinding[] = [
    ...ageFindings(facts.backups, policy, now),
    ...sizeFindings(facts.backups, policy),
    ...proofFindings("verify", last("verify", true), standing(facts, "verify"), policy.verifyWithin, now),
    ...proofFindings("drill", last("drill", true), standing(facts, "drill"), policy.drillWithin, now),
    ...logFindings(facts, policy),
  ];
  if (successRate !== undefined && successRate < policy.minSuccessRate) {
    const failed = attempts.filter(({ ok }) => !ok).length;
    findings.push({
      code: "success-rate",
      severity: "warning",
      message: `${failed} of ${attempts.length} backups in ${formatDuration(policy.window)} failed: ` +
        `${percent(successRate)} succeeded, ${percent(policy.minSuccessRate)} should`,
    });
  }
  if (facts.freeBytes !== undefined && facts.freeBytes < policy.minFreeBytes) {
    findings.push({
      code: "space-low",
      severity: "warning",
      message: `${facts.freeBytes} bytes are free where the repository lies; ${policy.minFreeBytes} should be`,
    });
  }
  findings.sort((a, b) => Number(b.severity === "error") - Number(a.severity === "error"));
  return {
    ok: findings.length === 0,
    status: findings.length === 0 ? "OK" : "FINDINGS",
    findings,
    checkedAt: now,
    lastBackupAt: newestOf(facts.backups, policy, now),
    successRate,
    lastVerifiedAt: last("verify", true)?.at,
    lastDrillAt: last("drill", true)?.at,
    lagMs: facts.lagMs,
  };
}

function latestOf(proofs: readonly HealthProof[]): HealthProof | undefined {
  return proofs.reduce<HealthProof | undefined>((a, b) => a !== undefined && a.at > b.at ? a : b, undefined);
}

/**
 * The latest failure that counts: until the same check has passed since; a tie is a failure. Of a backup that is there the
 * verification of another one is not the same check.
 */
function standing({ backups, proofs }: HealthFacts, kind: "verify" | "drill"): HealthProof | undefined {
  const own = new Set(kind === "verify" ? backups.map(({ id }) => id) : []);
  const same = proofs.filter((proof) => proof.kind === kind);
  return latestOf(same.filter((bad) =>
    !bad.ok && !same.some((good) => {
      const isOther = own.has(bad.backupId ?? "") && (good.backupId ?? bad.backupId) !== bad.backupId;
      return good.ok && good.at > bad.at && !isOther;
    })
  ));
}

/** Selective backups prove nothing about the whole, unless there is nothing else. */
function wholeOf(backups: readonly HealthBackup[]): readonly HealthBackup[] {
  const whole = backups.filter(({ selective }) => !selective);
  return whole.length > 0 ? whole : backups;
}

/** When the newest was made. What a wrong clock dated far ahead must not hide for years that none is made any more. */
function newestOf(
  backups: readonly HealthBackup[],
  { maxAge }: CheckedHealthPolicy,
  now: number,
): number | undefined {
  const times = wholeOf(backups).map(({ createdAt }) => createdAt);
  const likely = times.filter((time) => time <= now + maxAge);
  return times.length === 0 ? undefined : Math.max(...likely.length > 0 ? likely : times);
}

function ageFindings(backups: readonly HealthBackup[], policy: CheckedHealthPolicy, now: number): HealthFinding[] {
  const newest = newestOf(backups, policy, now);
  if (newest === undefined) return [{ code: "no-backup", severity: "error", message: "there is no backup" }];
  const age = now - newest;
  if (policy.maxAge === 0 || age <= policy.maxAge) return [];
  const message = `the newest backup is ${formatDuration(age)} old; ${formatDuration(policy.maxAge)} is allowed`;
  return [{ code: "overdue", severity: "error", message, backupId: wholeOf(backups).at(-1)!.id }];
}

function sizeFindings(backups: readonly HealthBackup[], policy: CheckedHealthPolicy): HealthFinding[] {
  // An incremental backup of a quiet night is small and may be empty; only complete ones have a usual size.
  const complete = wholeOf(backups).filter(({ type }) => type !== "incremental");
  const newest = complete.at(-1);
  if (newest === undefined) return [];
  if (newest.totalBytes === 0 || newest.entryCount === 0) {
    const message = `backup ${newest.id} holds nothing: ${newest.entryCount} entries, ${newest.totalBytes} bytes`;
    return [{ code: "empty-backup", severity: "error", message, backupId: newest.id }];
  }
  const before = complete.slice(-1 - USUAL, -1).map(({ totalBytes }) => totalBytes).sort((a, b) => a - b);
  const usual = before[before.length >> 1];
  if (usual === undefined || newest.totalBytes >= usual * policy.sizeDropRatio) return [];
  const message = `backup ${newest.id} has ${newest.totalBytes} bytes, ${percent(newest.totalBytes / usual)} of the ` +
    `${usual} that are usual`;
  return [{ code: "small-backup", severity: "warning", message, backupId: newest.id }];
}

const PROOF_WORDS = {
  verify: { failed: "verify-failed", missing: "never-verified", noun: "verification" },
  drill: { failed: "drill-failed", missing: "no-drill", noun: "drill" },
} as const;

function proofFindings(
  kind: "verify" | "drill",
  good: HealthProof | undefined,
  bad: HealthProof | undefined,
  within: number,
  now: number,
): HealthFinding[] {
  const { failed, missing, noun } = PROOF_WORDS[kind];
  if (bad !== undefined) {
    const about = bad.backupId ?? undefined;
    const message = `the last ${noun}, ${formatDuration(Math.max(0, now - bad.at))} ago, found damage` +
      (about === undefined ? "" : ` in backup ${about}`);
    return [{ code: failed, severity: "error", message, ...about === undefined ? {} : { backupId: about } }];
  }
  if (within === 0 || (good !== undefined && now - good.at <= within)) return [];
  const message = good === undefined
    ? `there was no ${noun} yet; one in ${formatDuration(within)} should be`
    : `the last ${noun} was ${formatDuration(now - good.at)} ago; one in ${formatDuration(within)} should be`;
  return [{ code: missing, severity: "warning", message }];
}

function logFindings(facts: HealthFacts, policy: CheckedHealthPolicy): HealthFinding[] {
  const findings: HealthFinding[] = facts.gaps.map(({ from, to }) => ({
    code: "gap",
    severity: "error",
    message: `versions ${from} to ${to} are in no backup and no log; take a new full backup`,
  }));
  if (facts.replicationError !== undefined) {
    findings.push({ code: "lag", severity: "error", message: `replication stopped: ${facts.replicationError}` });
  } else if (facts.lagMs !== undefined && policy.maxLag > 0 && facts.lagMs > policy.maxLag) {
    const message = `the archived log is ${formatDuration(facts.lagMs)} behind; ` +
      `${formatDuration(policy.maxLag)} is allowed`;
    findings.push({ code: "lag", severity: "error", message });
  }
  return findings;
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
