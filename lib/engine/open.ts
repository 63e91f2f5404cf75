/**
 * Opening: look, lock, load, recover, tidy.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { throwIfAborted } from "../base/abort.ts";
import { CorruptionError, ExistsError, HoldfastError, LockedError, NotFoundError } from "../base/errors.ts";
import type { FileLock, FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { ensureDirectory, putNew, removeTree } from "../files/publish.ts";
import { removeLeftovers } from "./leftovers.ts";
import { lockFor } from "./lock_for.ts";
import { TreeEngine } from "./engine.ts";
import { type FileKind, isOurs, LOCK_NAME, MARKER_NAME, parseFileName, STAGE_PREFIX } from "./file_names.ts";
import type { Log } from "./log/log.ts";
import { createManifest } from "./manifest/create_manifest.ts";
import { type LoadedManifest, loadManifest } from "./manifest/manifest.ts";
import { checkFiles, inspectDatabase } from "./recovery/check_files.ts";
import { checkKeyEncoding, type Loaded, loadReadOnly, recoverStore } from "./recovery/load.ts";
import { emptyState } from "./manifest/manifest_state.ts";
import { lookAt } from "./recovery/open_directory.ts";
import { assertSameManifest, atWork } from "./recovery/untouched.ts";
import type { Store } from "./store.ts";
import type { Engine, EngineSettings } from "./types.ts";

/** Opens or makes the database in a directory. */
export async function openEngine(fs: FileSystem, directory: string, settings: EngineSettings): Promise<Engine> {
  throwIfAborted(settings.signal);
  const path = fs.resolve(directory);
  const place = await hasMarker(fs, path) ? "database" : await lookAt(fs, path);
  if (place === "database" && settings.errorIfExists) {
    throw new ExistsError(`Cannot create ${directory}: there is a database already (EXISTS)`, { path });
  }
  if (place !== "database" && (settings.readOnly || !settings.createIfMissing)) {
    throw new NotFoundError(`Cannot open ${directory}: there is no database (NOT_FOUND)`, { path });
  }
  if (settings.readOnly) return await openReadOnly(fs, path, settings);
  settings.clock(); // one that gives no time is refused before anything is made
  if (place === "missing") await ensureDirectory(fs, path);
  const lockPath = join(path, LOCK_NAME);
  // A copy that was never opened: what can't be opened is left without so much as a lock file.
  const isNew = place === "database" && settings.filesLater === undefined && await fs.stat(lockPath) === undefined;
  if (isNew) await inspectDatabase(fs, path, settings);
  const lock = await fs.lock(lockPath);
  let loaded: LoadedManifest | undefined;
  let recovered: Loaded | undefined;
  try {
    // Another opener may have made or removed a database before the lock was held. From here on nobody else changes names
    // in the directory, so that one listing serves to the end.
    const now = await hasMarker(fs, path) ? "database" : await lookAt(fs, path);
    const names = fs.list(path);
    // Awaited later; what fails before that is the error to tell.
    names.catch(() => {});
    loaded = now === "database" ? await loadManifest(fs, path) : await create(fs, path, settings, names);
    if (now === "database" && settings.errorIfExists && place !== "database") {
      throw new ExistsError(`Cannot create ${directory}: there is a database already (EXISTS)`, { path });
    }
    checkKeyEncoding(loaded.state, settings, directory);
    if (settings.filesLater === undefined) await checkFiles(fs, path, loaded.state, settings);
    const { store, log } = recovered = await recoverStore(fs, path, settings, loaded, { names });
    await tidy(store, log, await names);
    return await TreeEngine.start(store, log, lock);
  } catch (error) {
    const manifest = recovered?.store.manifest;
    try {
      if (manifest !== undefined) manifest.assertUntouched();
      else if (loaded !== undefined && error instanceof CorruptionError) assertSameManifest(fs, path, loaded);
    } catch (found) {
      // Nothing else that comes up now is why.
      if (found instanceof LockedError) throw found;
    } finally {
      await manifest?.close().catch(() => {});
      lock.release();
    }
    // What is there was made since the directory was listed.
    if (recovered !== undefined && error instanceof ExistsError) throw atWork(path);
    throw error;
  }
}

/**
 * The quick way to see that there is a database. What can't be seen so, for whatever reason, is for `lookAt`, which knows
 * what to say of it.
 */
