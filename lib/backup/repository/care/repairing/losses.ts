/**
 * What a repair could not save: backups, and points in time. Pure.
 *
 * @module
 */
import type { BackupDocument } from "../../../../format/repository/backup_document.ts";
import { genesisChain } from "../../../../format/repository/archived_log.ts";
import type { Finding, LogRange } from "../check/findings.ts";
import { histories, historyOf, type RepositoryFacts } from "../../restoring/facts.ts";
import { lineagePath } from "../../log/lineage_path.ts";
import { LogIndex, type LogObject } from "../../log/log_chain.ts";
import { type RecoveryRange, recoveryRanges } from "../../restoring/recovery_points.ts";

/** The facts with log in place of what is missing, as it was before that went. */
export function withHoles(facts: RepositoryFacts, findings: readonly Finding[]): RepositoryFacts {
  const logs = new Map(facts.logs);
  for (const { range } of findings) {
    if (range === undefined) continue;
    const history = historyOf(range.database, range.lineage);
    logs.set(history, new LogIndex([...logs.get(history)?.objects ?? [], standIn(facts, range)]));
  }
  return { ...facts, logs };
}

function standIn({ heads, backups }: RepositoryFacts, { database, lineage, from, to }: LogRange): LogObject {
  const vouched = [
    ...heads.filter((head) => head.lineage === lineage && head.version === to).map(({ chain }) => chain),
    ...backups.filter((backup) => backup.lineage === lineage && backup.log?.to === to).map(({ log }) => log!.chain),
  ];
  return { first: from, last: to, chain: vouched[0] ?? genesisChain(database, lineage, from), key: "", size: 0 };
}

/** The points in time that were there before and are no more. Times in between are those of the nearest state known. */
export function lostRanges(before: readonly RecoveryRange[], after: readonly RecoveryRange[]): RecoveryRange[] {
  const lost: RecoveryRange[] = [];
  for (const range of before) {
    let from = range.from;
    const same = after.filter(({ database, lineage }) => database === range.database && lineage === range.lineage)
      .sort((a, b) => a.from.version - b.from.version);
    for (const kept of same) {
      if (kept.to.version < from.version || kept.from.version > range.to.version) continue;
      if (kept.from.version > from.version) {
        const to = { version: kept.from.version - 1, timestamp: kept.from.timestamp };
        lost.push({ ...range, from, to, coveredUntil: to.timestamp });
      }
      from = { version: kept.to.version + 1, timestamp: kept.to.timestamp };
    }
    if (from.version <= range.to.version) lost.push({ ...range, from, to: range.to });
  }
  return lost;
}

/** The ranges of facts, each without what belongs to the lineages that its own came from: those tell of it themselves. */
export function rangesOf(facts: RepositoryFacts, avoid: ReadonlySet<string>): RecoveryRange[] {
  const all = histories(facts);
  return recoveryRanges(facts, {}, avoid).map((range) => {
    const own = all.find(({ database, lineage }) => database === range.database && lineage === range.lineage);
    const first = own === undefined ? 0 : lineagePath(own.lineage, own.parents).at(-1)!.from;
    return range.from.version >= first ? range : { ...range, from: { ...range.from, version: first } };
  });
}

/** Why a backup is lost, in one sentence. */
export function lossOf({ type }: BackupDocument, found: readonly Finding[]): string {
  const [first] = found;
  if (first === undefined) return `Nothing is left from which this ${type} backup could be made`;
  return `${first.key}: ${first.detail}${found.length > 1 ? ` (and ${found.length - 1} more)` : ""}`;
}
