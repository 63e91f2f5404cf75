/**
 * Giving numbers free: the tables and blob files that have them are written anew under others.
 *
 * A copy of a database gives its files numbers of its own. Where a history goes on over the tables of a copy, a number may
 * stand for one file here and for another one that is to be taken in, and that one keeps it: rows point to blob files by
 * number.
 *
 * @module
 */
import type { Background } from "../background/background.ts";
import { planRange } from "../background/compaction_picker.ts";
import type { Store } from "../store.ts";
import type { LiveTable } from "../version/live_file.ts";
import { Run } from "../version/run.ts";
import { LEVELS } from "../version/version.ts";

/**
 * Writes anew what has one of these numbers, while all that counts is in tables; says whether no file has one any more. Then
 * none lies on the disk either, nor will one be removed later under a number that was given again.
 */
export async function vacate(
  store: Store,
  background: Background,
  numbers: ReadonlySet<number>,
  checkStop: () => void,
): Promise<boolean> {
  const concerns = ({ number, meta }: LiveTable): boolean =>
    numbers.has(number) || meta.blobs.some((use) => numbers.has(use.number));
  await background.alone(async (run) => {
    // Level 0 goes down as a whole: its order is that of its runs' numbers, and one of them would change its place.
    const level0 = store.version.level0.some(({ tables }) => tables.some(concerns))
      ? planRange(store.version, 0, undefined, undefined)
      : undefined;
    if (level0 !== undefined) await run({ ...level0, relocate: numbers });
    for (let level = 1; level < LEVELS; level++) {
      for (const table of store.version.level(level)[0]!.tables.filter(concerns)) {
        checkStop();
        await run({ level, outputLevel: level, inputs: [new Run([table])], move: false, relocate: numbers });
      }
    }
  });
  await store.removed();
  return [...numbers].every((number) => store.tableAt(number) === undefined && store.blobAt(number) === undefined);
}
