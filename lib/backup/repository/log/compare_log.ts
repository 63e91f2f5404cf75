/**
 * Holding a database against what is archived of its history: two copies that both wrote on have different commits of the same
 * version.
 *
 * @module
 */
import { equalBytes } from "../../../base/bytes.ts";
import { HistoryGoneError, IntegrityError, NotFoundError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys } from "../core/documents.ts";
import { logPrefix } from "../core/layout.ts";
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
 * still find that the archived log has another commit there.
 */
export async function assertOriginal(context: RepositoryContext, engine: Engine, head: HeadDocument): Promise<void> {
  const { visibleVersion: version, visibleTimestamp } = engine;
  if (version > head.version) return void await compare(context, engine, head, head.version - 1, head.writer);
  // One that was put for log which did not arrive, begun at a fork, does not know the time of its commit: it says 0.
  const time = version === head.version
    ? head.timestamp || undefined
    : await whileMerged(() => archivedTime(context, head, version));
  if (time !== undefined && time !== visibleTimestamp) throw overtaken(context, head, head);
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

/** Holds what the repository has behind `after` against this database's own log; says how many commits both still have. */
export function compare(...of: Parameters<typeof compareOnce>): Promise<number> {
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
): Promise<number> {
  const walk = (await logOf(context, head)).walkBack(head, after + 1);
  const from = Math.max(after, walk.from - 1);
  const theirs = readLog(context, walk.objects, { after: from, upTo: head.version });
  const follower = engine.follow(from);
  let compared = 0;
  try {
    for (;;) {
      const ours = await follower.next(COMPARE_BYTES);
      if (ours === undefined) return compared;
      for (const commit of ours.commits) {
        if (commit.version > head.version) return compared;
        const step = await theirs.next();
        const same = !step.done && step.value.version === commit.version &&
          step.value.timestamp === commit.timestamp && equalBytes(step.value.ops, commit.ops);
        if (!same) throw overtaken(context, { ...head, writer }, head);
        compared++;
      }
    }
  } catch (error) {
    // What is gone from the log can't be compared; that gap is met again when the log is followed.
    if (!(error instanceof HistoryGoneError)) throw error;
    return compared;
  } finally {
    follower.close();
    await theirs.return(undefined);
  }
}
