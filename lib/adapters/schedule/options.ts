/**
 * The options of a schedule, checked.
 *
 * @module
 */
import { setTimeout } from "node:timers";
import { durationOption } from "../../base/duration.ts";
import {
  booleanOption,
  checkOptions,
  describeValue,
  functionOption,
  numberOption,
  pathOf,
  stringOption,
} from "../../base/options.ts";
import { checkHealthPolicy, type HealthPolicy } from "../../backup/repository/care/health.ts";
import { checkPolicy, type RetentionPolicy } from "../../backup/repository/pruning/retention_policy.ts";
import { fileSystemOf } from "../../db/options.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { fixedPath } from "../../files/paths.ts";
import { type CronTimes, cronTimes } from "./cron.ts";
import type { JobName, ScheduledDatabase, ScheduleEvent, ScheduleFinding, ScheduleOptions } from "./types.ts";

/** The jobs that have times, in the order in which those due together run. */
export const TIMED_JOBS = ["full", "snapshot", "incremental", "verify", "drill"] as const;

const NAMES: readonly (keyof ScheduleOptions)[] = [
  ...TIMED_JOBS,
  "prune",
  "health",
  "retries",
  "retryDelay",
  "onEvent",
  "onFinding",
  "timeZone",
  "journal",
  "keepAlive",
  "fileSystem",
  "clock",
  "setTimer",
];

/** Options with their defaults. */
export interface CheckedScheduleOptions {
  /** The jobs that have times. */
  times: Map<JobName, CronTimes>;
  /** See `ScheduleOptions`. */
  prune: RetentionPolicy | undefined;
  /** See `ScheduleOptions`. */
  health: HealthPolicy | undefined;
  /** See `ScheduleOptions`. */
  retries: number;
  /** In ms. */
  retryDelay: number;
  /** See `ScheduleOptions`. */
  onEvent: ((event: ScheduleEvent) => void) | undefined;
  /** See `ScheduleOptions`. */
  onFinding: ((finding: ScheduleFinding) => void) | undefined;
  /** A path. */
  journal: string | undefined;
  /** See `ScheduleOptions`. */
  fileSystem: FileSystem;
  /** See `ScheduleOptions`. */
  clock: () => number;
  /** See `ScheduleOptions`. */
  setTimer: (callback: () => void, ms: number) => () => void;
}

const CALL = "schedule";

/** Checks the options of `schedule`. */
export function checkScheduleOptions(
  options: ScheduleOptions,
  repositoryZone: string | undefined,
  db: ScheduledDatabase,
): CheckedScheduleOptions {
  const checked = checkOptions(CALL, options, NAMES);
  const timeZone = stringOption(CALL, checked, "timeZone", repositoryZone ?? "UTC");
  if (!isTimeZone(timeZone)) {
    throw new RangeError(`${CALL}: option "timeZone" must be an IANA time zone, not ${describeValue(timeZone)}`);
  }
  const clock = functionOption<() => number>(CALL, checked, "clock") ?? Date.now;
  const times = new Map<JobName, CronTimes>();
  for (const job of TIMED_JOBS) {
    const pattern = stringOption(CALL, checked, job, undefined);
    if (pattern !== undefined) times.set(job, cronTimes(CALL, job, pattern, timeZone, clock()));
  }
  if (times.size === 0) throw new TypeError(`${CALL}: nothing to do; give at least one of ${TIMED_JOBS.join(", ")}`);
  const { prune, health } = options;
  if (prune !== undefined) checkPolicy(`${CALL} (option "prune")`, prune);
  if (health !== undefined) checkHealthPolicy(`${CALL} (option "health")`, health);
  const files = fileSystemOf(CALL, checked);
  return {
    times,
    prune,
    health,
    retries: numberOption(CALL, checked, "retries", 3, { min: 0, max: 100 }),
    retryDelay: durationOption(CALL, checked, "retryDelay", 60_000),
    onEvent: functionOption<(event: ScheduleEvent) => void>(CALL, checked, "onEvent"),
    onFinding: functionOption<(finding: ScheduleFinding) => void>(CALL, checked, "onFinding"),
    journal: options.journal === undefined ? undefined : journalPath(options.journal, db.path, files),
    fileSystem: files,
    clock,
    setTimer: functionOption<CheckedScheduleOptions["setTimer"]>(CALL, checked, "setTimer") ??
      timerOf(booleanOption(CALL, checked, "keepAlive", false)),
  };
}

/** A database's directory holds its own files only: a strange one there is in the way of an export, and of its checks. */
function journalPath(given: string | URL, database: string | undefined, files: FileSystem): string {
  const path = fixedPath(files, pathOf(`${CALL}: option "journal"`, given));
  if (database !== undefined) {
    const [file, directory] = [files.resolve(path), files.resolve(database)];
    if (file === directory || file.startsWith(`${directory}/`) || file.startsWith(`${directory}\\`)) {
      throw new TypeError(`${CALL}: option "journal" must not lie within the database's directory; put it beside`);
    }
  }
  return path;
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}

function timerOf(keepAlive: boolean): CheckedScheduleOptions["setTimer"] {
  return (callback, ms) => {
    const timer = setTimeout(callback, ms);
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  };
}
