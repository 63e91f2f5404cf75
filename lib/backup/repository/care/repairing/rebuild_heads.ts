/**
 * Heads that were lost, damaged, put back from an older time, or that count log which is lost.
 *
 * ```
 * anchors   what vouches for a chain: the old head, its gaps, manifests of backups, the beginning of a chain
 * forward   from each anchor over objects whose chain goes on there: the furthest place is where the head stands
 * back      from there: where the log is broken a gap is noted, and the stretch below it stays in use
 * ```
 *
 * A head that is whole and up to date keeps its place: objects beyond it may be on their way in. What it counts and is lost
 * becomes a gap, like log that was never archived. All decisions are over chains that were recomputed from the bytes.
 *
 * @module
 */
import { genesisChain } from "../../../../format/repository/archived_log.ts";
import type { BackupDocument } from "../../../../format/repository/backup_document.ts";
import {
  type ArchivedIngest,
  type ArchiveGap,
  type HeadDocument,
  headDocument,
} from "../../../../format/repository/head_document.ts";
import { contentName, parseObjectPath } from "../../../../format/repository/object_name.ts";
import { isRestorable } from "../check/affected.ts";
import { chainAt } from "../check/chains.ts";
import type { FoundIngest, ReadLogObject } from "../check/contents.ts";
import { holesBelow, neededLog } from "../check/structure.ts";
import { RepositoryLockedError } from "../../../../base/errors.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { isDamage, readDocument, writeDocument } from "../../core/documents.ts";
import { Coverages, isWhole } from "../../restoring/coverage.ts";
import { historyOf } from "../../restoring/facts.ts";
import { countedIngests, justBefore, REPAIR_WRITER } from "../../log/heads.ts";
import { headKey, objectKey, PART } from "../../core/layout.ts";
import { LogIndex, type LogObject } from "../../log/log_chain.ts";
import type { Patient } from "./patient.ts";

/** A place in a chain, with what is known of it. */
interface Place {
  version: number;
  chain: string;
  timestamp: number;
  coveredUntil: number;
}

type LostIngest = Pick<FoundIngest, "version" | "timestamp" | "timeBefore">;

/** What the head of one history is made from. */
export interface HeadSources {
  /** The database. */
  database: string;
  /** The lineage. */
  lineage: string;
  /** The head there was, if it can be read. */
  old: HeadDocument | undefined;
  /** Whether it must not stay where it stands. */
  stale: boolean;
  /** Backups of the lineage. */
  backups: readonly BackupDocument[];
  /** Where lineages came from, by what others say. */
  parents: HeadDocument["parents"];
  /** The log that can be used. */
  log: readonly LogObject[];
  /** What was read of it. */
  read: ReadonlyMap<string, ReadLogObject>;
  /** Files that joined, where all of them are there. */
  ingests: readonly ArchivedIngest[];
  /** Commits in the log whose files are not all there, and the time of the commit before, where its object tells. */
  lost: readonly LostIngest[];
  /** What an epoch surely not used before begins at. */
  epoch: number;
}

const NO_CHAIN = "0".repeat(64);

/** Decides what the head of a history is; undefined: nothing tells of one. Pure. */
export function headOf(sources: HeadSources): HeadDocument | undefined {
  const { database, lineage, old, stale, read, log, ingests } = sources;
  const index = new LogIndex(log);
  const top = old !== undefined && !stale ? old : furthest(sources);
  if (top === undefined) return undefined;
  const { start, gaps } = gapsBelow(sources, index, top);
  for (const { version, timestamp, timeBefore = timeAt(index, version - 1, read) } of sources.lost) {
    gaps.push({
      from: version,
      to: version,
      after: justBefore(timestamp),
      before: timestamp,
      // None ends there for sure; who asks for one finds none, and takes the log as it lies.
      chain: NO_CHAIN,
      ...(timeBefore === 0 ? {} : { timestamp: timeBefore }),
    });
  }
  const same = old?.gaps ?? [];
  const own = top as Place;
  return {
    database,
    lineage,
    parents: old?.parents ?? sources.parents,
    version: own.version,
    timestamp: own.timestamp || timeAt(index, own.version, read),
    chain: own.chain,
    start,
    coveredUntil: own.coveredUntil,
    epoch: Math.max(sources.epoch, (old?.epoch ?? 0) + 1),
    writer: REPAIR_WRITER,
    gaps: [...same, ...gaps.filter(({ from, to }) => !same.some((gap) => gap.from <= from && gap.to >= to))]
      .sort((a, b) => a.from - b.from),
    ingests: ingests.filter(({ version }) => version <= own.version).sort((a, b) => a.version - b.version),
    ...(old?.pruned === undefined ? {} : { pruned: old.pruned }),
  };
}

