/**
 * What a schedule notes on disk, so that a restart knows of runs that were missed, and a person of runs that failed while
 * the repository could not be reached.
 *
 * ```json
 * { "format": "holdfast-schedule", "formatVersion": 1, "database": "<id>",
 *   "jobs": { "full": { "cron": "0 1 * * 0", "since": 1795611600000, "lastSuccessAt": ..., "failures": 0, "lastRun": {...} } } }
 * ```
 *
 * `since`: every run that was due up to then is done or given up. Losing the file costs nothing but that knowledge, so a
 * file that can't be read counts as none.
 *
 * @module
 */
import { decodeText, encodeText } from "../../base/bytes.ts";
import { NotFoundError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { publishFile } from "../../files/publish.ts";
import { readFile } from "../../files/read.ts";
import type { JobName, JobRun } from "./types.ts";

/** What is known of a job. */
export interface JobRecord {
  /** The expression that `since` belongs to. */
  cron: string | undefined;
  /** Every run due up to then is done or given up, ms. */
  since: number;
  /** See `JobStatus`. */
  lastRun: JobRun | undefined;
  /** See `JobStatus`. */
  lastSuccessAt: number | undefined;
  /** See `JobStatus`. */
  lastFailureAt: number | undefined;
  /** See `JobStatus`. */
  failures: number;
}

/** Records by job. */
export type JobRecords = Map<JobName, JobRecord>;

const FORMAT = "holdfast-schedule";

/** A journal has some hundred bytes for each of six jobs; an error message may be longer. */
const JOURNAL_BYTES_MAX = 2 ** 20;

/** Reads a journal; empty when there is none, or when it is another database's. Rejects when it can't be read. */
export async function readJournal(fs: FileSystem, path: string, database: string | undefined): Promise<JobRecords> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(fs, path, JOURNAL_BYTES_MAX);
  } catch (error) {
    if (error instanceof NotFoundError) return new Map();
    throw error;
  }
  const found = parsed(bytes);
  if (found["format"] !== FORMAT || found["formatVersion"] !== 1) {
    throw new TypeError(`${path} is no journal of a schedule, and is left as it is; remove it, or name another file`);
  }
  if (found["database"] !== (database ?? null)) return new Map();
  const jobs = Object.entries(found["jobs"] as Record<string, Partial<JobRecord>>);
  return new Map(jobs.map(([job, record]) => [job as JobName, {
    cron: record.cron,
    since: timeIn(record.since) ?? 0,
    lastRun: record.lastRun,
    lastSuccessAt: timeIn(record.lastSuccessAt),
    lastFailureAt: timeIn(record.lastFailureAt),
    failures: timeIn(record.failures) ?? 0,
  }]));
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    return Object(JSON.parse(decodeText(bytes))) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Writes a journal whole. */
export function writeJournal(
  fs: FileSystem,
  path: string,
  database: string | undefined,
  jobs: JobRecords,
): Promise<void> {
  const body = { format: FORMAT, formatVersion: 1, database: database ?? null, jobs: Object.fromEntries(jobs) };
  return publishFile(fs, path, encodeText(`${JSON.stringify(body, undefined, 2)}\n`));
}

function timeIn(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? value as number : undefined;
}
