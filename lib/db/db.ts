/**
 * The database: opening and closing it, looking after it, and everything that concerns it as a whole.
 *
 * @module
 */
import type {
  BackupDestination,
  BackupInfo,
  BackupOptions,
  ExportInfo,
  ExportOptions,
  RestoreInfo,
  RestoreOptions,
  RestoreSource,
} from "../backup/mod.ts";
import { type OnProgress, ProgressReporter } from "../base/progress.ts";
import { checkOptions, functionOption, isRecord, pathOf, signalOption } from "../base/options.ts";
import { databaseExists, destroyDatabase, openEngine } from "../engine/open.ts";
import { ownEngine } from "../engine/owner.ts";
import type { Engine, EngineStats, KeyEncoding, VerifyReport } from "../engine/types.ts";
import type { SlotMeta } from "../format/manifest/manifest_edit.ts";
import { nodeFileSystem } from "../files/node_file_system.ts";
import { fixedPath } from "../files/paths.ts";
import { Catalog } from "./catalog/catalog.ts";
import { type ChangesOptions, type CommitRecord, listChanges } from "./watching/changes.ts";
import { Context } from "./context.ts";
import { KeySpace } from "./key_space.ts";
import type { Key } from "./data/keys.ts";
import { assertNew, MEMORY_DIRECTORY, memoryBeside } from "./memory_beside.ts";
import { type Namespace, type NamespaceOptions, openNamespace } from "./namespace.ts";
import { exportStream, type ExportStreamOptions } from "./export_stream.ts";
import {
  type ClockOptions,
  fileSystemIn,
  type OpenOptions,
  openOptions,
  type PathOptions,
  type WorkOptions,
} from "./options.ts";
import { keyBounds, type KeyRange, refuseOptions } from "./data/ranges.ts";
import { repairAt, type RepairOptions, type RepairReport } from "./repair.ts";
import { assertOpenHandle } from "./repository/open_handle.ts";
import { backupFloor, loadRest } from "./rest.ts";

/**
 * An open database.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.set("user/1", { name: "Ada" });
 * console.log(await db.get("user/1")); // { name: "Ada" }
 * ```
 */
export class DB<K extends Key = string> extends KeySpace<K> implements AsyncDisposable {
  readonly #context: Context;
  readonly #stopListening: () => void;

