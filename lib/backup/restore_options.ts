/**
 * The options of a restore, and their checks.
 *
 * @module
 */
import {
  booleanOption,
  type CheckedOptions,
  checkOptions,
  choiceOption,
  describeValue,
  stringOption,
  timeOption,
} from "../base/options.ts";
import type { Secret } from "../format/repository/key_ring.ts";
import { transferOptions } from "./backup_options.ts";
import { type Encryption, encryptionOption } from "./encryption.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "./long_work.ts";
import { checkSelection, type Selection } from "./selection.ts";

/** A point in time: a `Date`, ms since the Unix epoch, or a version. */
export type PointInTimeOption = Date | number | { version: number };

/** Options of `restore`. */
export interface RestoreOptions extends LongWorkOptions {
  /** `"replace"` (default): the contents become the backup's; `"merge"`: the backup's entries win, other keys stay. */
  mode?: "replace" | "merge" | undefined;
  /** Only keys that begin with this, as in `BackupOptions`; with `"replace"` only these are replaced. */
  prefix?: string | Uint8Array | undefined;
  /** Only this namespace, as in `BackupOptions`; with `"replace"` only this is replaced. */
  namespace?: string | readonly string[] | undefined;
  /** `"keep"` (default): what has expired stays away; `"clear"`: entries come back without expiry. */
  expiry?: "keep" | "clear" | undefined;
  /** Checks the source's checksums before anything changes; true unless given. */
  verifyBefore?: boolean | undefined;
  /** Reads back what was written before it takes effect; true unless given. */
  verifyAfter?: boolean | undefined;
  /** Reads and counts, changes nothing; false unless given. Of a repository: plans, and reads no data. */
  dryRun?: boolean | undefined;
  /** Replaces a database at the destination; false unless given. Where the target is a path. */
  overwrite?: boolean | undefined;
  /**
   * How keys look in a new database: what the source says unless given; another one for a portable file or a part only. Where
   * the target is a path.
   */
  keyEncoding?: "utf8" | "bytes" | undefined;
  /** Repositories: the state that this backup shows. Not together with `at`. */
  backupId?: string | undefined;
  /**
   * Repositories: the last commit at or before this time, or this version. Without it and `backupId`: the newest state that
   * can be had. A time later than what is known complete is a `GapError`.
   */
  at?: PointInTimeOption | undefined;
  /** Repositories: which database, when there are several: its id. */
  database?: string | undefined;
  /** Repositories: which of its histories; the newest unless given. */
  lineage?: string | undefined;
  /** Repositories: takes the newest state before a gap or the end of what is known, instead of a `GapError`. */
  allowEarlier?: boolean | undefined;
  /** Repositories: goes beyond the tables of the base by replaying log; true unless given. Not false together with `at`. */
  replayLog?: boolean | undefined;
  /** Repositories: how many objects are fetched at once, 1 to 64; 4 unless given. */
  concurrency?: number | undefined;
  /** Repositories: bytes fetched per second at most. */
  bytesPerSecond?: number | undefined;
  /** Repositories that are encrypted: what opens them. */
  encryption?: Encryption | undefined;
}

const KEY_ENCODINGS = ["utf8", "bytes"] as const;
const OWN = ["mode", "prefix", "namespace", "expiry", "verifyBefore", "verifyAfter", "dryRun"];
const PATH = ["overwrite", "keyEncoding"];
const REPOSITORY = [
  "backupId",
  "at",
  "database",
  "lineage",
  "allowEarlier",
  "replayLog",
  "concurrency",
  "bytesPerSecond",
  "encryption",
];

/** Which point in time, checked. */
export interface WantedPoint {
  /** The state a backup shows. */
  backupId?: string;
  /** The last commit at or before this time, ms. */
  time?: number;
  /** This version. */
  version?: number;
}

/** What concerns repositories alone, checked. */
export interface CheckedPointOptions {
  /** Empty: the newest. */
  point: WantedPoint;
  /** See `RestoreOptions`. */
  database: string | undefined;
  /** See `RestoreOptions`. */
  lineage: string | undefined;
  /** See `RestoreOptions`. */
  allowEarlier: boolean;
  /** See `RestoreOptions`. */
  replayLog: boolean;
  /** See `RestoreOptions`. */
  concurrency: number | undefined;
  /** See `RestoreOptions`. */
  bytesPerSecond: number | undefined;
  /** See `RestoreOptions`. */
  encryption: Secret | undefined;
}

