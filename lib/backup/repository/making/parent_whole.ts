/**
 * Whether a backup may be built on: an incremental one over log that has a hole, or no base, would restore nothing.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { coverageOf, reachOf } from "../restoring/coverage.ts";
import { readFacts } from "../restoring/facts.ts";
import { backupKey } from "../core/layout.ts";

/** Whether some base reaches the head by log. `going`: keys that are about to be deleted. Names are judged, nothing is read. */
export async function isParentWhole(
  context: RepositoryContext,
  parentVersion: number,
  head: HeadDocument,
  going: ReadonlySet<string>,
): Promise<boolean> {
  const facts = await readFacts(context);
  const backups = facts.backups.filter(({ id }) => !going.has(backupKey(id)));
  const coverage = coverageOf({ ...facts, backups }, head, going);
  return coverage.bases.some((base) =>
    base.version <= parentVersion && reachOf(coverage, base).version >= head.version
  );
}
