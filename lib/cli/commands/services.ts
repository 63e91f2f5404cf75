/**
 * `replicate`, `schedule`.
 *
 * @module
 */
import { abortable } from "../../base/abort.ts";
import type { ReplicationEvent, ReplicationOptions } from "../../backup/repository/mod.ts";
import type { ScheduledRepository, ScheduleEvent, ScheduleFinding, ScheduleOptions } from "../../adapters/schedule.ts";
import { DB } from "../../db/db.ts";
import type { BackupRepository } from "../../db/repository/backup_repository.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { DATABASE, openToRead, openToWrite } from "../core/database.ts";
import { UsageError } from "../core/exit_code.ts";
import { messageOf } from "../core/failure.ts";
import { HEALTH_OPTIONS, healthOf, RETENTION_OPTIONS, retentionOf } from "../core/policy.ts";
import {
  ENCRYPT,
  openRepository,
  REPOSITORY,
  REPOSITORY_OPTIONS,
  TIME_ZONE,
  TRANSFER_OPTIONS,
} from "../core/repository.ts";
import { stopped } from "../core/stop.ts";
import { showBytes, showCounted, showDuration, showTime } from "../output/figures.ts";
import { jsonLine } from "../output/json.ts";

/** `replicate` */
export const replicate: CommandSpec = {
  name: "replicate",
  summary: "Ship the log of a database as it grows, until it is ended",
  details:
    "Only the one that writes a database can ship its log, so this command holds the database: other programs may read it " +
    "meanwhile. A program that writes calls repo.replicate itself. When it is ended, what is committed is shipped first.",
  group: "Services",
  args: [DATABASE, REPOSITORY],
  options: [
    { name: "interval", kind: "duration", help: "from a commit until it is shipped: 1s unless given" },
    { name: "heartbeat", kind: "duration", help: "after which an idle database says so: 1m unless given" },
    { name: "base-every", kind: "duration", help: "a new base when the last one is older: 1d unless given" },
    { name: "base-bytes", kind: "bytes", help: "a new base behind so many bytes of commits: 256MiB unless given" },
    { name: "no-verify", kind: "flag", help: "don't read back what was written" },
    { name: "once", kind: "flag", help: "ship what is there, and end" },
    ENCRYPT,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    { line: "replicate ./data s3://my-backups/shop", does: "until Ctrl-C" },
    { line: "replicate ./data ./backups --once", does: "bring the repository up to date" },
  ],
  async run(call) {
    const { given, io, out } = call;
    const [path = "", place = ""] = call.words;
    const once = given.flag("once");
    await using db = await openToWrite(call, path);
    await using repo = await openRepository(call, place, { write: true, create: true, of: path });
    let last: Promise<void> = Promise.resolve();
    let gaveUp: (error: unknown) => void;
    const failed = new Promise<never>((_, reject) => gaveUp = reject);
    failed.catch(() => {});
    const onEvent = (event: ReplicationEvent): void => {
      // One after the other; a reader that has gone is noticed at the end.
      last = last.then(() =>
        out.json ? out.write(jsonLine({ at: io.now(), ...event })) : out.line(toldOf(call, event))
      );
      last.catch(gaveUp);
      if (event.type === "stopped" && !ending) gaveUp(replication?.status().error ?? new Error("replication stopped"));
    };
    let ending = false;
    const optional = <K extends keyof ReplicationOptions>(name: K, value: ReplicationOptions[K]): ReplicationOptions =>
      value === undefined ? {} : { [name]: value };
    let replication: Awaited<ReturnType<BackupRepository["replicate"]>> | undefined = undefined;
    replication = await repo.replicate(db, {
      ...optional("interval", given.number("interval")),
      ...optional("heartbeat", given.number("heartbeat")),
      ...optional("baseEvery", given.number("base-every")),
      ...optional("baseBytes", given.number("base-bytes")),
      ...(given.flag("no-verify") ? { verify: false } : {}),
      onEvent,
    });
    if (!once) out.note(`replicating ${path} to ${repo.name}; Ctrl-C ends it`);
    const code = once ? undefined : await stopped(io.signal, failed);
    if (once) await abortable(replication.flush(), io.signal);
    ending = true;
    const { archivedVersion } = replication.status();
    await replication.stop();
    await last;
    if (once) await out.result({ archivedVersion }, () => out.line(`archived up to version ${archivedVersion}`));
    return code;
  },
};

function toldOf(call: Call, event: ReplicationEvent): string {
  const what = (): string => {
    switch (event.type) {
      case "shipped":
        return `shipped up to version ${event.version} (${showBytes(event.bytes)})`;
      case "base":
        return `new base ${event.backupId} of version ${event.version} (${showBytes(event.addedBytes)})`;
      case "merged":
        return `merged ${showCounted(event.removed, "log object")} into ${event.made}`;
      case "gap":
        return `gap: versions ${event.from} to ${event.to} are not archived`;
      case "failure":
        return `failure ${event.failures}: ${messageOf(event.error, call)}`;
      default:
        return "stopped";
    }
  };
  return `${showTime(call.io.now())}  ${what()}`;
}

const CRON = (name: string, help: string) => ({ name, kind: "text", value: "CRON", help } as const);

