/**
 * Log that no history needs and that yet must stay: it leads from a head to where another history left, and nothing else
 * vouches for what lies before that place. Pure.
 *
 * @module
 */
import { historyOf } from "../restoring/facts.ts";
import { recoveryRanges } from "../restoring/recovery_points.ts";
import { type PruneState, withoutLog } from "./prune_facts.ts";
import type { LineageFact, LogFact } from "./retention/facts.ts";
import { Recovery } from "./retention/recovery.ts";
import { openHistories } from "./retention/rules.ts";

/** What of `going` may go: without it restores themselves must still find the newest point of every history that is open. */
export function withoutSpared(state: PruneState, going: readonly LogFact[]): readonly LogFact[] {
  if (going.length === 0) return going;
  const before = newestPoints(state);
  const open = openOnes(state);
  let left = going;
  for (;;) {
    const after = newestPoints(withoutLog(state, new Set(left.map(({ key }) => key))));
    const spared = new Set<string>();
    for (const { database, lineage, parents } of open) {
      const history = historyOf(database, lineage);
      const newest = before.get(history);
      if (newest === undefined || (after.get(history) ?? -1) >= newest) continue;
      for (const parent of parents) spared.add(historyOf(database, parent.lineage));
    }
    const rest = left.filter(({ database, lineage }) => !spared.has(historyOf(database, lineage)));
    if (rest.length === left.length) return left;
    left = rest;
  }
}

function openOnes({ plan }: PruneState): LineageFact[] {
  return [...new Set(plan.backups.map(({ database }) => database))].flatMap((database) => {
    const recovery = new Recovery(database, plan);
    return openHistories(recovery).map((lineage) => recovery.lineages.get(lineage)!);
  });
}

/** The newest point of each history. */
function newestPoints({ facts }: Pick<PruneState, "facts">): Map<string, number> {
  const newest = new Map<string, number>();
  for (const { database, lineage, to } of recoveryRanges(facts)) {
    const history = historyOf(database, lineage);
    newest.set(history, Math.max(to.version, newest.get(history) ?? -1));
  }
  return newest;
}
