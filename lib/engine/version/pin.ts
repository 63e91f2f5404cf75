/**
 * One point in time as files: the tables and blob files of the current version, and the log behind them up to the last
 * visible commit. Nothing waits for it and nothing is copied; the files stay until the pin is released.
 *
 * @module
 */
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { fileName } from "../file_names.ts";
import { encodeManifest, encodeMarker } from "../manifest/manifest.ts";
import { copyState } from "../manifest/manifest_state.ts";
import type { Store } from "../store.ts";
import type { Pin, PinnedFile } from "../types.ts";

/** Pins the present; `newest` is the segment in use, all of it visible. Takes no turn of the event loop. */
export function pinStore(store: Store, newest: LogMeta | undefined): Pin {
  const state = copyState(store.manifest.state);
  const version = store.version.retain();
  const logs = [...state.logs.values()].filter((log) => log.lastVersion > state.lastVersion);
  const open = newest !== undefined && newest.lastVersion > state.lastVersion ? newest : undefined;
  if (open !== undefined) logs.push(open);
  const releaseLogs = store.holdLogs(logs.map((log) => log.number));
  store.pins++;
  // The copy recovers from these segments alone; what its log held before that stays behind.
  state.logs = new Map(logs.filter((log) => log !== open).map((log) => [log.number, log]));
  state.openLog = open === undefined ? undefined : { number: open.number, end: open.end };
  state.slots.clear();
  state.forked = true;
  const manifestNumber = state.nextNumber++;
  const files: PinnedFile[] = [];
  for (const { meta } of version.tables()) {
    files.push({
      name: fileName("table", meta.number),
      number: meta.number,
      kind: "table",
      size: meta.size,
      sha256: meta.sha256,
    });
  }
  for (const { meta } of version.blobs.values()) {
    files.push({
      name: fileName("blob", meta.number),
      number: meta.number,
      kind: "blob",
      size: meta.size,
      sha256: meta.sha256,
    });
  }
  for (const { number, end } of logs) files.push({ name: fileName("log", number), number, kind: "log", size: end });
  let held = true;
  return {
    version: store.visibleVersion,
    timestamp: store.visibleTimestamp,
    files,
    manifestName: fileName("manifest", manifestNumber),
    manifest: () => encodeManifest(state, manifestNumber).bytes,
    marker: () => encodeMarker(state, manifestNumber),
    release() {
      if (!held) return;
      held = false;
      version.release();
      releaseLogs();
      store.pins--;
    },
  };
}
