/**
 * A repository of backups: what users hold in their hands.
 *
 * @module
 */
import type { BackupInfo, BackupOptions, Encryption, RestoreInfo, RestoreOptions } from "../../backup/mod.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "../../backup/long_work.ts";
import type * as parts from "../../backup/repository/mod.ts";
import { type PointInTimeOption, pointOptions } from "../../backup/restore_options.ts";
import { NotFoundError, ReadOnlyError } from "../../base/errors.ts";
import { booleanOption, checkOptions, choiceOption, describeValue, isRecord, timeOption } from "../../base/options.ts";
import { engineOf } from "../../engine/owner.ts";
import type { Engine } from "../../engine/types.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { fixedPath } from "../../files/paths.ts";
import type { ObjectStore } from "../../storage/object_store.ts";
import { fileSystemOf, openOptions } from "../options.ts";
import { repositoryWork } from "../rest.ts";
import type * as work from "./work.ts";
import { assertOpenHandle, closeHandle } from "./open_handle.ts";
import type { RepositoryOptions } from "./repository_options.ts";

/** A database that can be restored into. */
export interface RestoreTarget {
  /** As `DB.restore` of an open database. */
  restore(source: BackupRepository, options?: RestoreOptions): Promise<RestoreInfo>;
}

/** Which point in time, of which database. */
export interface PointOptions extends LongWorkOptions {
  /** The last commit at or before this time, or this version; the newest unless given. */
  at?: PointInTimeOption | undefined;
  /** The state of this backup. Not together with `at`. */
  backupId?: string | undefined;
  /** Which database, when there are several: its id. */
  database?: string | undefined;
  /** Which of its histories; the newest unless given. */
  lineage?: string | undefined;
  /** Takes the newest state before a gap or the end of what is known. */
  allowEarlier?: boolean | undefined;
}

/** Options of `drill`. */
export interface DrillOptions extends PointOptions {
  /** An existing directory for the scratch database; the system's for temporary files unless given. */
  directory?: string | URL | undefined;
}

const POINT = ["at", "backupId", "database", "lineage", "allowEarlier"];

/**
 * An open backup repository: full, snapshot, incremental and continuous backups of one or more databases, in a directory or
 * an object store.
 *
 * @example
 * ```ts
 * import { BackupRepository, DB, MemoryStore } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await using repo = await BackupRepository.open(new MemoryStore()); // or a directory: "./backups"
 * await db.set("user/1", "Ada");
 * const { version } = await repo.backup(db);
 * await db.delete("user/1");
 * await repo.restore(db, { at: { version } });
 * console.log(await db.get("user/1")); // "Ada"
 * ```
 */
export class BackupRepository implements AsyncDisposable, parts.RepositoryHandle {
  readonly #work: typeof work;
  readonly #parts: parts.RepositoryContext;
  readonly #fs: FileSystem;
  readonly #replications = new Set<parts.Replication>();

  /** See `BackupRepository.open`. @internal */
  private constructor(code: typeof work, context: parts.RepositoryContext, fs: FileSystem) {
    if (fs === undefined) throw new TypeError("new BackupRepository: call await BackupRepository.open(target)");
    this.#work = code;
    this.#parts = context;
    code.ownContext(this, context);
    this.#fs = fs;
  }

  /**
   * Opens the repository in a directory or store, making it where there is nothing.
   *
   * Rejects with `DecryptionError` for a wrong, missing or needless key, `ExistsError` where something else is,
   * `NotFoundError` where there is nothing and none may be made, `IntegrityError` for a damaged `repository.json`,
   * `UnsupportedFormatError` for one of a newer release; with `TypeError` or `RangeError` for options that make no sense. Over
   * a store without conditional writes, calls that write reject with `RepositoryLockedError` while another program does.
   */
  static async open(target: string | URL | ObjectStore, options?: RepositoryOptions): Promise<BackupRepository> {
    const call = "BackupRepository.open";
    const place = fixedPath(fileSystemOf(call, options), target);
    const code = await repositoryWork();
    const { context, fileSystem } = await code.repositoryAt(call, place, options);
    return new BackupRepository(code, context, fileSystem);
  }

  /** Its id: 32 hex digits. */
  get id(): string {
    return this.#parts.id;
  }

