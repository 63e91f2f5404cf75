/**
 * Backups of copies that went their own way: they stand in a history whose archived log does not lead on from them. Names don't
 * show that, so log is read; only of what is to stay and is not of the history's writer.
 *
 * @module
 */
import type { RepositoryContext } from "../core/context.ts";
import { runPool } from "../core/pool.ts";
import { isApart } from "../log/compare_log.ts";
import { isBase, isOfOther } from "../restoring/coverage.ts";
import { historyOf } from "../restoring/facts.ts";
import { type PruneState, withApart } from "./prune_facts.ts";

/** How many are looked at together. */
const AT_ONCE = 4;

/** The state with all that is to be known of copies among those that `decide` leaves. `known`: what was found by then, by id. */
export async function withCopies(
  context: RepositoryContext,
  known: Map<string, boolean>,
  state: PruneState,
  decide: (state: PruneState) => { backups: readonly { id: string; keep: boolean }[] },
): Promise<PruneState> {
  const { backups, heads } = state.facts;
  const headOf = new Map(heads.map((head) => [historyOf(head.database, head.lineage), head]));
  for (;;) {
    const told = withApart(state, new Set([...known].filter(([, isIt]) => isIt).map(([id]) => id)));
    const doubtful = backups.filter((backup) => {
      const { id, database, lineage, version } = backup;
      // Beyond its head there is no log yet to tell by.
      const isArchived = (headOf.get(historyOf(database, lineage))?.version ?? -1) >= version;
      return isArchived && isBase(backup) && isOfOther(backup) && !known.has(id);
    });
    if (doubtful.length === 0) return told;
    // What is found may let others stay.
    const staying = new Set(decide(told).backups.filter(({ keep }) => keep).map(({ id }) => id));
    const looked = doubtful.filter(({ id }) => staying.has(id));
    if (looked.length === 0) return told;
    await runPool(looked, AT_ONCE, async (backup) => {
      const head = headOf.get(historyOf(backup.database, backup.lineage))!;
      known.set(backup.id, await isApart(context, head, backup));
    });
  }
}
