/**
 * `db.backup`: into a portable file or into a repository, as the destination says.
 *
 * @module
 */
import { abortable, throwIfAborted } from "../base/abort.ts";
import { describeValue } from "../base/options.ts";
import type { Engine } from "../engine/types.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { type BackupOptions, type CheckedRepositoryBackup, checkRepositoryBackup } from "./backup_options.ts";
import { backupPortable } from "./backup_portable.ts";
import { isWithin, localPath, meansRepository } from "./destination.ts";
import type { BackupInfo } from "./info.ts";
import { backupInto } from "./repository/making/backup.ts";
import { contextOf, isObjectStore, type RepositoryContext, type RepositoryHandle } from "./repository/core/context.ts";
import { OPEN_DEFAULTS, openRepository, storeAt } from "./repository/core/open.ts";
import { Shipper } from "./repository/log/shipper.ts";
import { pruneRepository } from "./repository/pruning/prune.ts";

const CALL = "db.backup";

/** Where a backup may go. */
export type BackupDestination = string | URL | ObjectStore | RepositoryHandle;

/** Makes a backup; given up when `closing` says that the database is being closed. */
export async function backupTo(
  engine: Engine,
  destination: BackupDestination,
  options?: BackupOptions,
  closing?: AbortSignal,
): Promise<BackupInfo> {
  const context = contextOf(destination);
  if (context !== undefined) return await backupIntoRepository(engine, context, options);
  if (isObjectStore(destination)) return await intoStore(engine, destination, options);
  if (typeof destination !== "string" && !(destination instanceof URL)) {
    throw new TypeError(
      `${CALL}: destination must be a path, a file: URL, a store or a repository, not ${describeValue(destination)}`,
    );
  }
  const path = localPath(CALL, destination);
  const { fs } = engine;
  if (!await meansRepository(fs, path)) return await backupPortable(engine, destination, options, closing);
  if (isWithin(fs.resolve(path), fs.resolve(engine.path))) {
    throw new TypeError(
      `${CALL}: the destination ${path} is the database's own directory or inside it; choose another`,
    );
  }
  // Before anything is made: what makes no sense leaves no empty repository behind.
  checkRepositoryBackup(CALL, options);
  return await intoStore(engine, await storeAt(fs, path), options);
}

async function intoStore(engine: Engine, store: ObjectStore, options: BackupOptions | undefined): Promise<BackupInfo> {
  const checked = checkRepositoryBackup(CALL, options);
  throwIfAborted(checked.signal); // before a repository is made for nothing
  const context = await openRepository(store, {
    ...OPEN_DEFAULTS,
    encryption: checked.encryption,
    clock: engine.settings.clock,
  });
  try {
    return await withPruning(context, engine, checked);
  } finally {
    await context.letGo?.();
  }
}

/** Makes a backup in an open repository. */
export async function backupIntoRepository(
  engine: Engine,
  context: RepositoryContext,
  options: BackupOptions | undefined,
): Promise<BackupInfo> {
  const checked = checkRepositoryBackup(CALL, options);
  if (checked.encryption !== undefined) {
    throw new TypeError(`${CALL}: option "encryption" is for a path or a store; this repository is open already`);
  }
  return await withPruning(context, engine, checked);
}

async function withPruning(
  context: RepositoryContext,
  engine: Engine,
  options: CheckedRepositoryBackup,
): Promise<BackupInfo> {
  const { prune, signal } = options;
  // One at a time: that of a replication beside in this program is waited for, any other refuses this one.
  const { basing } = Shipper.of(context, engine);
  if (basing !== undefined) await abortable(basing, signal);
  const info = await backupInto(context, engine, options);
  try {
    if (prune !== undefined) await pruneRepository(context, prune, { signal });
  } catch (error) {
    // The backup is published, so giving up ends the pruning alone.
    if (!signal?.aborted || error !== signal.reason) throw error;
  }
  return info;
}
