/**
 * What can be restored of one history: its bases, and the unbroken stretches of archived log. Pure.
 *
 * ```
 * versions   1 ....... 10 ....... 20 ....... 30 ....... 40
 * bases          B1(4)       B2(14)              B3(33)
 * log              5 ─────────────── 22         34 ─── 40
 * points         4 ───────────────── 22        33 ──── 40
 * ```
 *
 * @module
 */
import type { BackupBase, BackupDocument } from "../../../format/repository/backup_document.ts";
import type { ArchivedIngest, HeadDocument } from "../../../format/repository/head_document.ts";
import { type History, historyOf, type RepositoryFacts } from "./facts.ts";
import { backupKey, objectKey } from "../core/layout.ts";
import { forkEnd } from "../log/fork_ends.ts";
import { isOnPath, lineagePath, type LineageStretch } from "../log/lineage_path.ts";
import type { LogAnchor, LogObject } from "../log/log_chain.ts";

/** An unbroken stretch of archived log, across lineages where one goes on behind another. */
export interface LogCover {
  /** Its first version. */
  from: number;
  /** Its last version. */
  to: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** Up to when no other commit was made, ms. */
  coveredUntil: number;
  /** The objects, in order. */
  objects: LogObject[];
}

/** The manifest of a complete backup. */
export type BaseDocument = BackupDocument & { base: BackupBase };

/** Whether a backup can be a base: it is complete. */
export function isBase(backup: BackupDocument): backup is BaseDocument {
  return backup.base !== null && !backup.selective;
}

/** Whether none of a base's objects is to be avoided. */
export function isWhole(base: BackupBase, avoid: ReadonlySet<string> | undefined): boolean {
  return avoid === undefined || !base.files.some(({ object }) => avoid.has(objectKey(object)));
}

/** Whether a backup is of a reader or of a copy: whoever writes the history vouches for the time of the last commit. */
export function isOfOther({ coveredUntil, timestamp }: BackupDocument): boolean {
  return coveredUntil < timestamp;
}

/** What a history can be restored from. */
export interface Coverage {
  /** The history. */
  history: History;
  /** Its way through lineages. */
  path: LineageStretch[];
  /** Complete backups on the way, by version. */
  bases: BaseDocument[];
  /** Log on the way, by version. */
  covers: LogCover[];
  /** Files that joined without log, by version. */
  ingests: ArchivedIngest[];
  /** Versions at which a head stands, and up to when no other commit was made, ms. */
  heads: { version: number; coveredUntil: number }[];
}

/** What is known of the end of a stretch of log. */
interface End extends LogAnchor {
  timestamp: number;
  coveredUntil: number;
}

/**
 * The coverages of a repository's histories, each found out once: thousands of backups have the same one. For facts, and
 * objects to be avoided, that stay as they are.
 */
export class Coverages {
  /** What the repository holds. */
  readonly facts: RepositoryFacts;
  /** Keys of objects that are known to be damaged. */
  readonly avoid: ReadonlySet<string> | undefined;
  readonly #found = new Map<string, Coverage>();
  readonly #backups: ReadonlyMap<string, BackupDocument>;

  /** Over these facts. */
  constructor(facts: RepositoryFacts, avoid?: ReadonlySet<string>) {
    this.facts = facts;
    this.avoid = avoid;
    this.#backups = new Map(facts.backups.map((backup) => [backup.id, backup]));
  }

  /** The coverage of a history. */
  of(history: History): Coverage {
    const { database, lineage, parents } = history;
    const name = JSON.stringify([database, lineage, parents]);
    const found = this.#found.get(name) ?? coverageOf(this.facts, history, this.avoid);
    this.#found.set(name, found);
    return found;
  }

  /** The backup of that id. */
  backup(id: string): BackupDocument | undefined {
    return this.#backups.get(id);
  }

  /** Whether a backup was made on top of the one of that id, which need not be there. */
  isOnTopOf({ parentId }: BackupDocument, id: string | undefined): boolean {
    // Of documents that go round in a circle none is passed twice.
    for (let left = this.#backups.size; parentId !== null && left >= 0; left--) {
      if (parentId === id) return true;
      parentId = this.#backups.get(parentId)?.parentId ?? null;
    }
    return false;
  }
}

