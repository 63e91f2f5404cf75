/**
 * Objects of an archived log whose whole content lies in another one: left by a merge that was cut off.
 *
 * @module
 */
import { HoldfastError, StorageError } from "../../../base/errors.ts";
import type { RepositoryContext } from "../core/context.ts";
import { historyOf, type RepositoryFacts } from "../restoring/facts.ts";
import type { LogObject } from "./log_chain.ts";
import { openLog, startOf } from "./log_reader.ts";

/**
 * The keys of such objects, each with the key of the one that has its content too. The larger one is on the way back from
 * the head, was read to its end, passes through the smaller one's chain, and is followed by the next: a name alone is no
 * reason to delete what could replace it.
 */
export async function logDuplicates(
  context: RepositoryContext,
  { heads, logs }: RepositoryFacts,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const head of heads) {
    const index = logs.get(historyOf(head.database, head.lineage));
    if (index === undefined) continue;
    const way = index.walkBack(head, 0).objects;
    const onWay = new Set(way.map(({ key }) => key));
    const beside = index.objects.filter(({ key }) => !onWay.has(key));
    for (const [i, large] of way.entries()) {
      const inside = beside.filter(({ first, last }) => first >= large.first && last <= large.last);
      if (inside.length === 0) continue;
      const next = way[i + 1];
      const chains = await chainsOf(context, large, signal);
      const leadsOn = next === undefined
        ? large.last === head.version && large.chain === head.chain
        : next.first === large.last + 1 && (await unlessDamaged(() => startOf(context, next, signal))) === large.chain;
      if (chains === undefined || !leadsOn) continue;
      for (const small of inside) if (chains.get(small.last) === small.chain) found.set(small.key, large.key);
    }
  }
  return found;
}

/** The chain's hash at each piece's end, or undefined when the object is damaged or gone. */
function chainsOf(
  context: RepositoryContext,
  object: LogObject,
  signal?: AbortSignal,
): Promise<Map<number, string> | undefined> {
  return unlessDamaged(async () => {
    const chains = new Map<number, string>();
    const { pieces } = await openLog(context, object, { signal });
    for await (const { last, chain } of pieces) chains.set(last, chain);
    return chains;
  });
}

async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof HoldfastError && !(error instanceof StorageError)) return undefined;
    throw error;
  }
}
