/**
 * Drills: a restore for real, into a place that is thrown away, and a look at all that came back.
 *
 * ```
 * plan ─► restored ─► opened ─► every file checked ─► every entry read ─► as at an earlier drill? ─► proof
 * ```
 *
 * @module
 */
import {
  ClosedError,
  NoSpaceError,
  NotFoundError,
  PermissionError,
  RepositoryLockedError,
  StorageError,
} from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import { toHex } from "../../../base/bytes.ts";
import { type OnProgress, ProgressReporter } from "../../../base/progress.ts";
import { isWithin } from "../../destination.ts";
import { openEngine } from "../../../engine/open.ts";
import type { EngineSettings } from "../../../engine/types.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import { join } from "../../../files/paths.ts";
import { removeTree } from "../../../files/publish.ts";
import { FIRST_NAMESPACE_SPACE } from "../../../format/space.ts";
import { loadFrom } from "../../load/load_source.ts";
import { RowLoad } from "../../load/row_load.ts";
import type { LongWorkOptions } from "../../long_work.ts";
import { readerSettings } from "../../pinned_files.ts";
import { apply } from "../../restore.ts";
import type { CheckedPointOptions } from "../../restore_options.ts";
import { type AuditDetail, writeAudit } from "../core/audit.ts";
import type { RepositoryContext } from "../core/context.ts";
import { entriesChecksum } from "./entries_checksum.ts";
import { chooseHistory, histories, readFacts, type RepositoryFacts } from "../restoring/facts.ts";
import { backupKey } from "../core/layout.ts";
import type { Lease } from "../core/lease.ts";
import { drillOf, writeProof } from "../core/proofs.ts";
import { findState, makeState, type WantedState, withReaderLease } from "../restoring/source.ts";

/** What a drill found. */
export interface DrillReport {
  /** Whether the state came back, whole. */
  ok: boolean;
  /** What went wrong, when it did not. */
  problems: string[];
  /** The database. */
  database: string;
  /** Its history. */
  lineage: string;
  /** The version restored. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** How many entries there were. */
  entries: number;
  /** `sha256:` over all entries. */
  checksum: string;
  /** Commits replayed. */
  recordsReplayed: number;
  /** Bytes fetched. */
  bytes: number;
  /** How long it took, ms. */
  durationMs: number;
}

/** Where and how a drill restores. */
export interface DrillParts extends LongWorkOptions {
  /** Where files lie. */
  fs: FileSystem;
  /** An existing directory. The scratch database gets one of its own in there, which is removed again. */
  directory: string;
  /** For the engine. */
  settings: EngineSettings;
  /** Which state. */
  wish: CheckedPointOptions;
}

const CALL = "drill";

/**
 * Restores for real. That it does not work is a report with `ok` false and a failed proof. Thrown are the signal's reason,
 * what says that there is nothing to drill: `NotFoundError` for a backup or a history there is none of, `TypeError`; that
 * there is no place for it: `NoSpaceError`, `PermissionError`; and that the store does not answer: `StorageError`. Of these no
 * proof is kept.
 */
export async function drillRepository(context: RepositoryContext, parts: DrillParts): Promise<DrillReport> {
  const { signal, onProgress, wish } = parts;
  throwIfAborted(signal);
  const subject = wish.point.backupId ?? wish.database ?? "the newest state";
  return await context.activities.run(
    { kind: "drill", subject, startedAt: context.clock() },
    onProgress,
    (progress) =>
      withReaderLease(context, "drill", parts.directory, async (lease) => {
        const drill = new Drill(context, parts, lease, progress);
        const report = await drill.run();
        await record(context, wish, report, drill.isWhole);
        return report;
      }, signal),
  );
}

class Drill {
  /** Whether all of a database was wanted, and not a part of its entries. */
  isWhole = true;
  /** When a base of the very version was made, ms: what had expired by then may be gone from it. */
  #madeAt = 0;
  readonly #context: RepositoryContext;
  readonly #parts: DrillParts;
  readonly #lease: Lease;
  readonly #reporter: ProgressReporter;

  /** What the caller's own listener threw, which says nothing of a backup. */
  #thrown: { error: unknown } | undefined;

