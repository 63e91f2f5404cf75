/**
 * What a prune deletes, decided before anything is: a plan, made from facts alone.
 *
 * ```
 * facts ──► rules.ts: what stays on its own account ──► limits: oldest first, as far as they must
 *                 │                                             │
 *                 └────────► what these need: parents, log ◄────┘ ──► plan ──► simulated: must restore what it keeps
 * ```
 *
 * 1. What a kept backup needs is kept, and says for which.
 * 2. No more of the rules' choice leaves than the limits ask for: the shortest run of the oldest that brings the rest
 *    below them. What stays whatever the policy says, and what any of the rest needs, is not theirs to take.
 * 3. Of the log stays: what a kept backup needs; what follows the newest base of a history, for points in time up to now;
 *    what `keepWithin` reaches; and all of a history that has no base yet.
 * 4. A plan that would make a kept backup unrestorable, or take the latest point in time away, is an error, not a plan.
 *
 * @module
 */
import { HoldfastError } from "../../../base/errors.ts";
import { type CheckedPolicy } from "./retention_policy.ts";
import { calendarOf } from "./retention/calendar.ts";
import type { BackupFact, LogFact, RepositoryFacts } from "./retention/facts.ts";
import { Recovery, type RecoveryRange } from "./retention/recovery.ts";
import { inOrder, openHistories, protectedBackups, type RuleInput, wantedBackups } from "./retention/rules.ts";
import { type Kept, keptFor } from "./retention/needs.ts";

/** One backup in a plan. */
export interface PlannedBackup {
  /** Its id. */
  id: string;
  /** Whether it stays. */
  keep: boolean;
  /** Why: all that hold. */
  reasons: string[];
}

/** One object of archived log in a plan. */
export interface PlannedLog {
  /** Its key. */
  key: string;
  /** Whether it stays. */
  keep: boolean;
  /** Why: all that hold. */
  reasons: string[];
}

/** What a prune would do. */
export interface PrunePlan {
  /** Every backup, database by database, the oldest first. */
  backups: PlannedBackup[];
  /** Every object of archived log, as given. */
  log: PlannedLog[];
  /** Stored bytes of all that only removed backups and log name. */
  freedBytes: number;
  /** What restores now. */
  before: RecoveryRange[];
  /** What restores afterwards. */
  after: RecoveryRange[];
}

/** How a plan is made. */
export interface PlanOptions {
  /** Now, ms. */
  now: number;
  /** The IANA time zone in which days and weeks are told. */
  timeZone: string;
}

/** Plans a prune; nothing is read or written. */
export function planPrune(facts: RepositoryFacts, policy: CheckedPolicy, { now, timeZone }: PlanOptions): PrunePlan {
  const calendar = calendarOf(timeZone);
  const plan: PrunePlan = { backups: [], log: [], freedBytes: 0, before: [], after: [] };
  const kept: Kept = { backups: new Map(), log: new Map() };
  for (const database of databasesOf(facts)) {
    const recovery = new Recovery(database, facts);
    const input: RuleInput = {
      backups: facts.backups.filter((each) => each.database === database),
      log: facts.log.filter((each) => each.database === database),
      recovery,
      policy,
      now,
      calendar,
    };
    const { own, dropped } = planDatabase(input);
    for (const [id, reasons] of own.backups) kept.backups.set(id, reasons);
    for (const [key, reasons] of own.log) kept.log.set(key, reasons);
    for (const { id } of inOrder(input.backups, recovery)) {
      const reasons = own.backups.get(id);
      plan.backups.push({
        id,
        keep: reasons !== undefined,
        reasons: reasons ?? [dropped.get(id) ?? "no rule keeps it"],
      });
    }
    plan.before.push(...recovery.ranges());
  }
  for (const { key } of facts.log) {
    const reasons = kept.log.get(key);
    plan.log.push({ key, keep: reasons !== undefined, reasons: reasons ?? ["nothing that stays needs it"] });
  }
  plan.freedBytes = freedBytes(facts, kept);
  plan.after = simulate(facts, kept, plan);
  return plan;
}

