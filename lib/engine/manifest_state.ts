/**
 * What a manifest says when all its edits are applied: a pure fold, and the way back into edits.
 *
 * @module
 */
import type { LogMeta, ManifestEdit, SlotMeta } from "../format/manifest_edit.ts";
import type { BlobMeta, TableMeta } from "../format/table_meta.ts";

/** Where a table stands. Tables of level 0 that share a `run` are disjoint and of one flush or ingest. */
export interface PlacedTable {
  /** 0 to 6. */
  level: number;
  /** Level 0: which run it belongs to. */
  run: number;
  /** The table. */
  table: TableMeta;
}

/** The sum of all edits. */
export interface ManifestState {
  /** Who this database is. */
  database: NonNullable<ManifestEdit["database"]>;
  /** It is a copy: its next write begins a new lineage. */
  forked: boolean;
  /** All commits up to here are in tables; the log holds the rest. */
  lastVersion: number;
  /** The time of that commit. */
  lastTimestamp: number;
  /** The next file number to give. */
  nextNumber: number;
  /** The newest segment, and where it ends when it was closed cleanly; undefined before the first write. */
  openLog: { number: number; end: number | null } | undefined;
  /** Finished segments that are kept, by number. */
  logs: Map<number, LogMeta>;
  /** Tables by number. */
  tables: Map<number, PlacedTable>;
  /** Blob files by number. */
  blobs: Map<number, BlobMeta>;
  /** Repositories for which log is kept. */
  slots: Map<string, SlotMeta>;
  /** Versions that left the log before they were archived. */
  gaps: { from: number; to: number }[];
}

/** The state before any edit. */
export function emptyState(): ManifestState {
  return {
    database: { id: "", lineage: "", keyEncoding: "utf8", createdAt: 0, parents: [] },
    forked: false,
    lastVersion: 0,
    lastTimestamp: 0,
    nextNumber: 1,
    openLog: undefined,
    logs: new Map(),
    tables: new Map(),
    blobs: new Map(),
    slots: new Map(),
    gaps: [],
  };
}

/**
 * Applies one edit in place. Returns what does not fit (a table added twice, one removed that is not there), or undefined
 * when all does; a state with a misfit is not to be used.
 */
export function applyEdit(state: ManifestState, edit: ManifestEdit): string | undefined {
  if (edit.database !== undefined) state.database = edit.database;
  if (edit.forked !== undefined) state.forked = edit.forked;
  if (edit.lastVersion !== undefined) state.lastVersion = edit.lastVersion;
  if (edit.lastTimestamp !== undefined) state.lastTimestamp = edit.lastTimestamp;
  if (edit.nextNumber !== undefined) state.nextNumber = Math.max(state.nextNumber, edit.nextNumber);
  for (const number of edit.removeLogs ?? []) {
    if (!state.logs.delete(number)) return `removes log segment ${number}, which is not there`;
  }
  for (const log of edit.addLogs ?? []) {
    if (state.logs.has(log.number)) return `adds log segment ${log.number} twice`;
    state.logs.set(log.number, log);
  }
  if (edit.openLog !== undefined) state.openLog = edit.openLog;
  for (const { number } of edit.removeTables ?? []) {
    if (!state.tables.delete(number)) return `removes table ${number}, which is not there`;
  }
  for (const { level, run, table } of edit.addTables ?? []) {
    if (state.tables.has(table.number)) return `adds table ${table.number} twice`;
    state.tables.set(table.number, { level, run: run ?? table.number, table });
  }
  for (const number of edit.removeBlobs ?? []) {
    if (!state.blobs.delete(number)) return `removes blob file ${number}, which is not there`;
  }
  for (const blob of edit.addBlobs ?? []) {
    if (state.blobs.has(blob.number)) return `adds blob file ${blob.number} twice`;
    state.blobs.set(blob.number, blob);
  }
  for (const id of edit.removeSlots ?? []) state.slots.delete(id);
  for (const slot of edit.setSlots ?? []) state.slots.set(slot.id, slot);
  for (const gap of edit.gaps ?? []) state.gaps.push(gap);
  return undefined;
}

/** One edit that says all of a state: what a new manifest begins with. */
export function stateAsEdit(state: ManifestState): ManifestEdit {
  return {
    database: state.database,
    forked: state.forked,
    lastVersion: state.lastVersion,
    lastTimestamp: state.lastTimestamp,
    nextNumber: state.nextNumber,
    ...(state.openLog === undefined ? {} : { openLog: state.openLog }),
    addLogs: [...state.logs.values()],
    addTables: [...state.tables.values()],
    addBlobs: [...state.blobs.values()],
    setSlots: [...state.slots.values()],
    gaps: state.gaps,
  };
}

/** A copy that edits to the other don't reach. */
export function copyState(state: ManifestState): ManifestState {
  return {
    ...state,
    logs: new Map(state.logs),
    tables: new Map(state.tables),
    blobs: new Map(state.blobs),
    slots: new Map(state.slots),
    gaps: [...state.gaps],
  };
}
