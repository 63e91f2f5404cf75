/**
 * What a manifest says when all its edits are applied: a pure fold, and the way back into edits.
 *
 * @module
 */
import type { LogMeta, ManifestEdit, SlotMeta, VersionGap } from "../../format/manifest/manifest_edit.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";

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
  /** Versions that left the log before they were archived, oldest first, neither touching nor overlapping. */
  gaps: VersionGap[];
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

/** What of an edit does not fit a state (a table added twice, one removed that is not there), or undefined when all does. */
export function misfitOf(state: ManifestState, edit: ManifestEdit): string | undefined {
  const tables = (edit.removeTables ?? []).map(({ number }) => number);
  return misfit("log segment", state.logs, edit.removeLogs, edit.addLogs) ??
    misfit("table", state.tables, tables, edit.addTables?.map(({ table }) => table)) ??
    misfit("blob file", state.blobs, edit.removeBlobs, edit.addBlobs);
}

function misfit(
  what: string,
  present: ReadonlyMap<number, unknown>,
  removed: readonly number[] = [],
  added: readonly { number: number }[] = [],
): string | undefined {
  const gone = new Set<number>();
  for (const number of removed) {
    if (!present.has(number) || gone.has(number)) return `removes ${what} ${number}, which is not there`;
    gone.add(number);
  }
  const come = new Set<number>();
  for (const { number } of added) {
    if ((present.has(number) && !gone.has(number)) || come.has(number)) return `adds ${what} ${number} twice`;
    come.add(number);
  }
  return undefined;
}

/** Applies one edit in place. What does not fit leaves the state as it was and is returned; see `misfitOf`. */
export function applyEdit(state: ManifestState, edit: ManifestEdit): string | undefined {
  const found = misfitOf(state, edit);
  if (found !== undefined) return found;
  if (edit.database !== undefined) state.database = edit.database;
  if (edit.forked !== undefined) state.forked = edit.forked;
  if (edit.lastVersion !== undefined) state.lastVersion = edit.lastVersion;
  if (edit.lastTimestamp !== undefined) state.lastTimestamp = edit.lastTimestamp;
  if (edit.nextNumber !== undefined) state.nextNumber = Math.max(state.nextNumber, edit.nextNumber);
  for (const number of edit.removeLogs ?? []) state.logs.delete(number);
  for (const log of edit.addLogs ?? []) state.logs.set(log.number, log);
  if (edit.openLog !== undefined) state.openLog = edit.openLog;
  for (const { number } of edit.removeTables ?? []) state.tables.delete(number);
  for (const { level, run, table } of edit.addTables ?? []) {
    state.tables.set(table.number, { level, run: run ?? table.number, table });
  }
  for (const number of edit.removeBlobs ?? []) state.blobs.delete(number);
  for (const blob of edit.addBlobs ?? []) state.blobs.set(blob.number, blob);
  for (const id of edit.removeSlots ?? []) state.slots.delete(id);
  for (const slot of edit.setSlots ?? []) state.slots.set(slot.id, slot);
  for (const gap of edit.gaps ?? []) state.gaps = withGap(state.gaps, gap);
  return undefined;
}

/** So many gaps are remembered, the newest: each stands for a repository that once fell behind, and open reads them all. */
const GAPS_MAX = 1000;

/** The gaps with one more; where it meets others they become one. */
function withGap(gaps: readonly VersionGap[], gap: VersionGap): VersionGap[] {
  const before = gaps.filter(({ to }) => to + 1 < gap.from);
  const behind = gaps.filter(({ from }) => from > gap.to + 1);
  const met = gaps.slice(before.length, gaps.length - behind.length);
  const from = Math.min(gap.from, ...met.map((one) => one.from));
  const to = Math.max(gap.to, ...met.map((one) => one.to));
  return [...before, { from, to }, ...behind].slice(-GAPS_MAX);
}

/** Whether an edit says no more than where the newest segment ends, synced before: that of a clean close. */
export function notesClose(state: ManifestState, edit: ManifestEdit): boolean {
  const { nextNumber: _, openLog, ...rest } = edit;
  if (Object.values(rest).some((field) => field !== undefined)) return false;
  const open = openLog ?? state.openLog;
  return open === undefined || (open.end !== null && open.number === state.openLog?.number);
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