async function hasMarker(fs: FileSystem, path: string): Promise<boolean> {
  try {
    return (await fs.stat(join(path, MARKER_NAME)))?.kind === "file";
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

async function openReadOnly(fs: FileSystem, path: string, settings: EngineSettings): Promise<Engine> {
  const lock = join(path, LOCK_NAME);
  if (fs.lockedHere(lock)) {
    throw new LockedError(
      `Cannot open ${path}: this process has it open for writing; use that handle (LOCKED)`,
      { path },
    );
  }
  const { store, log } = await loadReadOnly(fs, path, settings);
  const none: FileLock = { release() {} };
  return await TreeEngine.start(store, log, none);
}

async function create(
  fs: FileSystem,
  path: string,
  settings: EngineSettings,
  names: Promise<readonly string[]>,
): Promise<LoadedManifest> {
  const state = emptyState();
  state.database = {
    id: toHex(settings.randomId()),
    lineage: toHex(settings.randomId()),
    keyEncoding: settings.keyEncoding ?? "utf8",
    createdAt: settings.clock(),
    parents: [],
  };
  // What an interrupted creation left behind may hold a lower number.
  for (const name of await names) {
    state.nextNumber = Math.max(state.nextNumber, (parseFileName(name)?.number ?? 0) + 1);
  }
  await fs.syncDirectory(join(path, ".."));
  try {
    return await createManifest(fs, path, state, putNew);
  } catch (error) {
    // A manifest of a number that none of the names has, or a marker by now.
    throw error instanceof ExistsError ? atWork(path) : error;
  }
}

/** Removes what a crash left behind: numbered files that the manifest doesn't list, and stages of exports and restores. */
async function tidy(store: Store, log: Log, names: readonly string[]): Promise<void> {
  const { fs, path, manifest } = store;
  const { state } = manifest;
  const given = state.nextNumber;
  // Numbers are never reused, not even those of files that never counted.
  for (const name of names) state.nextNumber = Math.max(state.nextNumber, (parseFileName(name)?.number ?? 0) + 1);
  await log.settle();
  await manifest.settle();
  const orphans = names.filter((name) => {
    const parsed = parseFileName(name);
    if (parsed !== undefined) return !isListed(store, parsed.kind, parsed.number);
    return name.startsWith(`${MARKER_NAME}.`) || name.startsWith(STAGE_PREFIX);
  });
  if (orphans.some((name) => (parseFileName(name)?.number ?? given) >= given)) {
    // Another process may have begun it just now, without a lock, and not yet changed what was found here. Once the marker
    // is switched it can make nothing of it any more; where a full disk keeps that from being done, there is a look.
    await manifest.settle(true);
    manifest.marker.assertOurs();
    manifest.assertUntouched();
  }
  await removeLeftovers(fs, path, orphans);
}

function isListed({ manifest }: Store, kind: FileKind, number: number): boolean {
  const { tables, blobs, logs, openLog } = manifest.state;
  switch (kind) {
    case "table":
      return tables.has(number);
    case "blob":
      return blobs.has(number);
    case "log":
      return logs.has(number) || openLog?.number === number;
    case "manifest":
      return manifest.number === number;
  }
}

/** Whether a directory holds a database. */
export async function databaseExists(fs: FileSystem, directory: string): Promise<boolean> {
  return (await fs.stat(join(fs.resolve(directory), MARKER_NAME)))?.kind === "file";
}

/** Removes a database: all files of ours, then the directory when nothing else is in it. A missing one is fine. */
export async function destroyDatabase(fs: FileSystem, directory: string): Promise<void> {
  const path = fs.resolve(directory);
  if (await fs.stat(path) === undefined) return;
  if (!await databaseExists(fs, path)) {
    throw new NotFoundError(`Cannot destroy ${directory}: there is no database (NOT_FOUND)`, { path });
  }
  const lock = await lockFor("destroy", fs, directory, path);
  try {
    // The marker goes first: a half destroyed database must not open.
    await fs.remove(join(path, MARKER_NAME));
    await fs.syncDirectory(path);
    for (const name of await fs.list(path)) {
      if (!isOurs(name) || name.startsWith(LOCK_NAME)) continue;
      await removeTree(fs, join(path, name));
    }
  } finally {
    lock.release();
  }
  for (const name of await fs.list(path)) if (name.startsWith(LOCK_NAME)) await fs.remove(join(path, name));
  if ((await fs.list(path)).length === 0) await fs.removeDirectory(path);
}
