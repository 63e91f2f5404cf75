/**
 * Which base and which log make a state: a pure decision.
 *
 * | wanted | base | log |
 * |---|---|---|
 * | a version | the newest at or below it from which the log reaches it | up to it |
 * | a time | the newest whose last commit is not later | up to the last commit that is not later; `GapError` when commits before that time may be missing |
 * | a backup | itself, or for an incremental one as for its version | up to its version |
 * | nothing | that from which the highest version is reached | all behind it |
 *
 * Without replaying log: of a backup its base, otherwise the newest one.
 *
 * @module
 */
import { GapError, HoldfastError, NotFoundError } from "../../../base/errors.ts";
import type { ArchivedIngest } from "../../../format/repository/head_document.ts";
import type { WantedPoint } from "../../restore_options.ts";
import {
  type BaseDocument,
  coverAfter,
  type Coverage,
  type Coverages,
  isBase,
  isOfOther,
  isWhole,
  leavesAt,
  type LogCover,
  reachOf,
} from "./coverage.ts";
import { chooseHistory, type History, type WantedHistory } from "./facts.ts";
import type { LogObject } from "../log/log_chain.ts";

/** What is wanted. */
export interface RestoreWish extends WantedHistory {
  /** The point in time; empty: the newest. */
  point: WantedPoint;
  /** Takes an earlier state where the one wanted is not known. */
  allowEarlier: boolean;
  /** Uses archived log. */
  replayLog: boolean;
}

/** How it is made. */
export interface RestorePlan {
  /** The history it belongs to. */
  history: History;
  /** Where to begin. */
  base: BaseDocument;
  /** The log behind it, in order; the first may begin before its end. */
  log: LogObject[];
  /** Where the archived log has the commit at which the base stands, if that has to be held against it. */
  standsIn: LogObject | undefined;
  /** The last version wanted; undefined: decided by `time`. */
  version: number | undefined;
  /** The last commit at or before this time is wanted, ms. */
  time: number | undefined;
  /** Where the log ends that may be needed. */
  end: number;
  /** Files that joined the database in between. */
  ingests: ArchivedIngest[];
  /** The backups that are needed. */
  backups: string[];
}

/** A backup of a part of a database: its entries, and nothing behind them. */
export interface EntriesPlan {
  /** The backup. */
  entries: BaseDocument;
}

/** Plans a restore. */
export function planRestore(
  call: string,
  name: string,
  coverages: Coverages,
  wish: RestoreWish,
): RestorePlan | EntriesPlan {
  const { backupId } = wish.point;
  if (backupId === undefined) {
    const history = chooseHistory(call, name, coverages.facts, wish);
    return planPoint(call, name, coverages.of(history), wish);
  }
  const backup = coverages.backup(backupId);
  if (backup === undefined) {
    throw new NotFoundError(`Cannot restore backup ${backupId}: ${name} has none of that id; see list() (NOT_FOUND)`);
  }
  for (const part of ["database", "lineage"] as const) {
    if (wish[part] !== undefined && wish[part] !== backup[part]) {
      throw new TypeError(`${call}: backup ${backupId} is of ${part} ${backup[part]}, not of ${wish[part]}`);
    }
  }
  if (backup.base !== null && backup.selective) return { entries: { ...backup, base: backup.base } };
  if (isBase(backup) && isWhole(backup.base, coverages.avoid)) {
    // By its id it is meant as it is, whoever's state that was.
    return { ...planOf(coverages.of(backup), backup, undefined, backup.version, undefined), standsIn: undefined };
  }
  const coverage = coverages.of(backup);
  const plan = atVersion(coverage, backup.version);
  if (plan !== undefined) {
    return wish.replayLog ? plan : planOf(coverage, plan.base, undefined, plan.base.version, undefined);
  }
  throw new HoldfastError(
    "INCOMPLETE",
    `Cannot restore backup ${backupId} of ${name}: the base or a part of the log that it needs is missing; ` +
      "run verify, then repair (INCOMPLETE)",
  );
}

