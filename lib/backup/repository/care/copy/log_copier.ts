/**
 * Archived log on its way from one repository into another. Its names tell nothing that keys change (versions, and the chain
 * over the commits), so an object has the same name on both sides; what differs is how it is sealed.
 *
 * ```
 * source   [1 ──────────── 900][901 ── 950]      merged since the last copy
 * target   [1 ── 400][401 ─ 700]                 its head: 700
 * sent                     [701 ── 900][901 ── 950]
 * ```
 *
 * @module
 */
import { IntegrityError, RepositoryLockedError } from "../../../../base/errors.ts";
import { throwIfAborted } from "../../../../base/abort.ts";
import {
  type LogHead,
  logName,
  type LogPiece,
  readArchivedLog,
  writeLogHead,
} from "../../../../format/repository/archived_log.ts";
import type { ObjectTotals } from "../../../../format/repository/object.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { logPrefix } from "../../core/layout.ts";
import type { LogObject } from "../../log/log_chain.ts";
import { LOG_DIGEST } from "../../log/log_object.ts";
import { keepFound, objectPieces, putObject } from "../../core/objects.ts";
import { again } from "../../core/again.ts";

/** A version and the chain's hash there. */
export interface ChainPoint {
  /** The version. */
  version: number;
  /** The hash. */
  chain: string;
}

/** An object of the source's log to be copied. */
export interface LogPart {
  /** The object. */
  object: LogObject;
  /** Where the target's log ends within it; undefined: it is copied from its beginning. */
  after: ChainPoint | undefined;
  /** Behind which the target has log of it again; undefined: it is copied to its end. */
  until: ChainPoint | undefined;
  /** The object that lies before it without a hole, whose chain it must go on. */
  before: LogObject | undefined;
}

/** An object does not go on where the one before it ends: that one is of a writer that was overtaken, if another is there. */
export class MisfitError extends IntegrityError {
  /** The key of the object before. */
  readonly misfit: string;

  /** Names both. */
  constructor(message: string, path: string, misfit: string) {
    super(message, { path });
    this.misfit = misfit;
  }
}

/** What became of one. */
export interface CopiedLog {
  /** Bytes put; 0 when it was there. */
  storedBytes: number;
  /** Whether it was put. */
  made: boolean;
}

/** The error of a key that a pruning has marked: what is put there may be deleted by it. */
export function beingDeleted(context: RepositoryContext, key: string): RepositoryLockedError {
  return new RepositoryLockedError(
    `Cannot copy ${key} into ${context.name}: a pruning there is about to delete it; prune there once more, then copy again ` +
      "(REPOSITORY_LOCKED)",
  );
}

