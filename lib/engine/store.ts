/**
 * The store: what the engine's parts share. Memtables and the current version, the manifest, who is looking, and what
 * happened.
 *
 * Order of truth, newest first: the memtable, sealed memtables (newest last in the list), level 0, deeper levels.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { NoSpaceError, ReadOnlyError } from "../base/errors.ts";
import { tell } from "../base/listeners.ts";
import type { FileSystem } from "../files/file_system.ts";
import type { ManifestEdit } from "../format/manifest/manifest_edit.ts";
import { BlockCache } from "../tree/table/block_cache.ts";
import type { SpareChunks } from "../tree/memtable/arena.ts";
import { UnseenRanges } from "../tree/unseen_ranges.ts";
import { Memtable } from "../tree/memtable/memtable.ts";
import { filePath } from "./file_names.ts";
import { type FileHome, LiveBlob, LiveTable } from "./version/live_file.ts";
import { type LoadedManifest, ManifestWriter } from "./manifest/manifest.ts";
import type { ManifestState } from "./manifest/manifest_state.ts";
import { IngestHolds } from "./version/ingest_holds.ts";
import { Run } from "./version/run.ts";
import { SnapshotList } from "./version/snapshots.ts";
import type { EngineEvent, EngineSettings } from "./types.ts";
import { LEVELS, Version } from "./version/version.ts";

/** Counters that only grow. */
export interface Counters {
  commits: number;
  userBytes: number;
  logBytes: number;
  tableBytes: number;
  syncs: number;
  flushes: number;
  compactions: number;
  stalledMs: number;
}

/** A memtable that takes no more rows, and the last commit that went into it. */
export interface SealedMemtable {
  /** Its rows. */
  memtable: Memtable;
  /** The last commit's version. */
  version: number;
  /** The last commit's time. */
  timestamp: number;
}

/** What the engine's parts share. */
export class Store implements FileHome {
  /** The file system. */
  readonly fs: FileSystem;
  /** The database directory, absolute. */
  readonly path: string;
  /** The settings in force. */
  readonly settings: EngineSettings;
  /** The manifest, or its state alone when read-only. */
  manifest: ManifestWriter;
  /** Decoded blocks. */
  readonly cache: BlockCache;
  /** Who must stay served. */
  readonly snapshots = new SnapshotList();
  /** Counted since open. */
  readonly counters: Counters = {
    commits: 0,
    userBytes: 0,
    logBytes: 0,
    tableBytes: 0,
    syncs: 0,
    flushes: 0,
    compactions: 0,
    stalledMs: 0,
  };
  /** Takes new rows. */
  memtable: Memtable = new Memtable();
  /** Memory for memtables that nobody reads, used again and again; where there are readers, none. */
  spareChunks: SpareChunks | undefined;
  /** Where nobody sees a row. */
  readonly unseen: UnseenRanges = new UnseenRanges();
  /** Full memtables on their way to tables, oldest first. */
  sealed: SealedMemtable[] = [];
  /** The current files. */
  version: Version;
  /** Commits up to here are seen. */
  visibleVersion: number;
  /** The time of that commit. */
  visibleTimestamp: number;
  /** What turned the database read-only. */
  failure: unknown;
  /** Whether the lock goes back: files made from now on could get the numbers that a next writer gives to its own. */
  closed = false;
  /** Whether the last write found the disk full. */
  full = false;
  /** Read-only engines: versions below this were let go by a refresh. */
  readableFrom = 0;
  /** Whether the archive is full and writers are to be refused until a repository has caught up. */
  archiveFull = false;
  /** Log segments that pins and readers need, counted. */
  readonly heldLogs: Map<number, number> = new Map();
  /** Ingested files that repositories still lack. */
  readonly ingested = new IngestHolds();
  /** What cursors hold that are open, or that were begun and left: not the cursors, whose memory goes by itself. */
  readonly cursors: Set<{ readonly files: Version }> = new Set();
  /** Pins open. */
  pins = 0;
  #lastNow = 0;
  #tables = new Map<number, LiveTable>();
  #blobs = new Map<number, LiveBlob>();
  readonly #removals = new Set<Promise<void>>();