/** The coverage of a history. `avoid`: keys of objects that are known to be damaged. */
export function coverageOf(facts: RepositoryFacts, history: History, avoid?: ReadonlySet<string>): Coverage {
  const path = lineagePath(history.lineage, history.parents);
  const mine = facts.backups.filter(({ database, lineage, version }) =>
    database === history.database && isOnPath(path, lineage, version)
  );
  const covers: LogCover[] = [];
  const ingests: ArchivedIngest[] = [];
  const heads: Coverage["heads"] = [];
  for (const stretch of path) {
    const head = facts.heads.find((each) => each.database === history.database && each.lineage === stretch.lineage);
    for (const cover of coversOf(facts, history, stretch, head, avoid)) {
      append(covers, leftAt(cover, stretch, mine));
    }
    if (head !== undefined && head.version >= stretch.from && head.version < stretch.to) heads.push(head);
    for (const ingest of head?.ingests ?? []) {
      if (ingest.version >= stretch.from && ingest.version <= stretch.to) ingests.push(ingest);
    }
  }
  // A reader or a copy that shows another commit than its writer did went its own way. It is there under its id.
  const times = new Map(mine.filter((each) => !isOfOther(each)).map(({ version, timestamp }) => [version, timestamp]));
  const showsOther = (backup: BackupDocument): boolean =>
    isOfOther(backup) && (times.get(backup.version) ?? backup.timestamp) !== backup.timestamp;
  return {
    history,
    path,
    bases: mine.filter(isBase).filter((backup) =>
      avoid?.has(backupKey(backup.id)) !== true && isWhole(backup.base, avoid) && !showsOther(backup)
    ),
    covers,
    ingests,
    heads,
  };
}

/** Of a place in the midst of a log: its times are in there, and not read for a plan. */
const NOTHING_KNOWN = { timestamp: 0, coveredUntil: 0 };

/**
 * A cover of a parent's log that is left at a fork: its last object may hold more, which is another history's. Nor does it
 * matter how long nothing came in the parent behind the fork; what is known is known from backups before.
 */
function leftAt(cover: LogCover, stretch: LineageStretch, backups: readonly BackupDocument[]): LogCover {
  const fork = stretch.to;
  if (cover.to < fork) return cover;
  const known = backups.filter(({ lineage }) => lineage === stretch.lineage)
    .map(({ version, timestamp, coveredUntil }) => version === fork ? timestamp - 1 : coveredUntil);
  const objects = cover.objects.map((object) => object.last > fork ? { ...object, until: fork } : object);
  return { ...cover, coveredUntil: Math.max(0, ...known), objects };
}

/** The unbroken stretches of log within one lineage, by version. */
function coversOf(
  facts: RepositoryFacts,
  { database }: History,
  stretch: LineageStretch,
  head: HeadDocument | undefined,
  avoid: ReadonlySet<string> | undefined,
): LogCover[] {
  const index = facts.logs.get(historyOf(database, stretch.lineage));
  const ends: End[] = [];
  if (head !== undefined) {
    ends.push(head);
    for (const { from, after, chain, timestamp = after } of head.gaps) {
      ends.push({ version: from - 1, chain, timestamp, coveredUntil: after });
    }
  }
  // Also of backups behind a fork: theirs is the same log up to there.
  for (const backup of facts.backups) {
    const { log, timestamp, coveredUntil } = backup;
    if (backup.database === database && backup.lineage === stretch.lineage && log !== null) {
      ends.push({ version: log.to, chain: log.chain, timestamp, coveredUntil });
    }
  }
  const fork = ends.some(({ version }) => version === stretch.to) ? undefined : forkEnd(index, head, stretch.to);
  if (fork !== undefined) ends.push({ ...fork, ...NOTHING_KNOWN });
  // What lies before a damaged object is there all the same; of its times nothing is known without reading it.
  for (const { key, first } of index?.objects ?? []) {
    if (avoid?.has(key) === true) ends.push({ version: first - 1, chain: undefined, ...NOTHING_KNOWN });
  }
  ends.sort((a, b) => b.version - a.version);
  const found: LogCover[] = [];
  let below = Infinity;
  for (const end of ends) {
    if (end.version >= below) continue;
    const walk = index?.walkBack(end, stretch.from, avoid);
    if (walk === undefined || walk.objects.length === 0) continue;
    below = walk.from;
    const from = Math.max(walk.from, stretch.from);
    // At a fork the parent's log may go on; what comes behind is another history's, and says nothing of this one's times.
    const to = Math.min(end.version, stretch.to);
    const { timestamp, coveredUntil } = to < end.version
      ? NOTHING_KNOWN
      : { ...end, coveredUntil: knownUntil(ends, end) };
    found.push(...splitAt({ from, to, timestamp, coveredUntil, objects: walk.objects }, head?.gaps ?? []));
  }
  return found.reverse();
}

