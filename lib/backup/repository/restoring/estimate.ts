/**
 * What a restore would take, before it is needed.
 *
 * The model: bytes to fetch / fetch rate + commits to replay / replay rate + a fixed part for opening and publishing. The
 * rates are those of the last restores and drills of this repository, from its audit log, the newest counting most; where it
 * tells of none lately, those measured for `bench/README.md`, halved.
 *
 * @module
 */
import { throwIfAborted } from "../../../base/abort.ts";
import { ProgressReporter } from "../../../base/progress.ts";
import type { LongWorkOptions } from "../../long_work.ts";
import type { CheckedPointOptions } from "../../restore_options.ts";
import { readAuditBackwards } from "../core/audit_lines.ts";
import type { RepositoryContext } from "../core/context.ts";
import { findState } from "./source.ts";

/** What a restore would take. */
export interface RestoreEstimate {
  /** The state it would give. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** The database. */
  database: string;
  /** Its history. */
  lineage: string;
  /** The backup it would begin with. */
  backupId: string;
  /** How long it would take, ms. */
  durationMs: number;
  /** Bytes that would be fetched: the base's. */
  baseBytes: number;
  /** Bytes that would be fetched: the log's. */
  logBytes: number;
  /** Commits that would be replayed. */
  records: number;
  /** Requests to the store. */
  requests: number;
  /** Bytes that the restored database needs on disk while it is made. */
  requiredBytes: number;
  /** What the duration rests on. */
  model: EstimateModel;
}

/** The rates of an estimate. */
export interface EstimateModel {
  /** Bytes fetched, written and read back per second. */
  bytesPerSecond: number;
  /** Commits replayed per second. */
  recordsPerSecond: number;
  /** What every restore takes besides, ms. */
  fixedMs: number;
  /** From how many restores and drills the rates were learned, the last 8 at most; 0: they are assumed. */
  restores: number;
}

/** Assumed before anything was restored. */
const ASSUMED: EstimateModel = { bytesPerSecond: 120e6, recordsPerSecond: 100_000, fixedMs: 100, restores: 0 };

/** Restores shorter than this tell of overhead, not of rates. */
const LEARN_BYTES_MIN = 2 ** 20;

/** Newer restores count more: each earlier one half as much again. */
const FADE = 0.5;

/** Earlier ones than these would count for less than a hundredth. */
const RESTORES_MAX = 8;

/** Lines of the audit log in which restores are looked for: each is a request, and who asks this may be in a hurry. */
const LINES_MAX = 4096;

/** Estimates a restore. */
export async function estimateRestore(
  call: string,
  context: RepositoryContext,
  wish: CheckedPointOptions,
  { signal, onProgress }: LongWorkOptions = {},
): Promise<RestoreEstimate> {
  throwIfAborted(signal);
  new ProgressReporter(onProgress).start("plan");
  const model = await learnModel(context);
  throwIfAborted(signal);
  const wanted = await findState(call, context, wish, signal);
  throwIfAborted(signal);
  if (wanted.kind === "entries") {
    const { version, timestamp, database, lineage, id, totalBytes, storedBytes, entryCount } = wanted.backup;
    const sizes = {
      baseBytes: storedBytes,
      logBytes: 0,
      records: entryCount,
      requests: 2,
      requiredBytes: 2 * totalBytes,
    };
    return {
      version,
      timestamp,
      database,
      lineage,
      backupId: id,
      ...sizes,
      durationMs: durationOf(model, sizes),
      model,
    };
  }
  const { version, timestamp, base, log, history, ingests } = wanted.plan;
  const files = [...base.base.files, ...ingests.flatMap((ingest) => ingest.files)];
  const baseBytes = files.reduce((sum, { stored }) => sum + stored, 0);
  const logBytes = log.reduce((sum, { size }) => sum + size, 0);
  const raw = files.reduce((sum, { size }) => sum + size, 0);
  const sizes = {
    baseBytes,
    logBytes,
    records: version - base.version,
    requests: files.length + log.length,
    // Replayed commits become tables, which are merged: for a while both are there.
    requiredBytes: raw + RAW_PER_STORED * logBytes,
  };
  const { database, lineage } = history;
  return {
    version,
    timestamp,
    database,
    lineage,
    backupId: base.id,
    ...sizes,
    durationMs: durationOf(model, sizes),
    model,
  };
}

/** Log is stored at about half its length, and may lie in the log's tables twice. */
const RAW_PER_STORED = 4;

function durationOf(
  model: EstimateModel,
  { baseBytes, logBytes, records }: { baseBytes: number; logBytes: number; records: number },
): number {
  const seconds = (baseBytes + logBytes) / model.bytesPerSecond + records / model.recordsPerSecond;
  return Math.round(model.fixedMs + 1000 * seconds);
}

async function learnModel(context: RepositoryContext): Promise<EstimateModel> {
  const rates: number[] = [];
  for await (const { action, result, detail } of readAuditBackwards(context, LINES_MAX, (line) => line)) {
    if (result !== "ok" || (action !== "restore" && action !== "drill")) continue;
    const { bytes, durationMs, recordsReplayed } = detail;
    if (typeof bytes !== "number" || typeof durationMs !== "number" || bytes < LEARN_BYTES_MIN) continue;
    const replayMs = typeof recordsReplayed === "number" ? 1000 * recordsReplayed / ASSUMED.recordsPerSecond : 0;
    const ms = Math.max(1, durationMs - replayMs - ASSUMED.fixedMs);
    rates.push(bytes / ms * 1000);
    if (rates.length === RESTORES_MAX) break;
  }
  if (rates.length === 0) return ASSUMED;
  const bytesPerSecond = rates.reduceRight((before, rate) => FADE * before + (1 - FADE) * rate);
  return { ...ASSUMED, bytesPerSecond: Math.round(bytesPerSecond), restores: rates.length };
}
