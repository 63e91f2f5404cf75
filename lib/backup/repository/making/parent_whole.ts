/**
 * Whether a backup may be built on: an incremental one over log that has a hole, or no base, would restore nothing.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { coverageOf, reachOf } from "../restoring/coverage.ts";
import { historyOf, readFacts } from "../restoring/facts.ts";
import { backupKey } from "../core/layout.ts";
import { LogIndex } from "../log/log_chain.ts";

/**
 * The log of the head's history, when some base reaches the head by log; else undefined. `going`: keys that are about to be
 * deleted. Names are judged, nothing is read.
 */
export async function wholeLog(
  context: RepositoryContext,
  parentVersion: number,
  head: HeadDocument,
  going: ReadonlySet<string>,
): Promise<LogIndex | undefined> {
  const facts = await readFacts(context);
  const backups = facts.backups.filter(({ id }) => !going.has(backupKey(id)));
  const coverage = coverageOf({ ...facts, backups }, head, going);
  const isWhole = coverage.bases.some((base) =>
    base.version <= parentVersion && reachOf(coverage, base).version >= head.version
  );
  return isWhole ? facts.logs.get(historyOf(head.database, head.lineage)) ?? new LogIndex([]) : undefined;
}
