/**
 * What is kept, as callers say it, and the check of it.
 *
 * @module
 */
import { type Duration, durationOption } from "../../../base/duration.ts";
import { checkOptions, numberOption } from "../../../base/options.ts";

/**
 * Which backups stay. A backup stays when any of the `keep...` rules wants it; without such a rule all do. Then
 * `maxBackups` and `maxBytes` take the oldest away.
 *
 * Whatever the policy says, these stay: pinned backups; of every history the newest one that restores, and the base that
 * its latest points in time need; the newest one proven by a verification or a drill; what any of these needs.
 *
 * The rules look at each database by itself, in it at whole and selective backups apart, and count only backups that
 * restore. Hours, days, weeks (from Monday), months and years are those of the repository's time zone; of each, the newest
 * backup is meant, and hours or days without a backup don't count: `keepDaily: 7` are the last seven days that have one.
 */
export interface RetentionPolicy {
  /** So many of the newest. */
  keepLast?: number | undefined;
  /** The newest of each of the last so many hours. */
  keepHourly?: number | undefined;
  /** The newest of each of the last so many days. */
  keepDaily?: number | undefined;
  /** The newest of each of the last so many weeks. */
  keepWeekly?: number | undefined;
  /** The newest of each of the last so many months. */
  keepMonthly?: number | undefined;
  /** The newest of each of the last so many years. */
  keepYearly?: number | undefined;
  /** All that are no older (ms, or `"30d"`), and every point in time since then. */
  keepWithin?: Duration | undefined;
  /** At most so many of a database. What the kept ones need counts too, and stays even if that makes more. */
  maxBackups?: number | undefined;
  /** At most so many stored bytes of a database, with its archived log; likewise. */
  maxBytes?: number | undefined;
}

/** A policy that was checked: 0 where a keep rule was left out. */
export interface CheckedPolicy {
  /** See `RetentionPolicy`. */
  keepLast: number;
  /** See `RetentionPolicy`. */
  keepHourly: number;
  /** See `RetentionPolicy`. */
  keepDaily: number;
  /** See `RetentionPolicy`. */
  keepWeekly: number;
  /** See `RetentionPolicy`. */
  keepMonthly: number;
  /** See `RetentionPolicy`. */
  keepYearly: number;
  /** In ms. */
  keepWithin: number;
  /** `Infinity` when left out. */
  maxBackups: number;
  /** `Infinity` when left out. */
  maxBytes: number;
}

const COUNTS = ["keepLast", "keepHourly", "keepDaily", "keepWeekly", "keepMonthly", "keepYearly"] as const;
const NAMES = [...COUNTS, "keepWithin", "maxBackups", "maxBytes"];

/** Ready-made policies. */
export const retention: Readonly<Record<"standard" | "continuous", Readonly<RetentionPolicy>>> = {
  /** A week of days, four weeks, a year of months, never more than a hundred: what KotobaDB keeps unless told otherwise. */
  standard: { keepDaily: 7, keepWeekly: 4, keepMonthly: 12, maxBackups: 100 },
  /** The same, and every point in time of the last week: for databases that are replicated. */
  continuous: { keepWithin: "7d", keepDaily: 7, keepWeekly: 4, keepMonthly: 12 },
};

/** Checks a `RetentionPolicy`: unknown names and one that says nothing are a `TypeError`, numbers out of range a `RangeError`. */
export function checkPolicy(call: string, policy: unknown): CheckedPolicy {
  const checked = checkOptions(call, policy, NAMES);
  const count = (name: string): number =>
    numberOption(call, checked, name, 0, { min: 0, max: Number.MAX_SAFE_INTEGER });
  // Not 0: that would say "nothing", and be ignored for what must stay anyway.
  const limit = (name: string): number =>
    numberOption(call, checked, name, undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }) ?? Infinity;
  const result: CheckedPolicy = {
    keepLast: count("keepLast"),
    keepHourly: count("keepHourly"),
    keepDaily: count("keepDaily"),
    keepWeekly: count("keepWeekly"),
    keepMonthly: count("keepMonthly"),
    keepYearly: count("keepYearly"),
    keepWithin: durationOption(call, checked, "keepWithin", 0),
    maxBackups: limit("maxBackups"),
    maxBytes: limit("maxBytes"),
  };
  if (!hasKeepRule(result) && result.maxBackups === Infinity && result.maxBytes === Infinity) {
    throw new TypeError(`${call}: the policy says nothing; give at least one of ${NAMES.join(", ")} (and not only 0)`);
  }
  return result;
}

/** Whether a policy says what to keep, and not only how much at most. */
export function hasKeepRule(policy: CheckedPolicy): boolean {
  return policy.keepWithin > 0 || COUNTS.some((name) => policy[name] > 0);
}
