/**
 * Tables whose rows can be counted without being read.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../../base/bytes.ts";
import { NEWEST } from "../../tree/cursor.ts";
import type { Memtable } from "../../tree/memtable/memtable.ts";
import type { Store } from "../store.ts";
import type { PlainTable } from "../types.ts";
import type { LiveTable } from "./live_file.ts";

/**
 * The tables of which every row is an entry of the present, in key order: one for each key, no delete, none that expires,
 * and nothing else, in tables or memory, that meets their range of keys. Of all else, how many rows are no deletes.
 */
export function plainTables(store: Store): { tables: PlainTable[]; otherRows: number } {
  const memtables = [store.memtable, ...store.sealed.map(({ memtable }) => memtable)];
  const deleting = memtables.some(({ tombstones }) => !tombstones.isEmpty);
  let otherRows = memtables.reduce((sum, { rows }) => sum + rows, 0);
  const tables = [...store.version.tables()].sort((a, b) => compareBytes(a.meta.smallest, b.meta.smallest));
  const plain: PlainTable[] = [];
  let end: Uint8Array | undefined = new Uint8Array(0);
  for (let i = 0; i < tables.length; i++) {
    const { meta } = tables[i]!;
    const next = tables[i + 1];
    const isAlone = !deleting && end !== undefined && (i === 0 || compareBytes(end, meta.smallest) < 0) &&
      endsBefore(tables[i]!, next) &&
      !memtables.some((memtable) => meets(memtable, meta.smallest, meta.largest));
    if (isAlone && meta.plain === true && meta.tombstones === 0) {
      plain.push({ smallest: copyBytes(meta.smallest), largest: copyBytes(meta.largest!), rows: meta.rows });
    } else {
      otherRows += meta.rows - meta.deletes;
    }
    if (meta.largest === undefined) end = undefined;
    else if (end !== undefined && compareBytes(meta.largest, end) > 0) end = meta.largest;
  }
  return { tables: plain, otherRows };
}

function endsBefore({ meta }: LiveTable, next: LiveTable | undefined): boolean {
  if (next === undefined) return meta.largest !== undefined;
  return meta.largest !== undefined && compareBytes(meta.largest, next.meta.smallest) < 0;
}

/** Whether the memtable has a row from `smallest` to `largest`, both included. */
function meets(memtable: Memtable, smallest: Uint8Array, largest: Uint8Array | undefined): boolean {
  if (memtable.isEmpty) return false;
  const rows = memtable.cursor();
  rows.seek(smallest, NEWEST);
  return rows.valid && (largest === undefined || compareBytes(rows.key, largest) <= 0);
}
