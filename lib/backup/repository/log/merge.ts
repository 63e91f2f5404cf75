/**
 * Merging an archived log into fewer objects.
 *
 * The merged object is put, read back and only then are those removed that it was made of. Who reads meanwhile finds one of
 * both, and plans anew when an object vanished. Cut off in between, both lie there: the next merge removes what is covered.
 * Where it is known that nothing is due, nothing is asked for.
 *
 * Only that is merged, or taken for a cover, which goes on where the object before it ends, in its versions and in its chain,
 * back to where the chain began: beside it there may lie what no head ever counted, of other versions or another history.
 *
 * @module
 */
import { NotFoundError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { logName, writeLogHead } from "../../../format/repository/archived_log.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys } from "../core/documents.ts";
import { logPrefix } from "../core/layout.ts";
import { runPool, SMALL_REQUESTS } from "../core/pool.ts";
import { historyOf, type RepositoryFacts } from "../restoring/facts.ts";
import { LogIndex, type LogObject, logObjects } from "./log_chain.ts";
import { fetchAhead, logPieces, openLog } from "./log_reader.ts";
import { type LogLink, MergeMemory } from "./merge_memory.ts";
import { type LinkedLogObject, planMerges } from "./merge_plan.ts";
import { putLogObject } from "./log_object.ts";

/** What a merge did. */
export interface Merged {
  /** Objects made. */
  made: number;
  /** Objects removed. */
  removed: number;
}

/**
 * Merges where nobody seems to: where there are more objects than a replication that merges leaves of a day. For `prune`, as
 * those who archive may have no right to delete.
 */
export async function mergeLeftLog(
  context: RepositoryContext,
  { heads, logs }: Pick<RepositoryFacts, "heads" | "logs">,
  signal?: AbortSignal,
): Promise<void> {
  for (const head of heads) {
    const { length } = logs.get(historyOf(head.database, head.lineage))?.objects ?? [];
    if (length > LEFT_MAX) await mergeLog(context, head, new MergeMemory(), signal);
  }
}

/** More than a replication that merges leaves of a day (200), with weeks of days. */
const LEFT_MAX = 256;

/** Merges what is due of the log that a head counts. `memory` is kept by the caller from one call to the next. */
export async function mergeLog(
  context: RepositoryContext,
  head: HeadDocument,
  memory: MergeMemory,
  signal?: AbortSignal,
): Promise<Merged> {
  const known = memory.chainOf(head);
  if (known !== undefined && planMerges(known, context.clock()).length === 0) return { made: 0, removed: 0 };
  memory.forget();
  const prefix = logPrefix(head.database, head.lineage);
  const listed = logObjects(await allKeys(context.store, prefix, signal));
  const merged: Merged = { made: 0, removed: 0 };
  try {
    const chain = await linkedChain(context, head, listed, memory, signal);
    const used = new Set(chain.map(({ key }) => key));
    memory.keepLinks(used);
    const covered = listed.filter((object) => !used.has(object.key) && isCovered(object, chain));
    await deleteAll(context, covered);
    merged.removed += covered.length;
    for (const group of planMerges(chain, context.clock())) {
      throwIfAborted(signal);
      const made = await mergeGroup(context, head, group, signal);
      chain.splice(chain.indexOf(group[0]!), group.length, made);
      merged.made++;
      merged.removed += group.length;
    }
    memory.remember(head, chain);
  } catch (error) {
    // Someone else merged or pruned what was listed; the next call sees what there is.
    if (!(error instanceof NotFoundError)) throw error;
  }
  return merged;
}

function deleteAll({ store }: RepositoryContext, objects: readonly LogObject[]): Promise<void> {
  return runPool(objects, SMALL_REQUESTS, ({ key }) => store.delete(key));
}

/** Whether an object's versions all lie in one of the chain that ends where it ends, or goes on behind. */
function isCovered(object: LogObject, chain: readonly LogObject[]): boolean {
  return chain.some((one) =>
    one.first <= object.first && one.last >= object.last && (one.last > object.last || one.chain === object.chain)
  );
}

/** The objects that lead up to a head from where its chain began, or from behind a hole; in order. */
async function linkedChain(
  context: RepositoryContext,
  head: HeadDocument,
  listed: readonly LogObject[],
  memory: MergeMemory,
  signal: AbortSignal | undefined,
): Promise<LinkedLogObject[]> {
  const index = new LogIndex(listed);
  const misfits = new Set<string>();
  for (;;) {
    const chain: LinkedLogObject[] = [];
    let misfit: string | undefined;
    const back = index.walkBack(head, head.start, misfits).objects.reverse();
    const isKnown = ({ key }: LogObject): boolean => memory.linkOf(key) !== undefined;
    for await (const { object, stored } of fetchAhead(context, back, { signal, isKnown })) {
      const next = chain.at(-1) ?? { first: head.version + 1, previous: head.chain };
      if (object.last !== next.first - 1 || object.chain !== next.previous) {
        misfit = object.key;
        break;
      }
      chain.push({ ...object, ...await linkOf(context, object, memory, { signal, stored }) });
    }
    if (misfit === undefined) return chain.reverse();
    misfits.add(misfit);
  }
}

async function linkOf(
  context: RepositoryContext,
  object: LogObject,
  memory: MergeMemory,
  options: { signal: AbortSignal | undefined; stored: AsyncIterable<Uint8Array> | undefined },
): Promise<LogLink> {
  const known = memory.linkOf(object.key);
  if (known !== undefined) return known;
  const { head: { previous, minTimestamp, maxTimestamp }, pieces } = await openLog(context, object, options);
  await pieces.return(undefined as never);
  const found = { previous, minTimestamp, maxTimestamp };
  memory.noteLink(object.key, found);
  return found;
}

async function mergeGroup(
  context: RepositoryContext,
  head: HeadDocument,
  group: readonly LinkedLogObject[],
  signal: AbortSignal | undefined,
): Promise<LinkedLogObject> {
  const first = group[0]!;
  const last = group.at(-1)!;
  const { database, lineage } = head;
  const key = logPrefix(database, lineage) + logName(first.first, last.last, last.chain);
  const { previous, minTimestamp } = first;
  const link = { previous, minTimestamp, maxTimestamp: last.maxTimestamp };
  async function* raw(): AsyncGenerator<Uint8Array> {
    yield writeLogHead({ database, lineage, first: first.first, last: last.last, ...link });
    for await (const piece of logPieces(context, group, { signal })) yield piece.bytes;
  }
  const { storedBytes } = await putLogObject(context, key, raw, { signal });
  await deleteAll(context, group);
  return { key, first: first.first, last: last.last, chain: last.chain, size: storedBytes, ...link };
}
