/**
 * Log and backups that no history needs and that yet must stay, for nothing else vouches for the log before them: they tell
 * what is meant at the place where another history left, or lead on from a backup whose parent is lost. Pure.
 *
 * @module
 */
import { historyOf } from "../restoring/facts.ts";
import { type Lack, lackingPoints, type Points, unrestorable, wantedPoints } from "./left_points.ts";
import { keepParents } from "./parents.ts";
import { type PruneState, without, withoutLog } from "./prune_facts.ts";
import type { LogFact } from "./retention/facts.ts";
import type { PlannedLog } from "./retention.ts";

/** What of `going` may go: without it restores must find every point that they find now, and that the versions left have. */
export function withoutSpared(state: PruneState, going: readonly LogFact[]): readonly LogFact[] {
  if (going.length === 0) return going;
  const wanted = wantedPoints(state, planWithout(state.plan, going));
  const lackingWithout = (log: readonly LogFact[]): Map<string, Lack> =>
    lackingPoints(withoutLog(state, new Set(log.map(({ key }) => key))), wanted);
  let left = going;
  for (;;) {
    const spared = new Set<string>();
    for (const [history, { count, parents }] of lackingWithout(left)) {
      const less = left.filter((each) => !parents.has(historyOf(each.database, each.lineage)));
      // What is lacking for another reason is not to be had by this.
      if (less.length === left.length || (lackingWithout(less).get(history)?.count ?? 0) === count) continue;
      for (const parent of parents) spared.add(parent);
    }
    // One whose parent is lost is found by log that it does not vouch for itself.
    const broken = unrestorable(state, withoutLog(state, new Set(left.map(({ key }) => key))));
    if (broken !== undefined) spared.add(historyOf(broken.database, broken.lineage));
    const rest = left.filter(({ database, lineage }) => !spared.has(historyOf(database, lineage)));
    if (rest.length === left.length) return left;
    left = rest;
  }
}

function planWithout(plan: PruneState["plan"], going: readonly { key: string }[]): PruneState["plan"] {
  const gone = new Set(going.map(({ key }) => key));
  return { ...plan, log: plan.log.filter(({ key }) => !gone.has(key)) };
}

/** Why a backup stays that no rule keeps. */
export const VOUCHES =
  "stays: by it, or one that builds on it, alone it is known from which log another history goes on";

/**
 * Takes out of `freed` the backups by whose end alone such points are found, of those that the plan leaves (`log`), and what
 * these build on. Says which these are.
 */
export function keepVouching(state: PruneState, log: readonly PlannedLog[], freed: Set<string>): Set<string> {
  if (freed.size === 0) return new Set();
  const before = [...freed];
  const left = without(state, freed);
  const wanted = wantedPoints(state, planWithout(left.plan, log.filter(({ keep }) => !keep)));
  for (let size = -1; size !== freed.size;) {
    size = freed.size;
    for (const [history, lack] of lackingPoints(without(state, freed), wanted)) {
      for (const id of vouchersOf(state, freed, wanted, history, lack)) freed.delete(id);
    }
  }
  keepParents(state, freed);
  return new Set(before.filter((id) => !freed.has(id)));
}

/** Of the backups of parents that are to go one that brings points back; all, where one alone does not; none for nothing. */
function vouchersOf(
  state: PruneState,
  freed: ReadonlySet<string>,
  wanted: Points,
  history: string,
  { count, parents }: Lack,
): string[] {
  const brings = (ids: readonly string[]): boolean => {
    const others = new Set([...freed].filter((id) => !ids.includes(id)));
    return (lackingPoints(without(state, others), wanted).get(history)?.count ?? 0) < count;
  };
  const ids = state.facts.backups.filter(({ id, database, lineage, log }) =>
    freed.has(id) && log !== null && parents.has(historyOf(database, lineage))
  ).map(({ id }) => id);
  if (ids.length === 0 || !brings(ids)) return [];
  const one = ids.find((id) => brings([id]));
  return one === undefined ? ids : [one];
}
