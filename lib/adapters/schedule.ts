/**
 * Backups on a schedule: `@holdfast/db/schedule`. It needs the package `croner`, which reads cron expressions; nothing else
 * of Holdfast does.
 *
 * @example
 * ```ts ignore
 * import { BackupRepository, DB, retention } from "@holdfast/db";
 * import { schedule } from "@holdfast/db/schedule";
 *
 * await using db = await DB.open("./data");
 * await using repo = await BackupRepository.open("./backups");
 * await using nightly = schedule(repo, db, {
 *   full: "0 1 * * 0", // Sundays at 1:00
 *   incremental: "0 2 * * 1-6", // other days at 2:00
 *   drill: "0 4 1 * *", // restores for real, once a month
 *   prune: retention.standard,
 *   timeZone: "Europe/Berlin",
 *   journal: "./data.schedule.json",
 *   onFinding: ({ code, message }) => console.error(code, message),
 * });
 * ```
 *
 * @module
 */
import { describeValue } from "../base/options.ts";
import { checkScheduleOptions } from "./schedule/options.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import type { Schedule, ScheduledDatabase, ScheduledRepository, ScheduleOptions } from "./schedule/types.ts";

export type {
  JobName,
  JobRun,
  JobStatus,
  Schedule,
  ScheduledDatabase,
  ScheduledRepository,
  ScheduleEvent,
  ScheduleFinding,
  ScheduleOptions,
  ScheduleStatus,
} from "./schedule/types.ts";
export type { HealthCode, HealthFinding, HealthPolicy, HealthReport } from "../backup/repository/care/health.ts";
export type { RetentionPolicy } from "../backup/repository/pruning/retention_policy.ts";
export type { Duration } from "../base/duration.ts";
export type { FileHandle, FileInfo, FileLock, FileSystem, MakeOptions, OpenMode } from "../files/file_system.ts";

/**
 * Makes backups of `db` into `repository` at the times of cron expressions, and checks them.
 *
 * One job runs at a time; one that falls due meanwhile runs once afterwards. Runs that a sleeping machine missed, or a
 * stopped process with a `journal`, are made up for by one. A failed job is tried again, 3 times unless told otherwise,
 * after 1, 2 and 4 minutes; then it is noted, told, and next tried when it is due again.
 *
 * A schedule does not keep an idle process alive, unless `keepAlive` says so. Stop it before the database is closed.
 */
export function schedule<D extends ScheduledDatabase & object>(
  repository: ScheduledRepository<D>,
  db: D,
  options: ScheduleOptions,
): Schedule {
  assertOpened(repository, "first", "a repository", "prune");
  assertOpened(db, "second", "a database");
  return new Scheduler(repository, db, checkScheduleOptions(options, repository.timeZone, db));
}

/** The first job may be days away: what was not awaited, or changed places with the other, would be noticed then. */
function assertOpened(handle: object, place: string, what: string, member?: string): void {
  const isObject = typeof handle === "object" && handle !== null;
  if (isObject && !("then" in handle) && (member === undefined || member in handle)) return;
  const remedy = handle instanceof Promise ? "; await it" : "";
  throw new TypeError(
    `schedule: the ${place} argument must be ${what} that is open, not ${describeValue(handle)}${remedy}`,
  );
}
