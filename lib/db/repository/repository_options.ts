/**
 * The options of opening a backup repository, and their checks.
 *
 * @module
 */
import { booleanOption, choiceOption, clockOption, describeValue, stringOption } from "../../base/options.ts";
import { type Encryption, encryptionOption } from "../../backup/encryption.ts";
import { OPEN_DEFAULTS, type OpenSettings, transferOptions } from "../../backup/mod.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { fileSystemIn } from "../options.ts";
import type { Timers } from "../../base/timers.ts";

/** Options of `BackupRepository.open`. */
export interface RepositoryOptions {
  /** What opens an encrypted repository; a new one is encrypted when it is given. */
  encryption?: Encryption | undefined;
  /**
   * How new objects are compressed unless a backup says otherwise. Default: `"none"` for tables and values, which are
   * compressed already, `"zstd"` for log.
   */
  compression?: "zstd" | "gzip" | "none" | undefined;
  /** How many objects are on their way at once, 1 to 64. Default: 4. */
  concurrency?: number | undefined;
  /** Bytes sent and fetched per second at most, over all calls. Default: no limit. */
  bytesPerSecond?: number | undefined;
  /** Writes nothing: no lease, no audit line, no repair. Default: false. */
  readOnly?: boolean | undefined;
  /** Opens an encrypted repository without its key, to list and verify it; implies `readOnly`. Default: false. */
  keyless?: boolean | undefined;
  /** Makes a repository where there is none. Default: true. */
  createIfMissing?: boolean | undefined;
  /** The IANA time zone in which retention counts days. Default: `"UTC"`. */
  timeZone?: string | undefined;
  /** ms since the Unix epoch, from 1970 to the year 9999. Default: `Date.now`. */
  clock?: (() => number) | undefined;
  /** Where files lie. Default: the system's. */
  fileSystem?: FileSystem | undefined;
  /** For pauses, retries and replication. Default: those of the runtime. */
  timers?: Timers | undefined;
}

const NAMES = [
  "encryption",
  "compression",
  "concurrency",
  "bytesPerSecond",
  "readOnly",
  "keyless",
  "createIfMissing",
  "timeZone",
  "clock",
  "timers",
];

/** Checks them and fills in the defaults. */
export function repositoryOptions(
  call: string,
  options: RepositoryOptions | undefined,
): { settings: OpenSettings; fileSystem: FileSystem } {
  const { fileSystem, checked } = fileSystemIn(call, options, NAMES);
  const timeZone = stringOption(call, checked, "timeZone", OPEN_DEFAULTS.timeZone);
  if (!isTimeZone(timeZone)) {
    throw new RangeError(`${call}: option "timeZone" must be an IANA time zone, not ${describeValue(timeZone)}`);
  }
  const { concurrency, bytesPerSecond } = transferOptions(call, checked);
  const settings: OpenSettings = {
    encryption: encryptionOption(call, checked),
    compression: choiceOption(call, checked, "compression", undefined, ["zstd", "gzip", "none"] as const),
    concurrency: concurrency ?? OPEN_DEFAULTS.concurrency,
    bytesPerSecond,
    readOnly: booleanOption(call, checked, "readOnly", false),
    keyless: booleanOption(call, checked, "keyless", false),
    create: booleanOption(call, checked, "createIfMissing", true),
    timeZone,
    clock: clockOption(call, checked),
    timers: timersOption(call, checked),
  };
  return { settings, fileSystem };
}

function timersOption(call: string, checked: Record<string, unknown>): Timers {
  const given = checked["timers"] as Partial<Timers> | undefined;
  if (given === undefined) return OPEN_DEFAULTS.timers;
  if (typeof given === "object" && given !== null && typeof given.set === "function") return given as Timers;
  throw new TypeError(`${call}: option "timers" must have a function set, not be ${describeValue(given)}`);
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}