  constructor(context: RepositoryContext, parts: DrillParts, lease: Lease, onProgress: OnProgress | undefined) {
    this.#context = context;
    this.#parts = parts;
    this.#lease = lease;
    this.#reporter = new ProgressReporter((progress) => {
      try {
        const told: unknown = onProgress?.(progress);
        if (told instanceof Promise) told.catch((error) => this.#thrown = { error });
        return told as void;
      } catch (error) {
        this.#thrown = { error };
        throw error;
      }
    });
  }

  async run(): Promise<DrillReport> {
    const context = this.#context;
    const { fs, directory, signal } = this.#parts;
    const started = context.monotonic();
    const report = await this.#expected();
    const scratch = join(directory, `drill-${toHex(context.randomBytes(6))}`);
    try {
      this.#reporter.start("plan");
      const wanted = await findState(CALL, context, this.#parts.wish, signal);
      const expected = { ...report };
      Object.assign(report, placeOf(wanted));
      // A restore takes the newest state that it can get. Here an older one is a failure.
      if (
        Object.keys(this.#parts.wish.point).length === 0 && !this.#parts.wish.allowEarlier &&
        report.lineage === expected.lineage && report.version < expected.version
      ) {
        report.problems.push(
          `Version ${expected.version} is archived and can't be restored; the newest that can is ${report.version}`,
        );
      }
      await fs.makeDirectory(scratch);
      await this.#check(await this.#make(wanted, scratch, report), report);
    } catch (error) {
      throwIfAborted(signal);
      if (this.#thrown !== undefined) throw this.#thrown.error;
      if (isMisuse(error) || isOfPlace(error, scratch)) throw error;
      // A store that is away says nothing of a backup.
      if (error instanceof StorageError) throw error;
      report.problems.push(error instanceof Error ? error.message : String(error));
    } finally {
      await removeTree(fs, scratch).catch(() => {}); // What was found is the thing to tell.
    }
    report.ok = report.problems.length === 0;
    report.durationMs = context.monotonic() - started;
    this.#reporter.finish();
    return report;
  }

  /** What is known before anything is read: whose state it is that may fail to come back. */
  async #expected(): Promise<DrillReport> {
    const { wish, signal } = this.#parts;
    const damaged = new Set<string>();
    const facts = await readFacts(this.#context, { onDamage: (key) => damaged.add(key) });
    throwIfAborted(signal);
    const { database, lineage, version, timestamp } = expectedState(this.#context, facts, wish, damaged);
    return {
      ok: false,
      problems: [],
      database,
      lineage,
      version,
      timestamp,
      entries: 0,
      checksum: "",
      recordsReplayed: 0,
      bytes: 0,
      durationMs: 0,
    };
  }

  /** Makes the database; returns where it is. */
  async #make(wanted: WantedState, scratch: string, report: DrillReport): Promise<string> {
    const { fs, settings, wish, signal } = this.#parts;
    if (wanted.kind === "entries") {
      this.isWhole = false;
      report.bytes = wanted.backup.totalBytes;
      return await this.#load(wanted.pieces(), scratch);
    }
    const options = {
      fs,
      // As of the last commit: a replay drops what has expired, and by another clock that is more at each drill.
      settings: { ...settings, clock: () => wanted.plan.timestamp },
      scratch,
      reuse: [],
      verify: true,
      reporter: this.#reporter,
      lease: this.#lease,
      signal,
    };
    const made = await makeState(CALL, this.#context, wish, wanted.plan, options);
    if (made.plan.base.version === made.version) this.#madeAt = made.plan.base.createdAt;
    report.version = made.version;
    report.timestamp = made.timestamp;
    report.recordsReplayed = made.recordsReplayed;
    report.bytes = made.bytes;
    return made.directory;
  }

  /** A database of the entries of a selective backup. */
  async #load(pieces: AsyncIterable<Uint8Array>, scratch: string): Promise<string> {
    const { fs, settings, signal } = this.#parts;
    const rows = join(scratch, "rows");
    await fs.makeDirectory(rows);
    const load = new RowLoad({
      fs,
      directory: rows,
      memoryBytes: settings.memtableBytes,
      spaces: [],
      firstSpace: FIRST_NAMESPACE_SPACE,
      countOnly: false,
      moment: 0,
      call: CALL,
    });
    try {
      const close = (): Promise<void> => Promise.resolve();
      const source = { kind: "portable" as const, name: `a backup in ${this.#context.name}`, pieces, close };
      const selection = { namespace: undefined, prefix: undefined };
      const reader = readerSettings(settings, signal);
      const reporter = this.#reporter;
      const loaded = await loadFrom(source, load, {
        fs,
        scratch,
        settings: reader,
        selection,
        verify: true,
        reporter,
        signal,
      });
      const path = join(scratch, "database");
      const engine = await openEngine(fs, path, {
        ...settings,
        createIfMissing: true,
        errorIfExists: true,
        readOnly: false,
        keyEncoding: load.settle(loaded.keyEncoding),
        reserve: false,
        onEvent: undefined,
        signal,
      });
      try {
        await apply(engine, load, { replace: false }, true, reporter, signal);
      } finally {
        await engine.close();
      }
      return path;
    } finally {
      await load.close();
    }
  }

  /** Reads all of the database. */
  async #check(path: string, report: DrillReport): Promise<void> {
    const { fs, settings, signal } = this.#parts;
    const reporter = this.#reporter;
    const engine = await openEngine(fs, path, readerSettings(settings, signal));
    try {
      reporter.start("verify");
      const verified = await engine.verify({ signal, onBytes: (count) => reporter.add(count) });
      for (const { file, offset, detail } of verified.problems) {
        report.problems.push(`The restored database is damaged in ${file} at byte ${offset}: ${detail}`);
      }
      if (verified.problems.length > 0) return;
      reporter.start("read");
      const onEntry = (bytes: number): void => reporter.add(bytes, 1);
      const moment = this.isWhole ? engine.visibleTimestamp : 0;
      Object.assign(report, await entriesChecksum(engine, { withVersions: this.isWhole, moment, signal, onEntry }));
      await this.#lease.touch();
    } finally {
      await engine.close();
    }
    if (this.isWhole) await this.#compare(report);
  }

  /** The same version must hold the same as at an earlier drill. */
  async #compare(report: DrillReport): Promise<void> {
    const before = await drillOf(this.#context, report);
    if (before === undefined || before.contentChecksum === report.checksum || before.at <= this.#madeAt) return;
    report.problems.push(
      `Version ${report.version} came back with ${report.entries} entries (${report.checksum}); at the drill of ` +
        `${new Date(before.at).toISOString()} it had ${before.entries} (${before.contentChecksum})`,
    );
  }
}

type Expected = Pick<DrillReport, "database" | "lineage" | "version" | "timestamp">;

function placeOf(wanted: WantedState): Expected {
  const { database, lineage, version, timestamp } = wanted.kind === "entries"
    ? wanted.backup
    : { ...wanted.plan.history, version: wanted.plan.version, timestamp: wanted.plan.timestamp };
  return { database, lineage, version, timestamp };
}

/** What the wish means, as far as the documents say. Throws what `restore` would when there is no such thing. */
function expectedState(
  context: RepositoryContext,
  facts: RepositoryFacts,
  wish: CheckedPointOptions,
  damaged: ReadonlySet<string>,
): Expected {
  const { backupId, version, time } = wish.point;
  const backup = facts.backups.find(({ id }) => id === backupId);
  if (backup !== undefined) return backup;
  if (backupId !== undefined && !damaged.has(backupKey(backupId))) {
    throw new NotFoundError(
      `Cannot drill backup ${backupId}: ${context.name} has none of that id; see list() (NOT_FOUND)`,
    );
  }
  const all = histories(facts);
  if (damaged.size > 0 && (backupId !== undefined || all.length === 0)) {
    // Whose it was is not known; what is wrong is told when it is looked for.
    const { database, lineage } = all[0] ?? { database: NOBODY, lineage: NOBODY };
    return { database, lineage, version: 0, timestamp: 0 };
  }
  const { database, lineage } = chooseHistory(CALL, context.name, facts, wish);
  const newest = all.find((each) => each.lineage === lineage && each.database === database)!;
  const own = <T extends { database: string; lineage: string }>(all: readonly T[]): T[] =>
    all.filter((one) => one.database === database && one.lineage === lineage);
  // A head may stand behind log that a repair gave up.
  const archived = own(facts.heads).map((head) => head.start > head.version ? 0 : head.version);
  const backedUp = own(facts.backups).filter(({ selective }) => !selective).map((each) => each.version);
  const last = wish.replayLog ? Math.max(0, ...archived, ...backedUp) : 0;
  return { database, lineage, version: version ?? (time === undefined ? last : 0), timestamp: time ?? newest.last };
}

/** Stands where no history is known. */
const NOBODY = "0".repeat(32);

/** What says that the call made no sense, or that another must end first. */
function isMisuse(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ClosedError ||
    error instanceof RepositoryLockedError;
}

/** What says that there is no room for a restore where it was to be made, or no right to: nothing is known of the backup then. */
function isOfPlace(error: unknown, scratch: string): boolean {
  return (error instanceof NoSpaceError || error instanceof PermissionError) && error.path !== undefined &&
    isWithin(error.path, scratch);
}

async function record(
  context: RepositoryContext,
  { point }: CheckedPointOptions,
  report: DrillReport,
  isWhole: boolean,
): Promise<void> {
  const { ok, problems, database, lineage, version, timestamp, entries, checksum, recordsReplayed, bytes } = report;
  const durationMs = Math.round(report.durationMs);
  const about: AuditDetail = point.backupId === undefined ? {} : { id: point.backupId };
  const failed: AuditDetail = ok ? {} : { message: problems[0]!.slice(0, 500) };
  const detail = { ...about, database, version, bytes, durationMs, recordsReplayed, ...failed };
  await writeAudit(context, "drill", ok ? "ok" : "failed", detail).catch(() => {});
  await writeProof(context, {
    kind: "drill",
    at: context.clock(),
    backupId: point.backupId ?? null,
    database,
    lineage,
    version,
    timestamp: Math.max(0, Math.round(timestamp)),
    ok,
    problems: problems.length,
    entries: checksum === "" ? null : entries,
    // A part of the entries is nothing that the whole could be compared with.
    contentChecksum: checksum === "" || !isWhole ? null : checksum,
    durationMs,
  });
}
