/**
 * Which archived log is needed by the backups there are, whatever any policy says.
 *
 * @module
 */
import type { RepositoryFacts } from "./facts.ts";
import { Recovery } from "./recovery.ts";

/** The keys of the log that a listed backup needs, and of that behind the newest base of each history. */
export function neededLog(facts: RepositoryFacts): Set<string> {
  const needed = new Set<string>();
  for (const recovery of recoveries(facts)) {
    const add = (lineage: string, from: number, to: number): void => {
      for (const { key } of recovery.log.holding(recovery.history(lineage), from, to)) needed.add(key);
    };
    for (const { database, lineage, log } of facts.backups) {
      if (database === recovery.database && log !== null) add(lineage, log.from, log.to);
    }
    for (const lineage of recovery.lineages.keys()) {
      const base = recovery.bases(lineage).at(-1);
      if (base !== undefined) add(lineage, base.version + 1, Infinity);
    }
  }
  return needed;
}

/**
 * The keys of the log of histories whose last base is gone, in databases that have bases: a pruning was cut off between the
 * two. A database without any base is left alone: rather than gone, its manifests may be lost, or its first is being made.
 */
export function strandedLog(facts: RepositoryFacts): string[] {
  const needed = neededLog(facts);
  return recoveries(facts).flatMap((recovery) => {
    const bare = new Set([...recovery.lineages.keys()].filter((lineage) => recovery.bases(lineage).length === 0));
    if (bare.size === recovery.lineages.size) return [];
    return facts.log
      .filter(({ key, database, lineage }) => database === recovery.database && bare.has(lineage) && !needed.has(key))
      .map(({ key }) => key);
  });
}

function recoveries(facts: RepositoryFacts): Recovery[] {
  const databases = new Set([...facts.backups, ...facts.log].map(({ database }) => database));
  return [...databases].map((database) => new Recovery(database, facts));
}
