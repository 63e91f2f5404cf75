/**
 * How many entries a database has.
 *
 * Where a table is known to hold nothing but entries of the present (`Engine.plainTables`), its rows are counted by what the
 * manifest says of it: a database that was loaded, compacted or imported is counted without reading it. What is between
 * such tables is read, so the count is exact in any case.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { compareBytes } from "../base/bytes.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine } from "../engine/types.ts";
import { cellExpiry } from "../format/cell.ts";
import { spaceRange, spacesOf } from "./namespaces.ts";

/** Counts the entries of the present, those apart that have expired by `moment`. The database must not be written to. */
export async function countEntries(
  engine: Engine,
  moment: number,
  signal: AbortSignal | undefined,
): Promise<{ entries: number; expired: number }> {
  const counts = { entries: 0, expired: 0 };
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  const slicer = new Slicer(engine.settings.monotonic);
  const read = async (start: Uint8Array, end: Uint8Array | undefined): Promise<void> => {
    const cursor = view.cursor(start, end);
    try {
      while (cursor.next()) {
        const expiresAt = cellExpiry(cursor.cell);
        if (expiresAt !== undefined && expiresAt <= moment) counts.expired++;
        else counts.entries++;
        if (slicer.due()) {
          throwIfAborted(signal);
          await slicer.tick();
        }
      }
    } finally {
      cursor.close();
    }
  };
  const plain = engine.plainTables();
  for (const { space } of spacesOf(view, engine.keyEncoding)) {
    const { start, end } = spaceRange(space);
    let at = start;
    for (const { smallest, largest, rows } of plain) {
      const isInside = compareBytes(start, smallest) <= 0 && (end === undefined || compareBytes(largest, end) < 0);
      if (!isInside) continue;
      await read(at, smallest);
      counts.entries += rows;
      at = behind(largest);
    }
    await read(at, end);
  }
  return counts;
}

/** The key right after another. */
function behind(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
