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
import { coverageOf, isBase, isWhole } from "../../restoring/coverage.ts";
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
  { facts, ingests }: Pick<AffectedInput, "facts" | "ingests">,
  backup: BackupDocument,
  avoid: ReadonlySet<string>,
): boolean {
  try {
    const plan = planRestore("verify", "", facts, { ...ANY, point: { backupId: backup.id } }, avoid);
    if ("entries" in plan) return isWhole(plan.entries.base, avoid);
    if (plan.ingests.some(({ files }) => files.some(({ object }) => avoid.has(objectKey(object))))) return false;
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
  const { facts, findings } = input;
  const avoid = findings.avoid;
  const lost = facts.backups.filter((backup) => !isRestorable(input, backup, avoid));
  const uses = new Map(lost.map((backup) => [backup.id, usesOf(facts, backup)]));
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
function usesOf(facts: RepositoryFacts, backup: BackupDocument): (finding: Finding) => boolean {
  const own = new Set(backup.base?.files.map(({ object }) => objectKey(object)));
  if (isBase(backup) || backup.selective) return ({ key }) => own.has(key);
  const path = lineagePath(backup.lineage, backup.parents);
  const coverage = coverageOf(facts, backup);
  const base = coverage.bases.findLast(({ version }) => version <= backup.version);
  for (const { object } of base?.base.files ?? []) own.add(objectKey(object));
  const after = base?.version ?? 0;
  for (const { version, files } of coverage.ingests) {
    if (version <= after || version > backup.version) continue;
    for (const { object } of files) own.add(objectKey(object));
  }
  const ancestors = ancestorsOf(facts, backup);
  return ({ key, range }) => {
    if (own.has(key) || ancestors.has(key)) return true;
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

function ancestorsOf(facts: RepositoryFacts, backup: BackupDocument): Set<string> {
  const keys = new Set<string>();
  for (let at: BackupDocument | undefined = backup; at !== undefined && at.parentId !== null;) {
    const { parentId }: BackupDocument = at;
    if (keys.has(backupKey(parentId))) break;
    keys.add(backupKey(parentId));
    at = facts.backups.find(({ id }) => id === parentId);
  }
  return keys;
}
