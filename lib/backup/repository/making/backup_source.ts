/**
 * An open database as the source of backups.
 *
 * @module
 */
import { describeValue } from "../../../base/options.ts";
import type { BackupOptions } from "../../backup_options.ts";
import type { BackupInfo } from "../../info.ts";
import { contextOf, type RepositoryHandle } from "../core/context.ts";

/** A database that can be backed up. */
export interface BackupSource {
  /** As `db.backup`. */
  backup(destination: RepositoryHandle, options?: BackupOptions): Promise<BackupInfo>;
}

/** Checks that a value is one. */
export function sourceOf(call: string, db: unknown): BackupSource {
  const isSource = typeof db === "object" && db !== null && typeof (db as Partial<BackupSource>).backup === "function";
  if (isSource && contextOf(db) === undefined) { // a repository would ask itself, again and again
    return db as BackupSource;
  }
  throw new TypeError(`${call}: the first argument must be an open database, not ${describeValue(db)}`);
}