/** The furthest place that a chain leads to from what vouches for it. */
function furthest(sources: HeadSources): Place | undefined {
  const { database, lineage, old, backups, log, read } = sources;
  const anchors: Place[] = old === undefined ? [] : [old];
  for (const { log: range, timestamp, coveredUntil } of backups) {
    if (range !== null) anchors.push({ version: range.to, chain: range.chain, timestamp, coveredUntil });
  }
  for (const { first, key } of log) {
    const previous = read.get(key)?.previous;
    if (previous === undefined || previous !== genesisChain(database, lineage, first)) continue;
    anchors.push({ version: first - 1, chain: previous, timestamp: 0, coveredUntil: 0 });
  }
  // Only when nothing vouches for any: what there is.
  if (anchors.length === 0 && log.length > 0) {
    const last = log.reduce((best, object) => object.last > best.last ? object : best);
    const timestamp = read.get(last.key)?.maxTimestamp ?? 0;
    anchors.push({ version: last.last, chain: last.chain, timestamp, coveredUntil: justBefore(timestamp) });
  }
  let end = furthestOf(anchors, log, read);
  if (end === undefined) return undefined;
  end = furthestOf([end, ...behindHole(sources, end)], log, read)!;
  // How long nothing else was committed is known from backups alone.
  const covered = backups.filter(({ version }) => version === end.version).map(({ coveredUntil }) => coveredUntil);
  return { ...end, coveredUntil: Math.max(end.coveredUntil, ...covered) };
}

function furthestOf(
  anchors: readonly Place[],
  log: readonly LogObject[],
  read: ReadonlyMap<string, ReadLogObject>,
): Place | undefined {
  return anchors.map((anchor) => forward(anchor, log, read)).reduce<Place | undefined>(
    (best, one) => best === undefined || one.version > best.version ? one : best,
    undefined,
  );
}

/**
 * Where log begins that goes on from a base, and that nothing leads to: before it a pruning has let go of all but what other
 * histories need.
 */
function behindHole({ backups, log, read }: HeadSources, { version }: Place): Place[] {
  return log.flatMap(({ first, last, key }) => {
    const previous = read.get(key)?.previous;
    const isOfBase = backups.some(({ base, version: at }) => base !== null && at >= first - 1 && at <= last);
    if (first <= version + 1 || previous === undefined || !isOfBase) return [];
    return [{ version: first - 1, chain: previous, timestamp: 0, coveredUntil: 0 }];
  });
}

/** As far as objects go on from a place; where two histories part, no further. */
function forward(from: Place, log: readonly LogObject[], read: ReadonlyMap<string, ReadLogObject>): Place {
  let at = from;
  for (;;) {
    const next = log.filter((object) =>
      object.first <= at.version + 1 && object.last > at.version &&
      (object.first === at.version + 1 ? read.get(object.key)?.previous : chainAt(object, at.version, read)) ===
        at.chain
    ).sort((a, b) => a.last - b.last);
    const [step] = next;
    if (step === undefined) return at;
    if (next.some((other) => (chainAt(other, step.last, read) ?? step.chain) !== step.chain)) return at;
    const timestamp = read.get(step.key)?.maxTimestamp ?? at.timestamp;
    at = { version: step.last, chain: step.chain, timestamp, coveredUntil: justBefore(timestamp) };
  }
}