  /** Takes over a loaded manifest. `cache`: that of a store which will adopt this one. */
  constructor(
    fs: FileSystem,
    path: string,
    settings: EngineSettings,
    loaded: LoadedManifest,
    cache: BlockCache = new BlockCache(settings.cacheBytes),
  ) {
    this.fs = fs;
    this.path = path;
    this.settings = settings;
    this.manifest = new ManifestWriter(fs, path, loaded);
    this.cache = cache;
    this.version = this.#buildVersion(loaded.state);
    if (!settings.readOnly) this.ingested.update(this.version, loaded.state);
    this.visibleVersion = loaded.state.lastVersion;
    this.visibleTimestamp = loaded.state.lastTimestamp;
  }

  /** The database's id. */
  get database(): string {
    return this.manifest.state.database.id;
  }

  /** Whether the memtable has grown to where another one takes its place. */
  get isMemtableFull(): boolean {
    return this.memtable.bytes >= this.settings.memtableBytes;
  }

  /** The clock, which never runs backward. */
  now(): number {
    const now = this.settings.clock();
    if (now > this.#lastNow) this.#lastNow = now;
    return this.#lastNow;
  }

  /** Tells `onEvent`; what it throws is its own affair. */
  report(event: EngineEvent): void {
    tell(this.settings.onEvent, event);
  }

  /** Turns the database read-only, for good. */
  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.report({ type: "failure", error });
  }

  /** Refuses to write after a failure. */
  assertWritable(call: string): void {
    if (this.settings.readOnly) {
      throw new ReadOnlyError(`Cannot ${call} in ${this.path}: it was opened with readOnly (READ_ONLY)`);
    }
    if (this.failure !== undefined) {
      const reason = this.failure instanceof Error ? this.failure.message : String(this.failure);
      throw new ReadOnlyError(
        `Cannot ${call} in ${this.path}: an earlier failure turned it read-only (${reason}); reopen it (READ_ONLY)`,
        { cause: this.failure, path: this.path },
      );
    }
  }

  /** What a full disk keeps from being done, as in "write to". */
  noSpace(doing: string): NoSpaceError {
    return new NoSpaceError(`Cannot ${doing} ${this.path}: the disk is full; free space and try again (NO_SPACE)`, {
      path: this.path,
    });
  }

  /**
   * Refuses to add to the log while what repositories lack of it fills the archive. Deletes too: only a repository that
   * catches up, or is dropped, makes room.
   */
  assertArchiveHasRoom(): void {
    if (!this.archiveFull) return;
    throw new NoSpaceError(
      `Cannot write to ${this.path}: the log kept for repositories has reached archive.maxBytes; back up, drop the ` +
        `slot, or open with archive.onFull "gap" (NO_SPACE)`,
      { path: this.path },
    );
  }

  /** A number for a new file. */
  newNumber(): number {
    return this.manifest.state.nextNumber++;
  }

  /** Makes an edit durable and moves to the version it makes. `first`: see `ManifestWriter.apply`. */
  async edit(
    make: (state: ManifestState) => ManifestEdit | undefined,
    onApplied?: () => void,
    first?: () => Promise<void>,
  ): Promise<void> {
    try {
      await this.manifest.apply(make, () => {
        this.#moveTo(this.#buildVersion(this.manifest.state));
        this.ingested.update(this.version, this.manifest.state);
        onApplied?.();
      }, first);
    } catch (error) {
      // The edit may stand on disk or not: no file may go, and nothing be promised, until an open has looked.
      if (this.manifest.broken) this.fail(error);
      throw error;
    }
  }

  /** A table that any reader may still read. */
  tableAt(number: number): LiveTable | undefined {
    return this.#tables.get(number);
  }

  /** A blob file that any reader may still point into. */
  blobAt(number: number): LiveBlob | undefined {
    return this.#blobs.get(number);
  }

