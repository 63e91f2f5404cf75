/**
 * Does jobs at their times.
 *
 * ```
 *            due, or runNow              its turn                 failed, tries left
 *   idle ───────────────────► waiting ─────────────► running ─────────────────────► retrying
 *    ▲                           ▲                      │  ▲                             │
 *    └───────────────────────────┼──────────────────────┘  └──────── after a wait ───────┘
 *             done, or given up  └ the next of the queue
 * ```
 *
 * 1. One job at a time for a database, also among schedules of this process. While one retries, others wait: after a failed
 *    full backup an incremental one would only fail too.
 * 2. A job that waits already is not put in line again: however many runs were missed, one makes up for them.
 * 3. Nothing counts on a timer's length. The schedule looks at the clock once a minute at least, so that a machine that
 *    slept, or a clock that was set, is noticed.
 *
 * @module
 */
import { ClosedError, HoldfastError } from "../../base/errors.ts";
import { booleanOption, checkOptions } from "../../base/options.ts";
import { CLOCK_LOOK_MS } from "../../base/timers.ts";
import { type CheckedScheduleOptions, TIMED_JOBS } from "./options.ts";
import { type JobRecord, type JobRecords, readJournal, writeJournal } from "./journal.ts";
import type {
  JobName,
  JobRun,
  JobStatus,
  Schedule,
  ScheduledDatabase,
  ScheduledRepository,
  ScheduleEvent,
  ScheduleFinding,
  ScheduleStatus,
} from "./types.ts";

/** No wait before a retry is longer: a store that was away for a night should be found again soon after. */
const RETRY_MS_MAX = 3_600_000;
/** A clock set back further than this was wrong before: all times are found anew. Less is only corrected. */
const CLOCK_SET_MS = 3_600_000;

/** What no second try would change. */
const FINAL_CODES = ["CLOSED", "DECRYPTION", "LINEAGE", "UNSUPPORTED", "UNSUPPORTED_FORMAT", "INTEGRITY", "READ_ONLY"];

/** The end of what is under way for a database, by the database. */
const turns = new WeakMap<object, Promise<void>>();

interface Waiting {
  readonly job: JobName;
  readonly dueAt: number;
  readonly missed: boolean;
  /** The most that any of those who wait for it asks for. */
  retries: number;
  readonly waiters: { resolve: (run: JobRun) => void; reject: (error: unknown) => void }[];
}

/** See `schedule`. */
export class Scheduler<D extends ScheduledDatabase & object> implements Schedule {
  readonly ready: Promise<void>;
  readonly #repository: ScheduledRepository<D>;
  readonly #db: D;
  readonly #options: CheckedScheduleOptions;
  readonly #next = new Map<JobName, number>();
  readonly #queue: Waiting[] = [];
  readonly #abort = new AbortController();
  /** Where it is written; undefined as well where it could not be read, and may be anything. */
  #journal: string | undefined;
  #records: JobRecords = new Map();
  #current: { job: JobName; retrying: boolean } | undefined;
  #working: Promise<void> | undefined;
  #lastLook: number;
  #cancelTimer: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #stopped = false;
  #noted: Promise<void> = Promise.resolve();

  /** Starts. */
  constructor(repository: ScheduledRepository<D>, db: D, options: CheckedScheduleOptions) {
    this.#repository = repository;
    this.#db = db;
    this.#options = options;
    this.#lastLook = options.clock();
    this.ready = this.#start();
  }

