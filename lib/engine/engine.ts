/**
 * The engine: one open database, as the floors above use it. It holds the parts together and does little itself.
 *
 * @module
 */
import { abortable, throwIfAborted } from "../base/abort.ts";
import { ClosedError, NoSpaceError, ReadOnlyError } from "../base/errors.ts";
import type { FileLock, FileSystem } from "../files/file_system.ts";
import type { Batch, IngestInfo } from "../format/log/batch.ts";
import type { DatabaseMeta, SlotMeta, VersionGap } from "../format/manifest/manifest_edit.ts";
import type { Row } from "../tree/cursor.ts";
import { Background } from "./background/background.ts";
import { CommitQueue } from "./writing/commit_queue.ts";
import { compactRange } from "./background/manual_compaction.ts";
import { filePath } from "./file_names.ts";
import { readHistory } from "./log/history.ts";
import { ingestFiles, type IngestParts } from "./writing/ingest.ts";
import { StoreIngestWriter } from "./writing/ingest_writer.ts";
import { replay } from "./writing/replay.ts";
import type { Log } from "./log/log.ts";
import { StoreFollower } from "./log/log_follower.ts";
import { dropSlot, logBytesAfter, setSlot } from "./log/slots.ts";
import { retentionOf, trimLog } from "./log/log_retention.ts";
import { isLongLog, shortenLog } from "./long_log.ts";
import { Refresher } from "./refresher.ts";
import { pinStore } from "./version/pin.ts";
import { StoreView } from "./read_view.ts";
import { Reserve } from "./log/reserve.ts";
import { ingestedFiles } from "./version/ingest_holds.ts";
import { readValue, valueOf } from "./version/row_value.ts";
import { sizeOfRange } from "./version/size_of.ts";
import type { RunFiles } from "./background/run_output.ts";
import { statsOf } from "./stats.ts";
import type { Store } from "./store.ts";
import { plainTables } from "./version/plain_tables.ts";
import { verifyStore } from "./verify.ts";
import type {
  Commit,
  CommitEvent,
  CommitOptions,
  Engine,
  EngineSettings,
  EngineSnapshot,
  EngineStats,
  IngestedSource,
  IngestOptions,
  IngestWriter,
  KeyEncoding,
  LogFollower,
  Pin,
  PlainTable,
  ReadView,
  ReplayOptions,
  SettledPoint,
  VerifyReport,
} from "./types.ts";

/** One open database. */
export class TreeEngine implements Engine {
  readonly #store: Store;
  readonly #log: Log;
  readonly #lock: FileLock;
  readonly #background: Background;
  readonly #queue: CommitQueue;
  readonly #reserve: Reserve;
  readonly #refresher: Refresher;
  #closing: Promise<void> | undefined;

  private constructor(store: Store, log: Log, lock: FileLock, reserve: Reserve) {
    this.#store = store;
    this.#log = log;
    this.#lock = lock;
    this.#reserve = reserve;
    this.#background = new Background(store);
    this.#queue = new CommitQueue(store, log, this.#background, reserve);
    this.#refresher = new Refresher(store, log, this.#queue, () => this.#assertOpen("refresh"));
  }