  /** Where it lies, for messages. */
  get name(): string {
    return this.#parts.name;
  }

  /** Whether its data is encrypted. */
  get encrypted(): boolean {
    const { ring, keyless } = this.#parts;
    return keyless || ring !== undefined;
  }

  /** The IANA time zone in which retention counts days, and a schedule tells times unless it is given another. */
  get timeZone(): string {
    return this.#parts.timeZone;
  }

  /** Whether it takes no writes. */
  get readOnly(): boolean {
    return this.#parts.readOnly;
  }

  /** Backs up an open database; see `BackupOptions`. */
  async backup(db: parts.BackupSource, options?: BackupOptions): Promise<BackupInfo> {
    this.#writable("backup");
    return await this.#work.sourceOf("backup", db).backup(this, options);
  }

  /**
   * Restores into a directory that does not exist yet (or holds a database, with `overwrite`), or into an open database in
   * one atomic step.
   */
  async restore(destination: string | URL | RestoreTarget, options?: RestoreOptions): Promise<RestoreInfo> {
    const call = "restore";
    const { clock } = this.#context(call);
    if (destination instanceof BackupRepository) {
      throw new TypeError(`${call}: destination must be a path or an open database, not a BackupRepository`);
    }
    if (typeof destination === "object" && destination !== null && "restore" in destination) {
      return await destination.restore(this, options);
    }
    const { settings } = openOptions(call, { clock });
    const to = fixedPath(this.#fs, destination as string | URL);
    return await this.#work.restoreTo(this.#fs, settings, this, to, options, call);
  }

  /** The backups, the oldest first by version. */
  async list(filter?: parts.BackupFilter): Promise<BackupInfo[]> {
    return await this.#work.listBackups(this.#context("list"), filter);
  }

  /** One backup; undefined when there is none of that id. */
  async get(id: string): Promise<BackupInfo | undefined> {
    return await this.#work.findBackup(this.#context("get"), idOf("get", id));
  }

  /** The newest backup by version; undefined when there is none. */
  async latest(filter?: parts.BackupFilter): Promise<BackupInfo | undefined> {
    return (await this.list(filter)).at(-1);
  }

  /** Checks the repository, or what one backup needs. Damage is reported, not thrown. */
  async verify(id?: string, options?: parts.VerifyOptions): Promise<parts.RepositoryVerifyReport> {
    const context = this.#context("verify");
    if (id !== undefined && await this.#work.findBackup(context, idOf("verify", id)) === undefined) {
      throw this.#noBackup(id);
    }
    const checked = checkOptions("verify", options, ["read", ...LONG_OPTIONS]);
    const read = choiceOption("verify", checked, "read", "all", ["all", "sample", "none"] as const);
    return await this.#work.verifyRepository(context, id, { read, ...longOptions("verify", checked) });
  }

  /** Removes what a policy does not keep; with `dryRun` only says what that would be, and why the rest stays. */
  async prune(
    policy: parts.RetentionPolicy,
    options?: LongWorkOptions & { dryRun?: boolean | undefined },
  ): Promise<parts.PruneReport> {
    const checked = checkOptions("prune", options, ["dryRun", ...LONG_OPTIONS]);
    const dryRun = booleanOption("prune", checked, "dryRun", false);
    const context = dryRun ? this.#withKey("prune") : this.#writable("prune");
    return await this.#work.pruneRepository(context, this.#work.checkPolicy("prune", policy), {
      dryRun,
      ...longOptions("prune", checked),
    });
  }

  /** Removes one backup; refused while another needs it or it is pinned. */
  async delete(id: string, options?: LongWorkOptions): Promise<parts.PruneReport> {
    const long = longOptions("delete", checkOptions("delete", options, LONG_OPTIONS));
    return await this.#work.deleteBackup(this.#writable("delete"), idOf("delete", id), long);
  }

  /** Keeps a backup from being pruned. */
  async pin(id: string): Promise<void> {
    await this.#work.pinBackup(this.#writable("pin"), idOf("pin", id));
  }

  /** Lets a pinned backup be pruned again. */
  async unpin(id: string): Promise<void> {
    await this.#work.unpinBackup(this.#writable("unpin"), idOf("unpin", id));
  }

  /** The states that can be restored, as ranges: every version inside restores exactly. */
  async recoveryPoints(
    options?: Pick<parts.BackupFilter, "from" | "to" | "database" | "lineage">,
  ): Promise<parts.RecoveryRange[]> {
    const call = "recoveryPoints";
    const context = this.#context(call);
    const checked = checkOptions(call, options, ["from", "to", "database", "lineage"]);
    const { database, lineage } = pointOptions(call, checked);
    return this.#work.recoveryRanges(await this.#work.readFacts(context), {
      from: timeOption(call, checked, "from", undefined),
      to: timeOption(call, checked, "to", undefined),
      database,
      lineage,
    });
  }

  /** What a restore would take: time, bytes, commits, space, and the model that this rests on. */
  async estimate(options?: PointOptions): Promise<parts.RestoreEstimate> {
    const checked = checkOptions("estimate", options, [...POINT, ...LONG_OPTIONS]);
    const wish = pointOptions("estimate", checked);
    const context = this.#withKey("estimate");
    return await this.#work.estimateRestore("estimate", context, wish, longOptions("estimate", checked));
  }

  /** What `replicate` with these options would ask of the store: requests of an idle hour and of a busy one, and of a base. */
  async estimateReplication(
    options?: Pick<parts.ReplicationOptions, "interval" | "heartbeat" | "verify">,
  ): Promise<parts.ReplicationEstimate> {
    const call = "estimateReplication";
    const context = this.#context(call);
    checkOptions(call, options, ["interval", "heartbeat", "verify"]);
    const { estimateReplication, replicationOptions, checksItself, storeKeepsApart } = this.#work;
    const store = { checksums: checksItself(context), conditions: storeKeepsApart(context) };
    return await Promise.resolve(estimateReplication(replicationOptions(call, options), store));
  }

  /** Counts and sizes. */
  async stats(): Promise<parts.RepositoryStats> {
    return await this.#work.repositoryStats(this.#context("stats"), this.#statuses());
  }

  /** The same as text in Prometheus' exposition format. */
  async metrics(): Promise<string> {
    return this.#work.prometheusText(await this.stats());
  }

  /** What is going on: calls under way through this handle, and its replications. */
  status(): { activities: parts.Activity[]; replications: parts.ReplicationStatus[] } {
    return { activities: this.#context("status").activities.list(), replications: this.#statuses() };
  }

  /** Whether the backups are as they should be: `"OK"`, or a list of findings. */
  async health(policy?: parts.HealthPolicy): Promise<parts.HealthReport> {
    const context = this.#context("health");
    return await this.#work.repositoryHealth(context, this.#work.checkHealthPolicy("health", policy), this.#statuses());
  }

  /** Restores for real into a scratch place, checks what came back, and records the version proven restorable. */
  async drill(options?: DrillOptions): Promise<parts.DrillReport> {
    const call = "drill";
    const context = this.#withKey(call);
    const checked = checkOptions(call, options, [...POINT, "directory", ...LONG_OPTIONS]);
    const parts = { wish: pointOptions(call, checked), ...longOptions(call, checked) };
    const { settings } = openOptions(call, { clock: context.clock });
    return await this.#work.drillIn(
      call,
      checked["directory"] as string | URL | undefined,
      this.#fs,
      (fs, directory) => this.#work.drillRepository(context, { fs, directory, settings, ...parts }),
    );
  }

  /** Heals what can be healed, sets aside what can't, and says what is lost. */
  async repair(options?: LongWorkOptions & { dryRun?: boolean | undefined }): Promise<parts.RepositoryRepairReport> {
    const checked = checkOptions("repair", options, ["dryRun", ...LONG_OPTIONS]);
    const dryRun = booleanOption("repair", checked, "dryRun", false);
    const context = dryRun ? this.#withKey("repair") : this.#writable("repair");
    return await this.#work.repairRepository(context, { dryRun, ...longOptions("repair", checked) });
  }

  /** The audit log: what was done, when, with what result; the oldest first. */
  async history(): Promise<parts.AuditEntry[]> {
    return await this.#work.auditHistory(this.#context("history"));
  }

  /** The keys that open it; none when it is not encrypted. */
  async keys(): Promise<parts.KeyInfo[]> {
    return await this.#work.listKeys(this.#context("keys"));
  }

  /** Adds a key or passphrase that opens it too. */
  async addKey(encryption: Encryption): Promise<parts.KeyInfo> {
    return await this.#work.addKey(this.#writable("addKey"), this.#work.checkEncryption("addKey", encryption));
  }

  /** Makes this the only key or passphrase; all others open nothing any more. No data is written anew. */
  async rotateKey(encryption: Encryption): Promise<parts.KeyInfo> {
    return await this.#work.rotateKey(this.#writable("rotateKey"), this.#work.checkEncryption("rotateKey", encryption));
  }

  /** Removes a key by its id; never the last one. `RepositoryLockedError` while another removes or rotates one. */
  async removeKey(id: string): Promise<void> {
    await this.#work.removeKey(this.#writable("removeKey"), idOf("removeKey", id));
  }

  /** Copies all backups and archived log into another repository, or only some; what is there already is not sent again. */
  async copyTo(other: BackupRepository, options?: parts.CopyOptions): Promise<parts.CopyReport> {
    const context = this.#withKey("copyTo");
    if (this.#work.contextOf(other) === undefined) {
      throw new TypeError(`copyTo: the other repository must be an open BackupRepository, not ${describeValue(other)}`);
    }
    const checked = checkOptions("copyTo", options, ["backups", ...LONG_OPTIONS]);
    const { backups } = checked;
    if (backups !== undefined && (!Array.isArray(backups) || backups.some((id) => typeof id !== "string"))) {
      throw new TypeError(`copyTo: option "backups" must be an array of ids, not ${describeValue(backups)}`);
    }
    return await this.#work.copyRepository(context, other.#writable("copyTo"), {
      backups: backups as string[] | undefined,
      ...longOptions("copyTo", checked),
    });
  }

  /**
   * Ships the log of an open database as it grows, until `stop()`: at most `interval` is lost when the machine is gone. The
   * first shipment is awaited.
   */
  async replicate(db: parts.BackupSource, options?: parts.ReplicationOptions): Promise<parts.Replication> {
    const context = this.#writable("replicate");
    const checked = this.#work.replicationOptions("replicate", options);
    const forget = (): void => void this.#replications.delete(replication);
    const replication = new this.#work.Replication(context, openEngineOf("replicate", db), checked, forget);
    this.#replications.add(replication);
    return await replication.start();
  }

  /** Stops its replications and lets go. Calls under way go on. */
  async close(): Promise<void> {
    closeHandle(this);
    const results = await Promise.allSettled([...this.#replications].map(async (replication) => {
      const { isStopped } = replication;
      try {
        await replication.stop();
      } catch (error) {
        // Whoever stopped it before was told.
        if (!isStopped) throw error;
      }
    }));
    this.#replications.clear();
    await this.#parts.letGo?.();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #statuses(): parts.ReplicationStatus[] {
    return [...this.#replications].map((replication) => replication.status());
  }

  #context(call: string): parts.RepositoryContext {
    assertOpenHandle(call, this);
    return this.#parts;
  }

  #withKey(call: string): parts.RepositoryContext {
    const context = this.#context(call);
    if (!context.keyless) return context;
    throw new ReadOnlyError(`Cannot ${call} in ${context.name}: it was opened without its key (READ_ONLY)`);
  }

  #writable(call: string): parts.RepositoryContext {
    const context = this.#withKey(call);
    if (!context.readOnly) return context;
    throw new ReadOnlyError(`Cannot ${call} in ${context.name}: it was opened with readOnly (READ_ONLY)`);
  }

  #noBackup(id: string): NotFoundError {
    return new NotFoundError(`${this.name} has no backup ${id}; see list() (NOT_FOUND)`);
  }
}

function idOf(call: string, id: unknown): string {
  if (typeof id === "string" && id !== "") return id;
  const hint = call === "verify" && isRecord(id) ? "; options come second: verify(undefined, options)" : "";
  throw new TypeError(`${call}: id must be a string, not ${describeValue(id)}${hint}`);
}

function openEngineOf(call: string, db: unknown): Engine {
  const engine = engineOf(db);
  if (engine !== undefined) return engine;
  throw new TypeError(`${call}: the first argument must be an open database, not ${describeValue(db)}`);
}
