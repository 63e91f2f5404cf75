/**
 * Why a backup stays on its own account: what the policy wants, and what stays whatever it says.
 *
 * 1. Nothing here trusts the clock alone. Of what falls into one bucket of the calendar the newest by version stays, and
 *    what a wrong clock dated into the future, behind now and the newest backup, counts as made then.
 * 2. The newest by version of every history stays by its version; no clock is asked.
 *
 * @module
 */
import { formatDuration } from "../../../../base/duration.ts";
import { type CheckedPolicy, hasKeepRule } from "../retention_policy.ts";
import { type Calendar, type CalendarUnit } from "./calendar.ts";
import type { BackupFact, LogFact } from "./facts.ts";
import { byVersion, type Recovery } from "./recovery.ts";

/** Reasons by backup id. */
export type Reasons = Map<string, string[]>;

/** What a plan for one database starts from. */
export interface RuleInput {
  /** The backups of the database. */
  backups: readonly BackupFact[];
  /** Its archived log. */
  log: readonly LogFact[];
  /** What of it restores. */
  recovery: Recovery;
  /** What is to be kept. */
  policy: CheckedPolicy;
  /** Now, ms. */
  now: number;
  /** The calendar of the repository. */
  calendar: Calendar;
}

/** The last time that a `Date` can hold. */
const TIME_MAX = 8.64e15;

const CALENDAR: readonly [
  rule: "keepHourly" | "keepDaily" | "keepWeekly" | "keepMonthly" | "keepYearly",
  CalendarUnit,
  string,
][] = [
  ["keepHourly", "hour", "hourly"],
  ["keepDaily", "day", "daily"],
  ["keepWeekly", "week", "weekly"],
  ["keepMonthly", "month", "monthly"],
  ["keepYearly", "year", "yearly"],
];

/** The backups in the order of their making as far as histories tell: a fork comes after what it forked from. */
export function inOrder(backups: readonly BackupFact[], recovery: Recovery): BackupFact[] {
  const rank = (lineage: string): number[] => {
    const parents = recovery.lineages.get(lineage)?.parents ?? [];
    // The greatest, not the last: so a fork never sorts before its own parent.
    return [Math.max(-1, ...parents.map(({ version }) => version)), parents.length];
  };
  const lineages = [...new Set(backups.map(({ lineage }) => lineage))].sort((a, b) => {
    const [[forkA = 0, depthA = 0], [forkB = 0, depthB = 0]] = [rank(a), rank(b)];
    return forkA - forkB || depthA - depthB || (a < b ? -1 : 1);
  });
  const place = new Map(lineages.map((lineage, i) => [lineage, i]));
  return [...backups].sort((a, b) => place.get(a.lineage)! - place.get(b.lineage)! || byVersion(a, b));
}

/** What stays whatever the policy says. */
export function protectedBackups({ backups, recovery }: RuleInput): Reasons {
  const reasons: Reasons = new Map();
  const ordered = inOrder(backups, recovery);
  for (const backup of ordered) {
    if (backup.pinned) add(reasons, backup, "pinned");
    // Deleting it could take away what a repair needs; whoever knows better deletes it by its id.
    if (!recovery.restores(backup)) add(reasons, backup, "does not restore, left for repair");
  }
  const sound = ordered.filter((backup) => recovery.restores(backup));
  const whole = sound.filter((backup) => !backup.selective);
  const verified = whole.findLast(({ verified }) => verified) ?? sound.findLast(({ verified }) => verified);
  if (verified !== undefined) add(reasons, verified, "last verified backup");
  if (whole.length === 0 && sound.length > 0) add(reasons, sound.at(-1)!, "newest backup");
  for (const lineage of openHistories(recovery)) {
    const history = recovery.history(lineage);
    const newest = [...history].reverse().flatMap(({ lineage: of, upTo }) =>
      whole.filter((each) =>
        each.lineage === of && each.version <= upTo
      ).slice(-1)
    )[0];
    if (newest !== undefined) add(reasons, newest, "newest backup");
    const base = recovery.bases(lineage).at(-1);
    if (base !== undefined && base !== newest) add(reasons, base, "base of the latest points in time");
  }
  return reasons;
}

/** The histories that no other one continues from the end of what restores: what only they hold is lost with them. */
export function openHistories(recovery: Recovery): string[] {
  const ends = new Map(recovery.ranges().map(({ lineage, to }) => [lineage, to])); // The last of a lineage wins.
  // A fork of which nothing is left continues nothing.
  const alive = [...recovery.lineages.values()].filter(({ lineage }) => ends.has(lineage));
  const continued = new Set(
    alive.flatMap(({ parents }) => parents.filter(({ lineage, version }) => version >= (ends.get(lineage) ?? -1)))
      .map(({ lineage }) => lineage),
  );
  return alive.map(({ lineage }) => lineage).filter((lineage) => !continued.has(lineage));
}

