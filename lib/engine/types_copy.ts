/**
 * What those use who copy a database: pins of its files, the log as it grows, and the way back from both.
 *
 * @module
 */
import type { IngestInfo } from "../format/log/batch.ts";
import type { DatabaseMeta, LineageParent } from "../format/manifest/manifest_edit.ts";
import type { Commit, CommitEvent } from "./types_commit.ts";

/** One file of a pinned version. */
export interface PinnedFile {
  /** Its name within the database directory. */
  name: string;
  /** Its number. */
  number: number;
  /** What it is; only a log segment may still grow. */
  kind: "table" | "blob" | "log";
  /** How many bytes belong to the pinned version. */
  size: number;
  /** The SHA-256 of those bytes, where it is known (hex). */
  sha256?: string;
  /** Of a table: how many rows it has. */
  rows?: number;
}

/** The tables and blob files of a pin by themselves: a database as of the last commit that is in tables. */
export interface PinBase extends Commit {
  /** Who that database is: the lineage is that of `version`, also when the pin's is a later one. */
  readonly meta: DatabaseMeta;
  /** The number of the manifest that `manifest()` makes. */
  readonly manifestName: string;
  /** The bytes of a manifest without any log, marked as a copy whose next write begins a new lineage. */
  manifest(): Uint8Array;
  /** The bytes of the marker file that makes the pin's tables and blob files a database. Its name is `CURRENT`. */
  marker(): Uint8Array;
}

/** One point in time as files: what an export or a backup copies. Files stay until `release`. */
export interface Pin extends Commit {
  /** The files, each to be copied up to its `size`. */
  readonly files: readonly PinnedFile[];
  /** The number of the manifest that `manifest()` makes. */
  readonly manifestName: string;
  /** Who the pinned database is. */
  readonly meta: DatabaseMeta;
  /** The tables and blob files alone; the commits between it and the pin's version are those of `tail()`. */
  readonly base: PinBase;
  /** The bytes of a manifest for exactly these files, marked as a copy whose next write begins a new lineage. */
  manifest(): Uint8Array;
  /** The bytes of the marker file that makes a directory of these files a database. Its name is `CURRENT`. */
  marker(): Uint8Array;
  /** The commits `base.version + 1` to `version` from the pinned log, oldest first, their operations copied. */
  tail(): AsyncIterable<CommitEvent>;
  /** Lets the files go. Safe to call twice. */
  release(): void;
}

/** Some commits of the log, all of one lineage. */
export interface LogStretch {
  /**
   * At least one, oldest first, without a gap to the stretch before; their operations are copies. Empty where a `visit`
   * was given them.
   */
  commits: CommitEvent[];
  /** The version of the last one. */
  last: number;
  /** The bytes of their operations. */
  bytes: number;
  /** The line of history that these commits belong to. */
  lineage: string;
}

/** Reads the log from one version on as it grows, each byte once. */
export interface LogFollower {
  /** The last version given so far; at first the one it was asked to begin behind. */
  readonly version: number;
  /**
   * The next commits, all of them durable; undefined when there are none yet. Stops after `maxBytes` of operations or
   * where the lineage changes, but a commit is never divided: there is always one, however large.
   *
   * With `visit` each commit is shown as it is read, with operations that are a view for as long as the call lasts: nothing
   * is copied. When `next` then throws, what was shown is to be forgotten; it comes again.
   *
   * Throws `HistoryGoneError` when the log no longer holds the next version. One call at a time.
   */
  next(maxBytes: number, visit?: (commit: CommitEvent) => void): Promise<LogStretch | undefined>;
  /** Ends it: later calls of `next` throw `ClosedError`. Safe to call twice. */
  close(): void;
}

/** A point up to which everything is durable. */
export interface SettledPoint extends Commit {
  /** No commit that comes later has an earlier time than this, ms. Behind `timestamp`, where the writer says it. */
  moment: number;
}

/** How commits are applied again. */
export interface ReplayOptions {
  /**
   * Puts the files that a commit took in (bulk load, restore) into the directory, under the names that `filePath` gives
   * for their numbers, and syncs them; hash and size are checked afterwards.
   */
  ingestFiles: (info: IngestInfo, version: number) => Promise<void>;
  /** Numbers below this are kept for the files that commits take in; files of the replay get none of them. */
  reserveNumbersTo?: number | undefined;
  /** Who the database is at the end, when the commits go over into a later lineage. */
  lineage?: { lineage: string; parents: LineageParent[] } | undefined;
  /** Ends it between two commits. */
  signal?: AbortSignal | undefined;
}

/** A file that an ingest took in and that is still there. */
export interface IngestedSource {
  /** What it is. */
  kind: "table" | "blob";
  /** Its number. */
  number: number;
  /** Where it lies. */
  path: string;
  /** Its length in bytes. */
  size: number;
  /** SHA-256 of the whole file, 64 hexadecimal digits. */
  sha256: string;
}
