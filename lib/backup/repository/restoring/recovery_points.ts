/**
 * Which states a repository can give back.
 *
 * @module
 */
import { type Coverage, coverageOf, reachOf } from "./coverage.ts";
import { histories, type RepositoryFacts } from "./facts.ts";

/** A stretch of history: every version in it restores exactly. */
export interface RecoveryRange {
  /** The database's id. */
  database: string;
  /** The lineage that `to` belongs to. */
  lineage: string;
  /** The first state: that of the backup. */
  from: { version: number; timestamp: number };
  /** The last state. */
  to: { version: number; timestamp: number };
  /** Up to when no other commit was made, ms: a restore `at` a time up to here is exact. */
  coveredUntil: number;
  /** The backup it begins with. */
  backupId: string;
}

/** Which ranges are wanted. */
export interface RangeWish {
  /** Only what reaches to this time or beyond, ms. */
  from?: number | undefined;
  /** Only what begins at this time or before, ms. */
  to?: number | undefined;
  /** Only of this database. */
  database?: string | undefined;
  /** Only of this lineage. */
  lineage?: string | undefined;
}

/** All ranges, by database and version; those that run into each other as one. `avoid`: keys of damaged objects. */
export function recoveryRanges(
  facts: RepositoryFacts,
  wish: RangeWish = {},
  avoid?: ReadonlySet<string>,
): RecoveryRange[] {
  const ranges: RecoveryRange[] = [];
  for (const history of histories(facts)) {
    if (wish.database !== undefined && history.database !== wish.database) continue;
    if (wish.lineage !== undefined && history.lineage !== wish.lineage) continue;
    ranges.push(...rangesOf(coverageOf(facts, history, avoid)));
  }
  return ranges
    .filter(({ coveredUntil }) => wish.from === undefined || coveredUntil >= wish.from)
    .filter(({ from }) => wish.to === undefined || from.timestamp <= wish.to)
    .sort((a, b) =>
      a.database < b.database
        ? -1
        : a.database > b.database
        ? 1
        : a.from.version - b.from.version || a.to.version - b.to.version
    );
}

/** The ranges that end in the history's own lineage: what lies before its fork is told with its parent. */
function rangesOf(coverage: Coverage): RecoveryRange[] {
  const { database, lineage } = coverage.history;
  const own = coverage.path.at(-1)!.from;
  const ranges: RecoveryRange[] = [];
  for (const base of coverage.bases) {
    const last = ranges.at(-1);
    const { version, timestamp, coveredUntil } = reachOf(coverage, base);
    // What is reached from the base before has no hole, and the next version is this base itself.
    if (last !== undefined && base.version <= last.to.version + 1) {
      if (version > last.to.version) last.to = { version, timestamp };
      last.coveredUntil = Math.max(last.coveredUntil, coveredUntil);
      continue;
    }
    ranges.push({
      database,
      lineage,
      from: { version: base.version, timestamp: base.timestamp },
      to: { version, timestamp },
      coveredUntil,
      backupId: base.id,
    });
  }
  return ranges.filter(({ to }) => to.version >= own);
}
