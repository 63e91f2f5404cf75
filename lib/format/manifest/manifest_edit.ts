/**
 * A manifest edit: one step from a set of live files to the next. One edit is one record in the manifest (`frame.ts`).
 *
 * ```
 * record := JSON in UTF-8, an object with any of the fields of `ManifestEdit`; keys and other bytes as base64url
 * ```
 *
 * JSON, because edits are rare (one for each flush or compaction), and a damaged database is easier to understand when its
 * manifest can be read. A manifest's state is all its edits applied in order; a field that is absent changes nothing. An
 * unknown field means that a newer release wrote it: refused, never skipped.
 *
 * Example, a flush: table 8 joins level 0 and holds all commits up to version 3:
 *
 * ```
 * {"lastVersion":3,"lastTimestamp":1000,"nextNumber":10,"addTables":[{"level":0,"table":{"number":8,
 *  "size":4096,"rows":3,"deletes":0,"smallest":"AGE","largest":"AGM","largestExclusive":false,"minVersion":1,
 *  "maxVersion":3,"minTimestamp":900,"maxTimestamp":1000,"tombstones":0,"rawBytes":120,"blobs":[],"sha256":"00...00"}}]}
 * ```
 *
 * @module
 */
import { compareBytes, decodeText, encodeText } from "../../base/bytes.ts";
import { CorruptionError, UnsupportedFormatError } from "../../base/errors.ts";
import {
  base64Bytes,
  choice,
  flag,
  hex,
  list,
  nullable,
  object,
  type Shape,
  ShapeError,
  text,
  toBase64,
  where,
  whole,
} from "./json_shape.ts";
import { parseJson } from "./json_text.ts";
import type { BlobMeta, TableMeta } from "../table/table_meta.ts";

export type { BlobMeta, TableMeta } from "../table/table_meta.ts";

/** A finished log segment. */
export interface LogMeta {
  /** The file's number. */
  number: number;
  /** Where its records end; what is behind that is no part of the log. */
  end: number;
  /** The version of its first record. */
  firstVersion: number;
  /** The version of its last record; `firstVersion - 1` when it has none. */
  lastVersion: number;
  /** The time of its first commit, ms. */
  minTimestamp: number;
  /** The time of its last commit, ms. */
  maxTimestamp: number;
  /** The line of history it belongs to. */
  lineage: string;
}

/** A repository that the log is kept for. */
export interface SlotMeta {
  /** The slot's id. */
  id: string;
  /** The repository's id. */
  repository: string;
  /** The last version archived there. */
  version: number;
  /** When the slot was made, ms. */
  createdAt: number;
}

/** Versions that left the log before they were archived: `from` to `to`, both included. */
export interface VersionGap {
  /** The first version lost. */
  from: number;
  /** The last version lost. */
  to: number;
}

/** Where a line of history left its parent. */
export interface LineageParent {
  /** The parent's id. */
  lineage: string;
  /** The last version that both share. */
  version: number;
}

/** Which database this is; in the first edit of every manifest, and again when that changes. */
export interface DatabaseMeta {
  /** The database's id, 32 hexadecimal digits. */
  id: string;
  /** The line of history it writes, 32 hexadecimal digits. */
  lineage: string;
  /** How the keys of the root are given. */
  keyEncoding: "utf8" | "bytes";
  /** When it was made, ms. */
  createdAt: number;
  /** The lines of history it came from, the oldest first. */
  parents: LineageParent[];
}

/** A table on its level. */
export interface LevelTable {
  /** The level, 0 the youngest. */
  level: number;
  /** Level 0: tables with the same run are disjoint and came together; left out: the table is a run by itself. */
  run?: number;
  /** The table. */
  table: TableMeta;
}

/** What changes with one edit. */
export interface ManifestEdit {
  /** Which database this is. */
  database?: DatabaseMeta;
  /** This directory is a copy: its next write begins a new line of history. */
  forked?: boolean;
  /** All commits up to this version are in tables; the log holds the rest. */
  lastVersion?: number;
  /** The time of that commit, ms. */
  lastTimestamp?: number;
  /** The number that the next file gets. */
  nextNumber?: number;
  /** After a clean close: the newest segment ends exactly here; null: it is in use again. */
  openLog?: { number: number; end: number | null };
  /** Segments that are finished and kept. */
  addLogs?: LogMeta[];
  /** Numbers of segments that are no longer kept. */
  removeLogs?: number[];
  /** Tables that join. */
  addTables?: LevelTable[];
  /** Tables that leave. */
  removeTables?: { level: number; number: number }[];
  /** Blob files that join. */
  addBlobs?: BlobMeta[];
  /** Numbers of blob files that leave. */
  removeBlobs?: number[];
  /** Slots that are new or changed. */
  setSlots?: SlotMeta[];
  /** Ids of slots that are dropped. */
  removeSlots?: string[];
  /** Versions that left the log before they were archived. */
  gaps?: VersionGap[];
}

