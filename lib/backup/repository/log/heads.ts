/**
 * Heads: how far the log of a history is archived, and who may archive on.
 *
 * (1) What a head counts is in the repository, whole: objects first, head after.
 * (2) A head is only ever switched from the one that was read (compare and swap), so of two writers one is overtaken.
 * (3) What joined without log is listed before its commit is counted, and the lease asked in between: who counts it knows that
 *     no pruning has passed over it. Listed beyond the version it is protected, and nobody may rely on it.
 * (4) Each writer has an epoch of its own, higher than the one before. A writer that meets another's epoch stops.
 *
 * @module
 */
import { IntegrityError, LineageError } from "../../../base/errors.ts";
import type { SettledPoint } from "../../../engine/types.ts";
import { type ArchivedIngest, type HeadDocument, headDocument } from "../../../format/repository/head_document.ts";
import { genesisChain } from "../../../format/repository/archived_log.ts";
import type { RepositoryContext } from "../core/context.ts";
import { readAllDocuments, readDocument, writeDocument } from "../core/documents.ts";
import { headKey, PART } from "../core/layout.ts";

/**
 * The writer of a head that a repair made. It is nobody's: who archived there before looks at it anew, proves that it is his
 * history, and goes on.
 */
export const REPAIR_WRITER: string = "0".repeat(32);

/** A head and the tag of its bytes; `etag` undefined: it is not written yet. */
export interface Head {
  /** What it says. */
  body: HeadDocument;
  /** For the next switch. */
  etag: string | undefined;
}

/** Reads the head of a history; undefined when there is none. */
export async function readHead(
  context: RepositoryContext,
  database: string,
  lineage: string,
): Promise<Head | undefined> {
  const found = await readDocument(context, "head", headKey(database, lineage), headDocument);
  if (found !== undefined) assertOwn(context, headKey(database, lineage), found.body);
  return found;
}

/** A head that was put in another's place is whole, and says of itself whose it is. */
function assertOwn(context: RepositoryContext, key: string, { database, lineage }: HeadDocument): void {
  if (headKey(database, lineage) === key) return;
  throw new IntegrityError(`${key} in ${context.name} is the head of lineage ${lineage}; run verify, then repair`, {
    path: key,
  });
}

/** All heads. */
export async function readHeads(
  context: RepositoryContext,
  onDamage?: (key: string, error: unknown) => void,
): Promise<HeadDocument[]> {
  const heads: HeadDocument[] = [];
  for (const { key, body } of await readAllDocuments(context, "head", PART.heads, headDocument, onDamage)) {
    try {
      assertOwn(context, key, body);
      heads.push(body);
    } catch (error) {
      if (onDamage === undefined) throw error;
      onDamage(key, error);
    }
  }
  return heads;
}

/**
 * Up to when all is known by who knows a commit and not whether more came at its very time: in a history that others may write
 * on, or behind which something is lost.
 */
export function justBefore(timestamp: number): number {
  return Math.max(0, timestamp - 1);
}

/** What joined with commits that a head counts. What it lists beyond them may have gone since. (3) */
export function countedIngests({ version, ingests }: HeadDocument): ArchivedIngest[] {
  return ingests.filter((ingest) => ingest.version <= version);
}

/** The head of a log that begins after `version`. */
export function newHead(
  about: Pick<HeadDocument, "database" | "lineage" | "parents" | "writer">,
  version: number,
  timestamp: number,
): HeadDocument {
  return {
    ...about,
    version,
    timestamp,
    chain: genesisChain(about.database, about.lineage, version + 1),
    start: version + 1,
    coveredUntil: justBefore(timestamp),
    epoch: 1,
    gaps: [],
    ingests: [],
  };
}

/**
 * Switches the head. `LineageError` when another writer has switched it meanwhile, `HeadTouchedError` when a repair or a
 * pruning has, or it is gone. An answer that was lost is looked up.
 */
export async function switchHead(context: RepositoryContext, from: Head, to: HeadDocument): Promise<Head> {
  const key = headKey(to.database, to.lineage);
  const condition = from.etag === undefined ? { ifAbsent: true } : { ifMatch: from.etag };
  const put = await writeDocument(context, "head", key, to, condition);
  if (put !== undefined) return { body: to, etag: put.etag };
  const found = await readHead(context, to.database, to.lineage);
  if (found !== undefined && JSON.stringify(found.body) === JSON.stringify(to)) return found;
  if (found === undefined) {
    // A repair found nothing that tells of this history, or the head is lost: a new beginning knows which, by the log.
    if (from.etag !== undefined) throw new HeadTouchedError(key);
    throw new IntegrityError(`${key} in ${context.name} is gone; run verify, then repair`, { path: key });
  }
  // Also by its own new writer: the answer to its claim was lost, and then the head was touched.
  if ([REPAIR_WRITER, from.body.writer, to.writer].includes(found.body.writer)) throw new HeadTouchedError(key);
  // One of a lower epoch has been put back from before. (4)
  if (found.body.epoch < from.body.epoch) throw new HeadTouchedError(key);
  throw overtaken(context, to, found.body);
}

/** Housekeeping touches a head once in hours; more often in a row something is wrong. */
export const TOUCHES: number = 5;

/** The head was changed by one who keeps house, or by a copy with the same history: to be read again, and gone on from. */
export class HeadTouchedError extends Error {
  /** Names the head. */
  constructor(key: string) {
    super(`${key} was changed meanwhile`);
    this.name = "HeadTouchedError";
  }
}

/** The error of a writer that met another's head. */
export function overtaken(
  context: RepositoryContext,
  ours: HeadDocument,
  theirs: HeadDocument | undefined,
): LineageError {
  const by = theirs === undefined
    ? "its head is gone"
    : `another writer (epoch ${theirs.epoch}) has archived up to version ${theirs.version}`;
  return new LineageError(
    `Cannot archive the log of database ${ours.database}, lineage ${ours.lineage}, in ${context.name}: ${by}; ` +
      "two copies of one database must not write into one history: give one of them a repository of its own (LINEAGE)",
  );
}

/** What `head` is once the log behind `old` is gone: a new chain begins at the present, and the gap stays noted. */
export function headBehindGap(head: HeadDocument, old: HeadDocument, now: SettledPoint): HeadDocument {
  const gap = {
    from: old.version + 1,
    to: now.version,
    after: old.coveredUntil,
    before: now.timestamp,
    chain: old.chain,
    timestamp: old.timestamp,
  };
  return {
    ...newHead(head, now.version, now.timestamp),
    epoch: head.epoch,
    coveredUntil: Math.max(now.moment - 1, now.timestamp),
    gaps: [...head.gaps, gap],
    ingests: countedIngests(head),
  };
}