/** Where the chain up to a place begins, and what is lost below it while there is more. */
function gapsBelow(
  { old, stale, log, read, backups }: HeadSources,
  index: LogIndex,
  top: { version: number; chain: string; timestamp: number },
): { start: number; gaps: ArchiveGap[] } {
  // What an earlier head did not count needs no looking for: its gaps are noted.
  const first = old === undefined || stale ? 1 : old.start;
  const holes = holesBelow(index, top, Math.max(first, (old?.pruned ?? 0) + 1));
  const gaps: ArchiveGap[] = [];
  for (const { from, to } of holes) {
    const vouched = backups.find(({ log: range }) => range?.to === from - 1)?.log?.chain;
    const below = vouched ?? log.find(({ last }) => last === from - 1)?.chain;
    const chain = below ?? (from === old?.start ? genesisChain(old.database, old.lineage, from) : undefined);
    if (chain === undefined) continue;
    const timestamp = timeAt(index, from - 1, read);
    gaps.push({
      from,
      to,
      after: justBefore(timestamp),
      before: timeBehind(log, to, read) ?? top.timestamp,
      chain,
      ...(timestamp === 0 ? {} : { timestamp }),
    });
  }
  return { start: Math.max(first, (holes[0]?.to ?? 0) + 1), gaps };
}

function timeAt(index: LogIndex, version: number, read: ReadonlyMap<string, ReadLogObject>): number {
  return Math.max(
    0,
    ...index.objects.filter(({ last }) => last === version).map(({ key }) => read.get(key)?.maxTimestamp ?? 0),
  );
}

function timeBehind(
  log: readonly LogObject[],
  version: number,
  read: ReadonlyMap<string, ReadLogObject>,
): number | undefined {
  const next = log.filter(({ first }) => first === version + 1).map(({ key }) => read.get(key)?.minTimestamp);
  return next.find((time) => time !== undefined);
}

/** Puts the heads right that need it. */
export async function rebuildHeads(patient: Patient): Promise<void> {
  const { context, seen, aside, repaired, dryRun } = patient;
  const wrong = new Map(patient.findings("heads").map(({ key, kind }) => [key, kind]));
  for (const key of brokenHeads(patient)) if (!wrong.has(key)) wrong.set(key, "damaged");
  for (const [key, kind] of wrong) {
    const [, database, lineage] = /^heads\/([0-9a-f]{32})\/([0-9a-f]{32})\.json$/.exec(key) ?? [];
    if (database === undefined || lineage === undefined) {
      await aside.take(key);
      continue;
    }
    const old = patient.heads.find((head) => headKey(head.database, head.lineage) === key);
    const log = patient.facts.logs.get(historyOf(database, lineage))?.objects ?? [];
    // What only a backup that is lost itself speaks of (another repository's, for one) gets no head.
    const coverages = new Coverages(patient.facts, patient.bad);
    const isNeeded = log.length > 0 ||
      patient.backups.some((backup) =>
        backup.database === database && isRestorable(coverages, seen.contents.ingests, backup)
      );
    if (kind === "missing" && !isNeeded) continue;
    const body = headOf({
      database,
      lineage,
      old,
      stale: kind === "stale",
      backups: patient.backups.filter((backup) => backup.database === database && backup.lineage === lineage),
      parents: parentsOf(patient, database, lineage),
      log,
      read: seen.contents.log,
      ...ingestsOf(patient, database, lineage, old, log),
      // Nobody has taken a history over as often as seconds went by.
      epoch: Math.floor(context.clock() / 1000),
    });
    await aside.copy(key);
    patient.heads = patient.heads.filter((head) => head !== old);
    if (body === undefined) {
      await aside.take(key);
      continue;
    }
    patient.heads = [...patient.heads, body];
    if (!dryRun) await switchTo(context, key, old, body);
    const lost = body.gaps.filter(({ from }) => !old?.gaps.some((gap) => gap.from === from))
      .map(({ from, to }) => `${from} to ${to}`);
    repaired.push(
      `The head of lineage ${lineage} was ${old === undefined ? "made anew" : "put right"}: it stands at version ` +
        `${body.version}${lost.length === 0 ? "" : `, with versions ${lost.join(", ")} noted as lost`}`,
    );
  }
}

