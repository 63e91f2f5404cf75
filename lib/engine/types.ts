/**
 * What the floors above see of the engine: commits in, rows out, and pins for those who copy files.
 *
 * @module
 */
import type { FileSystem } from "../files/file_system.ts";
import type { Batch, IngestInfo } from "../format/log/batch.ts";
import type { BlobMeta, TableMeta } from "../format/table/table_meta.ts";
import type { DatabaseMeta, SlotMeta, VersionGap } from "../format/manifest/manifest_edit.ts";
import type { FoundRow, Row } from "../tree/cursor.ts";
import type { Overlay } from "../tree/overlay.ts";
import type { VisibleCursor, VisibleOptions } from "../tree/visible_cursor.ts";
import type { Commit, CommitEvent } from "./types_commit.ts";
import type { IngestOptions, IngestWriter } from "./types_ingest.ts";
import type { IngestedSource, LogFollower, Pin, ReplayOptions, SettledPoint } from "./types_copy.ts";

export type { IngestInfo };
export type { Commit, CommitEvent } from "./types_commit.ts";
export type { IngestOptions, IngestWriter, KeyBounds } from "./types_ingest.ts";
export type {
  IngestedSource,
  LogFollower,
  LogStretch,
  Pin,
  PinBase,
  PinnedFile,
  ReplayOptions,
  SettledPoint,
} from "./types_copy.ts";

/** When a write's promise resolves: see the durability table of the README. */
export type Durability = "commit" | "interval" | "buffered";

/** How keys are given: strings (stored as UTF-8) or bytes. */
export type KeyEncoding = "utf8" | "bytes";

/** How one commit is made. */
export interface CommitOptions {
  /** The default is the database's. */
  durability?: Durability | undefined;
  /**
   * Runs at the commit's turn, synchronously, over the state just before it; false refuses the commit. It may read
   * commits that are not yet synced, because this one would come after them; a refusal is told when they are visible.
   */
  check?: ((state: ReadView) => boolean) | undefined;
}

/** The rows as of one version and moment. Cheap to make, holds nothing until a cursor is opened. */
export interface ReadView {
  /** Rows of later versions are not seen. */
  readonly version: number;
  /** Entries that expire at or before this time are not seen, ms. */
  readonly moment: number;
  /** The visible row at an internal key; undefined when absent, deleted or expired. */
  get(key: Uint8Array): FoundRow | undefined;
  /**
   * A cursor over visible rows with `start <= key < end`; it pins the files it needs until `close()`. `overlay`: of a
   * transaction, whose rows hide others with the same key. `staleness`: see `VisibleOptions`.
   */
  cursor(start?: Uint8Array, end?: Uint8Array, overlay?: Overlay, staleness?: VisibleOptions["staleness"]): ViewCursor;
  /** Whether a row or range tombstone that touches the key is newer than `version`. */
  keyChangedSince(key: Uint8Array, version: number): boolean;
  /** Whether any row or range tombstone in `start <= key < end` is newer than `version`. */
  changedSince(start: Uint8Array | undefined, end: Uint8Array | undefined, version: number): boolean;
}

/** A visible cursor that pins what it reads. */
export interface ViewCursor extends VisibleCursor {
  /** Lets go of the files; further moves are not allowed. Safe to call twice. */
  close(): void;
}

/** A version kept readable until released. */
export interface EngineSnapshot extends Commit {
  /** The moment by which expiry is judged, ms. */
  readonly moment: number;
  /** Whether it was released. */
  readonly released: boolean;
  /** Lets compaction drop what only this snapshot sees. Safe to call twice. */
  release(): void;
}

/** One problem found by a check. */
export interface Problem {
  /** The file's name within the database directory. */
  file: string;
  /** Where in the file, bytes from its start. */
  offset: number;
  /** What does not hold. */
  detail: string;
}

