/**
 * Which parts of an object of the source's log the target lacks. What it has within is not copied once more: of two objects
 * that hold one version, and end in different places, names do not tell which is meant.
 *
 * ```
 * source   [2 ───────────────────── 8]      merged since the last copy
 * target           [4 ── 5]                 what lay before was pruned there
 * sent     [2 ─ 3]          [6 ──── 8]
 * ```
 *
 * @module
 */
import { IntegrityError, NotFoundError } from "../../../../base/errors.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { allKeys } from "../../core/documents.ts";
import { logPrefix } from "../../core/layout.ts";
import { keepFound } from "../../core/objects.ts";
import { LogIndex, type LogObject, logObjects } from "../../log/log_chain.ts";
import { holes } from "./head_relation.ts";
import { again } from "../../core/again.ts";
import { chainIn, logHeadOf, type LogPart, readThrough } from "./log_copier.ts";

/** Log that the target has without a hole. */
export interface HeldLog {
  /** Its first version. */
  from: number;
  /** Its last version. */
  to: number;
  /** The chain there. */
  chain: string;
  /** The objects, in order. */
  objects: readonly LogObject[];
}

/** Where log is copied from and to. */
export interface CopySides {
  /** The source. */
  from: RepositoryContext;
  /** The target. */
  to: RepositoryContext;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** The parts of an object to be copied. `lying`: objects of the target that its documents may not vouch for. */
export async function partsOf(
  sides: CopySides,
  object: LogObject,
  before: LogObject | undefined,
  held: readonly HeldLog[],
  lying: readonly LogObject[],
): Promise<LogPart[]> {
  if (holes(object.first, object.last, held).length === 0) return [];
  const there = [...held];
  for (const one of lying) {
    const isInside = one.first >= object.first && one.last <= object.last && one.key !== object.key;
    if (!isInside || holes(one.first, one.last, there).length === 0) continue;
    if (await isPartOf(sides, one, object)) {
      there.push({ from: one.first, to: one.last, chain: one.chain, objects: [one] });
    }
  }
  const parts: LogPart[] = [];
  for (const { from, to } of holes(object.first, object.last, there)) {
    const ended = there.find((one) => one.to === from - 1);
    const begun = to === object.last ? undefined : there.find((one) => one.from === to + 1);
    const after = from === object.first || ended === undefined ? undefined : { version: ended.to, chain: ended.chain };
    const until = begun === undefined ? undefined : { version: to, chain: await chainBefore(sides, begun.objects[0]!) };
    parts.push({ object, after, until, before });
  }
  return parts;
}

/** The chain that an object of the target goes on from. */
async function chainBefore({ to, signal }: CopySides, object: LogObject): Promise<string> {
  return (await again(to, signal, () => logHeadOf(to, object, signal))).previous;
}

/** Whether an object of the target is whole, and the source has the same within one of its own. */
async function isPartOf({ from, to, signal }: CopySides, one: LogObject, object: LogObject): Promise<boolean> {
  if (await again(to, signal, () => chainIn(from, object, one.last, signal)) !== one.chain) return false;
  try {
    await again(to, signal, () => readThrough(to, one, signal));
    return await keepFound(to, one.key, signal);
  } catch (error) {
    if (error instanceof IntegrityError || error instanceof NotFoundError) return false;
    throw error;
  }
}

/** Gives the log of histories as it lies in a repository, each listed once. */
export function logIndexes(
  { store }: RepositoryContext,
): (history: { database: string; lineage: string }) => Promise<LogIndex> {
  const indexes = new Map<string, Promise<LogIndex>>();
  return ({ database, lineage }) => {
    const prefix = logPrefix(database, lineage);
    const index = indexes.get(prefix) ?? allKeys(store, prefix).then((keys) => new LogIndex(logObjects(keys)));
    indexes.set(prefix, index);
    return index;
  };
}
