/**
 * The way from a database's first history to a later one: which versions belong to which lineage. Pure.
 *
 * A restored or copied database leaves the history it came from at a version, and goes on in one of its own:
 *
 * ```
 * lineage A   1 ─ 2 ─ 3 ─ 4 ─ 5 ─ 6
 *                     └──────────────── lineage B (parents: A at 3)   4 ─ 5 ─ 6 ─ 7
 *
 * path of B   A up to 3, B from 4 on
 * ```
 *
 * @module
 */
import type { LineageParent } from "../../../format/manifest/manifest_edit.ts";

/** A stretch of versions within one lineage. */
export interface LineageStretch {
  /** The lineage. */
  lineage: string;
  /** The versions before this one are another's. */
  from: number;
  /** The last version that belongs to it; `Infinity` for the newest. */
  to: number;
}

/** The stretches of a path, the oldest first. */
export function lineagePath(lineage: string, parents: readonly LineageParent[]): LineageStretch[] {
  const path: LineageStretch[] = [];
  // A history that left its parent before its parent left its own goes back behind that one.
  const ends = new Array<number>(parents.length);
  let least = Infinity;
  for (let i = parents.length - 1; i >= 0; i--) {
    least = Math.min(least, parents[i]!.version);
    ends[i] = least;
  }
  let from = 0;
  for (const [i, parent] of parents.entries()) {
    const to = ends[i]!;
    if (to >= from) path.push({ lineage: parent.lineage, from, to });
    from = to + 1;
  }
  path.push({ lineage, from, to: Infinity });
  return path;
}

/** Whether a version of a lineage lies on the path. */
export function isOnPath(path: readonly LineageStretch[], lineage: string, version: number): boolean {
  return path.some((stretch) => stretch.lineage === lineage && version >= stretch.from && version <= stretch.to);
}

/** Who a database is at a version of its past; at a fork it is its parent still. */
export function identityAt(
  { lineage, parents }: { lineage: string; parents: readonly LineageParent[] },
  version: number,
): { lineage: string; parents: LineageParent[] } {
  let at = parents.length;
  while (at > 0 && version <= parents[at - 1]!.version) at--;
  return { lineage: parents[at]?.lineage ?? lineage, parents: parents.slice(0, at) };
}