/** Copies one object of the log, or what of it the target lacks. */
export async function copyLog(
  from: RepositoryContext,
  to: RepositoryContext,
  part: LogPart,
  marked: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<CopiedLog> {
  return await again(to, signal, async () => {
    const { chain: ends, key } = part.object;
    const has = async (point: ChainPoint | undefined): Promise<ChainPoint | undefined> =>
      point !== undefined && await hasPoint(from, part.object, point, signal) ? point : undefined;
    const [after, until] = [await has(part.after), await has(part.until)];
    const first = after === undefined ? part.object.first : after.version + 1;
    const { version: last, chain } = until ?? { version: part.object.last, chain: ends };
    const [, database, lineage] = key.split("/") as [string, string, string];
    const name = logPrefix(database, lineage) + logName(first, last, chain);
    if (marked.has(name)) throw beingDeleted(to, name);
    for (let tries = 0;; tries++) {
      if (await to.store.head(name, { signal }) === undefined) {
        const raw = (): AsyncIterable<Uint8Array> => rawLog(from, { ...part, after, until }, signal);
        const how = { compression: to.compression ?? "zstd", digest: LOG_DIGEST, verify: true, signal } as const;
        const put = await putObject(to, name, raw, how);
        if (put !== undefined) return { storedBytes: put.storedBytes, made: true };
      }
      // An earlier copy was cut off behind it: used, when it is whole and has the history that its name says.
      try {
        await readThrough(to, { key: name, first, last, chain }, signal);
        if (await keepFound(to, name, signal)) return { storedBytes: 0, made: false };
      } catch (error) {
        if (!(error instanceof IntegrityError) || tries > 0) throw error;
        await to.store.delete(name, { signal });
      }
    }
  });
}

/** What an object is named by. */
export type NamedLog = Pick<LogObject, "key" | "first" | "last" | "chain">;

/** Opens an object, and makes sure that it is what its name says. */
export async function openNamed(
  context: RepositoryContext,
  object: NamedLog,
  signal: AbortSignal | undefined,
  done?: (totals: ObjectTotals) => void,
): ReturnType<typeof readArchivedLog> {
  const raw = objectPieces(context, object.key, { signal, done });
  const { head, pieces } = await readArchivedLog(raw, `${object.key} in ${context.name}`, object);
  const [, database, lineage] = object.key.split("/");
  if (head.database === database && head.lineage === lineage) return { head, pieces };
  await pieces.return(undefined as never);
  throw foreign(context, object, `is of database ${head.database}, lineage ${head.lineage}`);
}

/** Reads an object to its end, and makes sure that it is what its name says. */
export async function readThrough(
  context: RepositoryContext,
  object: NamedLog,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { pieces } = await openNamed(context, object, signal);
  for await (const _ of pieces) throwIfAborted(signal);
}

/** The raw bytes of a part: pieces are never cut, so that chains stay what they are. */
async function* rawLog(
  from: RepositoryContext,
  { object, after, until, before }: LogPart,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const end = until === undefined ? undefined : await pieceBefore(from, object, until.version, signal);
  const { head, pieces } = await openNamed(from, object, signal);
  if (before !== undefined && before.last === head.first - 1 && before.chain !== head.previous) {
    await pieces.return(undefined as never);
    const what = `${object.key} in ${from.name} does not go on where ${before.key} ends; run verify, then repair`;
    throw new MisfitError(what, object.key, before.key);
  }
  let begun = false;
  for await (const piece of pieces) {
    if (after !== undefined && piece.last <= after.version) continue;
    if (!begun) yield writeLogHead(cutLogHead(head, after, piece, end));
    begun = true;
    yield piece.bytes;
    if (piece.last === end?.last) return;
  }
}

/** What the head of a part says: `first` and `last` are its pieces. */
function cutLogHead(
  head: LogHead,
  after: ChainPoint | undefined,
  first: LogPiece,
  last: Pick<LogPiece, "last" | "maxTimestamp"> | undefined,
): LogHead {
  const begun = after === undefined
    ? head
    : { ...head, previous: after.chain, first: first.first, minTimestamp: first.minTimestamp };
  return last === undefined ? begun : { ...begun, last: last.last, maxTimestamp: last.maxTimestamp };
}

/** The piece of an object that ends at a version, of which it is known that one does. */
async function pieceBefore(
  context: RepositoryContext,
  object: LogObject,
  version: number,
  signal: AbortSignal | undefined,
): Promise<Pick<LogPiece, "last" | "maxTimestamp"> | undefined> {
  const { pieces } = await openNamed(context, object, signal);
  try {
    for await (const { last, maxTimestamp } of pieces) if (last >= version) return { last, maxTimestamp };
    return undefined;
  } finally {
    await pieces.return(undefined as never);
  }
}

/** Whether a piece of the object ends at this version, with this chain. */
async function hasPoint(
  context: RepositoryContext,
  object: LogObject,
  point: ChainPoint,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return await chainIn(context, object, point.version, signal) === point.chain;
}

/** The chain's hash where a piece of the object ends at this version; undefined when none does. */
export async function chainIn(
  context: RepositoryContext,
  object: LogObject,
  version: number,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { head, pieces } = await openNamed(context, object, signal);
  try {
    if (head.first === version + 1) return head.previous;
    for await (const piece of pieces) {
      if (piece.last >= version) return piece.last === version ? piece.chain : undefined;
    }
    return undefined;
  } finally {
    await pieces.return(undefined as never);
  }
}

/** The head of an object of the log. */
export async function logHeadOf(
  context: RepositoryContext,
  object: LogObject,
  signal: AbortSignal | undefined,
): Promise<LogHead> {
  const { head, pieces } = await openNamed(context, object, signal);
  await pieces.return(undefined as never);
  return head;
}

function foreign(context: RepositoryContext, { key }: NamedLog, what: string): IntegrityError {
  return new IntegrityError(`${key} in ${context.name} ${what}; run verify, then repair`, { path: key });
}
