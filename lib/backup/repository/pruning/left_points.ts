/**
 * Which points in time a pruning has to leave, and which of them it would not. Pure.
 *
 * The planner goes by versions. Whether log leads up to something that vouches for it, restores alone say; so what the plan
 * leaves is held against what they find.
 *
 * @module
 */
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import { historyOf } from "../restoring/facts.ts";
import { type RecoveryRange, recoveryRanges } from "../restoring/recovery_points.ts";
import type { PruneState } from "./prune_facts.ts";
import { Recovery } from "./retention/recovery.ts";

/** Versions, both ends included. */
interface Span {
  from: number;
  to: number;
}

/** The points of each history, by `historyOf`. */
export type Points = ReadonlyMap<string, readonly Span[]>;

/** Points of a history that are lacking. */
export interface Lack {
  /** How many. */
  count: number;
  /** The histories that it came from. */
  parents: ReadonlySet<string>;
}

/** What restores in `state` and, by the versions that `left` has, does so in that. */
export function wantedPoints(state: PruneState, left: PruneState["plan"]): Points {
  const now = pointsOf(state);
  const wanted = new Map<string, Span[]>();
  for (const database of databasesOf(state)) {
    for (const { lineage, from, to } of new Recovery(database, left).ranges()) {
      const history = historyOf(database, lineage);
      for (const span of now.get(history) ?? []) {
        const both = { from: Math.max(from, span.from), to: Math.min(to, span.to) };
        if (both.from <= both.to) add(wanted, history, both);
      }
    }
  }
  return wanted;
}

/** The histories that lack wanted points in `state`. */
export function lackingPoints(state: PruneState, wanted: Points): Map<string, Lack> {
  const there = pointsOf(state);
  const lacking = new Map<string, Lack>();
  for (const [history, spans] of wanted) {
    let count = 0;
    for (const { from, to } of spans) {
      count += to - from + 1;
      for (const span of there.get(history) ?? []) {
        count -= Math.max(0, Math.min(to, span.to) - Math.max(from, span.from) + 1);
      }
    }
    if (count > 0) lacking.set(history, { count, parents: parentsOf(state, history) });
  }
  return lacking;
}

function parentsOf({ facts, plan }: PruneState, history: string): Set<string> {
  const known = [...facts.heads, ...plan.lineages ?? [], ...facts.backups];
  const { database, parents } = known.find((each) => historyOf(each.database, each.lineage) === history)!;
  return new Set(parents.map(({ lineage }) => historyOf(database, lineage)));
}

function databasesOf({ plan }: PruneState): Set<string> {
  return new Set(plan.backups.map(({ database }) => database));
}

function pointsOf({ facts }: PruneState): Points {
  const points = new Map<string, Span[]>();
  for (const { database, lineage, from, to } of recoveryRanges(facts)) {
    add(points, historyOf(database, lineage), { from: from.version, to: to.version });
  }
  return points;
}

function add(points: Map<string, Span[]>, history: string, span: Span): void {
  const there = points.get(history);
  if (there === undefined) points.set(history, [span]);
  else there.push(span);
}

/** The planner's promise, held against what restores themselves would find: the first backup that would not restore. */
export function unrestorable(before: PruneState, after: PruneState): BackupDocument | undefined {
  const [was, is] = [recoveryRanges(before.facts), recoveryRanges(after.facts)];
  return after.facts.backups.find(({ database, lineage, version, selective }) => {
    const holds = ({ from, to, ...range }: RecoveryRange): boolean =>
      range.database === database && range.lineage === lineage && from.version <= version && version <= to.version;
    return !selective && was.some(holds) && !is.some(holds);
  });
}
