/**
 * Points in time, as options name them.
 *
 * @module
 */
import type { PointInTimeOption } from "../../backup/restore_options.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./exit_code.ts";
import type { OptionSpec } from "./option_spec.ts";

/** Which history. */
export const HISTORY_OPTIONS: readonly OptionSpec[] = [
  { name: "database", kind: "text", value: "ID", help: "of this database, where the repository holds several" },
  { name: "lineage", kind: "text", value: "ID", help: "of this history of it: the newest unless given" },
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
