/**
 * How many entries a database has.
 *
 * Where a table is known to hold nothing but entries of the present (`Engine.plainTables`), its rows are counted by what the
 * manifest says of it: a database that was loaded, compacted or imported is counted without reading it. What is between
 * such tables is read, unless that is too much: then the count is an upper bound, and says so.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { behindKey, compareBytes } from "../base/bytes.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine } from "../engine/types.ts";
import { cellExpiry } from "../format/cell.ts";
import { spaceRange, spacesOf } from "./namespaces.ts";

/** Reading so many rows takes about as long as fetching 100 MB. */
const ROWS_READ_MAX = 200_000;

/** How many entries there are. */
export interface EntryCounts {
  /** Those that are shown. */
  entries: number;
  /** Those that have expired and are still there. */
  expired: number;
  /** Whether they were counted; else there are at most so many, the expired among them. */
  exact: boolean;
}

/**
 * Counts the entries of the present, those apart that have expired by `moment`. Reads at most about `most` rows. The
 * database must not be written to.
 */
export async function countEntries(
  engine: Engine,
  moment: number,
  signal: AbortSignal | undefined,
  most: number = ROWS_READ_MAX,
): Promise<EntryCounts> {
  const counts = { entries: 0, expired: 0, exact: true };
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  const slicer = new Slicer(engine.settings.monotonic);
  const read = async (start: Uint8Array, end: Uint8Array | undefined): Promise<void> => {
    const cursor = view.cursor(start, end);
    try {
      for (let found = cursor.nextSome(); found !== false; found = cursor.nextSome()) {
        if (found === true) {
          const expiresAt = cellExpiry(cursor.cell);
          if (expiresAt !== undefined && expiresAt <= moment) counts.expired++;
          else counts.entries++;
        }
        if (slicer.due()) {
          throwIfAborted(signal);
          await slicer.tick();
        }
      }
    } finally {
      cursor.close();
    }
  };
  const { tables: plain, otherRows } = engine.plainTables();
  if (otherRows > most) {
    const entries = plain.reduce((sum, { rows }) => sum + rows, otherRows);
    return { entries, expired: 0, exact: false };
  }
  for (const { space } of spacesOf(view, engine.keyEncoding)) {
    const { start, end } = spaceRange(space);
    let at = start;
    for (const { smallest, largest, rows } of plain) {
      const isInside = compareBytes(start, smallest) <= 0 && (end === undefined || compareBytes(largest, end) < 0);
      if (!isInside) continue;
      await read(at, smallest);
      counts.entries += rows;
      at = behindKey(largest);
    }
    await read(at, end);
  }
  return counts;
}
