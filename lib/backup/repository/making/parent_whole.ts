/**
 * Whether a backup may be built on: an incremental one over log that has a hole, or no base, would restore nothing.
 *
 * @module
 */
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { isApart } from "../log/compare_log.ts";
import { coverageOf, isOfOther, reachOf } from "../restoring/coverage.ts";
import { historyOf, readFacts } from "../restoring/facts.ts";
import { backupKey } from "../core/layout.ts";
import { LogIndex } from "../log/log_chain.ts";

/**
 * The log of the head's history, when some base reaches the head by log, and the parent is a state of that; else undefined.
 * `going`: keys that are about to be deleted. Names are judged; log is read only for what a reader or a copy has backed up.
 */
export async function wholeLog(
  context: RepositoryContext,
  parent: BackupDocument,
  head: HeadDocument,
  going: ReadonlySet<string>,
): Promise<LogIndex | undefined> {
  if (await isApart(context, head, parent)) return undefined;
  const facts = await readFacts(context);
  const backups = facts.backups.filter(({ id }) => !going.has(backupKey(id)));
  const coverage = coverageOf({ ...facts, backups }, head, going);
  const bases = coverage.bases.filter((base) =>
    base.version <= parent.version && reachOf(coverage, base).version >= head.version
  );
  for (const base of bases.sort((a, b) => Number(isOfOther(a)) - Number(isOfOther(b)))) {
    if (await isApart(context, head, base)) continue;
    return facts.logs.get(historyOf(head.database, head.lineage)) ?? new LogIndex([]);
  }
  return undefined;
}
