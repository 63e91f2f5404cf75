/**
 * The namespaces of a database by their paths, as its catalog has them.
 *
 * @module
 */
import { prefixEnd } from "../base/bytes.ts";
import type { Slicer } from "../base/yield.ts";
import type { KeyEncoding, ReadView } from "../engine/types.ts";
import { CATALOG_PREFIX, type CatalogRow, readCatalogRow } from "../format/catalog.ts";
import { FIRST_NAMESPACE_SPACE, ROOT_SPACE, spacePrefix } from "../format/space.ts";

/** A key space of entries with its path. */
export interface SpaceInfo {
  /** Its names, outermost first; [] for the root. */
  path: readonly string[];
  /** The key space. */
  space: number;
  /** The key space around it. */
  parent: number;
  /** How its keys look. */
  keyEncoding: KeyEncoding;
}

/** Of so many namespaces the clock is asked once. */
const SPACES_AT_ONCE = 64;

/** The root and all namespaces, each after the one around it. */
export function spacesOf(view: ReadView, rootEncoding: KeyEncoding): SpaceInfo[] {
  const reading = readSpaces(view, rootEncoding);
  for (;;) {
    const { done, value } = reading.next();
    if (done === true) return value;
  }
}

/** As `spacesOf`, and the event loop goes round meanwhile. */
export async function spacesInSlices(
  view: ReadView,
  rootEncoding: KeyEncoding,
  slicer: Slicer,
): Promise<SpaceInfo[]> {
  const reading = readSpaces(view, rootEncoding);
  try {
    for (;;) {
      const { done, value } = reading.next();
      if (done === true) return value;
      await slicer.tick();
    }
  } finally {
    reading.return([]);
  }
}

/** Stops now and then. */
function* readSpaces(view: ReadView, rootEncoding: KeyEncoding): Generator<void, SpaceInfo[]> {
  let done = 0;
  const byParent = new Map<number, CatalogRow[]>();
  const cursor = view.cursor(CATALOG_PREFIX, prefixEnd(CATALOG_PREFIX));
  try {
    while (cursor.next()) {
      const row = readCatalogRow(cursor.key, cursor.cell);
      const siblings = byParent.get(row.parent);
      if (siblings === undefined) byParent.set(row.parent, [row]);
      else siblings.push(row);
      if (++done % SPACES_AT_ONCE === 0) yield;
    }
  } finally {
    cursor.close();
  }
  const spaces: SpaceInfo[] = [{ path: [], space: ROOT_SPACE, parent: ROOT_SPACE, keyEncoding: rootEncoding }];
  // Grows while it is walked: what hangs from nothing is never reached.
  for (const { path, space } of spaces) {
    const children = byParent.get(space) ?? [];
    byParent.delete(space);
    for (const { name, space: own, keyEncoding } of children) {
      spaces.push({ path: [...path, name], space: own, parent: space, keyEncoding });
      if (++done % SPACES_AT_ONCE === 0) yield;
    }
  }
  return spaces;
}

/** Where the keys of a space begin and end, restricted to a prefix. */
export function spaceRange(space: number, prefix?: Uint8Array): { start: Uint8Array; end: Uint8Array | undefined } {
  const own = spacePrefix(space);
  const start = new Uint8Array(own.length + (prefix?.length ?? 0));
  start.set(own);
  if (prefix !== undefined) start.set(prefix, own.length);
  return { start, end: prefixEnd(start) };
}

/** The first space that nothing lies in. */
export function nextSpace(spaces: readonly SpaceInfo[]): number {
  return spaces.reduce((next, { space }) => Math.max(next, space + 2), FIRST_NAMESPACE_SPACE);
}
