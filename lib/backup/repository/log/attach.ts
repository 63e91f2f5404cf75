/**
 * Where archiving goes on: which head an open database continues, and the proof that it is its own.
 *
 * | head of the present lineage | of a parent | archiving begins |
 * |---|---|---|
 * | there | - | behind that head, unless it is ahead of the database or behind its slot (but for a repaired one) |
 * | none | there, behind the fork, and the slot is older than the fork | behind the parent's head: the rest of it first |
 * | none | there, at or beyond the fork, and the slot is older than the fork or the log reaches back to it | at the fork |
 * | none | otherwise | at the slot, or now |
 *
 * Behind a head nothing goes on where the log lacks the commit at which that stands, and nothing else proves that it is this
 * database's: that is a gap.
 *
 * "Now" is what is durable. A slot ahead of that, which a power cut may have left, is taken back to it. A parent is the nearest
 * of the lineages before that has a head.
 *
 * @module
 */
import { HistoryGoneError, IntegrityError, LineageError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { firstKey } from "../core/documents.ts";
import { assertStillThere } from "../core/still_there.ts";
import { lineagePath } from "./lineage_path.ts";
import { assertOriginal, compare } from "./compare_log.ts";
import { type Head, headBehindGap, HeadTouchedError, newHead, readHead, REPAIR_WRITER } from "./heads.ts";
import { headKey, logPrefix } from "../core/layout.ts";
import { logObjects } from "./log_chain.ts";
import { slotOf } from "./slots.ts";

/** A head that was found, and what of the log is not archived though it is there: nothing shows that it goes on there. */
export interface Attached extends Head {
  /** The versions; behind them archiving goes on, but for a copy, which has nothing to archive there. */
  gap?: { from: number; to: number };
}

/**
 * Finds the head that an open database continues. `at`: where archiving begins without a slot, if not now. `seen`: the head as
 * this writer saw it last.
 */
export async function attach(
  context: RepositoryContext,
  engine: Engine,
  writer: string,
  at: number | undefined,
  seen: HeadDocument | undefined,
): Promise<Attached> {
  const found = await readHead(context, engine.id, engine.lineage);
  const slot = slotOf(engine, context);
  if (found === undefined) return await begin(context, engine, writer, at, seen);
  const { body } = found;
  // A copy that was never written to stands in its original's history, wherever that has gone since.
  if (engine.forked) {
    if (await assertOriginal(context, engine, body)) return found;
    return { ...found, gap: { from: body.version + 1, to: engine.visibleVersion } };
  }
  if (slot !== undefined && body.version < slot.version) {
    // Behind one that a repair made all is archived anew, where the log still has the very commit at which it stands. Without
    // that nothing shows whose history it tells of, nor that there will be no hole: then it is not for this to go on.
    if (body.writer !== REPAIR_WRITER || !await compare(context, engine, body, body.version - 1, writer)) {
      throw new IntegrityError(
        `${context.name} says that the log of ${engine.path} is archived up to version ${body.version}, but version ` +
          `${slot.version} was archived there: an older state of the repository has been put back; ` +
          `db.dropSlot("${slot.id}") makes a new beginning`,
      );
    }
    await engine.setSlot({ ...slot, version: body.version });
    return found;
  }
  if (engine.visibleVersion < body.version) {
    throw new LineageError(
      `Cannot archive the log of ${engine.path} in ${context.name}: it stands at version ${engine.visibleVersion}, and ` +
        `the repository has its history up to version ${body.version}; another copy wrote on, or commits were lost here: ` +
        "restore from the repository into a new directory, or give what is here a repository of its own (LINEAGE)",
    );
  }
  // Without a slot it may be that of another copy: then the last commit tells.
  const after = slot?.version ?? body.version - 1;
  const isBegun = body.start > body.version && body.timestamp === 0; // And nothing was archived yet.
  if (after >= body.version || await compare(context, engine, body, after, writer) || isBegun) return found;
  const now = await engine.settled();
  const gap = { from: body.version + 1, to: now.version };
  return { body: headBehindGap(body, body, now), etag: found.etag, gap };
}

async function begin(
  context: RepositoryContext,
  engine: Engine,
  writer: string,
  at: number | undefined,
  seen: HeadDocument | undefined,
): Promise<Head> {
  await assertStillThere(context);
  // A head is written before the first object that it will count. A new chain over what an older one left could not be read.
  const key = headKey(engine.id, engine.lineage);
  const left = await firstKey(context.store, logPrefix(engine.id, engine.lineage));
  if (left !== undefined && !engine.forked) {
    // Another may have begun it since we looked, a copy of the repository for one.
    if (await readHead(context, engine.id, engine.lineage) !== undefined) throw new HeadTouchedError(key);
    // Nothing that it counted is there, so nothing told of its loss: what lies there this writer has just put behind it.
    if (seen?.lineage === engine.lineage && logObjects([{ key: left, size: 0 }])[0]!.first > seen.version) {
      return { body: { ...seen, start: seen.version + 1, ingests: [] }, etag: undefined };
    }
    throw new IntegrityError(
      `Cannot archive the log of ${engine.path} in ${context.name}: its head is lost, and log that it counted is there; ` +
        "run repair",
      { path: key },
    );
  }
  const slot = slotOf(engine, context);
  const { parents } = engine.meta;
  const now = await engine.settled();
  let from = Math.min(slot?.version ?? at ?? now.version, now.version);
  // The nearest that was archived: those between came and went with nothing taken in.
  for (const fork of parents.toReversed()) {
    const parent = await readHead(context, engine.id, fork.lineage);
    if (parent === undefined) continue;
    const lags = slot !== undefined && slot.version < fork.version;
    if (parent.body.version < fork.version) {
      if (lags) return parent;
    } else if (lags || await reachesBack(engine, fork.version)) {
      from = fork.version;
    }
    break;
  }
  // A slot ahead of the head would tell that log which was never archived had been, were this cut off now.
  if (slot !== undefined && slot.version > from) await engine.setSlot({ ...slot, version: from });
  // Of the history that goes on there: of those that come after it nothing is known yet.
  const lineage = lineagePath(engine.lineage, parents).find(({ to }) => from < to)?.lineage ?? engine.lineage;
  const about = { database: engine.id, lineage, parents: parentsOf(engine, lineage), writer };
  const timestamp = from === now.version ? now.timestamp : 0;
  const found = lineage === engine.lineage ? undefined : await readHead(context, engine.id, lineage);
  return found ?? { body: newHead(about, from, timestamp), etag: undefined };
}

/** The lineages before one of an engine's. */
function parentsOf({ meta: { parents } }: Engine, lineage: string): HeadDocument["parents"] {
  const at = parents.findIndex((parent) => parent.lineage === lineage);
  return at === -1 ? parents : parents.slice(0, at);
}

/** The head of the lineage that a database went over into at `fork`, where none is written yet. */
export async function headAfterFork(
  context: RepositoryContext,
  engine: Engine,
  lineage: string,
  fork: HeadDocument,
  writer: string,
): Promise<Head> {
  const found = await readHead(context, engine.id, lineage);
  if (found !== undefined) return found;
  const about = { database: engine.id, lineage, parents: parentsOf(engine, lineage), writer };
  return { body: newHead(about, fork.version, fork.timestamp), etag: undefined };
}

async function reachesBack(engine: Engine, version: number): Promise<boolean> {
  const follower = engine.follow(version);
  try {
    return await follower.next(1) !== undefined;
  } catch (error) {
    if (error instanceof HistoryGoneError) return false;
    throw error;
  } finally {
    follower.close();
  }
}
