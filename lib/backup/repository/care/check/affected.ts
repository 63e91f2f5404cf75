/**
 * Which backups can't be restored because of what was found. Pure.
 *
 * A backup is lost when no base that is whole has unbroken log up to it; another copy of the log, or an older base, saves it.
 * A finding is to blame for a lost backup when the backup would have used it.
 *
 * @module
 */
import { HoldfastError } from "../../../../base/errors.ts";
import type { BackupDocument } from "../../../../format/repository/backup_document.ts";
import { Coverages, isBase, isWhole } from "../../restoring/coverage.ts";
import type { RepositoryFacts } from "../../restoring/facts.ts";
import { backupKey, headKey, logPrefix, objectKey, PART } from "../../core/layout.ts";
import { lineagePath, type LineageStretch } from "../../log/lineage_path.ts";
import { parseLogName } from "../../../../format/repository/archived_log.ts";
import { planRestore, type RestoreWish } from "../../restoring/restore_plan.ts";
import type { FoundIngest } from "./contents.ts";
import type { Finding, Findings } from "./findings.ts";

/** What backups depend on. */
export interface AffectedInput {
  /** What there is. */
  facts: RepositoryFacts;
  /** What is wrong with it. */
  findings: Findings;
  /** Commits that took files in, as far as the log was read. */
  ingests: ReadonlyMap<string, FoundIngest>;
}

const ANY: Omit<RestoreWish, "point"> = {
  database: undefined,
  lineage: undefined,
  allowEarlier: false,
  replayLog: true,
};

/** Whether a listed backup can be restored by what is not damaged. */
export function isRestorable(
  coverages: Coverages,
  ingests: AffectedInput["ingests"],
  backup: BackupDocument,
): boolean {
  const { avoid } = coverages;
  try {
    const plan = planRestore("verify", "", coverages, { ...ANY, point: { backupId: backup.id } });
    if ("entries" in plan) return isWhole(plan.entries.base, avoid);
    if (plan.ingests.some(({ files }) => files.some(({ object }) => avoid?.has(objectKey(object))))) return false;
    const path = lineagePath(backup.lineage, backup.parents);
    for (const { database, lineage, version } of ingests.values()) {
      if (database !== backup.database || version <= plan.base.version || version > plan.end) continue;
      const onWay = path.some((stretch) => isWithin(stretch, lineage, version));
      if (onWay && !plan.ingests.some((ingest) => ingest.version === version)) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

function isWithin(stretch: LineageStretch, lineage: string, version: number): boolean {
  return stretch.lineage === lineage && version >= stretch.from && version <= stretch.to;
}

/** Every finding, with the ids of the backups that are lost by it. */
export function blame(input: AffectedInput): { finding: Finding; backups: string[] }[] {
  const { facts, findings, ingests } = input;
  const left = new Coverages(facts, findings.avoid);
  const lost = facts.backups.filter((backup) => !isRestorable(left, ingests, backup));
  const whole = new Coverages(facts);
  const uses = new Map(lost.map((backup) => [backup.id, usesOf(whole, backup)]));
  for (const { id, base, log } of lost) {
    if (findings.all.some((finding) => uses.get(id)!(finding))) continue;
    const detail = base === null || log !== null
      ? "the base or a part of the log that it needs is not there"
      : "a part of it is not there";
    findings.add({ key: backupKey(id), kind: "damaged", detail });
  }
  return findings.all.map((finding) => {
    const backups = lost.filter(({ id }) => finding.key === backupKey(id) || uses.get(id)!(finding)).map(({ id }) =>
      id
    );
    const own = ownId(finding.key);
    return { finding, backups: own === undefined || backups.includes(own) ? backups : [own, ...backups] };
  });
}

/** The id of the backup whose manifest a key is. */
export function ownId(key: string): string | undefined {
  return key.startsWith(PART.backups) ? key.slice(PART.backups.length, -".json".length) : undefined;
}

/** Whether a backup would use what a finding is about. */
function usesOf(coverages: Coverages, backup: BackupDocument): (finding: Finding) => boolean {
  if (isBase(backup) || backup.selective) return ({ key }) => backup.base !== null && keysOf(backup.base).has(key);
  const path = lineagePath(backup.lineage, backup.parents);
  const coverage = coverages.of(backup);
  const base = coverage.bases.findLast(({ version }) => version <= backup.version);
  const after = base?.version ?? 0;
  const ingests = coverage.ingests.filter(({ version }) => version > after && version <= backup.version);
  return ({ key, range }) => {
    if (base !== undefined && keysOf(base.base).has(key)) return true;
    if (ingests.some((ingest) => keysOf(ingest).has(key))) return true;
    if (coverages.isOnTopOf(backup, ownId(key))) return true;
    for (const { lineage, from, to } of path) {
      if (key === headKey(backup.database, lineage)) return true;
      const prefix = logPrefix(backup.database, lineage);
      const log = range === undefined ? parseLogName(key.slice(prefix.length)) : { first: range.from, last: range.to };
      if (log === undefined || !key.startsWith(prefix)) continue;
      if (log.last > after && log.first <= backup.version && log.last >= from && log.first <= to) return true;
    }
    return false;
  };
}

/** The files of a base or an ingest. */
interface Files {
  files: readonly { object: string }[];
}

const knownKeys = new WeakMap<Files, ReadonlySet<string>>();

/** The keys of their objects, made once: thousands of backups may lie on the same base. */
function keysOf(of: Files): ReadonlySet<string> {
  const keys = knownKeys.get(of) ?? new Set(of.files.map(({ object }) => objectKey(object)));
  knownKeys.set(of, keys);
  return keys;
}
