/**
 * Many keys looked up one by one, all of one version, in slices of work.
 *
 * @module
 */
import { Slicer } from "../../base/yield.ts";
import type { FoundRow } from "../../tree/cursor.ts";
import { isBlob, rowValue, rowValueAsync } from "../data/entries.ts";
import { encodeKey, type Key, lookupKey } from "../data/keys.ts";
import type { Value } from "../data/values.ts";
import type { ReadSource } from "./read_source.ts";

/** So many lookups take less than a slice of work. */
const KEYS_AT_ONCE = 256;

/** What is made of a row, or of there being none; a promise of what is read off the main thread. @internal */
export type RowItem<T> = (source: ReadSource, row: FoundRow | undefined, n: number) => T | Promise<T>;

/** The value of an entry. @internal */
export const valueItem: RowItem<Value | undefined> = ({ context: { engine } }, row) =>
  row && (isBlob(row) ? rowValueAsync(engine, row) : rowValue(engine, row));

/** What is made of values: at once, but of those that are read off the main thread. @internal */
export function ofValues<T>(made: (value: Value | undefined, n: number) => T | Promise<T>): RowItem<T> {
  return (source, row, n) => {
    const value = valueItem(source, row, n);
    return value instanceof Promise ? value.then((one) => made(one, n)) : made(value, n);
  };
}

/** Whether there is an entry. @internal */
export const isThereItem: RowItem<boolean> = (_source, row) => row !== undefined;

/** What is made of the rows at keys, in their order: as they are at the call, whatever is written meanwhile. @internal */
export async function lookupMany<T>(
  call: string,
  source: ReadSource,
  keys: Iterable<Key>,
  item: RowItem<T>,
): Promise<T[]> {
  // Bytes may be changed by whoever gave them; of text, which can't, the bytes are made as they are needed.
  const places = Array.from(
    keys,
    (key) => typeof key === "string" ? key : encodeKey(call, source.encoding, source.prefix, key),
  );
  const { engine } = source.context;
  const items: T[] = [];
  const later: Promise<unknown>[] = [];
  // Of a reader in this very turn, and few: a refresh would take away the version, of which who asks for values knows nothing.
  const atOnce = engine.readOnly || places.length <= KEYS_AT_ONCE;
  const { kept, release } = atOnce ? { kept: source, release() {} } : source.keep();
  let slicer: Slicer | undefined;
  try {
    for (let n = 0; n < places.length; n++) {
      if (!atOnce && n > 0 && n % KEYS_AT_ONCE === 0) {
        await (slicer ??= new Slicer(engine.settings.monotonic)).tick();
        kept.assertOpen(call);
        kept.assertKept();
      }
      const place = places[n]!;
      const key = typeof place === "string" ? lookupKey(call, kept.encoding, kept.prefix, place) : place;
      const made = item(kept, kept.row(key), n);
      items.push(made as T);
      if (!(made instanceof Promise)) continue;
      const placed = made.then((one) => items[n] = one);
      // Heard of at the end: by then it may have failed for long, or nobody may wait for it any more.
      placed.catch(() => {});
      later.push(placed);
    }
  } finally {
    release();
  }
  await Promise.all(later);
  return items;
}
