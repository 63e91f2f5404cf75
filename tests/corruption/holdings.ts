/** Which files of a whole specimen hold which entries, read from each file by itself. */
import assert from "node:assert/strict";
import { decodeText } from "../../lib/base/bytes.ts";
import { parseFileName } from "../../lib/engine/file_names.ts";
import { readBlobPointer } from "../../lib/format/blob.ts";
import { cellOp, OP_BLOB, readCell } from "../../lib/format/cell.ts";
import { forEachOperation } from "../../lib/format/log/batch.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { fileName } from "../../lib/engine/file_names.ts";
import { kindOf } from "./faults.ts";
import { commitsIn } from "./judge.ts";
import { SPACE_NUMBERS, SPACES } from "./picture.ts";
import { PATH, type Specimen } from "./specimen.ts";

/** For each entry, by path, key and version, every set of files that is enough to read it. */
export type Holdings = Map<string, string[][]>;

/** The name of an entry in `Holdings`. */
export function entryId(path: string, key: string, version: number): string {
  return `${path}|${key}|${version}`;
}

/** Reads tables and those segments that hold commits which no table has. */
export function holdingsOf(specimen: Specimen): Holdings {
  const { fs, state } = specimen;
  const holdings: Holdings = new Map();
  const add = (key: Uint8Array, version: number, files: string[]): void => {
    const path = SPACES[(SPACE_NUMBERS as readonly number[]).indexOf(key[0]!)];
    if (path === undefined) return;
    const id = entryId(path, decodeText(key.subarray(1)), version);
    holdings.set(id, [...holdings.get(id) ?? [], files]);
  };
  for (const { table } of state.tables.values()) {
    const name = fileName("table", table.number);
    const reader = TableReader.open(fs, `${PATH}/${name}`, {}, table, new BlockCache(0));
    const cursor = reader.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const files = [name];
      if (cellOp(cursor.cell[0]!) === OP_BLOB) {
        files.push(fileName("blob", readBlobPointer(readCell(cursor.cell).payload).number));
      }
      add(cursor.key, cursor.version, files);
    }
    reader.close();
  }
  for (const [name, bytes] of specimen.files) {
    if (kindOf(name) !== "log") continue;
    const { number } = parseFileName(name)!;
    if (number !== state.openLog!.number && state.logs.get(number)!.lastVersion <= state.lastVersion) continue;
    for (const { ops, version } of commitsIn(bytes, name)) {
      forEachOperation(ops, {
        put: (key) => add(key, version, [name]),
        delete() {},
        deleteRange() {},
        ingest() {},
      });
    }
  }
  for (const path of SPACES) {
    for (const [key, text] of specimen.pictures.get(specimen.version)!.spaces.get(path)!) {
      assert.ok(holdings.has(entryId(path, key, versionOf(text))), `nothing holds ${path} ${key} ${text}`);
    }
  }
  return holdings;
}

/** The version in an entry's text. */
export function versionOf(text: string): number {
  return Number(text.split(" ")[0]);
}
