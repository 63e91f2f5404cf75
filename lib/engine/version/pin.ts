/**
 * One point in time as files: the tables and blob files of the current version, and the log behind them up to the last
 * visible commit. Nothing waits for it and nothing is copied; the files stay until the pin is released.
 *
 * ```
 * commits  1 ........................ base.version | base.version + 1 ........ version
 *          in tables and blob files                  in the log: `tail()`
 * ```
 *
 * @module
 */
import { ClosedError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { DatabaseMeta, LogMeta } from "../../format/manifest/manifest_edit.ts";
import { fileName } from "../file_names.ts";
import { readCommits } from "../log/log_segment.ts";
import { encodeManifest, encodeMarker } from "../manifest/manifest.ts";
import { copyState, type ManifestState } from "../manifest/manifest_state.ts";
import type { Store } from "../store.ts";
import type { CommitEvent, Pin, PinBase, PinnedFile } from "../types.ts";
import type { Version } from "./version.ts";

/** Pins the present; `newest` is the segment in use, all of it visible. Takes no turn of the event loop. */
export function pinStore(store: Store, newest: LogMeta | undefined): Pin {
  const state = copyState(store.manifest.state);
  const version = store.version.retain();
  const logs = [...state.logs.values()].filter((log) => log.lastVersion > state.lastVersion)
    .sort((a, b) => a.firstVersion - b.firstVersion);
  const open = newest !== undefined && newest.lastVersion > state.lastVersion ? newest : undefined;
  if (open !== undefined) logs.push(open);
  const releaseLogs = store.holdLogs(logs.map((log) => log.number));
  store.pins++;
  // The copy recovers from these segments alone; what its log held before that stays behind.
  state.logs = new Map(logs.filter((log) => log !== open).map((log) => [log.number, log]));
  state.openLog = open === undefined ? undefined : { number: open.number, end: open.end };
  state.slots.clear();
  state.gaps = [];
  state.forked = true;
  const manifestNumber = state.nextNumber++;
  const files = filesOf(version);
  for (const { number, end } of logs) files.push({ name: fileName("log", number), number, kind: "log", size: end });
  let held = true;
  return {
    version: store.visibleVersion,
    timestamp: store.visibleTimestamp,
    files,
    meta: state.database,
    base: baseOf(state, manifestNumber),
    manifestName: fileName("manifest", manifestNumber),
    manifest: () => encodeManifest(state, manifestNumber).bytes,
    marker: () => encodeMarker(state, manifestNumber),
    tail: () => readTail(store, logs, state.lastVersion, () => held),
    release() {
      if (!held) return;
      held = false;
      version.release();
      releaseLogs();
      store.pins--;
    },
  };
}

function filesOf(version: Version): PinnedFile[] {
  const files: PinnedFile[] = [];
  for (const { meta: { number, size, sha256, rows } } of version.tables()) {
    files.push({ name: fileName("table", number), number, kind: "table", size, sha256, rows });
  }
  for (const { meta: { number, size, sha256 } } of version.blobs.values()) {
    files.push({ name: fileName("blob", number), number, kind: "blob", size, sha256 });
  }
  return files;
}

/** The same files without the log. */
function baseOf(pinned: ManifestState, manifestNumber: number): PinBase {
  const meta = metaAt(pinned.database, pinned.lastVersion);
  const state: ManifestState = { ...copyState(pinned), database: meta, logs: new Map(), openLog: undefined };
  return {
    version: state.lastVersion,
    timestamp: state.lastTimestamp,
    meta,
    manifestName: fileName("manifest", manifestNumber),
    manifest: () => encodeManifest(state, manifestNumber).bytes,
    marker: () => encodeMarker(state, manifestNumber),
  };
}

/** Who a database was at an earlier version: lines of history that began later are taken off. */
function metaAt(database: DatabaseMeta, version: number): DatabaseMeta {
  const parents = [...database.parents];
  let { lineage } = database;
  for (let last = parents.at(-1); last !== undefined && last.version > version; last = parents.at(-1)) {
    lineage = last.lineage;
    parents.pop();
  }
  return { ...database, lineage, parents };
}

async function* readTail(
  store: Store,
  logs: readonly LogMeta[],
  after: number,
  isHeld: () => boolean,
): AsyncGenerator<CommitEvent, void> {
  const slicer = new Slicer(store.settings.monotonic);
  for (const { number, end } of logs) {
    for (const commit of readCommits(store.fs, store.path, { number, database: store.database }, end)) {
      if (!isHeld()) {
        throw new ClosedError(`Cannot read the pinned log of ${store.path}: the pin was released (CLOSED)`);
      }
      if (commit.version <= after) continue;
      yield { version: commit.version, timestamp: commit.timestamp, ops: commit.ops };
      if (slicer.due()) await slicer.tick();
    }
  }
}
