/**
 * What a schedule takes, is and tells.
 *
 * @module
 */
import type { Duration } from "../../base/duration.ts";
import type { HealthFinding, HealthPolicy, HealthReport } from "../../backup/repository/care/health.ts";
import type { RetentionPolicy } from "../../backup/repository/pruning/retention_policy.ts";
import type { FileSystem } from "../../files/file_system.ts";

/** What can be scheduled; `"prune"` follows every backup that succeeded, where a policy is given. */
export type JobName = "full" | "snapshot" | "incremental" | "prune" | "verify" | "drill";

/** The parts of a repository that a schedule uses; a `BackupRepository` has them. */
export interface ScheduledRepository<D> {
  /** Makes a backup. */
  backup(db: D, options: { type: "auto" | "full" | "snapshot" | "incremental"; signal: AbortSignal }): Promise<unknown>;
  /** Deletes what the policy does not keep. */
  prune(policy: RetentionPolicy, options: { signal: AbortSignal }): Promise<unknown>;
  /** Checks backups. */
  verify(id: undefined, options: { read: "sample"; signal: AbortSignal }): Promise<{ ok: boolean }>;
  /** Restores for a test. */
  drill(options: { signal: AbortSignal }): Promise<{ ok: boolean }>;
  /** Judges the repository. */
  health(policy?: HealthPolicy): Promise<HealthReport>;
  /** The time zone in which it tells days. */
  readonly timeZone?: string | undefined;
}

/** The parts of a database that a schedule uses itself; it is handed to `backup` as it is. */
export interface ScheduledDatabase {
  /** Where it lies. */
  readonly path?: string | undefined;
  /** Its id. */
  readonly id?: string | undefined;
}

/** When to do what, and how. Times are cron expressions: `"0 2 * * 1-6"`, or with seconds first `"0 0 2 * * 1-6"`. */
export interface ScheduleOptions {
  /** When to make a full backup. */
  full?: string | undefined;
  /** When to make a snapshot. */
  snapshot?: string | undefined;
  /** When to make an incremental backup; where neither `full` nor `snapshot` has times, one of type `"auto"`. */
  incremental?: string | undefined;
  /** When to check the backups, reading a sample of their bytes. */
  verify?: string | undefined;
  /** When to restore for a test. */
  drill?: string | undefined;
  /** What to keep: backups beyond it are deleted after each backup that succeeded. */
  prune?: RetentionPolicy | undefined;
  /** What counts as well, for `onFinding`. */
  health?: HealthPolicy | undefined;
  /** How often a failed job is tried again. Default: 3. */
  retries?: number | undefined;
  /** The wait before the first of these; doubled each time, up to an hour. Default: `"1m"`, so after 1, 2 and 4 minutes. */
  retryDelay?: Duration | undefined;
  /** Hears what happens. What it throws, or rejects with, is ignored. */
  onEvent?: ((event: ScheduleEvent) => void) | undefined;
  /**
   * Hears of every job that failed for good, and of all that `health` finds once the jobs that were due are done: again
   * each time, for as long as it lasts. What it throws, or rejects with, is ignored.
   */
  onFinding?: ((finding: ScheduleFinding) => void) | undefined;
  /** An IANA time zone, such as `"Europe/Berlin"`. Default: the repository's, else `"UTC"`. */
  timeZone?: string | undefined;
  /**
   * A file in which the schedule notes what it did, so that after a restart it knows, and makes up for runs that were
   * missed. Not within the database's directory. Without it, a run that falls into a downtime is left out.
   * What is there and is no journal that can be read is told (`"failure"` of `"journal"`), and not written over.
   */
  journal?: string | URL | undefined;
  /** Whether the schedule alone keeps the process alive while it waits. Default: false, as for an idle database. */
  keepAlive?: boolean | undefined;
  /** Where the journal lies. Default: the disk. */
  fileSystem?: FileSystem | undefined;
  /** The time, ms. Default: `Date.now`. */
  clock?: (() => number) | undefined;
  /** Calls back after so many ms; what it returns takes that back. Default: a timer. */
  setTimer?: ((callback: () => void, ms: number) => () => void) | undefined;
}

/** What `onFinding` hears: of the repository's health, or that a job failed. */
export type ScheduleFinding = HealthFinding | {
  /** A job failed for good. */
  code: "job-failed";
  /** No backup was made, or none proven. */
  severity: "error";
  /** For people. */
  message: string;
  /** Which job. */
  job: JobName;
};

/** What `onEvent` hears. */
export type ScheduleEvent =
  | { type: "start"; job: JobName; attempt: number; missed: boolean }
  | { type: "success"; job: JobName; durationMs: number; result: unknown }
  | { type: "retry"; job: JobName; attempt: number; delayMs: number; error: unknown }
  | { type: "failure"; job: JobName | "health" | "journal"; error: unknown };

/** How a job went. */
export interface JobRun {
  /** Which job. */
  job: JobName;
  /** When it was due, ms; for `runNow` and `"prune"`, when it was asked for. */
  dueAt: number;
  /** When its last attempt began, ms. */
  startedAt: number;
  /** How long that took. */
  durationMs: number;
  /** Whether it succeeded. */
  ok: boolean;
  /** How often it was tried. */
  attempts: number;
  /** Why it failed. */
  error?: string;
}

/** How a job stands. */
export interface JobStatus {
  /** Its cron expression; `"prune"` has none. */
  cron: string | undefined;
  /** When it is due next, ms. */
  nextAt: number | undefined;
  /** What it does now. */
  state: "idle" | "waiting" | "running" | "retrying";
  /** How it last went. */
  lastRun: JobRun | undefined;
  /** When it last succeeded, ms. */
  lastSuccessAt: number | undefined;
  /** When it last failed for good, ms. */
  lastFailureAt: number | undefined;
  /** How often it has failed since it last succeeded. */
  failures: number;
}

/** How a schedule stands. */
export interface ScheduleStatus {
  /** Whether it was stopped. */
  stopped: boolean;
  /** Of the jobs that are scheduled, and of those that ran. */
  jobs: Partial<Record<JobName, JobStatus>>;
}

/** A running schedule. */
export interface Schedule extends AsyncDisposable {
  /** Resolves once the journal was read and the first times are known; never rejects. */
  readonly ready: Promise<void>;
  /** What is due when, and how it last went. */
  status(): ScheduleStatus;
  /**
   * Does a job now, after what is running, without retries; joins one of its kind that waits already. Rejects with what
   * made it fail.
   */
  runNow(job: JobName): Promise<JobRun>;
  /** Begins nothing more, and waits for the job that is running; `abort` ends that one early. */
  stop(options?: { abort?: boolean }): Promise<void>;
}
