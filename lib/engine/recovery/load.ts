/**
 * Loading: from manifest and log to a store that stands where the last visible commit left it.
 *
 * @module
 */
import { CorruptionError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { type CommitRecord, countOperations } from "../../format/log/batch.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import type { BlockCache } from "../../tree/table/block_cache.ts";
import { applySliced } from "../writing/apply.ts";
import { Log } from "../log/log.ts";
import { type LoadedManifest, loadManifest } from "../manifest/manifest.ts";
import type { ManifestState } from "../manifest/manifest_state.ts";
import { recoverLog } from "./recovery.ts";
import { assertUntouched, atWork } from "./untouched.ts";
import { Store } from "../store.ts";
import type { EngineSettings } from "../types.ts";

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
  options: { cache?: BlockCache | undefined; names?: Promise<readonly string[]> } = {},
): Promise<Loaded> {
  const store = new Store(fs, path, settings, loaded, options.cache);
  const started = settings.monotonic();
  const slicer = new Slicer(settings.monotonic, settings.signal);
  const { names } = options;
  const found = await recoverLog(fs, path, loaded.state, {
    apply({ ops, version, timestamp }) {
      // As it was when they were written: what is full can go while more comes. Readers flush nothing, and look in one sooner.
      if (!settings.readOnly && store.isMemtableFull) store.seal();
      store.visibleVersion = version;
      store.visibleTimestamp = timestamp;
      return applySliced(store, ops, version, timestamp, slicer);
    },
    slicer,
    names,
  }).catch(async (error) => {
    if (settings.readOnly || !(error instanceof CorruptionError)) throw error;
    // A record may have been read while another process wrote it: damage stays where it is.
    const apply = ({ ops }: CommitRecord): undefined => void countOperations(ops);
    let again: string | undefined;
    try {
      await recoverLog(fs, path, loaded.state, { apply, slicer, names });
    } catch (second) {
      if (!(second instanceof CorruptionError)) throw second;
      again = placeOf(second);
    }
    throw again === placeOf(error) ? error : atWork(path);
  });
  if (!loaded.fresh) store.manifest.guard(() => assertUntouched(fs, path, loaded, found.openSeen));
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
  if (found.records > 0 || found.droppedBytes > 0) {
    const { records, bytes, droppedBytes } = found;
    store.report({ type: "recovery", records, bytes, droppedBytes, durationMs: settings.monotonic() - started });
  }
  return { store, log: new Log(store, previous) };
}

/**
 * Loads the committed state of this moment. The writer may remove files meanwhile: it has changed its manifest by then, so
 * what goes wrong while the manifest stays the same is damage, and all else is tried again. So is a bad place that was not
 * bad before: a record may have been read while it was written, and the synced ones behind it, which make a bad place
 * damage, only afterwards. Read again it is whole; damage stays where it is.
 */
export async function loadReadOnly(
  fs: FileSystem,
  path: string,
  settings: EngineSettings,
  cache?: BlockCache,
): Promise<Loaded> {
  let badPlace: string | undefined;
  for (let tries = 1;; tries++) {
    const before = await loadManifest(fs, path);
    const { number, size } = before;
    let recovered: Loaded | undefined;
    try {
      checkKeyEncoding(before.state, settings, path);
      recovered = await recoverStore(fs, path, settings, before, { cache });
      await openFiles(recovered.store);
      return recovered;
    } catch (error) {
      recovered?.store.version.release();
      if (tries === READ_ONLY_TRIES) throw error;
      const place = placeOf(error);
      const after = await loadManifest(fs, path);
      if (after.number === number && after.size === size && place === badPlace) throw error;
      badPlace = place;
    }
  }
}

function placeOf(error: unknown): string | undefined {
  return error instanceof CorruptionError ? `${error.file}:${error.offset}` : undefined;
}

/** Opens all tables and blob files, in slices: open files stay readable after the writer has removed them. */
async function openFiles({ version, settings }: Store): Promise<void> {
  const slicer = new Slicer(settings.monotonic);
  for (const files of [version.tables(), version.blobs.values()]) {
    for (const file of files) {
      file.reader();
      await slicer.tick();
    }
  }
}
