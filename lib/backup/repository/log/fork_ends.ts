/**
 * Places in a log at which other histories left it. Behind them a pruning may have taken what leads up to the head, and no
 * backup ends there; then it is the fork that vouches for what lies before it. Pure.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { histories, historyOf, type RepositoryFacts } from "../restoring/facts.ts";
import { lineagePath } from "./lineage_path.ts";
import type { LogIndex } from "./log_chain.ts";

/**
 * The end of the object that holds the version of a fork. Only of one that is counted by the head, and where all that hold it
 * end alike: between others, of which a writer that was overtaken may have left one, nothing would tell which is meant.
 */
export function forkEnd(
  index: LogIndex | undefined,
  head: HeadDocument | undefined,
  fork: number,
): { version: number; chain: string } | undefined {
  if (head === undefined || head.version < fork) return undefined;
  const [found, ...others] = index?.objects.filter(({ first, last }) => first <= fork && last >= fork) ?? [];
  if (found === undefined || found.last > head.version) return undefined;
  // A range that was merged, beside what is left of those that it was merged from.
  if (others.some(({ last, chain }) => last !== found.last || chain !== found.chain)) return undefined;
  return { version: found.last, chain: found.chain };
}

/** Those of one history, by the histories that left it. */
export function forkEnds(
  facts: RepositoryFacts,
  database: string,
  lineage: string,
): { version: number; chain: string }[] {
  const index = facts.logs.get(historyOf(database, lineage));
  const head = facts.heads.find((each) => each.database === database && each.lineage === lineage);
  const forks = histories(facts).filter((each) => each.database === database)
    .flatMap((each) => lineagePath(each.lineage, each.parents))
    .filter((stretch) => stretch.lineage === lineage && stretch.to < Infinity)
    .map(({ to }) => to);
  return [...new Set(forks)].flatMap((fork) => forkEnd(index, head, fork) ?? []);
}