/** What a check of a database found; damage is reported, not thrown. */
export interface VerifyReport {
  /** Whether nothing was found. */
  ok: boolean;
  /** All that was found. */
  problems: Problem[];
  /** Files read. */
  files: number;
  /** Bytes read. */
  bytes: number;
  /** Rows seen in tables and log (older versions and deletes included). */
  entries: number;
  /** How long it took, ms. */
  durationMs: number;
}

/** What happens in the background, for `onEvent`. */
export type EngineEvent =
  | { type: "flush"; table: number; bytes: number; durationMs: number }
  | {
    type: "compaction";
    level: number;
    inputs: number;
    outputs: number;
    bytesRead: number;
    bytesWritten: number;
    durationMs: number;
  }
  | { type: "stall"; reason: StallReason; delayMs: number }
  | { type: "sync"; durationMs: number; commits: number }
  | { type: "archive"; from: number; to: number; slot: string } // a repository has these versions now
  | { type: "gap"; from: number; to: number; slot: string }
  | { type: "recovery"; records: number; bytes: number; droppedBytes: number; durationMs: number }
  | { type: "space"; full: boolean }
  | { type: "failure"; error: unknown };

/** Why writers wait. */
export type StallReason = "level0" | "memtables" | "compaction debt";

/** Figures of one level. */
export interface LevelStats {
  /** Level number, 0 is the newest. */
  level: number;
  /** Tables in it. */
  tables: number;
  /** Their bytes on disk. */
  bytes: number;
}

/** What the engine counts; sizes in bytes, times in ms, counts since open. */
export interface EngineStats {
  /** The newest visible version. */
  version: number;
  /** Figures of each level that has tables. */
  levels: LevelStats[];
  /** Bytes in memtables. */
  memtableBytes: number;
  /** Memtables that wait to be written as tables. */
  pendingFlushes: number;
  /** Bytes of all log segments kept. */
  logBytes: number;
  /** Bytes of tables. */
  tableBytes: number;
  /** Bytes of blob files. */
  blobBytes: number;
  /** Bytes in blob files that no entry refers to any more. */
  blobGarbageBytes: number;
  /** Bytes of blocks in the cache, packed and unpacked. */
  cacheBytes: number;
  /** Reads of blocks that the cache served. */
  cacheHits: number;
  /** Reads of blocks that went to the file. */
  cacheMisses: number;
  /** Commits made. */
  commits: number;
  /** Bytes given to writing calls. */
  userBytes: number;
  /** Bytes written to log, tables, blobs and manifest. */
  writtenBytes: number;
  /** Syncs of the log. */
  syncs: number;
  /** Memtables written as tables. */
  flushes: number;
  /** Compactions finished. */
  compactions: number;
  /** Why writers wait now, if they do. */
  stall: StallReason | undefined;
  /** How long writers have waited for flush and compaction in all, ms. */
  stalledMs: number;
  /** Snapshots, cursors and pins that hold something. */
  pins: number;
  /** The failure that turned the database read-only, if any. */
  failure: unknown;
  /** Whether the disk is full and writes are refused until there is space. */
  full: boolean;
}

