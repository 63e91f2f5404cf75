/**
 * Backups that build on others: which stay for that, and in which order those go that don't.
 *
 * @module
 */
import type { PruneState } from "./prune_facts.ts";

/** Takes out of `freed` what one that stays builds on. */
export function keepParents({ plan: { backups } }: PruneState, freed: Set<string>): void {
  for (let before = -1; before !== freed.size;) {
    before = freed.size;
    for (const { id, parentId } of backups) if (!freed.has(id) && parentId !== null) freed.delete(parentId);
  }
}

/** Those that go though one that stays was made behind them: its log is gone, and another base leads to it. */
export function namedByOthers({ facts: { backups } }: PruneState, freed: ReadonlySet<string>): string[] {
  return backups.flatMap(({ id, parentId }) =>
    !freed.has(id) && parentId !== null && freed.has(parentId) ? [parentId] : []
  );
}

/**
 * In the order in which they may go: none before those that build on it, which are in a group before. Not by times or versions,
 * which may be equal.
 */
export function childrenFirst({ plan: { backups } }: PruneState, freed: ReadonlySet<string>): string[][] {
  const children = new Map<string, number>();
  const count = (id: string | null, change: number): void => {
    if (id !== null) children.set(id, (children.get(id) ?? 0) + change);
  };
  const going = backups.filter(({ id }) => freed.has(id));
  for (const { parentId } of going) count(parentId, 1);
  const parents = new Map(going.map(({ id, parentId }) => [id, parentId]));
  const groups: string[][] = [];
  let group = going.filter(({ id }) => !children.get(id)).map(({ id }) => id);
  while (group.length > 0) {
    groups.push(group);
    const next: string[] = [];
    for (const id of group) {
      const parent = parents.get(id) ?? null;
      count(parent, -1);
      if (parent !== null && parents.has(parent) && children.get(parent) === 0) next.push(parent);
    }
    group = next;
  }
  return groups;
}
