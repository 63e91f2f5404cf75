/**
 * What `stats()` of a repository tells.
 *
 * @module
 */
import type { BackupType } from "../../info.ts";

/** Figures of a repository. Times are ms since the Unix epoch, sizes bytes. */
export interface RepositoryStats {
  /** How many backups are listed, by type. */
  backups: Record<BackupType, number>;
  /** Their bytes before compression, as if nothing were shared. */
  totalBytes: number;
  /** The bytes that the objects of backups and the log take in the store. */
  storedBytes: number;
  /** Bytes that compression saves, of each object once. */
  compressionSavedBytes: number;
  /** Stored bytes that sharing saves: what the backups would take besides if each had its own objects. */
  sharingSavedBytes: number;
  /** How many objects the backups and the log refer to. */
  objects: number;
  /** How many objects of archived log. */
  logObjects: number;
  /** Their stored bytes. */
  logBytes: number;
  /** The newest backup. */
  lastBackup: { id: string; at: number; durationMs: number } | undefined;
  /** When a backup last succeeded. */
  lastSuccessAt: number | undefined;
  /** When one last failed. */
  lastFailureAt: number | undefined;
  /** The share of attempts that succeeded, 0 to 1. */
  successRate: number | undefined;
  /** How long backups took, ms. */
  durations: { median: number; max: number } | undefined;
  /** How far the archived log is behind a database that is replicated, ms. */
  lag: number | undefined;
}

/** How far the archived log is behind a database; what a running replication tells of itself. */
export interface ReplicationLag {
  /** The database's id. */
  database: string;
  /** Versions that are not archived yet. */
  lagVersions: number;
  /** Bytes of log that are not archived yet. */
  lagBytes: number;
  /** How long the oldest of them has waited, ms. */
  lagMs: number;
  /** `"stopped"`: it was ended, or gave up because of `error`. */
  state?: "waiting" | "shipping" | "failing" | "stopped";
  /** The last failure, while it matters. */
  error?: unknown;
}
