/**
 * What a copy has to bring from one repository into another. Pure: decided over what both hold.
 *
 * ```
 * source   backups ─┬─ there already (same id, same content) ─► nothing to do; they tell which objects are equal
 *                   └─ new ─► objects, manifest
 *          log of each history, behind what vouches for it ─► minus what the target holds of the same chain
 *          head of each history ─► whole, or cut back to the last chosen backup
 * ```
 *
 * @module
 */
import { ExistsError, NotFoundError } from "../../../../base/errors.ts";
import type { BackupDocument } from "../../../../format/repository/backup_document.ts";
import type { HeadDocument } from "../../../../format/repository/head_document.ts";
import { parseObjectPath } from "../../../../format/repository/object_name.ts";
import { byVersion } from "../../core/catalog.ts";
import { Coverages } from "../../restoring/coverage.ts";
import { historyOf, type RepositoryFacts } from "../../restoring/facts.ts";
import { forkEnds } from "../../log/fork_ends.ts";
import { LogIndex, type LogObject } from "../../log/log_chain.ts";
import { planRestore } from "../../restoring/restore_plan.ts";

/** What of the log is wanted of one history, and what vouches for it. */
export interface HistoryWish {
  /** The database. */
  database: string;
  /** The lineage. */
  lineage: string;
  /** Objects of the source, by version. */
  log: LogObject[];
  /** The head that the target should have at least; with the source's objects. Undefined: none. */
  head: HeadDocument | undefined;
  /** The object at whose end that head was cut back; its times are there to be read. */
  cutBehind?: LogObject | undefined;
}

/** A backup that both repositories have. */
export interface BackupPair {
  /** As the source has it. */
  source: BackupDocument;
  /** As the target has it. */
  target: BackupDocument;
}

/** What is wanted of a source. */
export interface CopyWish {
  /** Backups, parents before what builds on them. */
  backups: BackupDocument[];
  /** Histories. */
  histories: HistoryWish[];
}

/** No log and no head of these histories was chosen; `avoid`: log objects that turned out not to fit. */
export function wishAll(facts: RepositoryFacts, avoid?: ReadonlySet<string>): CopyWish {
  const names = new Set([...facts.logs.keys(), ...facts.heads.map((head) => historyOf(head.database, head.lineage))]);
  const histories = [...names].sort().map((name): HistoryWish => {
    const [database, lineage] = name.split("/") as [string, string];
    const head = facts.heads.find((each) => each.database === database && each.lineage === lineage);
    const ends = head === undefined ? [] : headEnds(head);
    for (const { log, ...backup } of facts.backups) {
      if (backup.database === database && backup.lineage === lineage && log !== null) ends.push(endOf(log));
    }
    ends.push(...forkEnds(facts, database, lineage));
    return { database, lineage, log: walks(facts.logs.get(name), ends, avoid), head };
  });
  return { backups: parentsFirst(facts.backups), histories };
}