/** Puts a head in place of what was there. A writer that moved it on meanwhile knows better. */
async function switchTo(
  context: RepositoryContext,
  key: string,
  old: HeadDocument | undefined,
  body: HeadDocument,
): Promise<void> {
  let condition: { ifAbsent?: boolean; ifMatch?: string | undefined } = {};
  let moved = false;
  try {
    const found = await readDocument(context, "head", key, headDocument);
    if (found === undefined) condition = { ifAbsent: true };
    else if (headKey(found.body.database, found.body.lineage) === key) {
      moved = JSON.stringify(found.body) !== JSON.stringify(old);
      condition = { ifMatch: found.etag };
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  if (!moved && await writeDocument(context, "head", key, body, condition) !== undefined) return;
  // Ours, when only the answer was lost.
  const now = await readDocument(context, "head", key, headDocument).catch(() => undefined);
  if (JSON.stringify(now?.body) === JSON.stringify(body)) return;
  throw new RepositoryLockedError(
    `Cannot repair ${context.name}: ${key} was changed meanwhile; stop what archives there, then repair again (REPOSITORY_LOCKED)`,
  );
}

/** Heads over log that is lost. */
function brokenHeads(patient: Patient): Set<string> {
  const keys = new Set<string>();
  const { facts } = patient;
  for (const head of facts.heads) {
    const { database, lineage } = head;
    const objects = countedIngests(head).flatMap(({ files }) => files.map(({ object }) => objectKey(object)));
    if (objects.some((object) => patient.bad.has(object))) keys.add(headKey(database, lineage));
  }
  // Those that have lost objects go too, and then points in time begin at an older base.
  const backups = facts.backups.filter(({ base }) => base === null || isWhole(base, patient.bad));
  const needed = neededLog({ ...patient.seen.inventory, facts: { ...facts, backups } });
  for (const { database, lineage, from, version, chain } of needed) {
    const index = facts.logs.get(historyOf(database, lineage));
    if (holesBelow(index, { version, chain }, from).length > 0) keys.add(headKey(database, lineage));
  }
  return keys;
}

/** Where a lineage came from, as backups and other heads know it. */
function parentsOf({ backups, heads }: Patient, database: string, lineage: string): HeadDocument["parents"] {
  for (const each of [...backups, ...heads]) {
    if (each.database !== database) continue;
    if (each.lineage === lineage) return each.parents;
    const at = each.parents.findIndex((parent) => parent.lineage === lineage);
    if (at >= 0) return each.parents.slice(0, at);
  }
  return [];
}

/** The files that joined with commits: those that are all there, and the commits of the log that lost some. */
function ingestsOf(
  patient: Patient,
  database: string,
  lineage: string,
  old: HeadDocument | undefined,
  log: readonly LogObject[],
): Pick<HeadSources, "ingests" | "lost"> {
  const { seen, context, bad } = patient;
  const counted = old === undefined ? [] : countedIngests(old);
  const whole = counted.filter(({ files }) => !files.some(({ object }) => bad.has(objectKey(object))));
  const known = new Map(whole.map((ingest) => [ingest.version, ingest]));
  const lost: LostIngest[] = [];
  const byContent = new Map<string, { object: string; stored: number }>();
  for (const [key, stored] of seen.inventory.objects) {
    const object = key.slice(PART.objects.length);
    if (!bad.has(key)) byContent.set(parseObjectPath(object)!.name, { object, stored });
  }
  for (const ingest of seen.contents.ingests.values()) {
    const { version, timestamp, timeBefore, tables, blobs } = ingest;
    if (ingest.database !== database || ingest.lineage !== lineage || known.has(version)) continue;
    if (!log.some(({ first, last }) => first <= version && last >= version)) continue;
    const all = [
      ...tables.map((file) => ({ file, kind: "table" as const })),
      ...blobs.map((file) => ({ file, kind: "blob" as const })),
    ];
    const files = all.flatMap(({ file: { number, size, sha256 }, kind }) => {
      const found = byContent.get(contentName(sha256, context.ring));
      return found === undefined ? [] : [{ kind, number, size, ...found }];
    });
    if (files.length === all.length) known.set(version, { version, files });
    else lost.push({ version, timestamp, timeBefore });
  }
  return { ingests: [...known.values()], lost };
}
