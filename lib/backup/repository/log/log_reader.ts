/**
 * The commits of an archived log, in order, from a list of objects that a walk has chosen.
 *
 * Each object is checked as it is read (its own checksums, and that its chain ends as its name says), and that it follows
 * the one before. An object that has gone meanwhile was merged into a larger one: the caller plans anew. Short ones are fetched
 * before their turn, many at once: of thousands, each of a second, nearly all of the time would go by with waiting.
 *
 * @module
 */
import { copyBytes } from "../../../base/bytes.ts";
import { IntegrityError } from "../../../base/errors.ts";
import { yieldToLoop } from "../../../base/yield.ts";
import {
  type LogPiece,
  type PieceMemory,
  readArchivedLog,
  recordsOf,
} from "../../../format/repository/archived_log.ts";
import type { Bandwidth } from "../core/bandwidth.ts";
import type { RepositoryContext } from "../core/context.ts";
import { inOrder } from "../../../format/repository/ordered.ts";
import type { LogObject } from "./log_chain.ts";
import { objectPieces, storedPieces } from "../core/objects.ts";
import { SMALL_REQUESTS } from "../core/pool.ts";

/** A commit as it was archived. */
export interface ArchivedCommit {
  /** Its version. */
  version: number;
  /** Its time, ms. */
  timestamp: number;
  /** Its operations, encoded: a view. */
  ops: Uint8Array;
}

/** How a log is read. */
export interface ReadLogOptions {
  /** Only commits after this version. */
  after: number;
  /** Only commits up to this version. */
  upTo?: number | undefined;
  /** Only commits up to this time, ms: ends at the first that is later. */
  at?: number | undefined;
  /** A limit of the call's own. */
  bandwidth?: Bandwidth | undefined;
  /** Hears of each object begun. */
  onObject?: ((object: LogObject) => void) | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Commits between two turns of the event loop. */
const STEP = 256;

/** Longer objects are fetched in their turn: it is their bytes that take the time, and memory. */
const AHEAD_BYTES_MAX = 256 * 1024;

/** Objects in their order, short ones with their stored bytes, unless what they hold is known. */
export function fetchAhead(
  context: RepositoryContext,
  objects: readonly LogObject[],
  options: Pick<ReadLogOptions, "bandwidth" | "signal"> & { isKnown?: (object: LogObject) => boolean },
): AsyncGenerator<{ object: LogObject; stored?: AsyncIterable<Uint8Array> }> {
  const { isKnown, bandwidth, signal } = options;
  return inOrder(objects, SMALL_REQUESTS, async (object) => {
    if (objects.length === 1 || object.size > AHEAD_BYTES_MAX || isKnown?.(object) === true) return { object };
    const pieces: Uint8Array[] = [];
    // They are checked in their turn.
    for await (const piece of storedPieces(context, object.key, { bandwidth, signal, unchecked: true })) {
      pieces.push(copyBytes(piece));
    }
    return { object, stored: eachOf(pieces) };
  });
}

async function* eachOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** The commits that `objects` hold, as far as asked for. The operations of one are used up once the next is asked for. */
export async function* readLog(
  context: RepositoryContext,
  objects: readonly LogObject[],
  options: ReadLogOptions,
): AsyncGenerator<ArchivedCommit> {
  let last = options.after;
  let chain: string | undefined;
  let chainAt = -1;
  let chainOf = "";
  let count = 0;
  const memory: PieceMemory = {};
  let i = -1;
  for await (const { object, stored } of fetchAhead(context, objects, options)) {
    i++;
    const until = object.until ?? object.last;
    if (until <= last) continue;
    if (options.upTo !== undefined && last >= options.upTo) return;
    options.onObject?.(object);
    const { head, pieces } = await openLog(context, object, { ...options, memory, stored });
    try {
      // Each lineage has a chain of its own, so where one goes over into another there is nothing to compare.
      const follows = chainAt === head.first - 1 && chainOf === head.lineage;
      if (follows && head.previous !== chain) throw await stray(context, objects, i, options.signal);
      for await (const piece of pieces) {
        chain = piece.chain;
        chainAt = piece.last;
        chainOf = head.lineage;
        if (piece.last <= last) continue;
        if (piece.first > until) break;
        for (const commit of recordsOf(piece)) {
          if (commit.version <= last || commit.version > until) continue;
          if (options.upTo !== undefined && commit.version > options.upTo) return;
          if (options.at !== undefined && commit.timestamp > options.at) return;
          if (commit.version !== last + 1) throw hole(context, object, last, commit.version);
          last = commit.version;
          yield commit;
          if (++count % STEP === 0) await yieldToLoop();
        }
      }
    } finally {
      await pieces.return(undefined as never);
    }
  }
}

/** Opens one object of a log. */
export async function openLog(
  context: RepositoryContext,
  object: LogObject,
  options: {
    bandwidth?: Bandwidth | undefined;
    signal?: AbortSignal | undefined;
    memory?: PieceMemory;
    /** Its stored bytes, where they were fetched before. */
    stored?: AsyncIterable<Uint8Array> | undefined;
  } = {},
): ReturnType<typeof readArchivedLog> {
  const { first, last, chain } = object;
  const [, database, lineage] = object.key.split("/");
  // The chain, which is of the name, covers all that the trailer does.
  const source = objectPieces(context, object.key, { ...options, reuse: true, unchecked: true });
  const name = `${object.key} in ${context.name}`;
  const opened = await readArchivedLog(source, name, { first, last, chain, memory: options.memory });
  if (opened.head.database === database && opened.head.lineage === lineage) return opened;
  await opened.pieces.return(undefined as never);
  throw new IntegrityError(`Cannot read ${name}: it is the log of another history; run verify, then repair`, {
    path: object.key,
  });
}

/** The pieces of objects in their order, their bytes copied. */
export async function* logPieces(
  context: RepositoryContext,
  objects: readonly LogObject[],
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<LogPiece & { chain: string }> {
  for await (const { object, stored } of fetchAhead(context, objects, options)) {
    const { pieces } = await openLog(context, object, { ...options, stored });
    yield* pieces;
  }
}

/**
 * The error of two objects that don't follow each other, with the one to blame: the later one belongs there if the one behind
 * it says so, or if none behind it is asked for; then what ends before it is a stray, left by a writer that was overtaken.
 */
async function stray(
  context: RepositoryContext,
  objects: readonly LogObject[],
  at: number,
  signal: AbortSignal | undefined,
): Promise<IntegrityError> {
  const [before, object, next] = [objects[at - 1]!, objects[at]!, objects[at + 1]];
  const leadsOn = next === undefined || next.first !== object.last + 1 || lineageOf(next) !== lineageOf(object) ||
    await startOf(context, next, signal) === object.chain;
  const { key } = leadsOn ? before : object;
  return new IntegrityError(
    `${key} in ${context.name} is not the history of what lies beside it; run verify, then repair`,
    { path: key },
  );
}

function lineageOf({ key }: LogObject): string {
  return key.slice(0, key.lastIndexOf("/"));
}

/** The chain before an object's first piece. */
export async function startOf(
  context: RepositoryContext,
  object: LogObject,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { head, pieces } = await openLog(context, object, { signal });
  await pieces.return(undefined as never);
  return head.previous;
}

function hole(context: RepositoryContext, object: LogObject, last: number, found: number): IntegrityError {
  return new IntegrityError(
    `${object.key} in ${context.name} goes on with version ${found} where ${last + 1} belongs; run verify, then repair`,
    { path: object.key },
  );
}
