/**
 * Holding a database against what is archived of its history: two copies that both wrote on have different commits of the same
 * version.
 *
 * @module
 */
import { equalBytes } from "../../../base/bytes.ts";
import { HistoryGoneError, IntegrityError, NotFoundError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { readBackups } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys } from "../core/documents.ts";
import { logPrefix } from "../core/layout.ts";
import { isOfOther } from "../restoring/coverage.ts";
import { overtaken } from "./heads.ts";
import { LogIndex, logObjects } from "./log_chain.ts";
import { readLog } from "./log_reader.ts";

/** Log compared at a time. */
const COMPARE_BYTES = 4 * 2 ** 20;

/** How often log is listed anew that is merged while it is compared; a merge has nothing left to do when it is through. */
const TRIES = 5;

/**
 * `LineageError` where a database that only stands in a history (a copy that was never written to, a reader) shows another
 * state than was archived of that: what it was copied from went its own way. Where nothing is left to tell by, a restore will
 * still find that the archived log has another commit there. False: its log goes on behind what is archived, and nothing shows
 * that it is the same history.
 */
export async function assertOriginal(context: RepositoryContext, engine: Engine, head: HeadDocument): Promise<boolean> {
  const { visibleVersion: version, visibleTimestamp } = engine;
  if (version > head.version) return await compare(context, engine, head, head.version - 1, head.writer);
  const time = version === head.version
    ? timeOf(head)
    : await whileMerged(() => archivedTime(context, head, version)) ?? await backedUpTime(context, head, version);
  if (time !== undefined && time !== visibleTimestamp) throw overtaken(context, head, head);
  return true;
}

/** The time of the commit at which a head stands, where that is known: one that was begun a moment ago may not say it. */
function timeOf({ timestamp }: HeadDocument): number | undefined {
  return timestamp === 0 ? undefined : timestamp;
}

/** The time of the commit at which whoever writes the history has made a backup. */
async function backedUpTime(
  context: RepositoryContext,
  { database, lineage }: HeadDocument,
  version: number,
): Promise<number | undefined> {
  return (await readBackups(context)).find((backup) =>
    backup.database === database && backup.lineage === lineage && backup.version === version && !isOfOther(backup)
  )?.timestamp;
}

/** Whether a backup shows another state than the archived log has of its version: it is of a copy that went its own way. */
export async function isApart(
  context: RepositoryContext,
  head: HeadDocument,
  backup: BackupDocument,
): Promise<boolean> {
  if (!isOfOther(backup) || backup.base === null || backup.lineage !== head.lineage) return false;
  const time = await whileMerged(() => archivedTime(context, head, backup.version));
  return time !== undefined && time !== backup.timestamp;
}

/** The time of an archived commit, where it is there and can be read. */
async function archivedTime(
  context: RepositoryContext,
  head: HeadDocument,
  version: number,
): Promise<number | undefined> {
  const { objects } = (await logOf(context, head)).walkBack(head, version);
  const holding = objects.filter(({ first, last }) => first <= version && last >= version);
  try {
    for await (const { timestamp } of readLog(context, holding, { after: version - 1, upTo: version })) {
      return timestamp;
    }
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
  }
  return undefined;
}

/**
 * Holds what the repository has behind `after` against this database's own log. True: the commit at which the head stands is
 * the same; where the repository has it no more, or the database has nothing behind it, their times tell. False: the log, or
 * the head, does not tell.
 */
export function compare(...of: Parameters<typeof compareOnce>): Promise<boolean> {
  return whileMerged(() => compareOnce(...of));
}

/** Runs `work` again where log that was listed has been merged since. */
async function whileMerged<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NotFoundError) || tries === TRIES) throw error;
    }
  }
}

async function logOf(context: RepositoryContext, { database, lineage }: HeadDocument): Promise<LogIndex> {
  return new LogIndex(logObjects(await allKeys(context.store, logPrefix(database, lineage))));
}

async function compareOnce(
  context: RepositoryContext,
  engine: Engine,
  head: HeadDocument,
  after: number,
  writer: string,
): Promise<boolean> {
  const theirTime = timeOf(head);
  const assertSame = (same: boolean): void => {
    if (!same) throw overtaken(context, { ...head, writer }, head);
  };
  const standsThere = engine.visibleVersion === head.version && theirTime !== undefined;
  if (standsThere) assertSame(engine.visibleTimestamp === theirTime);
  const walk = (await logOf(context, head)).walkBack(head, after + 1);
  const from = Math.min(Math.max(after, walk.from - 1), head.version - 1);
  const theirs = readLog(context, walk.objects, { after: from, upTo: head.version });
  const follower = engine.follow(from);
  try {
    for (;;) {
      const ours = await follower.next(COMPARE_BYTES);
      if (ours === undefined) return standsThere;
      for (const commit of ours.commits) {
        if (walk.objects.length === 0) {
          assertSame(theirTime === undefined || commit.timestamp === theirTime);
          return theirTime !== undefined;
        }
        const step = await theirs.next();
        assertSame(
          !step.done && step.value.version === commit.version && step.value.timestamp === commit.timestamp &&
            equalBytes(step.value.ops, commit.ops),
        );
        if (commit.version === head.version) return true;
      }
    }
  } catch (error) {
    if (!(error instanceof HistoryGoneError)) throw error;
    return standsThere;
  } finally {
    follower.close();
    await theirs.return(undefined);
  }
}