  status(): ScheduleStatus {
    const jobs: Partial<Record<JobName, JobStatus>> = {};
    const waiting = new Set(this.#queue.map(({ job }) => job));
    const names: JobName[] = [...TIMED_JOBS, "prune"];
    for (const job of names) {
      const [record, times] = [this.#records.get(job), this.#options.times.get(job)];
      const isCurrent = this.#current?.job === job;
      if (record === undefined && times === undefined && !isCurrent && !waiting.has(job)) continue;
      const next = this.#next.get(job) ?? Infinity;
      jobs[job] = {
        cron: times?.pattern,
        nextAt: this.#stopped || next === Infinity ? undefined : next,
        state: isCurrent ? (this.#current!.retrying ? "retrying" : "running") : waiting.has(job) ? "waiting" : "idle",
        lastRun: record?.lastRun === undefined ? undefined : { ...record.lastRun },
        lastSuccessAt: record?.lastSuccessAt,
        lastFailureAt: record?.lastFailureAt,
        failures: record?.failures ?? 0,
      };
    }
    return { stopped: this.#stopped, jobs };
  }

  runNow(job: JobName): Promise<JobRun> {
    return new Promise((resolve, reject) => {
      const known: readonly string[] = [...TIMED_JOBS, "prune"];
      if (!known.includes(job)) throw new TypeError(`runNow: unknown job "${job}"; there are ${known.join(", ")}`);
      if (job === "prune" && this.#options.prune === undefined) {
        throw new TypeError(`runNow: "prune" needs a policy; give schedule the option "prune"`);
      }
      if (this.#stopped) throw new ClosedError(`Cannot run "${job}": the schedule was stopped (CLOSED)`);
      this.#enqueue(job, this.#options.clock(), { retries: 0 }).waiters.push({ resolve, reject });
    });
  }

  async stop(options?: { abort?: boolean }): Promise<void> {
    const abort = booleanOption("stop", checkOptions("stop", options, ["abort"]), "abort", false);
    this.#stopped = true;
    this.#cancelTimer?.();
    for (const { job, waiters } of this.#queue.splice(0)) {
      const error = new ClosedError(`Did not run "${job}": the schedule was stopped (CLOSED)`);
      for (const { reject } of waiters) reject(error);
    }
    if (abort) this.#abort.abort(new ClosedError("The schedule was stopped (CLOSED)"));
    this.#wake?.();
    await this.ready;
    await this.#working;
    await this.#noted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    const { journal, fileSystem, clock, times } = this.#options;
    if (journal !== undefined) {
      try {
        this.#records = await readJournal(fileSystem, journal, this.#db.id);
        this.#journal = journal;
      } catch (error) {
        this.#tell({ type: "failure", job: "journal", error });
      }
    }
    const now = clock();
    for (const [job, { pattern, after }] of times) {
      const record = this.#records.get(job);
      // A new expression has missed nothing, and neither has a schedule that is new, or was here in the future.
      if (record?.cron === pattern && record.since <= now) this.#next.set(job, after(record.since));
      else {
        this.#records.set(job, { ...emptyRecord(now), ...record, cron: pattern, since: now });
        this.#next.set(job, after(now));
      }
    }
    await this.#note();
    if (!this.#stopped) this.#look();
  }

  /** Puts in line what is due, and comes back when the next is, or in a minute. */
  #look(): void {
    const now = this.#options.clock();
    const setBack = now < this.#lastLook - CLOCK_SET_MS;
    this.#lastLook = now;
    if (setBack) this.#forgetFuture(now);
    for (const [job, { after }] of this.#options.times) {
      const dueAt = this.#next.get(job)!;
      if (now < dueAt && !setBack) continue;
      this.#next.set(job, after(now));
      if (now >= dueAt) {
        this.#enqueue(job, dueAt, { retries: this.#options.retries, missed: now - dueAt > 2 * CLOCK_LOOK_MS });
      }
    }
    const wait = Math.min(...this.#next.values()) - now;
    this.#cancelTimer = this.#options.setTimer(() => this.#look(), Math.min(wait, CLOCK_LOOK_MS));
  }

  /** What was done by a clock that was wrong is not done up to times that are still to come. */
  #forgetFuture(now: number): void {
    for (const [job, record] of this.#records) {
      if (record.since > now) this.#records.set(job, { ...record, since: now });
    }
    void this.#note();
  }

  #enqueue(job: JobName, dueAt: number, { retries = 0, missed = false }): Waiting {
    let waiting = this.#queue.find((each) => each.job === job);
    if (waiting === undefined) this.#queue.push(waiting = { job, dueAt, missed, retries, waiters: [] });
    waiting.retries = Math.max(waiting.retries, retries);
    this.#working ??= this.#work();
    return waiting;
  }

  async #work(): Promise<void> {
    await this.ready;
    while (this.#queue.length > 0) {
      const before = turns.get(this.#db) ?? this.ready;
      let done!: () => void;
      const turn = new Promise<void>((resolve) => done = resolve);
      turns.set(this.#db, before.then(() => turn));
      // Another schedule may try for hours: a stop is not kept waiting for that. The job stays in line meanwhile (2).
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        void before.then(resolve);
      });
      const waiting = this.#queue.shift();
      try {
        if (waiting !== undefined) await this.#do(waiting);
      } finally {
        this.#current = undefined;
        done();
      }
      if (this.#queue.length === 0) await this.#judge();
    }
    // At once, and not when the promise settles: what is put in line in between would wait for ever.
    this.#working = undefined;
  }

  /** Does one job, with its retries, and notes how it went. */
  async #do({ job, dueAt, missed, retries, waiters }: Waiting): Promise<void> {
    const { clock, prune, retryDelay } = this.#options;
    let failed = new Error("never tried") as unknown;
    for (let attempt = 1;; attempt++) {
      if (this.#stopped) failed = new ClosedError(`Did not run "${job}": the schedule was stopped (CLOSED)`);
      if (this.#stopped) break;
      this.#current = { job, retrying: false };
      this.#tell({ type: "start", job, attempt, missed });
      const startedAt = clock();
      const run: JobRun = { job, dueAt, startedAt, durationMs: 0, ok: true, attempts: attempt };
      try {
        const result = await this.#attempt(job);
        run.durationMs = Math.max(0, clock() - startedAt);
        await this.#record(run);
        this.#tell({ type: "success", job, durationMs: run.durationMs, result });
        if (prune !== undefined && isBackup(job) && !this.#stopped) {
          // Before all else in line: the space may be needed. A stop is not kept waiting for its turn.
          this.#enqueue("prune", clock(), { retries: this.#options.retries });
          this.#queue.unshift(...this.#queue.splice(this.#queue.findIndex((each) => each.job === "prune"), 1));
        }
        for (const { resolve } of waiters) resolve(run);
        return;
      } catch (error) {
        failed = error;
        if (attempt <= retries && !this.#stopped && mayPass(error)) {
          const delayMs = Math.min(retryDelay * 2 ** (attempt - 1), Math.max(retryDelay, RETRY_MS_MAX));
          this.#current = { job, retrying: true };
          this.#tell({ type: "retry", job, attempt, delayMs, error });
          await this.#pause(delayMs);
          continue;
        }
        run.ok = false;
        run.error = messageOf(error);
        run.durationMs = Math.max(0, clock() - startedAt);
        // What a stop ended was not done, and not refused either: it is made up for.
        if (this.#abort.signal.aborted) break;
        await this.#record(run);
        this.#tell({ type: "failure", job, error });
        this.#find({ code: "job-failed", severity: "error", message: `${job} failed: ${run.error}`, job });
        break;
      }
    }
    for (const { reject } of waiters) reject(failed);
  }

  async #attempt(job: JobName): Promise<unknown> {
    const { signal } = this.#abort;
    if (job === "prune") return await this.#repository.prune(this.#options.prune!, { signal });
    if (isBackup(job)) {
      const { times } = this.#options;
      // Were each to build on the one before for ever, nothing could be pruned.
      const isAlone = job === "incremental" && !times.has("full") && !times.has("snapshot");
      return await this.#repository.backup(this.#db, { type: isAlone ? "auto" : job, signal });
    }
    const report = job === "verify"
      ? await this.#repository.verify(undefined, { read: "sample", signal })
      : await this.#repository.drill({ signal });
    if (!report.ok) {
      throw new HoldfastError("INTEGRITY", `The ${job} found damage; see the repository's health (INTEGRITY)`);
    }
    return report;
  }

  async #record(run: JobRun): Promise<void> {
    const { clock } = this.#options;
    const record: JobRecord = this.#records.get(run.job) ?? emptyRecord(clock());
    this.#records.set(run.job, {
      ...record,
      since: Math.min(Math.max(record.since, run.dueAt, run.startedAt), clock()),
      lastRun: run,
      ...run.ok ? { lastSuccessAt: clock(), failures: 0 } : { lastFailureAt: clock(), failures: record.failures + 1 },
    });
    await this.#note();
  }

  /** Writes the journal, one time after the other. */
  #note(): Promise<void> {
    const { fileSystem } = this.#options;
    const journal = this.#journal;
    if (journal === undefined) return this.#noted;
    const write = async (): Promise<void> => {
      try {
        await writeJournal(fileSystem, journal, this.#db.id, this.#records);
      } catch (error) {
        this.#tell({ type: "failure", job: "journal", error });
      }
    };
    return this.#noted = this.#noted.then(write);
  }

  async #judge(): Promise<void> {
    const { onFinding, health } = this.#options;
    if (onFinding === undefined || this.#stopped) return;
    try {
      for (const finding of (await this.#repository.health(health)).findings) this.#find(finding);
    } catch (error) {
      this.#tell({ type: "failure", job: "health", error });
    }
  }

  /** Waits for a retry: by the clock as well (3), and in steps, as a timer holds no more than 24 days. */
  async #pause(ms: number): Promise<void> {
    const { clock, setTimer } = this.#options;
    const until = clock() + ms;
    for (let left = ms; left > 0 && !this.#stopped;) {
      const step = Math.min(left, CLOCK_LOOK_MS);
      await new Promise<void>((resolve) => {
        const cancel = setTimer(resolve, step);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      // Not more than before, should the clock be set back meanwhile.
      left = Math.min(left - step, until - clock());
    }
  }

  #tell(event: ScheduleEvent): void {
    hear(this.#options.onEvent, event);
  }

  #find(finding: ScheduleFinding): void {
    hear(this.#options.onFinding, finding);
  }
}

/** Tells a listener. What it throws is its own affair, as is what the promise of an asynchronous one rejects with. */
function hear<T>(listener: ((heard: T) => unknown) | undefined, heard: T): void {
  try {
    Promise.resolve(listener?.(heard)).catch(() => {});
  } catch {
    // As above.
  }
}

function emptyRecord(since: number): JobRecord {
  const none = undefined;
  return { cron: none, since, lastRun: none, lastSuccessAt: none, lastFailureAt: none, failures: 0 };
}

function isBackup(job: JobName): job is "full" | "snapshot" | "incremental" {
  return job === "full" || job === "snapshot" || job === "incremental";
}

function mayPass(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  return !(error instanceof HoldfastError && FINAL_CODES.includes(error.code));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