/** One database: what stays, and of what the limits took which one took it. */
function planDatabase(input: RuleInput): { own: Kept; dropped: Map<string, string> } {
  const { backups, policy, recovery } = input;
  const fixed = protectedBackups(input);
  const wanted = wantedBackups(input);
  const optional = inOrder(backups, recovery).filter(({ id }) => wanted.has(id) && !fixed.has(id));
  const without = (count: number): Kept => {
    const seeds = new Map([...fixed].map(([id, reasons]) => [id, [...reasons]]));
    for (const { id } of backups) {
      if (fixed.has(id) && wanted.has(id)) seeds.get(id)!.push(...wanted.get(id)!);
    }
    for (const { id } of optional.slice(count)) seeds.set(id, [...wanted.get(id)!]);
    return keptFor(seeds, input);
  };
  // The fewer of the oldest are left out, the more is kept: so the least number that will do is found by halving.
  let [low, high] = [0, optional.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (exceeded(without(middle), input).length === 0) high = middle;
    else low = middle + 1;
  }
  const limits = low === 0 ? [] : exceeded(without(low - 1), input);
  const reason = `the oldest beyond ${limits.map((name) => `${name} ${policy[name]}`).join(" and ")}`;
  return { own: without(low), dropped: new Map(optional.slice(0, low).map(({ id }) => [id, reason])) };
}

/** The limits that what is kept would break. */
function exceeded({ backups, log }: Kept, input: RuleInput): ("maxBackups" | "maxBytes")[] {
  const { policy } = input;
  const over: ("maxBackups" | "maxBytes")[] = [];
  if (backups.size > policy.maxBackups) over.push("maxBackups");
  if (policy.maxBytes < Infinity) {
    const bytes = storedBytes(
      input.backups.filter(({ id }) => backups.has(id)),
      input.log.filter(({ key }) => log.has(key)),
    );
    if (bytes > policy.maxBytes) over.push("maxBytes");
  }
  return over;
}

/** The stored objects of backups and log, each once. */
function objectsOf(backups: readonly BackupFact[], log: readonly LogFact[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { objects } of backups) for (const { key, size } of objects) sizes.set(key, size);
  for (const { key, size, objects } of log) {
    sizes.set(key, size);
    for (const each of objects ?? []) sizes.set(each.key, each.size);
  }
  return sizes;
}

function storedBytes(backups: readonly BackupFact[], log: readonly LogFact[]): number {
  let bytes = 0;
  for (const size of objectsOf(backups, log).values()) bytes += size;
  return bytes;
}

function freedBytes(facts: RepositoryFacts, kept: Kept): number {
  const remaining = remainingFacts(facts, kept);
  return storedBytes(facts.backups, facts.log) - storedBytes(remaining.backups, remaining.log);
}

function remainingFacts(facts: RepositoryFacts, kept: Kept): RepositoryFacts {
  return {
    // Their heads stay, so where a history forked stays known without its backups.
    lineages: [...facts.lineages ?? [], ...facts.backups],
    backups: facts.backups.filter(({ id }) => kept.backups.has(id)),
    log: facts.log.filter(({ key }) => kept.log.has(key)),
  };
}

/** What restores once only `kept` is there; throws when that breaks the promise (4). */
function simulate(facts: RepositoryFacts, kept: Kept, plan: PrunePlan): RecoveryRange[] {
  const remaining = remainingFacts(facts, kept);
  const after: RecoveryRange[] = [];
  for (const database of databasesOf(facts)) {
    const recovery = new Recovery(database, facts);
    const left = new Recovery(database, remaining);
    for (const backup of remaining.backups) {
      if (backup.database === database && recovery.restores(backup) && !left.restores(backup)) {
        throw broken(`backup ${backup.id} would stay and no longer restore`);
      }
    }
    const ranges = left.ranges();
    const end = (among: readonly RecoveryRange[], lineage: string): number | undefined =>
      among.findLast((range) => range.lineage === lineage)?.to;
    for (const lineage of openHistories(recovery)) {
      const latest = end(plan.before.filter((range) => range.database === database), lineage);
      if (latest !== end(ranges, lineage)) {
        throw broken(`version ${latest} of database ${database}, the latest that restores, would be lost`);
      }
    }
    after.push(...ranges);
  }
  return after;
}

function broken(what: string): HoldfastError {
  return new HoldfastError(
    "INTERNAL",
    `Cannot prune: the plan is wrong, for ${what}; nothing was deleted, please report it (INTERNAL)`,
  );
}

function databasesOf(facts: RepositoryFacts): string[] {
  return [...new Set([...facts.backups, ...facts.log].map(({ database }) => database))].sort();
}
