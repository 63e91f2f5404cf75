/**
 * Points in time, as options name them.
 *
 * @module
 */
import type { PointInTimeOption } from "../../backup/restore_options.ts";
import type { BackupRepository } from "../../db/repository/backup_repository.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./exit_code.ts";
import type { OptionSpec } from "./option_spec.ts";

/** Which history. */
export const HISTORY_OPTIONS: readonly OptionSpec[] = [
  {
    name: "database",
    kind: "text",
    value: "ID",
    help: "of this database, where the repository holds several; the beginning of its id will do",
  },
  {
    name: "lineage",
    kind: "text",
    value: "ID",
    help: "of this history of it, by the beginning of its id: the newest unless given",
  },
];

/** Which state of it. */
export const POINT_OPTIONS: readonly OptionSpec[] = [
  { name: "at", kind: "time", help: "the state at this time" },
  { name: "at-version", kind: "count", help: "the state at this version" },
  { name: "backup", short: "b", kind: "text", value: "ID", help: "the state that this backup shows" },
  ...HISTORY_OPTIONS,
  {
    name: "allow-earlier",
    kind: "flag",
    help: "take the newest state that can be had, where that time or version can't",
  },
];

/** What the options name, for the calls that take it; nothing given: the newest state. */
export function pointOf({ given }: Call): {
  at?: PointInTimeOption;
  backupId?: string;
  database?: string;
  lineage?: string;
  allowEarlier?: boolean;
} {
  const [at, version, backupId] = [given.number("at"), given.number("at-version"), given.text("backup")];
  if ([at, version, backupId].filter((each) => each !== undefined).length > 1) {
    throw new UsageError("give one of --at, --at-version and --backup");
  }
  return {
    ...(at === undefined ? {} : { at }),
    ...(version === undefined ? {} : { at: { version } }),
    ...(backupId === undefined ? {} : { backupId }),
    ...historyOf(given),
    ...(given.flag("allow-earlier") ? { allowEarlier: true } : {}),
  };
}

/** The history that the options name. */
export function historyOf(given: Call["given"]): { database?: string; lineage?: string } {
  const [database, lineage] = [given.text("database"), given.text("lineage")];
  return { ...(database === undefined ? {} : { database }), ...(lineage === undefined ? {} : { lineage }) };
}

/** Ids of a database and its history that are given as tables show them, made whole from what the repository has. */
export async function wholeIds<W extends { database?: string | undefined; lineage?: string | undefined }>(
  repo: BackupRepository,
  wish: W,
): Promise<W> {
  const whole = { ...wish };
  for (const name of ["database", "lineage"] as const) {
    const given = wish[name];
    if (given === undefined || /^[0-9a-f]{32}$/.test(given)) continue;
    const known = new Set([...await repo.list(), ...await repo.recoveryPoints()].map((each) => each[name]));
    const fits = [...known].filter((id) => id.startsWith(given));
    if (given === "" || fits.length !== 1) {
      const what = given !== "" && fits.length > 1 ? "is the beginning of several" : "is none of those in there";
      throw new UsageError(`--${name} ${JSON.stringify(given)} ${what}: ${[...known].sort().join(", ") || "nothing"}`);
    }
    whole[name] = fits[0]!;
  }
  return whole;
}
