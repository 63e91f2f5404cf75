/**
 * Loading: from manifest and log to a store that stands where the last visible commit left it.
 *
 * @module
 */
import { NotFoundError } from "../base/errors.ts";
import { Slicer } from "../base/yield.ts";
import type { FileSystem } from "../files/file_system.ts";
import type { LogMeta } from "../format/manifest_edit.ts";
import { applyOperations } from "./apply.ts";
import { filePath } from "./file_names.ts";
import { Log } from "./log.ts";
import { type LoadedManifest, loadManifest } from "./manifest.ts";
import type { ManifestState } from "./manifest_state.ts";
import { recoverLog } from "./recovery.ts";
import { Store } from "./store.ts";
import type { EngineSettings } from "./types.ts";

/** How often a reader starts over when the writer removes files that it is just about to open. */
const READ_ONLY_TRIES = 20;

/** A store and its log, ready to be used. */
export interface Loaded {
  /** The store. */
  store: Store;
  /** Its log. */
  log: Log;
}

/** Refuses another key encoding than the stored one. */
export function checkKeyEncoding(state: ManifestState, settings: EngineSettings, directory: string): void {
  const stored = state.database.keyEncoding;
  if (settings.keyEncoding === undefined || settings.keyEncoding === stored) return;
  throw new TypeError(
    `DB.open: option "keyEncoding" is "${settings.keyEncoding}", but ${directory} was created with "${stored}"; ` +
      `leave the option out or name that one`,
  );
}

/** Replays the log behind a loaded manifest. */
export async function recoverStore(
  fs: FileSystem,
  path: string,
  settings: EngineSettings,
  loaded: LoadedManifest,
): Promise<Loaded> {
  const store = new Store(fs, path, settings, loaded);
  const started = settings.monotonic();
  const found = await recoverLog(fs, path, loaded.state, {
    apply: ({ ops, version, timestamp }) => applyOperations(store.memtable, ops, version, timestamp),
    slicer: new Slicer(settings.monotonic),
    signal: settings.signal,
  });
  store.visibleVersion = found.version;
  store.visibleTimestamp = found.timestamp;
  const open = loaded.state.openLog;
  const previous: LogMeta | undefined = open === undefined || found.openEnd === undefined ? undefined : {
    number: open.number,
    end: found.openEnd,
    firstVersion: found.openFirst.version,
    lastVersion: found.openFirst.version === 0 ? 0 : found.version,
    minTimestamp: found.openFirst.timestamp,
    maxTimestamp: found.openFirst.version === 0 ? 0 : found.timestamp,
    lineage: loaded.state.database.lineage,
  };
  if (!settings.readOnly && open?.end === null && found.records > 0) {
    // What is about to be shown must not be lost by the next power cut: synced here, and sealed to be written anew.
    const handle = await fs.open(filePath(path, "log", open.number), "append");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    store.seal();
  }
  if (found.records > 0 || found.droppedBytes > 0) {
    const { records, bytes, droppedBytes } = found;
    store.report({ type: "recovery", records, bytes, droppedBytes, durationMs: settings.monotonic() - started });
  }
  return { store, log: new Log(store, previous) };
}

/** Loads the committed state of this moment. The writer may remove files meanwhile: then its newer state is loaded. */
export async function loadReadOnly(
  fs: FileSystem,
  path: string,
  settings: EngineSettings,
): Promise<Loaded> {
  for (let tries = 1;; tries++) {
    try {
      const loaded = await loadManifest(fs, path);
      checkKeyEncoding(loaded.state, settings, path);
      const recovered = await recoverStore(fs, path, settings, loaded);
      // Open files stay readable after the writer has removed them.
      for (const table of recovered.store.version.tables()) table.reader();
      for (const blob of recovered.store.version.blobs.values()) blob.reader();
      return recovered;
    } catch (error) {
      const moved = error instanceof NotFoundError || await hasMoved(fs, path, error);
      if (!moved || tries === READ_ONLY_TRIES) throw error;
    }
  }
}

/** Whether a failure to load may come from the writer having gone on meanwhile: the marker or manifest has changed since. */
async function hasMoved(fs: FileSystem, path: string, error: unknown): Promise<boolean> {
  if (!(error instanceof Error) || error.name !== "CorruptionError") return false;
  try {
    const before = await loadManifest(fs, path);
    await new Promise((resolve) => setTimeout(resolve, 1));
    const after = await loadManifest(fs, path);
    return before.number !== after.number || before.size !== after.size;
  } catch {
    return false;
  }
}
