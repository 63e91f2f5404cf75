/**
 * Several keys looked up at once.
 *
 * @module
 */
import type { DB } from "../../db/db.ts";
import { lookupMany } from "../../db/reading/many.ts";
import type { ReadSource } from "../../db/reading/read_source.ts";
import { accessOf } from "../../db/reading/reader.ts";
import type { FoundRow } from "../../tree/cursor.ts";

/** What is made of the row at a key in bytes. */
export type PlaceItem<T> = (source: ReadSource, row: FoundRow, place: Uint8Array) => T | Promise<T>;

/**
 * What is made of the rows at keys in bytes, in slices, all of one moment; undefined where there is none. Nothing can be at an
 * empty key, but it may be asked for.
 */
export async function lookupPlaces<T>(
  call: string,
  db: DB<Uint8Array>,
  places: readonly Uint8Array[],
  item: PlaceItem<T>,
): Promise<(T | undefined)[]> {
  const asked = places.filter(({ length }) => length > 0);
  const source = accessOf(call, db).open(call);
  const found = await lookupMany<T | undefined>(call, source, asked, (source, row, n) => {
    return row && item(source, row, asked[n]!);
  });
  let next = 0;
  return places.map(({ length }) => length === 0 ? undefined : found[next++]);
}
