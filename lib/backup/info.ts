/**
 * What a backup and a restore tell about themselves.
 *
 * @module
 */

import type { WantedPoint } from "./restore_options.ts";

/** How a backup relates to others. */
export type BackupType = "full" | "incremental" | "snapshot";

/** What a backup is and was. */
export interface BackupInfo {
  /** Its name: of a portable backup the file's. */
  id: string;
  /** A portable or selective backup is always `"full"`. */
  type: BackupType;
  /** What was asked for: an incremental backup whose log is gone becomes a snapshot, the first one of a database is full. */
  requestedType: "auto" | BackupType;
  /** The backup it builds on, if any. */
  parentId: string | undefined;
  /** The id of the database it was made from. */
  database: string;
  /** The last part of that database's path, for people. */
  databaseName: string;
  /** The history it belongs to. */
  lineage: string;
  /** When it began, ms. */
  createdAt: number;
  /** How long it took, ms. */
  durationMs: number;
  /** The version it shows. */
  version: number;
  /** The time of the commit that made that version, ms. */
  timestamp: number;
  /**
   * How many entries it holds. Of a backup in a repository, which copies files and looks into none, an upper bound: the rows
   * in its tables and log, overwritten ones and those of tags among them. Of an incremental one: its commits.
   */
  entryCount: number;
  /** Of how many files it consists. */
  fileCount: number;
  /** Its bytes before compression. */
  totalBytes: number;
  /** Its bytes as stored, with those it shares. */
  storedBytes: number;
  /** Of these, what it added. */
  addedBytes: number;
  /** `sha256:` and the digest of the stored file (in a repository: of its manifest, which names all by content). */
  checksum: string;
  /**
   * How the file is compressed. In a repository: how that was asked for, else `"none"`, as tables and values are compressed
   * already (log is `"zstd"` all the same), and `"zstd"` where entries were chosen.
   */
  compression: "zstd" | "gzip" | "none";
  /** Portable files never are. */
  encrypted: boolean;
  /** The namespace it is restricted to, if any. */
  namespace: string[] | undefined;
  /** The key prefix it is restricted to, if any. */
  prefix: string | Uint8Array | undefined;
  /** Given by who made it. */
  labels: Record<string, string>;
  /** Whether it may never be pruned. */
  pinned: boolean;
  /** Whether it was restricted by `prefix`, `namespace` or `filter`, be it that these left nothing out. */
  selective: boolean;
}

/** What a restore did. */
export interface RestoreInfo {
  /** What was asked for: where from, which point in time (of a repository), and how. */
  requested: { source: string; mode: "replace" | "merge"; dryRun: boolean } & WantedPoint;
  /** The commit at which the database now stands (of a dry run: the version that the source shows, where it says). */
  achieved: { version: number; timestamp: number };
  /** The id of the database restored. */
  database: string;
  /** Its history; a restored database begins a new one at its next write. */
  lineage: string;
  /** The backups it was made from; a portable or exported one has the path of its file or directory. */
  backups: string[];
  /** How many entries were restored. */
  entries: number;
  /**
   * Only there where `entries` was not counted but is at most so many: a log was replayed over so many entries that counting
   * would take longer than restoring, or a dry run went by what a backup of files says. One that was overwritten or deleted
   * counts each time.
   */
  entriesAtMost?: true;
  /** Only there in a dry run that found log to replay: how much each of its commits holds is not known, and they count as one. */
  entriesAbout?: true;
  /** How many were left out because they have expired; not those that a replay of log has dropped before they were counted. */
  expired: number;
  /** Bytes read from the source (unpacked), or copied. */
  bytes: number;
  /** Commits replayed from a log. */
  recordsReplayed: number;
  /** Bytes that were in place already. */
  reusedBytes: number;
  /** How long it took, ms. */
  durationMs: number;
}

/** What an export wrote. */
export interface ExportInfo {
  /** Where it is. */
  path: string;
  /** The version it shows. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** How many files it has (of a tar file: members). */
  files: number;
  /** Their bytes. */
  bytes: number;
  /** Of these, bytes that are shared with the database (hard links, clones). */
  sharedBytes: number;
  /** How long it took, ms. */
  durationMs: number;
}