/** Restore options, checked, with their defaults. */
export interface CheckedRestoreOptions extends LongWorkOptions, CheckedPointOptions {
  /** See `RestoreOptions`. */
  mode: "replace" | "merge";
  /** See `RestoreOptions`. */
  selection: Selection;
  /** See `RestoreOptions`. */
  expiry: "keep" | "clear";
  /** See `RestoreOptions`. */
  verifyBefore: boolean;
  /** See `RestoreOptions`. */
  verifyAfter: boolean;
  /** See `RestoreOptions`. */
  dryRun: boolean;
  /** See `RestoreOptions`. */
  overwrite: boolean;
  /** See `RestoreOptions`. */
  keyEncoding: "utf8" | "bytes" | undefined;
  /** The first option that only a repository knows, if one was given. */
  repositoryOption: string | undefined;
}

/** Checks the options of a restore; `toPath`: the target is a path. */
export function checkRestoreOptions(
  call: string,
  options: RestoreOptions | undefined,
  toPath: boolean,
): CheckedRestoreOptions {
  const checked = checkOptions(call, options, [...OWN, ...PATH, ...REPOSITORY, ...LONG_OPTIONS]);
  const misplaced = toPath ? undefined : PATH.find((name) => checked[name] !== undefined);
  if (misplaced !== undefined) {
    throw new TypeError(`${call}: option "${misplaced}" is for a restore into a path; this database is open already`);
  }
  const mode = choiceOption(call, checked, "mode", "replace", ["replace", "merge"]);
  if (toPath && mode === "merge") {
    throw new TypeError(`${call}: option "mode" "merge" needs an open database; open it and call its restore`);
  }
  return {
    mode,
    selection: checkSelection(call, checked),
    expiry: choiceOption(call, checked, "expiry", "keep", ["keep", "clear"]),
    verifyBefore: booleanOption(call, checked, "verifyBefore", true),
    verifyAfter: booleanOption(call, checked, "verifyAfter", true),
    dryRun: booleanOption(call, checked, "dryRun", false),
    overwrite: booleanOption(call, checked, "overwrite", false),
    keyEncoding: choiceOption(call, checked, "keyEncoding", undefined, KEY_ENCODINGS),
    repositoryOption: REPOSITORY.find((name) => checked[name] !== undefined && name !== "replayLog"),
    ...pointOptions(call, checked),
    ...longOptions(call, checked),
  };
}

/** Refuses what only a repository can do. */
export function refuseRepositoryOptions(call: string, source: string, options: CheckedRestoreOptions): void {
  const { repositoryOption } = options;
  if (repositoryOption === undefined) return;
  throw new TypeError(`${call}: option "${repositoryOption}" is for backup repositories, and ${source} is none`);
}

/** The options that name a point in time, checked. */
export function pointOptions(call: string, checked: CheckedOptions): CheckedPointOptions {
  const backupId = stringOption(call, checked, "backupId", undefined);
  const at = checked["at"];
  if (at !== undefined && backupId !== undefined) {
    throw new TypeError(`${call}: both option "at" and option "backupId"; give one of them`);
  }
  const replayLog = booleanOption(call, checked, "replayLog", true);
  if (!replayLog && at !== undefined) {
    throw new TypeError(`${call}: option "replayLog" false leaves the log out, which option "at" needs`);
  }
  return {
    point: backupId === undefined ? pointOf(call, checked) : { backupId },
    database: idOption(call, checked, "database"),
    lineage: idOption(call, checked, "lineage"),
    allowEarlier: booleanOption(call, checked, "allowEarlier", false),
    replayLog,
    ...transferOptions(call, checked),
    encryption: encryptionOption(call, checked),
  };
}

/** The option `at`. */
export function pointOf(call: string, checked: CheckedOptions): WantedPoint {
  const at = checked["at"];
  if (at === undefined) return {};
  if (typeof at !== "object" || at === null || at instanceof Date) {
    return { time: timeOption(call, checked, "at", undefined)! };
  }
  const { version } = checkOptions(`${call}: option "at"`, at, ["version"]);
  if (!Number.isSafeInteger(version) || (version as number) < 0) {
    const shown = describeValue(version);
    throw new TypeError(`${call}: option "at" must be a Date, ms, or { version } with a whole number, not ${shown}`);
  }
  return { version: version as number };
}

function idOption(call: string, checked: CheckedOptions, name: string): string | undefined {
  const id = stringOption(call, checked, name, undefined);
  if (id !== undefined && !/^[0-9a-f]{32}$/.test(id)) {
    throw new TypeError(`${call}: option "${name}" must be 32 hexadecimal digits, not ${describeValue(id)}`);
  }
  return id;
}