  /** Read-only engines: takes over the state of a store that was loaded later. Older versions can't be read any more. */
  adopt(newer: Store): void {
    this.readableFrom = newer.visibleVersion;
    this.manifest = newer.manifest;
    this.memtable = newer.memtable;
    this.sealed = newer.sealed;
    this.unseen.clear();
    this.visibleVersion = newer.visibleVersion;
    this.visibleTimestamp = newer.visibleTimestamp;
    // Files that are open already are kept, so that readers of the older state find theirs; both stores share the lists.
    for (const [number, live] of newer.#tables) {
      if (this.#tables.get(number)?.meta.sha256 !== live.meta.sha256) this.#tables.set(number, live);
    }
    for (const [number, live] of newer.#blobs) {
      if (this.#blobs.get(number)?.meta.sha256 !== live.meta.sha256) this.#blobs.set(number, live);
    }
    newer.#tables = this.#tables;
    newer.#blobs = this.#blobs;
    this.#moveTo(this.#buildVersion(newer.manifest.state));
    newer.version.release();
  }

  #moveTo(next: Version): void {
    const old = this.version;
    this.version = next;
    old.release();
  }

  /** Puts the memtable among those on their way to tables, and begins a new one. */
  seal(): void {
    this.sealed.push({ memtable: this.memtable, version: this.visibleVersion, timestamp: this.visibleTimestamp });
    this.memtable = new Memtable(this.spareChunks);
  }

  /** Lets go of all files, those too of a cursor that was begun and left; nobody steps on once the database is closed. */
  letGo(): void {
    for (const { files } of this.cursors) files.release();
    this.cursors.clear();
    this.ingested.close();
    this.version.release();
  }

  /** Files that versions no longer need: removed unless the manifest still lists them (a version being replaced). */
  retire(file: LiveTable | LiveBlob): void {
    const { kind, number } = file;
    const live: Map<number, LiveTable | LiveBlob> = kind === "table" ? this.#tables : this.#blobs;
    // A read-only engine opens a file anew before it sees that it has it already.
    if (live.get(number) === file) live.delete(number);
    const state = this.manifest.state;
    const listed = kind === "table" ? state.tables.has(number) : state.blobs.has(number);
    if (!listed) void this.remove(kind, number);
  }

  /**
   * Removes a file, or leaves it to the next open. Once closed it always does: a snapshot, a list or a restore that outlives
   * the database must not take a file from what lies there by then, whose numbers may be the same. Nor must one whose place
   * another process has taken.
   */
  async remove(kind: "table" | "blob" | "log", number: number): Promise<void> {
    if (this.settings.readOnly || this.closed || this.manifest.marker.isReplaced) return;
    const removal = this.fs.remove(this.filePathOf(kind, number)).catch(() => {});
    this.#removals.add(removal);
    await removal;
    this.#removals.delete(removal);
  }

  /** Resolves once the files that went are removed, or could not be. */
  async removed(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #buildVersion(state: ManifestState): Version {
    const byRun = new Map<number, LiveTable[]>();
    const byLevel: LiveTable[][] = Array.from({ length: LEVELS - 1 }, () => []);
    for (const { level, run, table } of state.tables.values()) {
      let live = this.#tables.get(table.number);
      if (live === undefined) this.#tables.set(table.number, live = new LiveTable(this, table));
      if (level > 0) {
        byLevel[level - 1]!.push(live);
      } else {
        const tables = byRun.get(run);
        if (tables === undefined) byRun.set(run, [live]);
        else tables.push(live);
      }
    }
    const level0 = [...byRun].map(([number, tables]) => ({ number, run: sortedRun(tables) }));
    level0.sort((a, b) => b.run.maxVersion - a.run.maxVersion || b.number - a.number);
    const blobs = new Map<number, LiveBlob>();
    for (const meta of state.blobs.values()) {
      let live = this.#blobs.get(meta.number);
      if (live === undefined) this.#blobs.set(meta.number, live = new LiveBlob(this, meta));
      blobs.set(meta.number, live);
    }
    return new Version(level0.map(({ run }) => run), byLevel.map(sortedRun), blobs);
  }

  /** Keeps log segments from being removed. */
  holdLogs(numbers: readonly number[]): () => void {
    for (const number of numbers) this.heldLogs.set(number, (this.heldLogs.get(number) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      for (const number of numbers) {
        const left = this.heldLogs.get(number)! - 1;
        if (left > 0) this.heldLogs.set(number, left);
        else {
          this.heldLogs.delete(number);
          const state = this.manifest.state;
          if (!state.logs.has(number) && state.openLog?.number !== number) void this.removeLog(number);
        }
      }
    };
  }

  /** Removes a segment that the manifest no longer lists, unless someone reads it: then its last reader does. */
  async removeLog(number: number): Promise<void> {
    if (!this.heldLogs.has(number)) await this.remove("log", number);
  }

  /** Whether all must happen in the same order each time: over simulated files a seed repeats a run. */
  get isRepeatable(): boolean {
    return this.fs.kind !== "node";
  }

  /** Where a file lies. */
  filePathOf(kind: "table" | "blob" | "log", number: number): string {
    return filePath(this.path, kind, number);
  }
}

function sortedRun(tables: LiveTable[]): Run {
  return new Run(tables.sort((a, b) => compareBytes(a.meta.smallest, b.meta.smallest)));
}