/** The backups of these ids with what they need: parents, bases, and the log in between. */
export function wishChosen(
  name: string,
  facts: RepositoryFacts,
  ids: readonly string[],
  avoid?: ReadonlySet<string>,
): CopyWish {
  const coverages = new Coverages(facts, avoid);
  const chosen = new Map<string, BackupDocument>();
  const log = new Map<string, LogObject>();
  // Of each history that others go on from the object that holds the last place at which one does.
  const left = new Map<string, LogObject>();
  const open = [...ids];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (chosen.has(id)) continue;
    const backup = coverages.backup(id);
    if (backup === undefined) {
      throw new NotFoundError(`Cannot copy backup ${id}: ${name} has none of that id; see list() (NOT_FOUND)`);
    }
    chosen.set(id, backup);
    // A parent that was deleted is no loss while another base leads here, which the plan finds.
    if (backup.parentId !== null && coverages.backup(backup.parentId) !== undefined) open.push(backup.parentId);
    if (backup.base !== null) continue;
    const wish = {
      point: { backupId: id },
      database: undefined,
      lineage: undefined,
      allowEarlier: false,
      replayLog: true,
    };
    const plan = planRestore("copyTo", name, coverages, wish);
    if ("entries" in plan) continue;
    open.push(plan.base.id);
    for (const object of plan.log) {
      log.set(object.key, object);
      const [, database, lineage] = object.key.split("/") as [string, string, string];
      const history = historyOf(database, lineage);
      if (lineage !== backup.lineage && object.last > (left.get(history)?.last ?? 0)) left.set(history, object);
    }
  }
  const backups = parentsFirst([...chosen.values()]);
  const histories = new Map<string, HistoryWish>();
  const wishOf = (database: string, lineage: string): HistoryWish => {
    const key = historyOf(database, lineage);
    const history = histories.get(key) ?? { database, lineage, log: [], head: undefined };
    histories.set(key, history);
    return history;
  };
  for (const object of [...log.values()].sort((a, b) => a.first - b.first || a.last - b.last)) {
    const [, database, lineage] = object.key.split("/") as [string, string, string];
    wishOf(database, lineage).log.push(object);
  }
  // Whose log was archived under a head wants one, also where a base leads to its version without that.
  for (const { database, lineage, log } of backups) if (log !== null) wishOf(database, lineage);
  for (const [key, history] of histories) {
    const head = facts.heads.find((each) => each.database === history.database && each.lineage === history.lineage);
    if (head !== undefined) Object.assign(history, cutHead(head, backups, history.log, left.get(key)));
  }
  return { backups, histories: [...histories.values()] };
}

/**
 * A head that counts no more than what chosen backups need: up to the last of them, or to the end of the object (`left`) in
 * which others leave the history. Undefined when none of them needs log. It knows the files of all that the log holds, which
 * may go on behind that: the target may count it.
 */
function cutHead(
  head: HeadDocument,
  backups: readonly BackupDocument[],
  log: readonly LogObject[],
  left: LogObject | undefined,
): Pick<HistoryWish, "head" | "cutBehind"> {
  const reach = log.reduce((most, { last }) => Math.max(most, last), 0);
  const mine = backups.filter(({ database, lineage }) => database === head.database && lineage === head.lineage);
  const last = mine.filter(({ log }) => log !== null).sort(byVersion).at(-1);
  const cutBehind = left !== undefined && left.last > (last?.version ?? 0) ? left : undefined;
  const version = cutBehind?.last ?? last?.version;
  if (version === undefined) return { head: undefined };
  if (version >= head.version) return { head };
  const first = Math.min(log[0]?.first ?? Infinity, version + 1);
  const gaps = head.gaps.filter(({ from, to }) => from > first && to <= version);
  const run = head.gaps.filter(({ to }) => to <= version).at(-1);
  const start = Math.max(first, run === undefined ? 0 : run.to + 1, head.start <= version ? head.start : 0);
  const covered = mine.filter((backup) => backup.version === version).map(({ coveredUntil }) => coveredUntil);
  return {
    head: {
      ...head,
      version,
      timestamp: cutBehind === undefined ? last!.timestamp : 0,
      chain: cutBehind?.chain ?? last!.log!.chain,
      start,
      coveredUntil: Math.max(0, ...covered),
      gaps,
      ingests: head.ingests.filter((ingest) => ingest.version >= first && ingest.version <= reach),
    },
    cutBehind,
  };
}

/** The head without the files of commits that neither it nor the target's counts. */
export function withCounted(head: HeadDocument, target: HeadDocument | undefined): HeadDocument {
  const counted = Math.max(head.version, target?.version ?? 0);
  return { ...head, ingests: head.ingests.filter(({ version }) => version <= counted) };
}

/** The ends of unbroken chains that a head vouches for. */
export function headEnds(head: HeadDocument): { version: number; chain: string }[] {
  return [
    { version: head.version, chain: head.chain },
    ...head.gaps.map(({ from, chain }) => ({ version: from - 1, chain })),
  ];
}

function endOf({ to, chain }: { to: number; chain: string }): { version: number; chain: string } {
  return { version: to, chain };
}

/** All objects behind the ends, by version. */
function walks(
  index: LogIndex | undefined,
  ends: { version: number; chain: string }[],
  avoid: ReadonlySet<string> | undefined,
): LogObject[] {
  const found = new Map<string, LogObject>();
  for (const { objects } of walksOf(index, ends, avoid)) for (const object of objects) found.set(object.key, object);
  return [...found.values()].sort((a, b) => a.first - b.first || a.last - b.last);
}