  /** Takes over a recovered store and its lock. */
  static async start(store: Store, log: Log, lock: FileLock): Promise<TreeEngine> {
    const reserve = new Reserve(store);
    // On a disk that is full already there is nothing to put by.
    if (!store.settings.readOnly && store.settings.reserve) await reserve.take().catch(() => {});
    const engine = new TreeEngine(store, log, lock, reserve);
    // A full archive stays one when the database is closed and opened again.
    store.archiveFull = retentionOf(store.manifest.state, store, store.settings.historyBytes).stop;
    const { forked, openLog, logs } = store.manifest.state;
    // A copy of tables alone is left as it is until it is written to: `replay` must reserve numbers before any is given.
    if (!forked || openLog !== undefined || logs.size > 0) engine.#background.wake();
    // Where a full disk kept recovery from writing the log anew, tables are tried before anything is shown.
    try {
      if (log.isUnsure) await engine.#background.flushed();
    } catch (error) {
      if (error instanceof NoSpaceError) return engine;
      // Whoever opened gives the lock back, and nothing may be written after that.
      await engine.#background.close();
      await store.manifest.close().catch(() => {});
      store.letGo();
      throw error;
    }
    shortenLog(store, log, engine.#queue);
    return engine;
  }

  get fs(): FileSystem {
    return this.#store.fs;
  }
  get path(): string {
    return this.#store.path;
  }
  get id(): string {
    return this.#store.database;
  }
  get lineage(): string {
    return this.#store.manifest.state.database.lineage;
  }
  get meta(): DatabaseMeta {
    return this.#store.manifest.state.database;
  }
  get forked(): boolean {
    return this.#store.manifest.state.forked;
  }
  get keyEncoding(): KeyEncoding {
    return this.#store.manifest.state.database.keyEncoding;
  }
  get readOnly(): boolean {
    return this.#store.settings.readOnly;
  }
  get closed(): boolean {
    return this.#closing !== undefined;
  }
  get visibleVersion(): number {
    return this.#store.visibleVersion;
  }
  get visibleTimestamp(): number {
    return this.#store.visibleTimestamp;
  }
  get failure(): unknown {
    return this.#store.failure;
  }
  get settings(): EngineSettings {
    return this.#store.settings;
  }

  now(): number {
    return this.#store.now();
  }

  commit(batch: Batch, options?: CommitOptions): Promise<Commit | undefined> {
    return this.#queue.commit(batch, options);
  }

  read(at?: { version: number; moment: number }): ReadView {
    this.#assertOpen("read");
    const store = this.#store;
    if (at === undefined) return new StoreView(store, store.visibleVersion);
    if (at.version < store.readableFrom) {
      throw new ClosedError(
        `Cannot read version ${at.version} of ${this.path}: the snapshot was taken before refresh(); take a new one (CLOSED)`,
      );
    }
    return new StoreView(store, at.version, at.moment);
  }

  value(row: Row): Uint8Array {
    return valueOf(this.#store, row);
  }

  async valueAsync(row: Row): Promise<Uint8Array> {
    return await readValue(this.#store, row);
  }

  snapshot(): EngineSnapshot {
    this.#assertOpen("take a snapshot");
    const store = this.#store;
    return store.snapshots.take(store.visibleVersion, store.visibleTimestamp, store.now());
  }

  onCommit(listener: (event: CommitEvent | { reset: true; version: number; timestamp: number }) => void): () => void {
    return this.#queue.listen(listener);
  }

  history(since: number): AsyncIterable<CommitEvent> {
    this.#assertOpen("read the history");
    return readHistory(this.#store, this.#log, since, () => this.#settled());
  }

  follow(since: number): LogFollower {
    this.#assertOpen("follow the log");
    const assertOpen = (): void => this.#assertOpen("follow the log");
    return new StoreFollower(this.#store, this.#log, since, { assertOpen, settle: () => this.#settled() });
  }

  /** Makes what is written readable from the files of the log. */
  #settled(): Promise<void> {
    return this.readOnly ? Promise.resolve() : this.#queue.exclusive(() => this.#queue.settle());
  }

  async settled(): Promise<SettledPoint> {
    this.#assertOpen("archive");
    const store = this.#store;
    const point = (moment: number): SettledPoint => {
      const { visibleVersion: version, visibleTimestamp: timestamp } = store;
      return { version, timestamp, moment };
    };
    // Which commits the writer makes meanwhile is not known here.
    if (this.readOnly) return point(store.visibleTimestamp);
    return await this.#queue.exclusive(async () => {
      await this.#queue.settle();
      // No later commit gets this one's time, or the state at that time would be known only later.
      return point(this.#queue.endTime());
    });
  }

  flush(): Promise<void> {
    this.#assertOpen("flush");
    if (this.readOnly) return Promise.reject(this.#readOnlyError("flush"));
    return this.#queue.exclusive(() => this.#queue.settle());
  }

  async compact(
    start?: Uint8Array,
    end?: Uint8Array,
    signal?: AbortSignal,
    onTables?: (bytes: number, tables: number) => void,
  ): Promise<void> {
    this.#assertOpen("compact");
    throwIfAborted(signal);
    if (this.readOnly) throw this.#readOnlyError("compact");
    const flushed = this.#reserve.help(async () => {
      if (!await this.#queue.exclusive(() => this.#queue.rotate())) throw this.#store.noSpace("compact");
      await this.#background.flushed();
    });
    await abortable(flushed, signal);
    await compactRange(this.#store, this.#background, start, end, signal, onTables);
    await trimLog(this.#store);
  }

  sizeOf(start?: Uint8Array, end?: Uint8Array): number {
    this.#assertOpen("measure");
    return sizeOfRange(this.#store.version, start, end);
  }

  deferCompaction(): () => void {
    return this.#background.defer();
  }

  get isBehind(): boolean {
    return this.#background.isBehind;
  }

  plainTables(): { tables: PlainTable[]; otherRows: number } {
    return plainTables(this.#store);
  }

  stats(): EngineStats {
    return statsOf(this.#store, this.#log, this.#background.stall);
  }

  verify(options: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void } = {}): Promise<VerifyReport> {
    this.#assertOpen("verify");
    return verifyStore(this.#store, () => this.pin({ asIs: true }), options);
  }

  /** `asIs`: behind a failure too, of what the files hold then, which may be more than what is shown. */
  async pin(options: { finalTime?: boolean; asIs?: boolean } = {}): Promise<Pin> {
    this.#assertOpen("pin");
    if (this.readOnly) return pinStore(this.#store, this.#log.position());
    return await this.#queue.exclusive(async () => {
      if (options.asIs !== true || this.failure === undefined) await this.#queue.settle();
      if (options.finalTime === true) this.#queue.endTime();
      return pinStore(this.#store, this.#log.position());
    });
  }

  newFileNumber(): number {
    return this.#store.newNumber();
  }

  filePath(kind: "table" | "blob" | "log", number: number): string {
    return filePath(this.path, kind, number);
  }

  ingestWriter(): IngestWriter {
    this.#store.assertWritable("restore");
    return new StoreIngestWriter(this.#store);
  }

  async discard(files: RunFiles): Promise<void> {
    // An ingest that failed may have reached the disk all the same: the next open knows.
    if (this.#store.failure !== undefined) return;
    for (const { number } of files.tables) await this.#store.remove("table", number);
    for (const { number } of files.blobs) await this.#store.remove("blob", number);
  }

  async ingest(files: RunFiles, options: IngestOptions): Promise<Commit> {
    this.#assertOpen("restore");
    return await ingestFiles(this.#parts(), files, options);
  }

  async replay(commits: AsyncIterable<CommitEvent>, options: ReplayOptions): Promise<Commit> {
    this.#assertOpen("replay");
    return await replay(this.#parts(), commits, options);
  }

  ingestedFiles(info: IngestInfo): IngestedSource[] | undefined {
    this.#assertOpen("look for files");
    return ingestedFiles(this.#store, info);
  }

  #parts(): IngestParts {
    return { store: this.#store, log: this.#log, queue: this.#queue, background: this.#background };
  }

  slots(): SlotMeta[] {
    return [...this.#store.manifest.state.slots.values()];
  }

  async setSlot(slot: SlotMeta, until?: Promise<unknown>): Promise<void> {
    this.#assertOpen("set a slot");
    this.#store.assertWritable("set a slot");
    await setSlot(this.#store, slot, until);
  }

  async dropSlot(id: string): Promise<void> {
    this.#assertOpen("drop a slot");
    this.#store.assertWritable("drop a slot");
    await dropSlot(this.#store, id);
  }

  gaps(): VersionGap[] {
    return this.#store.manifest.state.gaps.map((gap) => ({ ...gap }));
  }

  unarchivedBytes(version: number): number {
    return logBytesAfter(this.#store, this.#log, version);
  }

  async refresh(): Promise<void> {
    this.#assertOpen("refresh");
    if (this.readOnly) await this.#refresher.refresh();
  }

  close(last?: Promise<void>): Promise<void> {
    return this.#closing ??= this.#close(last);
  }

  async #close(last: Promise<void> | undefined): Promise<void> {
    const store = this.#store;
    try {
      if (!this.readOnly) {
        this.#queue.close();
        this.#background.stopWaiting();
        await this.#queue.exclusive(() => this.#finish());
      }
    } finally {
      await last;
      await this.#background.close();
      try {
        if (!this.readOnly && store.failure === undefined) await this.#reserve.help(() => this.#log.close());
      } finally {
        try {
          await store.manifest.close();
        } finally {
          this.#log.segment?.close().catch(() => {});
          try {
            store.letGo();
          } finally {
            store.closed = true;
            // From here on the directory may be someone else's.
            await store.removed();
            this.#lock.release();
          }
        }
      }
    }
  }

  async #finish(): Promise<void> {
    await this.#queue.settle();
    if (!isLongLog(this.#log, this.#store) || this.#store.full) return;
    await this.#queue.rotate();
    await this.#background.flushed().catch((error) => {
      // Tables only make the next open quicker: on a full disk all stays in the log, where it is synced.
      if (!(error instanceof NoSpaceError)) throw error;
    });
  }

  #assertOpen(call: string): void {
    if (this.closed) throw new ClosedError(`Cannot ${call} in ${this.path}: it was closed (CLOSED)`);
  }

  #readOnlyError(call: string): ReadOnlyError {
    return new ReadOnlyError(`Cannot ${call} in ${this.path}: it was opened with readOnly (READ_ONLY)`);
  }
}
