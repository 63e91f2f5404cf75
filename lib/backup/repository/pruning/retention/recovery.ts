/**
 * What can be restored from given backups and log: the simulation by which a plan is judged before anything is deleted.
 *
 * A point in time (a version of a lineage) restores when a whole backup at or before it in its history restores, and the
 * log from that backup's files up to it has no hole. A backup restores when
 *
 * 1. its log, if it needs one, is there without a hole and joins its files, and
 * 2. if it is incremental: its parent is there, restores, and leaves no version between them.
 *
 * Whether the objects are there and sound is not for a plan to know: see `verify`.
 *
 * @module
 */
import type { BackupFact, LineageFact, RepositoryFacts } from "./facts.ts";
import { ArchivedLog, historyOf, type Stretch } from "./history.ts";

/** Versions of a history, every one of which restores exactly. */
export interface RecoveryRange {
  /** The database. */
  database: string;
  /** The history. */
  lineage: string;
  /** The first version. */
  from: number;
  /** The last version. */
  to: number;
}

/** The facts of one database, ready to be asked. */
export class Recovery {
  /** The database. */
  readonly database: string;
  /** Its archived log. */
  readonly log: ArchivedLog;
  /** Every history that it is known to have. */
  readonly lineages: ReadonlyMap<string, LineageFact>;
  readonly #backups: ReadonlyMap<string, BackupFact>;
  readonly #histories = new Map<string, Stretch[]>();
  readonly #bases = new Map<string, readonly BackupFact[]>();
  readonly #restores = new Map<string, boolean>();

  /** Takes the facts of one database; others in them are passed over. */
  constructor(database: string, facts: RepositoryFacts) {
    this.database = database;
    const own = <F extends { database: string }>(all: readonly F[]): F[] =>
      all.filter((each) => each.database === database);
    const backups = own(facts.backups);
    const log = own(facts.log);
    this.#backups = new Map(backups.map((backup) => [backup.id, backup]));
    this.log = new ArchivedLog(log);
    // What a head or a backup says of the parents goes before a history that only has log.
    this.lineages = new Map(
      [...log.map((each) => ({ ...each, parents: [] })), ...own(facts.lineages ?? []), ...backups]
        .map(({ lineage, parents }) => [lineage, { database, lineage, parents }]),
    );
  }

  /** The stretches of a lineage's history, the oldest first. */
  history(lineage: string): readonly Stretch[] {
    let history = this.#histories.get(lineage);
    if (history === undefined) {
      history = historyOf(lineage, this.lineages.get(lineage)?.parents ?? []);
      this.#histories.set(lineage, history);
    }
    return history;
  }

  /** The parent that a backup can't do without. */
  parentOf(backup: BackupFact): BackupFact | undefined {
    return backup.type === "incremental" ? this.#backups.get(backup.parentId ?? "") : undefined;
  }

  /** Whether a backup restores, by the rules (1) and (2). */
  restores(backup: BackupFact): boolean {
    const known = this.#restores.get(backup.id);
    if (known !== undefined) return known;
    // Down the chain first and then up again: a long one must not become deep recursion, a circle must end.
    const chain: BackupFact[] = [];
    const seen = new Set<string>();
    let at: BackupFact | undefined = backup;
    while (at !== undefined && !this.#restores.has(at.id) && !seen.has(at.id)) {
      seen.add(at.id);
      chain.push(at);
      at = this.parentOf(at);
    }
    for (const each of chain.reverse()) this.#restores.set(each.id, this.#holds(each));
    return this.#restores.get(backup.id)!;
  }

  #holds(backup: BackupFact): boolean {
    const { log } = backup;
    if (log !== null && this.log.reach(this.history(backup.lineage), log.from - 1) < log.to) return false;
    if (backup.type !== "incremental") return log === null || log.from <= (backup.baseVersion ?? -1) + 1;
    const parent = this.parentOf(backup);
    return parent !== undefined && this.#restores.get(parent.id) === true && !parent.selective &&
      (log === null ? parent.version >= backup.version : log.from <= parent.version + 1 && log.to >= backup.version);
  }

  /** The whole backups that can be the base of points in time of a lineage, the oldest first. */
  bases(lineage: string): readonly BackupFact[] {
    let found = this.#bases.get(lineage);
    if (found === undefined) {
      const bases = [...this.#backups.values()].filter((each) => isBase(each) && this.restores(each)).sort(byVersion);
      found = this.history(lineage).flatMap(({ lineage: of, upTo }) =>
        bases.filter((base) => base.lineage === of && base.version <= upTo)
      );
      this.#bases.set(lineage, found);
    }
    return found;
  }

  /** Every version that restores. */
  ranges(): RecoveryRange[] {
    return [...this.lineages.keys()].sort().flatMap((lineage) => this.#rangesOf(lineage));
  }

  #rangesOf(lineage: string): RecoveryRange[] {
    const history = this.history(lineage);
    const ranges: RecoveryRange[] = [];
    for (const base of this.bases(lineage)) {
      const own = base.lineage === lineage;
      const to = this.log.reach(history, base.version);
      // Of a base before the fork, only what lies after it is this lineage's own.
      const from = own ? base.baseVersion ?? base.version : history.at(-1)!.after + 1;
      if (from <= to) ranges.push({ database: this.database, lineage, from, to });
    }
    return merged(ranges);
  }
}

/** Whether a backup can be the base of points in time. */
export function isBase(backup: BackupFact): boolean {
  return backup.type !== "incremental" && !backup.selective && backup.apart !== true;
}

/** The older first: by version, and only then by the clock. */
export function byVersion(a: BackupFact, b: BackupFact): number {
  return a.version - b.version || a.createdAt - b.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Ranges that overlap or meet, as one. */
function merged(ranges: RecoveryRange[]): RecoveryRange[] {
  const out: RecoveryRange[] = [];
  for (const range of ranges.sort((a, b) => a.from - b.from)) {
    const last = out.at(-1);
    if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else out.push({ ...range });
  }
  return out;
}