/** The highest level that an edit may name. */
export const LEVEL_MAX = 6;

/** The record of an edit. Asserts that it can be read back. */
export function encodeEdit(edit: ManifestEdit): Uint8Array {
  const json = JSON.stringify(edit, bytesAsText);
  manifestEdit(JSON.parse(json), "");
  return encodeText(json);
}

/**
 * Reads the record at `offset` of the manifest `file`. Throws `UnsupportedFormatError` for a field that is not known
 * here, `CorruptionError` for anything else that is wrong.
 */
export function decodeEdit(record: Uint8Array, file: string, offset: number): ManifestEdit {
  try {
    return manifestEdit(parseJson(decodeText(record)), "");
  } catch (error) {
    if (error instanceof ShapeError && error.unknownField !== undefined) {
      throw new UnsupportedFormatError(
        `Cannot read ${file}: its edit at byte ${offset} has a field that is not known here, ${error.unknownField}; use a newer release`,
        error.unknownField,
        "the fields of manifest format 1",
        { path: file, cause: error },
      );
    }
    const detail = error instanceof Error ? error.message : String(error);
    throw new CorruptionError(file, offset, `manifest edit: ${detail}`, { cause: error });
  }
}

/** Looks at the field itself: a Node `Buffer` would already have been made something else by its `toJSON`. */
function bytesAsText(this: unknown, name: string, value: unknown): unknown {
  const field = (this as Record<string, unknown>)[name];
  return field instanceof Uint8Array ? toBase64(field) : value;
}

/** Only said where it is so. */
const flagSet: Shape<true> = where(flag, (value) => value ? undefined : "false") as Shape<true>;

const id = hex(32);
const sha256 = hex(64);
const level = whole(0, LEVEL_MAX);

const tableMeta: Shape<TableMeta> = where(
  object({
    number: whole(),
    size: whole(),
    rows: whole(),
    deletes: whole(),
    smallest: base64Bytes,
    largestExclusive: flag,
    minVersion: whole(),
    maxVersion: whole(),
    minTimestamp: whole(),
    maxTimestamp: whole(),
    tombstones: whole(),
    rawBytes: whole(),
    blobs: list(object({ number: whole(), bytes: whole(), count: whole() })),
    sha256,
  }, { largest: base64Bytes, globalVersion: whole(), globalTimestamp: whole(), plain: flagSet }),
  tableProblem,
);

const logMeta: Shape<LogMeta> = where(
  object({
    number: whole(),
    end: whole(),
    firstVersion: whole(),
    lastVersion: whole(),
    minTimestamp: whole(),
    maxTimestamp: whole(),
    lineage: id,
  }),
  (log) => log.firstVersion > log.lastVersion + 1 ? "firstVersion above lastVersion + 1" : undefined,
);

const databaseMeta: Shape<DatabaseMeta> = object({
  id,
  lineage: id,
  keyEncoding: choice("utf8", "bytes"),
  createdAt: whole(),
  parents: list(object({ lineage: id, version: whole() })),
});

const manifestEdit: Shape<ManifestEdit> = object({}, {
  database: databaseMeta,
  forked: flag,
  lastVersion: whole(),
  lastTimestamp: whole(),
  nextNumber: whole(),
  openLog: object({ number: whole(), end: nullable(whole()) }),
  addLogs: list(logMeta),
  removeLogs: list(whole()),
  addTables: list(object({ level, table: tableMeta }, { run: whole() })),
  removeTables: list(object({ level, number: whole() })),
  addBlobs: list(object({ number: whole(), size: whole(), bytes: whole(), count: whole(), sha256 })),
  removeBlobs: list(whole()),
  setSlots: list(object({ id: text, repository: text, version: whole(), createdAt: whole() })),
  removeSlots: list(text),
  gaps: list(where(object({ from: whole(), to: whole() }), (gap) => gap.from > gap.to ? "from above to" : undefined)),
});

function tableProblem(table: TableMeta): string | undefined {
  if (table.largest !== undefined && compareBytes(table.smallest, table.largest) > 0) return "smallest above largest";
  if (table.minVersion > table.maxVersion) return "minVersion above maxVersion";
  if (table.minTimestamp > table.maxTimestamp) return "minTimestamp above maxTimestamp";
  if (table.deletes > table.rows) return "more deletes than rows";
  if ((table.globalVersion === undefined) !== (table.globalTimestamp === undefined)) {
    return "globalVersion and globalTimestamp go together";
  }
  return undefined;
}
