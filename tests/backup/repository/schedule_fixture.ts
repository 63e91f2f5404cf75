/** A repository that only counts, and a clock on which months pass in no time. */
import { type HealthFinding, type HealthReport } from "../../../lib/backup/repository/care/health.ts";
import { schedule } from "../../../lib/adapters/schedule.ts";
import type {
  Schedule,
  ScheduledRepository,
  ScheduleEvent,
  ScheduleFinding,
  ScheduleOptions,
} from "../../../lib/adapters/schedule.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import type { FileSystem } from "../../../lib/files/file_system.ts";

export const MINUTE = 60_000;
export const HOUR: number = 60 * MINUTE;
export const DAY: number = 24 * HOUR;
/** A Wednesday, 13:00 UTC. */
export const NOON: number = Date.UTC(2026, 10, 25, 13);

/** Lets everything that is ready run, promise by promise. */
async function settle(): Promise<void> {
  for (let i = 0; i < 60; i++) await Promise.resolve();
}

/** A clock with timers. */
export class Clock {
  now: number;
  timers = new Set<{ at: number; callback: () => void }>();

  constructor(now: number) {
    this.now = now;
  }

  setTimer = (callback: () => void, ms: number): () => void => {
    const timer = { at: this.now + ms, callback };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };

  /** Goes on, and fires each timer at its moment. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await settle();
    for (;;) {
      const next = [...this.timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      this.timers.delete(next);
      next.callback();
      await settle();
    }
    this.now = Math.max(this.now, end);
    await settle();
  }

  /** As if the machine had slept: time has gone by, and timers fire late. */
  async sleep(ms: number): Promise<void> {
    this.now += ms;
    await this.advance(MINUTE);
  }
}

export type Database = { path: string; id: string };

/** What happened, as "job hh:mm" of the clock, and ways to make it go wrong. */
export class CountingRepository implements ScheduledRepository<Database> {
  readonly done: string[] = [];
  readonly timeZone: string = "UTC";
  /** What the next calls reject with, one after the other. */
  failures: unknown[] = [];
  /** How long each call takes on the clock; 0: it is over at once. */
  takesMs = 0;
  findings: HealthFinding[] = [];
  sound = true;
  running = 0;
  mostAtOnce = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async #do(what: string, signal: AbortSignal): Promise<{ ok: boolean }> {
    const time = new Date(this.#clock.now).toISOString();
    this.done.push(`${what} ${time.slice(8, 10)}. ${time.slice(11, 16)}`);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.running);
    try {
      if (this.takesMs > 0) {
        await new Promise<void>((resolve, reject) => {
          this.#clock.setTimer(resolve, this.takesMs);
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
      const error = this.failures.shift();
      if (error !== undefined) throw error;
      return { ok: this.sound };
    } finally {
      this.running--;
    }
  }

  backup(_db: Database, { type, signal }: { type: string; signal: AbortSignal }): Promise<{ ok: boolean }> {
    return this.#do(type, signal);
  }
  prune(_policy: unknown, { signal }: { signal: AbortSignal }): Promise<{ ok: boolean }> {
    return this.#do("prune", signal);
  }
  verify(_id: undefined, { signal }: { signal: AbortSignal }): Promise<{ ok: boolean }> {
    return this.#do("verify", signal);
  }
  drill({ signal }: { signal: AbortSignal }): Promise<{ ok: boolean }> {
    return this.#do("drill", signal);
  }
  async health(): Promise<HealthReport> {
    return {
      ok: this.findings.length === 0,
      status: this.findings.length === 0 ? "OK" : "FINDINGS",
      findings: this.findings,
      checkedAt: this.#clock.now,
      lastBackupAt: undefined,
      successRate: undefined,
      lastVerifiedAt: undefined,
      lastDrillAt: undefined,
      lagMs: undefined,
    };
  }
}

/** A schedule with all around it. */
export interface Stage {
  clock: Clock;
  repo: CountingRepository;
  db: Database;
  fs: FileSystem;
  events: ScheduleEvent[];
  findings: ScheduleFinding[];
  jobs: Schedule;
  /** Another schedule, as after a restart. */
  again(options: ScheduleOptions): Schedule;
}

/** Starts a schedule at NOON. */
export async function stage(options: ScheduleOptions): Promise<Stage> {
  const clock = new Clock(NOON);
  const made = {
    clock,
    repo: new CountingRepository(clock),
    db: { path: "/data", id: "db" },
    fs: memoryFileSystem(),
    events: [] as ScheduleEvent[],
    findings: [] as ScheduleFinding[],
  };
  const again = (more: ScheduleOptions): Schedule =>
    schedule(made.repo, made.db, {
      clock: () => clock.now,
      setTimer: clock.setTimer,
      fileSystem: made.fs,
      onEvent: (event) => void made.events.push(event),
      onFinding: (finding) => void made.findings.push(finding),
      ...more,
    });
  const jobs = again(options);
  await jobs.ready;
  return { ...made, jobs, again };
}