/** Plans a point in time of a history. */
export function planPoint(call: string, name: string, coverage: Coverage, wish: RestoreWish): RestorePlan {
  const { version, time } = wish.point;
  if (coverage.bases.length === 0) {
    throw new NotFoundError(
      `Cannot restore from ${name}: it has no complete backup of this database; one of a part is restored by option ` +
        `"backupId", see list() (NOT_FOUND)`,
    );
  }
  if (!wish.replayLog) {
    const base = coverage.bases.at(-1)!;
    return planOf(coverage, base, undefined, base.version, undefined);
  }
  if (version !== undefined) return versionPlan(call, name, coverage, version, wish.allowEarlier);
  if (time !== undefined) return timePlan(call, name, coverage, time, wish.allowEarlier);
  const newest = coverage.bases.reduce((best, base) =>
    reachOf(coverage, base).version >= reachOf(coverage, best).version ? base : best
  );
  return planOf(
    coverage,
    newest,
    coverAfter(coverage.covers, newest.version),
    reachOf(coverage, newest).version,
    undefined,
  );
}

function versionPlan(
  call: string,
  name: string,
  coverage: Coverage,
  version: number,
  allowEarlier: boolean,
): RestorePlan {
  const plan = atVersion(coverage, version);
  if (plan !== undefined) return plan;
  const earlier = coverage.bases.filter((base) => base.version <= version);
  const best = Math.max(...earlier.map((base) => reachOf(coverage, base).version));
  if (allowEarlier && earlier.length > 0) return atVersion(coverage, best)!;
  const available = earlier.length > 0 ? best : coverage.bases[0]!.version;
  throw new GapError(
    `${call}: version ${version} can't be restored from ${name}: the nearest ${
      earlier.length > 0 ? "earlier" : "later"
    } ` +
      `one there is ${available}; see recoveryPoints()${
        earlier.length > 0 ? ", or pass allowEarlier: true" : ""
      } (GAP)`,
    version,
    available,
  );
}

function timePlan(call: string, name: string, coverage: Coverage, time: number, allowEarlier: boolean): RestorePlan {
  const base = coverage.bases.findLast((each) => each.timestamp <= time);
  if (base === undefined) {
    const earliest = coverage.bases[0]!.timestamp;
    throw new GapError(
      `${call}: ${iso(time)} can't be restored from ${name}: its first state is of ${iso(earliest)}; ` +
        "see recoveryPoints() (GAP)",
      time,
      earliest,
    );
  }
  const cover = coverAfter(coverage.covers, base.version);
  const { coveredUntil, version } = reachOf(coverage, base);
  if (time > coveredUntil && !allowEarlier) {
    throw new GapError(
      `${call}: the state at ${iso(time)} is not known completely in ${name}: it is up to ${iso(coveredUntil)} ` +
        `(version ${version}), and commits may have come behind; pass allowEarlier: true to take that (GAP)`,
      time,
      coveredUntil,
    );
  }
  return planOf(coverage, base, cover, cover === undefined ? base.version : undefined, time);
}

function atVersion(coverage: Coverage, version: number): RestorePlan | undefined {
  const base = coverage.bases.findLast((each) =>
    each.version === version || (each.version < version && reachOf(coverage, each).version >= version)
  );
  if (base === undefined) return undefined;
  return planOf(coverage, base, coverAfter(coverage.covers, base.version), version, undefined);
}

function planOf(
  coverage: Coverage,
  base: RestorePlan["base"],
  cover: LogCover | undefined,
  version: number | undefined,
  time: number | undefined,
): RestorePlan {
  const end = version ?? cover?.to ?? base.version;
  // One that is left at a fork holds what another history has behind that.
  const until = ({ last, until = last }: LogObject): number => until;
  const log = cover?.objects.filter((one) => until(one) > base.version && one.first <= end) ?? [];
  // What only its writer could vouch for: that this very state is of this history, and not of another copy.
  const doubtful = isOfOther(base) && !leavesAt(coverage, base);
  const holds = (one: LogObject): boolean => one.first <= base.version && until(one) >= base.version;
  return {
    history: coverage.history,
    base,
    log,
    standsIn: doubtful ? coverage.covers.flatMap(({ objects }) => objects).find(holds) : undefined,
    version,
    time,
    end,
    ingests: coverage.ingests.filter((ingest) => ingest.version > base.version && ingest.version <= end),
    backups: [base.id],
  };
}

/** A time as messages show it. */
export function iso(time: number): string {
  return Number.isFinite(time) && Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time);
}
