/**
 * What iterators make of entries, right from the bytes of keys and rows: what Level wants, and nothing in between.
 *
 * @module
 */
import { copyOut } from "../../base/small_copies.ts";
import { rowBytes, rowEntryAsync, rowValue } from "../../db/data/entries.ts";
import type { Value } from "../../db/data/values.ts";
import type { ListItem } from "../../db/reading/list.ts";
import type { ReadSource } from "../../db/reading/read_source.ts";
import type { Step } from "../../db/reading/walk.ts";
import { type Data, type Format, textAt, wanted } from "./data.ts";

/** What a walk makes of an entry. */
export interface Item<T> extends ListItem<T> {
  /** Of the empty key's value, which lies elsewhere. */
  empty: (value: Value) => T;
}

/** What of entries is wanted, and as what. */
export interface EntryItemOptions {
  /** What keys are wanted as. */
  keyEncoding: Format;
  /** What values are wanted as. */
  valueEncoding: Format;
  /** Whether keys are wanted. */
  keys?: boolean;
  /** Whether values are wanted; otherwise they are not read. */
  values?: boolean;
}

/** A key and its value, of which either may be left out. */
export type Entry = [Data | undefined, Data | undefined];

/** Items that are entries, of which either part may be left out. */
export function entryItems({ keys = true, values = true, keyEncoding, valueEncoding }: EntryItemOptions): Item<Entry> {
  const keyOf = (source: ReadSource, step: Step): Data | undefined =>
    keys ? keyAt(step.key, source.prefix.length, keyEncoding) : undefined;
  // Level itself leaves out of it what is not wanted; what costs something is not made.
  const key = emptyKey(keyEncoding);
  if (!values) return { now: (source, step) => [keyOf(source, step), undefined], empty: () => [key, undefined] };
  return {
    now: (source, step) => [keyOf(source, step), valueOf(source, step, valueEncoding)],
    async later(source, step) {
      const key = keyOf(source, step);
      return [key, await valueOfAsync(source, step, valueEncoding)];
    },
    empty: (value) => [key, wanted(value, valueEncoding)],
  };
}

/** Items that are keys. */
export function keyItems(format: Format): Item<Data> {
  return {
    now: (source, { key }) => keyAt(key, source.prefix.length, format),
    empty: () => emptyKey(format),
  };
}

/** Items that are values. */
export function valueItems(format: Format): Item<Data> {
  return {
    now: (source, step) => valueOf(source, step, format),
    later: (source, step) => valueOfAsync(source, step, format),
    empty: (value) => wanted(value, format),
  };
}

function emptyKey(format: Format): Data {
  return format === "utf8" ? "" : new Uint8Array(0);
}

function keyAt(key: Uint8Array, start: number, format: Format): Data {
  return format === "utf8" ? textAt(key, start) : copyOut(key, start, key.length);
}

function valueOf({ context }: ReadSource, { row }: Step, format: Format): Data {
  return format === "utf8" ? wanted(rowValue(context.engine, row), format) : rowBytes(context.engine, row);
}

async function valueOfAsync({ context }: ReadSource, { row }: Step, format: Format): Promise<Data> {
  return wanted((await rowEntryAsync(context.engine, undefined, row)).value, format);
}
