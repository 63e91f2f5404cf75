/**
 * From an opened source to one whose entries, or files, can be read: a repository's state is made as a directory first.
 *
 * @module
 */
import type { OnProgress } from "../../base/progress.ts";
import { ProgressReporter } from "../../base/progress.ts";
import type { EngineSettings } from "../../engine/types.ts";
import type { FileSystem } from "../../files/file_system.ts";
import type { RestoreInfo } from "../info.ts";
import { audited } from "../repository/core/audit.ts";
import type { Lease } from "../repository/core/lease.ts";
import { findState, makeState, withReaderLease } from "../repository/restoring/source.ts";
import type { CheckedRestoreOptions } from "../restore_options.ts";
import { refuseRepositoryOptions } from "../restore_options.ts";
import type { LoadableSource } from "./load_source.ts";
import type { OpenedSource } from "./source.ts";

/** What a repository adds to what is told of a restore. */
export type RepositoryPart = Pick<RestoreInfo, "backups" | "recordsReplayed" | "reusedBytes" | "bytes">;

/** A source that can be read. */
export interface PreparedSource {
  /** What is read from; undefined for a rehearsal that reads no data. */
  source: LoadableSource | undefined;
  /** What the repository it came from says. */
  part: RepositoryPart | undefined;
  /** Of a rehearsal: what would come of it. */
  planned:
    | Pick<RestoreInfo, "achieved" | "database" | "lineage" | "entries" | "entriesAtMost" | "entriesAbout">
    | undefined;
}

/** How a source is prepared. */
export interface PrepareOptions {
  /** Names the call in errors. */
  call: string;
  /** Where files lie. */
  fs: FileSystem;
  /** An existing directory; not needed for a rehearsal. */
  scratch: string;
  /** For the engine that replays. */
  settings: EngineSettings;
  /** What is wanted. */
  restore: CheckedRestoreOptions;
  /** Directories in which files may lie that are the same. */
  reuse: readonly string[];
  /** Counts bytes and files. */
  reporter: ProgressReporter;
  /** Of the repository. */
  lease: Lease | undefined;
}

/** Prepares a source. */
export async function prepareSource(opened: OpenedSource, options: PrepareOptions): Promise<PreparedSource> {
  const { call, restore, reporter } = options;
  if (opened.kind !== "repository") {
    refuseRepositoryOptions(call, opened.name, restore);
    return { source: opened, part: undefined, planned: undefined };
  }
  const { context } = opened;
  reporter.start("plan");
  const wanted = await findState(call, context, restore, restore.signal);
  if (wanted.kind === "entries") {
    const { id, database, lineage, version, timestamp, entryCount, totalBytes } = wanted.backup;
    const part = { backups: [id], recordsReplayed: 0, reusedBytes: 0, bytes: totalBytes };
    const planned = { achieved: { version, timestamp }, database, lineage, entries: entryCount };
    if (restore.dryRun) return { source: undefined, part, planned };
    const source: LoadableSource = {
      kind: "portable",
      name: `backup ${id} of ${context.name}`,
      pieces: wanted.pieces(),
      close: () => Promise.resolve(),
    };
    return { source, part, planned: undefined };
  }
  const { plan } = wanted;
  if (restore.dryRun) {
    const { version, timestamp, base, log, history } = plan;
    const recordsReplayed = version - base.version;
    const bytes = base.totalBytes + log.reduce((sum, { size }) => sum + size, 0);
    return {
      source: undefined,
      part: { backups: plan.backups, recordsReplayed, reusedBytes: 0, bytes },
      planned: {
        achieved: { version, timestamp },
        database: history.database,
        lineage: history.lineage,
        entries: base.entryCount + recordsReplayed,
        ...(recordsReplayed === 0 ? { entriesAtMost: true } : { entriesAbout: true }),
      },
    };
  }
  const { fs, scratch, settings, reuse, lease } = options;
  const made = await makeState(call, context, restore, plan, {
    fs,
    scratch,
    // A replay drops what has expired; where the expiry is cleared nothing has.
    settings: restore.expiry === "clear" ? { ...settings, clock: () => 0 } : settings,
    reuse,
    verify: restore.verifyAfter,
    reporter,
    lease: lease!,
    signal: restore.signal,
  });
  return {
    source: { kind: "directory", name: context.name, path: made.directory },
    part: {
      backups: made.plan.backups,
      recordsReplayed: made.recordsReplayed,
      reusedBytes: made.reusedBytes,
      bytes: made.bytes,
    },
    planned: undefined,
  };
}

/** Runs a restore; one from a repository under a lease, among its activities, and noted in its audit log. */
export async function restoring(
  opened: OpenedSource,
  destination: string,
  restore: CheckedRestoreOptions,
  work: (lease: Lease | undefined, onProgress: OnProgress | undefined) => Promise<RestoreInfo>,
): Promise<RestoreInfo> {
  if (opened.kind !== "repository") return await work(undefined, restore.onProgress);
  const { context } = opened;
  const run = (): Promise<RestoreInfo> =>
    context.activities.run(
      { kind: "restore", subject: destination, startedAt: context.clock() },
      restore.onProgress,
      (onProgress) =>
        withReaderLease(context, "restore", destination, (lease) => work(lease, onProgress), restore.signal),
    );
  if (restore.dryRun) return await run();
  return await audited(context, "restore", run, (info) => ({
    database: info.database,
    version: info.achieved.version,
    bytes: info.bytes,
    recordsReplayed: info.recordsReplayed,
    durationMs: Math.round(info.durationMs),
  }), { destination });
}