/** What the keep rules want, all of it a backup that restores. */
export function wantedBackups(input: RuleInput): Reasons {
  const { backups, recovery, policy, now, calendar } = input;
  const reasons: Reasons = new Map();
  const ordered = inOrder(backups.filter((backup) => recovery.restores(backup)), recovery);
  if (!hasKeepRule(policy)) { for (const backup of ordered) add(reasons, backup, "within the limits"); }
  // Told by one that stays, or the next prune would see another calendar.
  const newest = ordered.findLast(({ selective }) => !selective) ?? ordered.at(-1);
  const latest = Math.min(TIME_MAX, Math.max(now, newest?.createdAt ?? now));
  for (const group of bySelection(ordered)) {
    if (policy.keepLast > 0) {
      for (const backup of group.slice(-policy.keepLast)) add(reasons, backup, `last ${policy.keepLast}`);
    }
    for (const [rule, unit, word] of CALENDAR) {
      if (policy[rule] === 0) continue;
      const name = (backup: BackupFact): string => calendar(unit, Math.min(backup.createdAt, latest));
      for (const backup of newestOfEach(group, policy[rule], name)) add(reasons, backup, `${word} ${name(backup)}`);
    }
    if (policy.keepWithin > 0) {
      const within = `within ${formatDuration(policy.keepWithin)}`;
      for (const backup of group) if (latestTime(backup) >= now - policy.keepWithin) add(reasons, backup, within);
    }
  }
  for (const window of pointWindows(input)) add(reasons, window.bases[0]!, `base of points in time ${window.reason}`);
  return reasons;
}

/** When it was made, or its commit: behind a clock that was set back the commit is later, and is a moment of its own. */
function latestTime({ createdAt, timestamp }: BackupFact): number {
  return Math.max(createdAt, timestamp);
}

/** Of the `count` latest buckets, each one's newest of each lineage: copies of a database that go on side by side both stay. */
function newestOfEach(
  ordered: readonly BackupFact[],
  count: number,
  name: (backup: BackupFact) => string,
): BackupFact[] {
  const named = ordered.map((backup) => ({ backup, name: name(backup) }));
  const byTime = [...named].sort((a, b) => b.backup.createdAt - a.backup.createdAt);
  const latest = new Set([...new Set(byTime.map((each) => each.name))].slice(0, count));
  const newest = new Map<string, BackupFact>();
  for (const each of named) {
    if (latest.has(each.name)) newest.set(`${each.name} ${each.backup.lineage}`, each.backup);
  }
  return [...newest.values()];
}

/** Points in time that `keepWithin` wants: of each history with log that new, the bases from the first that is needed. */
export interface PointWindow {
  /** The history. */
  lineage: string;
  /** The newest base from before the window, then all later ones; never empty. */
  bases: BackupFact[];
  /** `"within 30d"`. */
  reason: string;
}

/** See `PointWindow`. */
export function pointWindows({ log, recovery, policy, now }: RuleInput): PointWindow[] {
  if (policy.keepWithin === 0) return [];
  const since = now - policy.keepWithin;
  const fresh = new Map<string, number>();
  for (const each of log) {
    // What lies behind all that tells a time counts as new.
    if ((each.maxTimestamp ?? Infinity) >= since) {
      fresh.set(each.lineage, Math.max(each.last, fresh.get(each.lineage) ?? 0));
    }
  }
  return [...fresh].flatMap(([lineage, last]) => {
    const all = recovery.bases(lineage);
    const bases = all.slice(Math.max(0, all.findLastIndex(({ timestamp }) => timestamp <= since)));
    // What lies in the oldest of them as well is not had from the log.
    if (bases.length === 0 || last <= bases[0]!.version) return [];
    return [{ lineage, bases, reason: `within ${formatDuration(policy.keepWithin)}` }];
  });
}

/** Whole backups, and selective ones by what they select: a copy of one namespace never takes the place of the whole. */
function bySelection(ordered: readonly BackupFact[]): BackupFact[][] {
  const groups = new Map<string, BackupFact[]>();
  for (const backup of ordered) {
    const name = backup.selective ? `selective ${backup.selection ?? ""}` : "whole";
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [backup]);
    else group.push(backup);
  }
  return [...groups.values()];
}

function add(reasons: Reasons, backup: BackupFact, reason: string): void {
  const there = reasons.get(backup.id);
  if (there === undefined) reasons.set(backup.id, [reason]);
  else if (!there.includes(reason)) there.push(reason);
}