  /** See `DB.open`. @internal */
  private constructor(context: Context) {
    const { engine, catalog } = Object(context) as Context;
    if (engine === undefined) throw new TypeError("new DB: a database is not constructed; call await DB.open(path)");
    super(context, catalog.root);
    this.#context = context;
    ownEngine(this, engine);
    context.closing.add(loadRest());
    this.#stopListening = engine.onCommit((event) => {
      if (!("reset" in event)) return;
      // A reader that moves on sees the same key spaces; a restore may have dealt them anew.
      context.reloadCatalog(() => catalog.load(engine, engine.readOnly ? undefined : event.version));
    });
  }

  /**
   * Opens the database in a directory, making it when there is none; `":memory:"` opens one that leaves nothing on disk.
   *
   * Rejects with `LockedError` when it is open for writing elsewhere, `NotFoundError`, `ExistsError` (also for a file, or a
   * directory with other files in it), `PermissionError`, `CorruptionError`, `UnsupportedFormatError`; with `TypeError` or
   * `RangeError` for options that make no sense.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * const db = await DB.open(":memory:", { durability: "interval", memtableBytes: 16 * 2 ** 20 });
   * await db.close();
   * ```
   */
  static open(path: string | URL, options: OpenOptions & { keyEncoding: "bytes" }): Promise<DB<Uint8Array>>;
  /** As above; `K` is what keys are: strings unless stated. */
  static open<K extends Key = string>(path: string | URL, options?: OpenOptions): Promise<DB<K>>;
  static async open(path: string | URL, options?: OpenOptions): Promise<DB<Key>> {
    const { settings, fileSystem, random, delay } = openOptions("DB.open", options);
    const place = pathOf("DB.open", path);
    const inMemory = place === ":memory:" && fileSystem === undefined;
    if (inMemory) assertNew(settings);
    const fs = inMemory ? await memoryBeside(nodeFileSystem()) : fileSystem ?? nodeFileSystem();
    const engine = await openEngine(fs, inMemory ? MEMORY_DIRECTORY : place, settings);
    try {
      const catalog = new Catalog(engine.keyEncoding, engine.readOnly);
      await catalog.loadFirst(engine);
      return new DB<Key>(new Context({ engine, catalog, path: inMemory ? place : engine.path, random, delay }));
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Whether there is a database at a path. */
  static async exists(path: string | URL, options?: PathOptions): Promise<boolean> {
    const { fileSystem } = fileSystemIn("DB.exists", options, []);
    return await databaseExists(fileSystem, pathOf("DB.exists", path));
  }

  /**
   * Removes a database: all files that belong to it, and its directory when nothing else is in there. Nothing there is
   * fine; a directory without a database is a `NotFoundError`, one that is open a `LockedError`.
   */
  static async destroy(path: string | URL, options?: PathOptions): Promise<void> {
    const { fileSystem } = fileSystemIn("DB.destroy", options, []);
    await destroyDatabase(fileSystem, pathOf("DB.destroy", path));
  }

  /**
   * Makes a new database in a directory from an export (directory or tar file), a portable backup, a stream of either, or a
   * repository. Original versions are kept where the source has them; the next write begins a new lineage. Nothing that opens is left
   * behind when it fails.
   */
  static async restore(
    source: RestoreSource,
    destination: string | URL,
    options?: RestoreOptions & PathOptions & ClockOptions,
  ): Promise<RestoreInfo> {
    // What concerns the new database is checked here, all else where it is used.
    let rest: RestoreOptions | undefined = options;
    let own: PathOptions & ClockOptions | undefined;
    if (isRecord(options)) {
      const { fileSystem, clock, ...others } = options;
      rest = others;
      own = { fileSystem, clock };
    }
    const { settings, fileSystem: fs = nodeFileSystem() } = openOptions("DB.restore", own);
    assertOpenHandle("DB.restore", source);
    const [from, to] = [fixedPath(fs, source), fixedPath(fs, destination)];
    const { restoreTo } = await backupFloor();
    return await restoreTo(fs, settings, from, to, rest);
  }

  /**
   * Makes a damaged database one that opens again: keeps all that verifies, sets the damaged files aside in
   * `damaged-<time>/`, reports all that is lost. It must not be open. What a newer release wrote is not damage, and refused
   * with `UnsupportedFormatError`.
   */
  static async repair(path: string | URL, options?: RepairOptions): Promise<RepairReport> {
    return await repairAt(path, options);
  }

  /** Where it is: an absolute path, or `":memory:"`. */
  get path(): string {
    return this.#context.path;
  }

  /** Its id, given at creation: 32 hex digits. Copies have the same. */
  get id(): string {
    return this.#engine.id;
  }

  /** The history it writes: 32 hex digits. A copy or a restored database begins a new one at its first write, a repair in any case. */
  get lineage(): string {
    return this.#engine.lineage;
  }

  /** The version of the newest commit that can be read; 0 before the first. */
  get version(): number {
    return this.#engine.visibleVersion;
  }

  /** The time of that commit, ms since the Unix epoch; 0 before the first. */
  get timestamp(): number {
    return this.#engine.visibleTimestamp;
  }

  /** How keys are given. */
  get keyEncoding(): KeyEncoding {
    return this.#engine.keyEncoding;
  }

  /** Whether it was opened with `readOnly`. */
  get readOnly(): boolean {
    return this.#engine.readOnly;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#engine.closed;
  }

  /**
   * The namespace of a name, here and now: it need not exist yet, the first write makes it. Throws `TypeError` when it has
   * another key encoding than the one named, `RangeError` when it would lie in more than 255 others.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * const pictures = db.namespace("pictures", { keyEncoding: "bytes" });
   * await pictures.set(new Uint8Array([1]), new Uint8Array(100));
   * console.log(await pictures.count()); // 1
   * ```
   */
  namespace(name: string, options: NamespaceOptions & { keyEncoding: "bytes" }): Namespace<Uint8Array>;
  /** As above, with keys of text, whatever those of the database are. */
  namespace(name: string, options: NamespaceOptions & { keyEncoding: "utf8" }): Namespace<string>;
  /** As above, with keys as those of the database. */
  namespace(name: string, options?: NamespaceOptions): Namespace<K>;
  /** As above; `L` is what its keys are, when stated. */
  namespace<L extends Key = K>(name: string, options?: NamespaceOptions): Namespace<L>;
  namespace(name: string, options?: NamespaceOptions): Namespace<Key> {
    return openNamespace(this.#context, this.#context.catalog.root, name, options);
  }

  /** The names of the namespaces that were ever written to, in the order of their bytes; those inside them not. */
  namespaces(): string[] {
    this.#context.assertOpen("namespaces");
    return this.#context.catalog.names(this.#context.catalog.root);
  }

  /**
   * The commits after a version, oldest first, with all they changed, namespaces included; with `live` it goes on as they
   * are made. It reads the log, which is kept up to `history.maxBytes`: `HistoryGoneError` once it no longer reaches back
   * that far.
   *
   * @example
   * ```ts
   * import { DB } from "@holdfast/db";
   *
   * await using db = await DB.open(":memory:");
   * await db.set("a", 1);
   * await db.delete("a");
   * for await (const { version, changes } of db.changes({ since: 1 })) console.log(version, changes[0]?.type); // 2 delete
   * ```
   */
  changes(options?: ChangesOptions): AsyncIterableIterator<CommitRecord, void> {
    return listChanges(this.#context, options);
  }

  /** Makes everything written so far durable, whatever the durability mode. */
  async flush(): Promise<void> {
    this.#context.assertOpen("flush");
    await this.#engine.flush();
  }

  /**
   * Rewrites tables so that what was deleted, expired or overwritten gives its space back: of a range of the database's
   * own keys, or without one of everything.
   */
  async compact(range?: KeyRange<K>, options?: WorkOptions): Promise<void> {
    this.#context.assertOpen("compact");
    const names = ["signal", "onProgress"];
    refuseOptions("compact", range, names);
    const checked = checkOptions("compact", options, names);
    const signal = signalOption("compact", checked);
    const progress = new ProgressReporter(functionOption<OnProgress>("compact", checked, "onProgress"));
    const { encoding, prefix } = this.#context.catalog.root;
    const bounds = range === undefined ? undefined : keyBounds("compact", encoding, prefix, range);
    progress.start("compact");
    await this.#engine.compact(bounds?.start, bounds?.end, signal, (bytes, tables) => progress.add(bytes, tables));
    progress.finish();
  }

  /** Counts and sizes, of this moment or since the database was opened. */
  stats(): EngineStats {
    this.#context.assertOpen("stats");
    return this.#engine.stats();
  }

  /** Reads every file and checks all that can be checked. Damage is reported, not thrown. */
  async verify(options?: WorkOptions): Promise<VerifyReport> {
    this.#context.assertOpen("verify");
    const checked = checkOptions("verify", options, ["signal", "onProgress"]);
    const signal = signalOption("verify", checked);
    const progress = new ProgressReporter(functionOption<OnProgress>("verify", checked, "onProgress"));
    progress.start("verify");
    const report = await this.#engine.verify({ signal, onBytes: (bytes) => progress.add(bytes) });
    progress.finish();
    return report;
  }

  /** The backup repositories for which log is kept. */
  slots(): SlotMeta[] {
    this.#context.assertOpen("slots");
    return this.#engine.slots();
  }

  /** Forgets a repository: log that only it needed may go, and its next backup has to start over. */
  async dropSlot(id: string): Promise<void> {
    this.#context.assertOpen("dropSlot");
    if (typeof id !== "string") throw new TypeError("dropSlot: id must be a string");
    await this.#engine.dropSlot(id);
  }

  /** With `readOnly`: moves on to what the writer has committed by now. Otherwise it does nothing. */
  async refresh(): Promise<void> {
    this.#context.assertOpen("refresh");
    await this.#engine.refresh();
  }

  /**
   * Copies the database, as it is at one point in time, into a directory that `DB.open` opens, or into one tar file
   * (`.tar`, `.tar.gz`, `.tar.zst`), while reads and writes go on.
   */
  async export(destination: string | URL, options?: ExportOptions): Promise<ExportInfo> {
    this.#context.assertOpen("export");
    const to = fixedPath(this.#engine.fs, destination);
    const { exportDatabase } = await backupFloor();
    return await this.#context.whileOpen(
      "export",
      (closing) => exportDatabase(this.#engine, to, options, closing),
    );
  }

  /** As `export`, as a stream: a tar archive, or with `format: "jsonl"` a portable backup. */
  exportStream(options?: ExportStreamOptions): ReadableStream<Uint8Array> {
    this.#context.assertOpen("exportStream");
    return exportStream(this.#engine, options, (call) => this.#context.untilClosed(call));
  }

  /**
   * Backs up into a repository (an existing directory, a path that ends in a slash or has no extension, an object store, an
   * open `BackupRepository`), or into one portable file (`.json`, `.jsonl`, each also `.gz` or `.zst`).
   */
  async backup(destination: BackupDestination, options?: BackupOptions): Promise<BackupInfo> {
    this.#context.assertOpen("backup");
    assertOpenHandle("backup", destination);
    const to = fixedPath(this.#engine.fs, destination);
    const { backupTo } = await backupFloor();
    return await this.#context.whileOpen("backup", (closing) => backupTo(this.#engine, to, options, closing));
  }

  /**
   * Restores a backup or export into this database, in one step: a crash leaves the old or the new contents. Snapshots
   * keep the old view, open transactions conflict, watchers hear of a reset.
   */
  async restore(source: RestoreSource, options?: RestoreOptions): Promise<RestoreInfo> {
    const context = this.#context;
    context.assertOpen("restore");
    assertOpenHandle("restore", source);
    const from = fixedPath(this.#engine.fs, source);
    const { restoreInto } = await backupFloor();
    while (context.restoring !== undefined) await context.restoring;
    const { promise, resolve } = Promise.withResolvers<void>();
    context.restoring = promise;
    const onLeft = (): void => {
      if (context.restoring === promise) context.restoring = undefined;
      resolve();
    };
    try {
      // Namespaces that are just being made are in the catalog before the restore looks at it.
      if (!this.readOnly) await this.#engine.flush();
      const { catalog } = context;
      const spaces = this.readOnly
        ? undefined
        : { first: catalog.leaveGap(), reserve: (path: readonly string[]) => catalog.reserve(path) };
      const work = (closing: AbortSignal): Promise<RestoreInfo> =>
        restoreInto(this.#engine, from, options, { spaces, closing, onLeft });
      return await context.whileOpen("restore", work);
    } finally {
      onLeft();
    }
  }

  /**
   * Writes and syncs what is pending and lets go of everything. Watches end; exports, backups and restores that are under way
   * are given up, and they and whatever else is called later reject with `ClosedError`. Rejects when a failure in the background kept something from being written. Safe to call twice.
   */
  async close(): Promise<void> {
    this.#stopListening();
    for (const close of [...this.#context.closing]) close();
    this.#context.retries.end();
    await this.#engine.close(this.#context.restoring);
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #engine(): Engine {
    return this.#context.engine;
  }
}