/** Options of the engine, all settled by the floor above. */
export interface EngineSettings {
  /** Make the database when there is none. */
  createIfMissing: boolean;
  /** Refuse when there is one. */
  errorIfExists: boolean;
  /** Take no lock, write nothing. */
  readOnly: boolean;
  /** Fixed at creation; undefined: the stored one, or `"utf8"` for a new database. */
  keyEncoding: KeyEncoding | undefined;
  /** The default of each write. */
  durability: Durability;
  /** ms between syncs (`"interval"`) or writes (`"buffered"`). */
  flushInterval: number;
  /** Unwritten bytes that make `"buffered"` write at once. */
  bufferBytes: number;
  /** A memtable of this size is written as a table. */
  memtableBytes: number;
  /** Bytes of decoded blocks kept in memory. */
  cacheBytes: number;
  /** Values from this size on go to blob files. */
  blobBytes: number;
  /** How blocks and blobs are compressed. */
  compression: "none" | "zstd" | "auto";
  /** Bytes of log kept for `changes()`. */
  historyBytes: number;
  /** Bytes of log kept for repositories. */
  archiveBytes: number;
  /** What happens when that is not enough: the oldest goes and is recorded as a gap, or writes are `NoSpaceError`. */
  archiveOnFull: "gap" | "stop";
  /** Raw bytes of a block. */
  blockBytes: number;
  /** A compaction's output is cut at this size. */
  tableBytes: number;
  /** Tables in level 0 that start a compaction; writers slow down at twice, stop at three times as many. */
  level0Tables: number;
  /** Bytes of level 1; each further level holds ten times more. */
  levelBytes: number;
  /** Whether to put a megabyte by for a full disk. */
  reserve: boolean;
  /** Makes new ids: 16 random bytes. */
  randomId: () => Uint8Array;
  /** ms since the Unix epoch. */
  clock: () => number;
  /** ms of a clock that only goes forward, for slices and durations. */
  monotonic: () => number;
  /** Hears what happens in the background. */
  onEvent: ((event: EngineEvent) => void) | undefined;
  /** Ends a long recovery. */
  signal: AbortSignal | undefined;
  /**
   * The files that the manifest lists are still being put there, until this resolves: opening looks at none, nothing may be
   * read, and compaction waits.
   */
  filesLater?: Promise<void> | undefined;
}

/** A table of which every row is an entry of the present; see `Engine.plainTables`. */
export interface PlainTable {
  /** The key of its first row. */
  smallest: Uint8Array;
  /** The key of its last row. */
  largest: Uint8Array;
  /** How many rows it has. */
  rows: number;
}

