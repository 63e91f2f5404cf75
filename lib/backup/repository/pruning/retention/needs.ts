/**
 * What stays for the sake of what is kept: parents and log.
 *
 * The more backups are kept, the more of everything is: the limits lean on that.
 *
 * @module
 */
import type { BackupFact, LogFact } from "./facts.ts";
import { isBase, type Recovery } from "./recovery.ts";
import { pointWindows, type Reasons, type RuleInput } from "./rules.ts";

/** What stays, and why: backups by id, log by key. */
export interface Kept {
  /** Reasons by backup id. */
  backups: Reasons;
  /** Reasons by key of archived log. */
  log: Reasons;
}

/** All that stays when the backups of `seeds` do. The reasons of `seeds` are added to. */
export function keptFor(seeds: Reasons, input: RuleInput): Kept {
  const { recovery } = input;
  const kept: Kept = { backups: seeds, log: new Map() };
  const queue = input.backups.filter(({ id }) => seeds.has(id));
  for (let at = 0; at < queue.length; at++) {
    const backup = queue[at]!;
    const parent = recovery.parentOf(backup);
    if (parent === undefined) continue;
    if (!seeds.has(parent.id)) queue.push(parent);
    // Once for each child: a backup passes through the queue once.
    append(seeds, parent.id, `needed by ${backup.id} as its ${isBase(parent) ? "base" : "parent"}`);
  }
  for (const backup of queue) keepLog(kept, neededLog(backup, recovery), `needed by ${backup.id}`);
  keepLatestLog(kept, input);
  for (const { lineage, bases, reason } of pointWindows(input)) {
    // Once the limits took the first base, the window begins at the next one.
    const base = bases.find(({ id }) => seeds.has(id));
    if (base !== undefined) keepLog(kept, logFrom(base, lineage, recovery), reason);
  }
  return kept;
}

/** The log that a backup needs. */
function neededLog({ lineage, log }: BackupFact, recovery: Recovery): LogFact[] {
  return log === null ? [] : recovery.log.holding(recovery.history(lineage), log.from, log.to);
}

/** All log of a history after a base of it. */
function logFrom(base: BackupFact, lineage: string, recovery: Recovery): LogFact[] {
  return recovery.log.holding(recovery.history(lineage), base.version + 1, Infinity);
}

/** The log after the newest base of each history, where that base stays; and log that no base came before. */
function keepLatestLog(kept: Kept, { log, recovery }: RuleInput): void {
  for (const lineage of recovery.lineages.keys()) {
    const base = recovery.bases(lineage).at(-1);
    if (base === undefined) {
      // A backup that is being made archives its log before it is listed.
      keepLog(kept, log.filter((each) => each.lineage === lineage), "no base yet");
    } else if (kept.backups.has(base.id)) {
      keepLog(kept, logFrom(base, lineage, recovery), `points in time after ${base.id}`);
    }
  }
}

function keepLog(kept: Kept, log: readonly LogFact[], reason: string): void {
  for (const { key } of log) append(kept.log, key, reason);
}

function append(reasons: Reasons, name: string, reason: string): void {
  const there = reasons.get(name);
  if (there === undefined) reasons.set(name, [reason]);
  else if (!there.includes(reason)) there.push(reason);
}