/** The stretches of log behind ends, the newest first; an end inside a stretch that was found adds none. */
export function walksOf(
  index: LogIndex | undefined,
  ends: readonly { version: number; chain: string }[],
  avoid?: ReadonlySet<string>,
): { from: number; to: number; chain: string; objects: LogObject[] }[] {
  const found: { from: number; to: number; chain: string; objects: LogObject[] }[] = [];
  let below = Infinity;
  for (const end of [...ends].sort((a, b) => b.version - a.version)) {
    if (index === undefined || end.version >= below) continue;
    const { objects, from } = index.walkBack(end, 1, avoid);
    if (objects.length === 0) continue;
    below = from;
    found.push({ from, to: end.version, chain: end.chain, objects });
  }
  return found;
}

/** Backups in an order in which none comes before what it builds on; otherwise by version. */
function parentsFirst(backups: readonly BackupDocument[]): BackupDocument[] {
  const byId = new Map(backups.map((backup) => [backup.id, backup]));
  const ordered = new Map<string, BackupDocument>();
  for (const backup of [...backups].sort(byVersion)) {
    const line: BackupDocument[] = [];
    for (let at: BackupDocument | undefined = backup; at !== undefined && !ordered.has(at.id) && !line.includes(at);) {
      line.push(at);
      at = at.parentId === null ? undefined : byId.get(at.parentId);
    }
    for (const one of line.reverse()) ordered.set(one.id, one);
  }
  return [...ordered.values()];
}

/**
 * Parts backups into those that the target has and those that it lacks. An id that another backup has there is
 * `ExistsError`. `comparable`: content names mean the same on both sides.
 */
export function partBackups(
  source: { name: string; backups: readonly BackupDocument[] },
  target: { name: string; backups: readonly BackupDocument[] },
  comparable: boolean,
): { fresh: BackupDocument[]; there: BackupPair[] } {
  const theirs = new Map(target.backups.map((backup) => [backup.id, backup]));
  const fresh: BackupDocument[] = [];
  const there: BackupPair[] = [];
  for (const backup of source.backups) {
    const found = theirs.get(backup.id);
    if (found === undefined) fresh.push(backup);
    else if (identity(backup, comparable) === identity(found, comparable)) {
      there.push({ source: backup, target: found });
    } else throw idTaken(backup.id, source.name, target.name);
  }
  return { fresh, there };
}

/** The error of an id that another backup has. */
export function idTaken(id: string, from: string, to: string): ExistsError {
  return new ExistsError(
    `Cannot copy backup ${id} from ${from}: ${to} has another backup of that id; nothing was copied: ` +
      'delete one of them, or choose others by option "backups" (EXISTS)',
  );
}

/** Whether two manifests of one repository are of the same backup. */
export function isSameBackup(one: BackupDocument, other: BackupDocument): boolean {
  return identity(one, true) === identity(other, true);
}

/** What of a manifest stays the same wherever it lies: not where its objects are, nor what they take there. */
function identity(backup: BackupDocument, comparable: boolean): string {
  const { base, log, storedBytes: _stored, addedBytes: _added, compression: _codec, encrypted: _keys, ...rest } =
    backup;
  const files = base?.files.map(({ name, kind, size, object }) => [
    name,
    kind,
    size,
    comparable ? parseObjectPath(object)?.name : "",
  ]);
  return JSON.stringify([
    rest,
    base === null ? null : { ...base, files },
    log === null ? null : { from: log.from, to: log.to, chain: log.chain },
  ]);
}

/** Backups by what they build on, directly or not, each behind its parent: none builds on one of another chain. */
export function chainsOf(backups: readonly BackupDocument[]): BackupDocument[][] {
  const chains: BackupDocument[][] = [];
  const chainOf = new Map<string | null, BackupDocument[]>();
  for (const backup of backups) {
    const there = chainOf.get(backup.parentId);
    const chain = there ?? [];
    if (there === undefined) chains.push(chain);
    chain.push(backup);
    chainOf.set(backup.id, chain);
  }
  return chains;
}
