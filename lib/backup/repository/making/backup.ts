/**
 * A backup of an open database into a repository.
 *
 * ```
 * lease ─► type ─► slot ─► pin ─► objects ─► log and head ─► manifest (if absent): from here on there is a backup
 * ```
 *
 * Nobody waits for it. Interrupted, it leaves objects that nothing refers to: the next backup finds and uses them.
 *
 * @module
 */
import { NotFoundError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { Engine } from "../../../engine/types.ts";
import { basename } from "../../../files/paths.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { CheckedRepositoryBackup } from "../../backup_options.ts";
import type { BackupInfo } from "../../info.ts";
import { withPartial } from "../../partial.ts";
import { audited } from "../core/audit.ts";
import { backupInfo, documentPrefix } from "./backup_info.ts";
import { newBackupId } from "../core/backup_id.ts";
import { Bandwidth } from "../core/bandwidth.ts";
import { writeBase } from "./base_writer.ts";
import { indexBackups, knownObjects, readBackup, readBackups, readMarks } from "../core/catalog.ts";
import { assertApart } from "../core/apart.ts";
import type { RepositoryContext } from "../core/context.ts";
import { writeDocument } from "../core/documents.ts";
import { writeEntries } from "./entries_writer.ts";
import { backupKey } from "../core/layout.ts";
import { type Lease, withLease } from "../core/lease.ts";
import { idGoing, idTaken } from "./id_errors.ts";
import { LimitError } from "./limit_error.ts";
import { justBefore } from "../log/heads.ts";
import { identityAt } from "../log/lineage_path.ts";
import { findParent, goesOn } from "./find_parent.ts";
import { wholeLog } from "./parent_whole.ts";
import type { PlaceOptions } from "./place.ts";
import type { Shipped } from "../log/shipment.ts";
import { measureLog } from "../log/measure_log.ts";
import { Shipper } from "../log/shipper.ts";
import { ensureSlot } from "../log/slots.ts";
import { stillWhole } from "./still_whole.ts";
import { takeBack } from "./take_back.ts";

/** Makes a backup. */
export async function backupInto(
  context: RepositoryContext,
  engine: Engine,
  options: CheckedRepositoryBackup,
): Promise<BackupInfo> {
  throwIfAborted(options.signal);
  assertApart("backup", context, engine);
  const about = { type: options.type, database: engine.id };
  const subject = options.id ?? basename(engine.path);
  const ended = Promise.withResolvers<void>();
  const run = (): Promise<BackupInfo> =>
    context.activities.run(
      { kind: "backup", subject, startedAt: context.clock() },
      options.onProgress,
      async (onProgress) => {
        const reporter = new ProgressReporter(onProgress);
        // A writer has locked its database, so another of its path and history is a dead one, and no copy on another machine.
        const whose = `${engine.forked ? "a copy of " : ""}lineage ${engine.lineage.slice(0, 8)} at ${engine.path}`;
        const who = { holder: `${whose}${engine.readOnly ? " (reader)" : ""}`, sole: !engine.readOnly };
        const lease = { kind: "backup", name: `backup-${engine.id}`, signal: options.signal, ...who };
        return await withPartial(reporter, () =>
          withLease(context, lease, (held) =>
            new Backup(context, engine, options, reporter, held, ended.promise).run()));
      },
    );
  const resume = engine.deferCompaction();
  try {
    return await audited(context, "backup", run, (info) => ({
      id: info.id,
      type: info.type,
      version: info.version,
      storedBytes: info.storedBytes,
      addedBytes: info.addedBytes,
      durationMs: Math.round(info.durationMs),
    }), about);
  } finally {
    resume();
    ended.resolve();
  }
}

/** What a kind of backup adds to the manifest. */
type Part = Pick<
  BackupDocument,
  | "type"
  | "parentId"
  | "lineage"
  | "parents"
  | "version"
  | "timestamp"
  | "coveredUntil"
  | "entryCount"
  | "fileCount"
  | "totalBytes"
  | "storedBytes"
  | "addedBytes"
  | "base"
  | "log"
>;

class Backup {
  readonly #context: RepositoryContext;
  readonly #engine: Engine;
  readonly #options: CheckedRepositoryBackup;
  readonly #reporter: ProgressReporter;
  readonly #lease: Lease;
  readonly #ended: Promise<void>;
  readonly #bandwidth: Bandwidth;
  readonly #made: string[] = [];
  /** Keys that a pruning is about to delete: nothing new may need them. */
  #going: ReadonlySet<string> = new Set();
  #sent = 0;
  /** The slot is moved on while the rest is done. */
  #slot: Promise<void> | undefined;

  constructor(
    context: RepositoryContext,
    engine: Engine,
    options: CheckedRepositoryBackup,
    reporter: ProgressReporter,
    lease: Lease,
    ended: Promise<void>,
  ) {
    this.#context = context;
    this.#engine = engine;
    this.#options = options;
    this.#reporter = reporter;
    this.#lease = lease;
    this.#ended = ended;
    this.#bandwidth = new Bandwidth(options.bytesPerSecond, context.monotonic, context.delay);
  }

  async run(): Promise<BackupInfo> {
    try {
      const info = await this.#run();
      await this.#slot;
      return info;
    } catch (error) {
      await this.#slot?.catch(() => {}); // The first failure is the one to tell.
      throw error;
    }
  }

  async #run(): Promise<BackupInfo> {
    const context = this.#context;
    const options = this.#options;
    const started = context.monotonic();
    const createdAt = context.clock();
    const id = options.id ?? newBackupId(createdAt, context);
    this.#reporter.start("plan");
    if (await readBackup(context, id) !== undefined) throw idTaken(context, id);
    // Before the manifests are listed: one that was marked and is gone by then is not listed either.
    this.#going = new Set((await readMarks(context)).flatMap(({ keys }) => keys));
    // By its id that pruning counts what is put now for gone, and would take what it needs.
    if (this.#going.has(backupKey(id))) throw idGoing(context, id);
    const all = await readBackups(context);
    const part = await this.#makePart(all.filter(({ database }) => database === this.#engine.id), all);
    this.#reporter.start("publish");
    throwIfAborted(options.signal);
    const body: BackupDocument = {
      id,
      requestedType: options.type,
      database: this.#engine.id,
      databaseName: basename(this.#engine.path),
      keyEncoding: this.#engine.keyEncoding,
      databaseCreatedAt: this.#engine.meta.createdAt,
      createdAt,
      durationMs: Math.max(0, Math.round(context.monotonic() - started)),
      compression: options.compression ?? context.compression ?? (this.#isSelective ? "zstd" : "none"),
      encrypted: context.ring !== undefined,
      namespace: options.selection.namespace?.length ? [...options.selection.namespace] : null,
      prefix: documentPrefix(options.prefix),
      labels: options.labels,
      selective: this.#isSelective,
      ...part,
    };
    await this.#lease.assertHeld(true);
    const put = await writeDocument(context, "backup", backupKey(id), body, { ifAbsent: true });
    if (put === undefined) {
      // Ours, when only the answer was lost.
      const found = await readBackup(context, id);
      if (JSON.stringify(found) !== JSON.stringify(body)) throw idTaken(context, id);
    }
    await this.#assertPublished(id);
    // The backup is there: without an index its readers only ask more often.
    await indexBackups(context).catch(() => {});
    this.#reporter.finish();
    return backupInfo(context, body, false);
  }

  /**
   * A pruning whose clock is far ahead may have broken the lease after it was renewed, and may not have seen the manifest
   * when it looked for what is needed. It looks after breaking, this looks after publishing: one of both notices. What is whole
   * then stays, for another backup may build on it by now.
   */
  async #assertPublished(id: string): Promise<void> {
    try {
      await this.#lease.assertHeld();
    } catch (error) {
      const whole = await stillWhole(this.#context, [id]).catch(() => undefined);
      if (whole?.has(id)) return;
      // Who may not delete, or finds the store away, is told why all the same.
      await this.#context.store.delete(backupKey(id)).catch(() => {});
      throw error;
    }
  }

  get #isSelective(): boolean {
    const { selection, filter } = this.#options;
    return selection.namespace !== undefined || selection.prefix !== undefined || filter !== undefined;
  }

  async #makePart(mine: readonly BackupDocument[], all: readonly BackupDocument[]): Promise<Part> {
    if (this.#isSelective) return await this.#entries(all);
    const parent = findParent(this.#context, this.#engine, mine, this.#going, this.#options.parent);
    const goes = parent !== undefined && goesOn(this.#context, this.#engine, mine, this.#options);
    const part = goes ? await this.#incremental(parent) : undefined;
    if (part !== undefined) return part;
    return await this.#complete(this.#options.type === "full" || parent === undefined ? "full" : "snapshot", all);
  }

  /** Whether this database writes its history here, and is not a reader or a copy that stands in another's. */
  get #ships(): boolean {
    return !this.#engine.readOnly && !this.#context.readOnly;
  }

  async #ship(): Promise<Shipped> {
    this.#reporter.start("log", {});
    const { maxBytes, signal } = this.#options;
    // Before anything of it is sent, for it can't be taken back.
    if (maxBytes !== undefined) {
      this.#count(await measureLog(this.#context, this.#engine, maxBytes - this.#sent, signal));
    }
    return await Shipper.of(this.#context, this.#engine).ship({
      heartbeat: true,
      verify: this.#options.verify,
      onBytes: (count) => this.#reporter.add(count),
      slot: { onMoving: (moved) => void (this.#slot = moved).catch(() => {}), until: this.#ended }, // It is awaited in the end.
      signal,
    });
  }

  /** The log since the parent, or undefined when it is not all there. */
  async #incremental(parent: BackupDocument): Promise<Part | undefined> {
    const engine = this.#engine;
    if (!this.#ships || parent.lineage !== engine.lineage) return undefined;
    const lastBytes = engine.unarchivedBytes(parent.version);
    const { forked, visibleVersion } = engine;
    const { head, storedBytes } = await this.#ship();
    if (head.lineage !== parent.lineage || head.version < parent.version) return undefined;
    // What the head of its original says of a copy that was never written to is true of where the copy stands, or of nothing.
    if (forked && head.version !== visibleVersion) return undefined;
    const index = await wholeLog(this.#context, parent, head, this.#going);
    const walk = index?.walkBack(head, parent.version + 1, this.#going);
    if (walk === undefined || walk.from > parent.version + 1) return undefined;
    const bytes = walk.objects.reduce((sum, { size }) => sum + size, 0);
    const log = { from: parent.version + 1, to: head.version, chain: head.chain, bytes };
    return {
      type: "incremental",
      parentId: parent.id,
      lineage: head.lineage,
      parents: head.parents,
      version: head.version,
      timestamp: head.version === parent.version ? parent.timestamp : head.timestamp,
      coveredUntil: head.coveredUntil,
      entryCount: head.version - parent.version,
      fileCount: walk.objects.length,
      totalBytes: lastBytes,
      storedBytes: bytes,
      addedBytes: storedBytes,
      base: null,
      log: log.from > log.to ? null : log,
    };
  }

  /** Everything, as objects. */
  async #complete(type: "full" | "snapshot", all: readonly BackupDocument[]): Promise<Part> {
    const context = this.#context;
    const engine = this.#engine;
    const { excludeLog, concurrency } = this.#options;
    // First, so that the log behind the base is kept from now on.
    await ensureSlot(engine, context, Shipper.of(context, engine), excludeLog);
    const known = await knownObjects(context, all, type === "full", true);
    const written = await this.#leavingNothing(() =>
      this.#pinned(async (settled) => {
        const pin = await engine.pin({ finalTime: true });
        try {
          const base = await writeBase(context, engine, pin, {
            known,
            place: this.#placeOptions(),
            excludeLog,
            concurrency: concurrency ?? context.concurrency,
            reporter: this.#reporter,
            lease: this.#lease,
          });
          const meta = excludeLog ? identityAt(pin.base.meta, pin.base.version) : identityAt(pin.meta, pin.version);
          // Of a history that others may write on nobody knows what came behind, were it at the same time.
          const { version, timestamp } = base.base;
          const own = meta.lineage === engine.lineage && !engine.forked && !engine.readOnly && version === pin.version;
          const covered = own ? Math.max(settled.moment - 1, timestamp) : justBefore(timestamp);
          return { ...base, meta, coveredUntil: covered };
        } finally {
          pin.release();
        }
      })
    );
    const shipped = this.#ships ? await this.#leavingNothing(() => this.#ship()) : undefined;
    const { base, meta } = written;
    const still = shipped?.head.version === base.version && shipped.head.lineage === meta.lineage;
    return {
      type,
      parentId: null,
      lineage: meta.lineage,
      parents: meta.parents,
      version: base.version,
      timestamp: base.timestamp,
      coveredUntil: still ? Math.max(shipped.head.coveredUntil, written.coveredUntil) : written.coveredUntil,
      entryCount: written.rows,
      fileCount: base.files.length,
      totalBytes: written.totalBytes,
      storedBytes: written.storedBytes,
      addedBytes: written.addedBytes,
      base,
      log: null,
    };
  }

  /** Runs `work` at the present: a reader whose files were removed by the writer moves on and tries again. */
  async #pinned<T>(work: (settled: { moment: number }) => Promise<T>): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await work(await this.#engine.settled());
      } catch (error) {
        if (!(error instanceof NotFoundError) || !this.#engine.readOnly || tries === READER_TRIES) throw error;
        await this.#engine.refresh();
      }
    }
  }

  /** A part of the contents, as entries. */
  async #entries(all: readonly BackupDocument[]): Promise<Part> {
    const context = this.#context;
    const engine = this.#engine;
    const { selection, filter, signal } = this.#options;
    const known = await knownObjects(context, all, true);
    const written = await this.#leavingNothing(() =>
      writeEntries(context, engine, {
        selection,
        filter,
        known,
        place: this.#placeOptions(),
        reporter: this.#reporter,
        signal,
      })
    );
    const { lineage, parents } = identityAt(engine.meta, written.version);
    const coveredUntil = justBefore(written.timestamp);
    return { ...written, type: "full", parentId: null, lineage, parents, coveredUntil, log: null };
  }

  #placeOptions(): Omit<PlaceOptions, "compression"> & { compression: PlaceOptions["compression"] | undefined } {
    const { compression, level, verify, signal } = this.#options;
    return {
      compression: compression ?? this.#context.compression,
      level,
      verify,
      bandwidth: this.#bandwidth,
      onStored: (count) => this.#count(count),
      onMade: (key) => void this.#made.push(key),
      signal,
    };
  }

  /** Counts what is sent against the limit. */
  #count(bytes: number): void {
    this.#sent += bytes;
    const { maxBytes } = this.#options;
    if (maxBytes !== undefined && this.#sent > maxBytes) throw new LimitError(this.#engine.path, maxBytes);
  }

  /** Over the limit no object stays, not even to be used by the next try; unless somebody else may have found it. */
  async #leavingNothing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof LimitError) await takeBack(this.#context, this.#made, this.#lease).catch(() => {});
      throw error;
    }
  }
}

/** How often a reader moves on when the writer removes files that it is about to copy. */
const READER_TRIES = 5;