/** The engine as the floors above use it; made by `openEngine`. */
export interface Engine {
  /** The directory, absolute. */
  readonly path: string;
  /** The file system that holds it. */
  readonly fs: FileSystem;
  /** The database's id, 32 hex digits. */
  readonly id: string;
  /** The history this database writes, 32 hex digits. */
  readonly lineage: string;
  /** Who this database is, with the histories it came from. */
  readonly meta: DatabaseMeta;
  /** It is a copy, or was restored into: its next write begins a history of its own. */
  readonly forked: boolean;
  /** How keys are given. */
  readonly keyEncoding: KeyEncoding;
  /** Whether it was opened without the right to write. */
  readonly readOnly: boolean;
  /** Whether `close` was called. */
  readonly closed: boolean;
  /** The newest visible version; 0 before the first commit. */
  readonly visibleVersion: number;
  /** The time of the newest visible commit, ms. */
  readonly visibleTimestamp: number;
  /** What turned the database read-only, if anything. */
  readonly failure: unknown;
  /** The settings in force. */
  readonly settings: EngineSettings;
  /** The clock, which never runs backward. */
  now(): number;
  /** Queues one commit; the batch must not be touched afterwards. Resolves to undefined when `check` refused it. */
  commit(batch: Batch, options?: CommitOptions): Promise<Commit | undefined>;
  /** The rows now, or at a snapshot. */
  read(at?: { version: number; moment: number }): ReadView;
  /** The bytes of a row's value, read from its blob file if it is there. */
  value(row: Row): Uint8Array;
  /** As `value`, reading large blobs off the main thread. */
  valueAsync(row: Row): Promise<Uint8Array>;
  /** Keeps the present readable. */
  snapshot(): EngineSnapshot;
  /** Calls back after each visible commit; returns the way to stop. `reset`: the contents were replaced. */
  onCommit(listener: (event: CommitEvent | { reset: true; version: number; timestamp: number }) => void): () => void;
  /** Commits after `since`, oldest first, from the log; throws `HistoryGoneError` when it doesn't reach back that far. */
  history(since: number): AsyncIterable<CommitEvent>;
  /** Reads the log behind `since` as it grows; see `LogFollower`. */
  follow(since: number): LogFollower;
  /** Makes all commits so far durable. */
  flush(): Promise<void>;
  /** As `flush`, and says up to where that is. Read-only engines: up to where they see. */
  settled(): Promise<SettledPoint>;
  /**
   * Rewrites the tables of a range, so that what is deleted, expired or overwritten gives its space back. `onTables` hears
   * of bytes and tables done.
   */
  compact(
    start?: Uint8Array,
    end?: Uint8Array,
    signal?: AbortSignal,
    onTables?: (bytes: number, tables: number) => void,
  ): Promise<void>;
  /** Keeps compaction back, for a second or two and where no writer needs it, until the call that is returned. */
  deferCompaction(): () => void;
  /** Whether writers are slowed, because compaction does not keep up with them. */
  readonly isBehind: boolean;
  /** Approximate bytes on disk of `start <= key < end`. */
  sizeOf(start?: Uint8Array, end?: Uint8Array): number;
  /**
   * The tables whose rows are entries of the present, one for each key, without deletes or expiry, where nothing else
   * meets their range of keys; in key order. And how many rows there are besides, deletes left out.
   */
  plainTables(): { tables: PlainTable[]; otherRows: number };
  /** Counts and sizes. */
  stats(): EngineStats;
  /** Reads every file and checks all that can be checked. */
  verify(options?: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void }): Promise<VerifyReport>;
  /** Pins the present as files. `finalTime`: no later commit gets the time of what is pinned, so that it can be told by it. */
  pin(options?: { finalTime?: boolean }): Promise<Pin>;
  /** A number for a new file, never given twice. */
  newFileNumber(): number;
  /** Where a file of that number lies. */
  filePath(kind: "table" | "blob" | "log", number: number): string;
  /** Opens a writer for one run of tables to be ingested. */
  ingestWriter(): IngestWriter;
  /**
   * Adds written tables in one commit, and deletes in that commit what `options` say. All rows get the commit's version
   * and time. The tables' key ranges must be disjoint and ascending: one sorted run, each key once.
   */
  ingest(files: { tables: TableMeta[]; blobs: BlobMeta[] }, options: IngestOptions): Promise<Commit>;
  /** Removes tables that were written but will not be ingested. */
  discard(files: { tables: TableMeta[]; blobs: BlobMeta[] }): Promise<void>;
  /**
   * Applies commits again, with their versions and times, over a directory of tables alone (`PinBase`). They must go on
   * where the tables end, without a gap; no log is written, and when it resolves all are in tables. What does not fit is
   * `IntegrityError`. After an error the directory holds some of the commits and is of no use.
   */
  replay(commits: AsyncIterable<CommitEvent>, options: ReplayOptions): Promise<Commit>;
  /**
   * The files that a commit took in, when all are still there. They are kept while the slot of any repository stands
   * before that commit, as long as this engine is open.
   */
  ingestedFiles(info: IngestInfo): IngestedSource[] | undefined;
  /** The repositories for which log is kept. */
  slots(): SlotMeta[];
  /** Adds a repository or moves it on; log needed no more goes, its files when `until` settled. An equal slot changes nothing. */
  setSlot(slot: SlotMeta, until?: Promise<unknown>): Promise<void>;
  /** Forgets a repository; its log may go. */
  dropSlot(id: string): Promise<void>;
  /** Versions that left the log before every repository had them, oldest first, neither touching nor overlapping. */
  gaps(): VersionGap[];
  /** About how many bytes of log there are behind a version. */
  unarchivedBytes(version: number): number;
  /** Read-only engines: moves to the writer's newest committed state. */
  refresh(): Promise<void>;
  /** Writes and syncs what is pending, lets go of everything, though not before `last`, which never fails, has ended. */
  close(last?: Promise<void>): Promise<void>;
}
