/**
 * How many entries a database has.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine } from "../engine/types.ts";
import { cellExpiry } from "../format/cell.ts";
import { spaceRange, spacesOf } from "./namespaces.ts";

/** Counts the entries of the present, those apart that have expired by `moment`. */
export async function countEntries(
  engine: Engine,
  moment: number,
  signal: AbortSignal | undefined,
): Promise<{ entries: number; expired: number }> {
  const counts = { entries: 0, expired: 0 };
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  const slicer = new Slicer(engine.settings.monotonic);
  for (const { space } of spacesOf(view, engine.keyEncoding)) {
    const { start, end } = spaceRange(space);
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
  }
  return counts;
}