/** `schedule` */
export const scheduling: CommandSpec = {
  name: "schedule",
  summary: "Make backups, prune, verify and drill at the times of cron expressions, until it is ended",
  details:
    "CRON has five fields (minute, hour, day, month, day of the week), or six with seconds first: '0 2 * * 1-6'. The database " +
    "is opened for each backup and closed again; with --beside it may be in use by a program that writes. After each " +
    "backup the rules of retention apply, where some are given.",
  group: "Services",
  args: [DATABASE, REPOSITORY],
  options: [
    CRON("full", "when to make full backups"),
    CRON("snapshot", "when to make snapshots"),
    CRON("incremental", "when to make incremental backups"),
    CRON("verify", "when to check the repository, reading a sample"),
    CRON("drill", "when to restore for a test"),
    ...RETENTION_OPTIONS,
    ...HEALTH_OPTIONS,
    { name: "retries", kind: "count", help: "how often a failed job is tried again: 3 unless given" },
    {
      name: "retry-delay",
      kind: "duration",
      help: "the wait before the first of these, doubled each time: 1m unless given",
    },
    { name: "journal", kind: "path", help: "a file that remembers what was done, so that missed runs are made up for" },
    { name: "beside", kind: "flag", help: "back up beside a program that has the database open" },
    TIME_ZONE,
    ENCRYPT,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    {
      line: "schedule ./data ./backups --full '0 1 * * 0' --incremental '0 2 * * 1-6' --policy standard",
      does: "full on Sundays, incremental on other days",
    },
    {
      line: "schedule ./data ./backups --snapshot '0 * * * *' --drill '0 4 1 * *' --journal ./jobs.json",
      does: "every hour",
    },
  ],
  async run(call) {
    const { given, io, out } = call;
    const [path = "", place = ""] = call.words;
    const jobs = ["full", "snapshot", "incremental", "verify", "drill"] as const;
    const crons = Object.fromEntries(
      jobs.flatMap((job) => given.text(job) === undefined ? [] : [[job, given.text(job)!]]),
    );
    if (Object.keys(crons).length === 0) {
      throw new UsageError(
        "nothing to do: give at least one of --full, --snapshot, --incremental, --verify and --drill",
      );
    }
    // Now, and not in the night when the first job is due, it shows whether the database is there.
    const { path: whole, id } = await identityOf(call, path);
    await using repo = await openRepository(call, place, { write: true, create: true, of: path });
    const { schedule } = await import("../../adapters/schedule.ts");
    let last: Promise<void> = Promise.resolve();
    let isUnheard = false;
    // Backups matter more than what is said of them: it goes on, and ends as a run ends whose output failed.
    const unheard = (error: unknown): void => {
      if (!isUnheard) out.warn(`${messageOf(error, call)}; jobs go on, and nothing more is told of them`);
      isUnheard = true;
    };
    const print = (value: unknown, text: string): void => {
      last = last.then(() =>
        out.json
          ? out.write(jsonLine({ at: io.now(), ...value as object }))
          : out.line(`${showTime(io.now())}  ${text}`)
      );
      last.catch(unheard);
    };
    const [policy, journal] = [retentionOf(call), given.text("journal")];
    const options: ScheduleOptions = {
      ...crons,
      health: healthOf(call),
      keepAlive: true,
      fileSystem: io.fileSystem,
      clock: io.now,
      onEvent: (event) => print(event, eventText(call, event)),
      onFinding: (finding) => print({ type: "finding", ...finding }, findingText(finding)),
      ...(policy === undefined ? {} : { prune: policy }),
      ...(journal === undefined ? {} : { journal }),
      ...(given.number("retries") === undefined ? {} : { retries: given.number("retries")! }),
      ...(given.number("retry-delay") === undefined ? {} : { retryDelay: given.number("retry-delay")! }),
      ...(given.text("time-zone") === undefined ? {} : { timeZone: given.text("time-zone")! }),
    };
    await using running = schedule(openingEachTime(call, repo, path), { path: whole, id }, options);
    await running.ready;
    for (const [job, { nextAt }] of Object.entries(running.status().jobs)) {
      if (nextAt !== undefined) out.note(`${job}: next at ${showTime(nextAt)}`);
    }
    const code = await stopped(io.signal);
    await running.stop({ abort: true });
    await last;
    return code;
  },
};

async function identityOf(call: Call, path: string): Promise<{ path: string; id: string }> {
  await using db = await openToRead(call, path);
  return { path: db.path, id: db.id };
}

/** A repository for the schedule, whose backups open the database and close it again. */
function openingEachTime(
  call: Call,
  repo: BackupRepository,
  path: string,
): ScheduledRepository<{ path: string; id: string }> {
  return {
    async backup(_, options) {
      await using db: DB<never> =
        (call.given.flag("beside") ? await openToRead(call, path) : await openToWrite(call, path)) as DB<never>;
      return await repo.backup(db, options);
    },
    prune: (policy, options) => repo.prune(policy, options),
    verify: (id, options) => repo.verify(id, options),
    drill: (options) => repo.drill(options),
    health: (policy) => repo.health(policy),
  };
}

function eventText(call: Call, event: ScheduleEvent): string {
  switch (event.type) {
    case "start":
      return `${event.job}: begins${event.missed ? ", made up for" : ""}${
        event.attempt > 1 ? `, attempt ${event.attempt}` : ""
      }`;
    case "success":
      return `${event.job}: done in ${showDuration(event.durationMs)}`;
    case "retry":
      return `${event.job}: failed, again in ${showDuration(event.delayMs)}: ${messageOf(event.error, call)}`;
    default:
      return `${event.job}: failed: ${messageOf(event.error, call)}`;
  }
}

function findingText({ severity, code, message }: ScheduleFinding): string {
  return `${severity}: ${code}: ${message}`;
}
