/**
 * Entries: a key, its value, and what is kept beside it.
 *
 * @module
 */
import { copyBytes, encodeText } from "../../base/bytes.ts";
import { copyOut } from "../../base/small_copies.ts";
import type { FoundRow, Row } from "../../tree/cursor.ts";
import { readBlobPointer } from "../../format/blob.ts";
import {
  type Cell,
  type CellHead,
  cellKind,
  cellOp,
  isPlainSet,
  KIND_JSON,
  OP_SET,
  readCell,
  readCellHead,
} from "../../format/cell.ts";
import type { Engine } from "../../engine/types.ts";
import { decodeValue, decodeValueAt, takeValue, type Value } from "./values.ts";

/**
 * One entry of the database.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.set("city:bern", { population: 134_000 }, { tags: ["ch"] });
 * const entry = await db.getEntry("city:bern");
 * console.log(entry?.value, entry?.tags, entry?.version); // { population: 134000 } [ "ch" ] 1
 * ```
 */
export interface Entry<K = string, V = Value> {
  /** The key, a string or bytes as the key space has it. */
  key: K;
  /** The value as it was written; the caller's own copy. */
  value: V;
  /** The version of the commit that wrote it; 0 for what a transaction has written itself and not yet committed. */
  version: number;
  /** The time of that commit, ms since the Unix epoch; never decreases as `version` grows. */
  timestamp: number;
  /** Its tags in the order given; [] when none. */
  tags: string[];
  /** When it expires, ms since the Unix epoch; absent when it doesn't. */
  expiresAt?: number;
}

/** The value of a row, read at once. */
export function rowValue(engine: Engine, row: FoundRow): Value {
  if (isPlainSet(row.flags)) return decodeValueAt(cellKind(row.flags), row.bytes, row.start + 1, row.end);
  return valueBehind(engine, row, readCellHead(row.bytes, row.start, row.end));
}

/** The bytes of a row's value, read at once, in memory of their own: text as UTF-8, JSON as its text. */
export function rowBytes(engine: Engine, row: FoundRow): Uint8Array {
  if (isPlainSet(row.flags) && cellKind(row.flags) <= KIND_JSON) {
    return copyOut(row.bytes, row.start + 1, row.end);
  }
  const value = rowValue(engine, row);
  if (value instanceof Uint8Array) return value;
  return encodeText(typeof value === "string" ? value : JSON.stringify(value));
}

function valueBehind(engine: Engine, row: FoundRow, { op, kind, payloadStart }: CellHead): Value {
  if (op !== OP_SET) return takeValue(kind, engine.value(row));
  return decodeValueAt(kind, row.bytes, payloadStart, row.end);
}

/** Whether the row's value lies in a blob, so that it may be large enough to be read off the main thread. */
export function isBlob(row: FoundRow): boolean {
  return cellOp(row.flags) !== OP_SET;
}

/** How many bytes a row takes with its value, wherever that lies. */
export function valueBytes(row: FoundRow): number {
  const { cell } = row;
  return isBlob(row) ? readBlobPointer(readCell(cell).payload).rawLength : cell.length;
}

/** The value of a row, read off the main thread when it is large. */
export async function rowValueAsync(engine: Engine, row: Row): Promise<Value> {
  const { kind, op, payload } = readCell(row.cell);
  return op === OP_SET ? decodeValue(kind, payload) : takeValue(kind, await engine.valueAsync(row));
}

/** The entry of a row, with its value read at once. */
export function rowEntry<K>(engine: Engine, key: K, row: FoundRow): Entry<K> {
  if (isPlainSet(row.flags)) return makeEntry(key, row, { tags: [] }, rowValue(engine, row));
  const head = readCellHead(row.bytes, row.start, row.end);
  return makeEntry(key, row, head, valueBehind(engine, row, head));
}

/** As `rowEntry`, read off the main thread when its value is large. */
export async function rowEntryAsync<K>(engine: Engine, key: K, row: FoundRow): Promise<Entry<K>> {
  if (!isBlob(row)) return rowEntry(engine, key, row);
  // A cursor's memory may be used again meanwhile.
  const kept = { version: row.version, timestamp: row.timestamp, cell: copyBytes(row.cell) };
  return makeEntry(key, kept, readCell(kept.cell), await rowValueAsync(engine, kept));
}

function makeEntry<K>(
  key: K,
  row: Row,
  cell: Pick<Cell, "tags"> & Partial<Pick<Cell, "expiresAt">>,
  value: Value,
): Entry<K> {
  // What a transaction has written itself has no version yet; its rows stand between two versions.
  const version = Number.isInteger(row.version) ? row.version : 0;
  const entry: Entry<K> = { key, value, version, timestamp: row.timestamp, tags: cell.tags };
  if (cell.expiresAt !== undefined) entry.expiresAt = cell.expiresAt;
  return entry;
}