/** Up to when nothing came behind an end: of those that vouch for the same chain there, one may know more than another. */
function knownUntil(ends: readonly End[], { version, chain }: End): number {
  const same = ends.filter((each) => each.version === version && each.chain === chain);
  return Math.max(...same.map(({ coveredUntil }) => coveredUntil));
}

/**
 * The stretches of log around gaps, the newest first: commits that are there, and whose files are lost, can't be passed. None
 * of a cover that begins behind a fork, and so behind its end.
 */
function splitAt(cover: LogCover, gaps: HeadDocument["gaps"]): LogCover[] {
  const parts: LogCover[] = [];
  let rest = cover;
  for (const { from, to, after, timestamp = after } of gaps.toReversed()) {
    if (to < rest.from || from > rest.to) continue;
    parts.push(partOf(rest, to + 1, rest.to));
    rest = { ...rest, to: from - 1, timestamp, coveredUntil: after };
  }
  return [...parts, partOf(rest, rest.from, rest.to)].filter((part) => part.from <= part.to);
}

function partOf(cover: LogCover, from: number, to: number): LogCover {
  return { ...cover, from, to, objects: cover.objects.filter((one) => one.first <= to && one.last >= from) };
}

/** Adds a stretch behind others, as one with the last where it goes on without a hole. */
function append(covers: LogCover[], next: LogCover): void {
  const last = covers.at(-1);
  if (last === undefined || next.from > last.to + 1) {
    covers.push(next);
    return;
  }
  last.to = next.to;
  last.timestamp = next.timestamp;
  last.coveredUntil = next.coveredUntil;
  last.objects = [...last.objects, ...next.objects];
}

/** The log that goes on behind a version without a hole. */
export function coverAfter(covers: readonly LogCover[], version: number): LogCover | undefined {
  return covers.find(({ from, to }) => from <= version + 1 && to > version);
}

/** The last version that can be reached from a base, and what is known of it. */
export function reachOf(
  coverage: Coverage,
  base: BackupDocument,
): { version: number; timestamp: number; coveredUntil: number } {
  const reach = reachByLog(coverage, base);
  // The next commit is a base of its own: until then nothing came.
  const next = standingAt(coverage, reach.version + 1)?.base;
  return next === undefined ? reach : { ...reach, coveredUntil: Math.max(reach.coveredUntil, next.timestamp - 1) };
}

function reachByLog(coverage: Coverage, base: BackupDocument): ReturnType<typeof reachOf> {
  const cover = coverAfter(coverage.covers, base.version);
  if (cover !== undefined) {
    return { version: cover.to, timestamp: cover.timestamp, coveredUntil: cover.coveredUntil };
  }
  const { version, timestamp } = base;
  // At a fork the parent knows nothing of what came behind it here.
  if (leavesAt(coverage, base)) return { version, timestamp, coveredUntil: timestamp - 1 };
  // Nothing came behind it up to when anything says so that stands exactly there.
  return { version, timestamp, coveredUntil: standingAt(coverage, version)?.coveredUntil ?? -Infinity };
}

/** Whether a backup stands where its history leaves the backup's lineage. */
export function leavesAt({ path }: Coverage, { lineage, version }: BackupDocument): boolean {
  return path.some((stretch) => stretch.lineage === lineage && stretch.to === version);
}

/** What stands at a version: the first base there, and up to when anything there says that no other commit was made, ms. */
interface Standing {
  base: BaseDocument | undefined;
  coveredUntil: number;
}

/** Found out once for each coverage: there may be thousands of bases, and each is asked for what stands behind it. */
const standings = new WeakMap<Coverage, Map<number, Standing>>();

function standingAt(coverage: Coverage, version: number): Standing | undefined {
  let standing = standings.get(coverage);
  if (standing === undefined) {
    standings.set(coverage, standing = new Map());
    const { bases, covers, heads } = coverage;
    for (const base of bases) note(standing, base.version, base.coveredUntil, base);
    for (const head of heads) note(standing, head.version, head.coveredUntil);
    for (const { to, coveredUntil } of covers) note(standing, to, coveredUntil);
  }
  return standing.get(version);
}

function note(standing: Map<number, Standing>, version: number, coveredUntil: number, base?: BaseDocument): void {
  const there = standing.get(version);
  standing.set(version, {
    base: there?.base ?? base,
    coveredUntil: Math.max(there?.coveredUntil ?? -Infinity, coveredUntil),
  });
}
