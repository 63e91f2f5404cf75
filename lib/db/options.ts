/**
 * The options of `DB.open`, their limits, and why; and those that several calls share.
 *
 * @module
 */
import {
  booleanOption,
  type CheckedOptions,
  checkOptions,
  choiceOption,
  clockOption,
  describeValue,
  functionOption,
  numberOption,
  signalOption,
} from "../base/options.ts";
import type { OnProgress } from "../base/progress.ts";
import { monotonicNow, randomBytes, randomNumber } from "../base/simulation.ts";
import { delayWith, systemTimers } from "../base/timers.ts";
import type { Durability, EngineEvent, EngineSettings, KeyEncoding } from "../engine/types.ts";
import type { FileSystem } from "../files/file_system.ts";
import { nodeFileSystem } from "../files/node_file_system.ts";

/** Options of calls that name a database without opening it. */
export interface PathOptions {
  /** Where files lie. Default: the system's. */
  fileSystem?: FileSystem | undefined;
}

/** What the time is for calls on a database that is not open. */
export interface ClockOptions {
  /** ms since the Unix epoch, as of `DB.open`: decides what has expired. Default: `Date.now`. */
  clock?: (() => number) | undefined;
}

/** Options of long work on an open database. */
export interface WorkOptions {
  /** Ends it: the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told how far it has come. */
  onProgress?: OnProgress | undefined;
}

/** How much log is kept for `changes()`. */
export interface HistoryOptions {
  /** Bytes; a full disk keeps less. Default: 64 MiB. */
  maxBytes?: number | undefined;
}

/** How much log is kept for backup repositories that have not archived it yet. */
export interface ArchiveOptions {
  /** Bytes. Default: 1 GiB. */
  maxBytes?: number | undefined;
  /**
   * What happens when that is not enough: `"gap"` drops the oldest log and records that it did, `"stop"` refuses writes
   * until it is archived. Default: `"gap"`.
   */
  onFull?: "gap" | "stop" | undefined;
}

/** Inner sizes and sources of chance, for tests and experiments: the defaults suit real data. */
export interface TuningOptions {
  /** Raw bytes at which a block of a table is complete; with 32 rows half of them is enough. Default: 8 KiB. */
  blockBytes?: number | undefined;
  /** Bytes at which a table is cut when tables are written. Default: 8 MiB. */
  tableBytes?: number | undefined;
  /** Tables in level 0 that start a compaction; writers slow down at twice and stop at three times as many. Default: 4. */
  level0Tables?: number | undefined;
  /** Bytes of level 1; each further one holds ten times more. Default: 64 MiB. */
  levelBytes?: number | undefined;
  /** Whether to put a megabyte by for the day the disk is full. Default: true. */
  reserve?: boolean | undefined;
  /** Makes new ids: 16 random bytes. Default: the system's random numbers. */
  randomId?: (() => Uint8Array) | undefined;
  /** A number from 0 to below 1, for the jitter of retries. Default: `Math.random`. */
  random?: (() => number) | undefined;
  /** Resolves after so many ms, or rejects once the signal fires, for the waits of retries. Default: a timer. */
  delay?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** ms of a clock that only goes forward, for slices of work and durations. Default: `performance.now`. */
  monotonic?: (() => number) | undefined;
}

/** Options of `DB.open`. */
export interface OpenOptions {
  /** Makes the database when there is none. Default: true. */
  createIfMissing?: boolean | undefined;
  /** Refuses with `ExistsError` when there is one. Default: false. */
  errorIfExists?: boolean | undefined;
  /** Takes no lock and writes nothing; opens beside a writer in another process. Default: false. */
  readOnly?: boolean | undefined;
  /** How keys are given, fixed at creation. Default: the stored one, `"utf8"` for a new database. */
  keyEncoding?: KeyEncoding | undefined;
  /**
   * When a write's promise resolves: `"commit"` after it is synced to disk, `"interval"` after it is handed to the system
   * (which is made to sync every `flushInterval`), `"buffered"` once it can be read. Default: `"commit"`.
   */
  durability?: Durability | undefined;
  /** ms between syncs with `"interval"`, writes with `"buffered"`. Default: 1000. */
  flushInterval?: number | undefined;
  /** Bytes that make `"buffered"` write before its time. Default: 4 MiB. */
  bufferBytes?: number | undefined;
  /** Bytes of new writes gathered in memory before they are written as a table. Default: 64 MiB. */
  memtableBytes?: number | undefined;
  /** Bytes of blocks kept in memory. Default: 64 MiB. */
  cacheBytes?: number | undefined;
  /** Values from this size on lie in files of their own, which compaction doesn't rewrite. Default: 16 KiB. */
  blobBytes?: number | undefined;
  /** Of blocks and blobs: `"auto"` keeps the compressed form where it saves at least 12 %. Default: `"auto"`. */
  compression?: "none" | "zstd" | "auto" | undefined;
  /** How much log is kept for `changes()`. */
  history?: HistoryOptions | undefined;
  /** How much log is kept for backup repositories. */
  archive?: ArchiveOptions | undefined;
  /** Where files lie. Default: the system's. */
  fileSystem?: FileSystem | undefined;
  /** ms since the Unix epoch, from 1970 to the year 9999. Default: `Date.now`. */
  clock?: (() => number) | undefined;
  /** Hears what happens in the background: stalls, compactions, syncs, failures. What it throws, or rejects with, is ignored. */
  onEvent?: ((event: EngineEvent) => void) | undefined;
  /** Gives up on a long recovery; `open` rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Inner sizes and sources of chance. */
  tuning?: TuningOptions | undefined;
}

/** What `DB.open` was told, with all defaults. */
export interface CheckedOpenOptions {
  /** For the engine. */
  settings: EngineSettings;
  /** The file system, when one was given. */
  fileSystem: FileSystem | undefined;
  /** For the jitter of retries. */
  random: () => number;
  /** For the waits of retries. */
  delay: (ms: number, signal?: AbortSignal) => Promise<void>;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Every option of `DB.open`. */
export const OPEN_NAMES: readonly (keyof OpenOptions)[] = [
  "createIfMissing",
  "errorIfExists",
  "readOnly",
  "keyEncoding",
  "durability",
  "flushInterval",
  "bufferBytes",
  "memtableBytes",
  "cacheBytes",
  "blobBytes",
  "compression",
  "history",
  "archive",
  "fileSystem",
  "clock",
  "onEvent",
  "signal",
  "tuning",
];

const TUNING_NAMES = [
  "blockBytes",
  "tableBytes",
  "level0Tables",
  "levelBytes",
  "reserve",
  "randomId",
  "random",
  "delay",
  "monotonic",
];

/** Checks the options of `call` and fills in the defaults. */
export function openOptions(call: string, options: unknown): CheckedOpenOptions {
  const checked = checkOptions(call, options, OPEN_NAMES);
  const history = nested(call, checked, "history", ["maxBytes"]);
  const archive = nested(call, checked, "archive", ["maxBytes", "onFull"]);
  const tuning = nested(call, checked, "tuning", TUNING_NAMES);
  const bytes = (from: CheckedOptions, name: string, fallback: number, min: number, max: number): number =>
    numberOption(call, from, name, fallback, { min, max });
  return {
    settings: {
      createIfMissing: booleanOption(call, checked, "createIfMissing", true),
      errorIfExists: booleanOption(call, checked, "errorIfExists", false),
      readOnly: booleanOption(call, checked, "readOnly", false),
      keyEncoding: choiceOption(call, checked, "keyEncoding", undefined, ["utf8", "bytes"] as const),
      durability: choiceOption(call, checked, "durability", "commit", ["commit", "interval", "buffered"] as const),
      // A timer's delay must fit 31 bits.
      flushInterval: numberOption(call, checked, "flushInterval", 1000, { min: 1, max: 2 ** 31 - 1 }),
      bufferBytes: bytes(checked, "bufferBytes", 4 * MIB, 1, GIB),
      // Rows in a memtable are found by 32-bit addresses; two may be full while a third fills.
      memtableBytes: bytes(checked, "memtableBytes", 64 * MIB, KIB, GIB),
      cacheBytes: bytes(checked, "cacheBytes", 64 * MIB, 0, 1024 * GIB),
      blobBytes: bytes(checked, "blobBytes", 16 * KIB, 1, GIB),
      compression: choiceOption(call, checked, "compression", "auto", ["none", "zstd", "auto"] as const),
      historyBytes: bytes(history, "maxBytes", 64 * MIB, 0, Number.MAX_SAFE_INTEGER),
      archiveBytes: bytes(archive, "maxBytes", GIB, 0, Number.MAX_SAFE_INTEGER),
      archiveOnFull: choiceOption(call, archive, "onFull", "gap", ["gap", "stop"] as const),
      blockBytes: bytes(tuning, "blockBytes", 8 * KIB, 64, MIB),
      tableBytes: bytes(tuning, "tableBytes", 8 * MIB, KIB, GIB),
      level0Tables: bytes(tuning, "level0Tables", 4, 1, 1000),
      levelBytes: bytes(tuning, "levelBytes", 64 * MIB, KIB, 1024 * GIB),
      reserve: booleanOption(call, tuning, "reserve", true),
      randomId: functionOption<() => Uint8Array>(call, tuning, "randomId") ?? randomId,
      clock: clockOption(call, checked),
      monotonic: functionOption<() => number>(call, tuning, "monotonic") ?? monotonicNow,
      onEvent: functionOption<(event: EngineEvent) => void>(call, checked, "onEvent"),
      signal: signalOption(call, checked),
    },
    fileSystem: fileSystemOption(call, checked["fileSystem"]),
    random: functionOption<() => number>(call, tuning, "random") ?? randomNumber,
    delay: functionOption<(ms: number, signal?: AbortSignal) => Promise<void>>(call, tuning, "delay") ?? sleep,
  };
}

/** Checks options that hold nothing but where files lie, and other names of the caller's. */
export function fileSystemIn(call: string, options: unknown, names: readonly string[]): {
  fileSystem: FileSystem;
  checked: CheckedOptions;
} {
  const checked = checkOptions(call, options, ["fileSystem", ...names]);
  return { fileSystem: fileSystemOption(call, checked["fileSystem"]) ?? nodeFileSystem(), checked };
}

/** Where files lie by options of which all else is checked later. */
export function fileSystemOf(call: string, options: unknown): FileSystem {
  return fileSystemOption(call, (options as OpenOptions | null | undefined)?.fileSystem) ?? nodeFileSystem();
}

function nested(call: string, checked: CheckedOptions, name: string, names: readonly string[]): CheckedOptions {
  return checkOptions(`${call}: option "${name}"`, checked[name], names);
}

function fileSystemOption(call: string, value: unknown): FileSystem | undefined {
  if (value === undefined) return undefined;
  const candidate = value as Partial<FileSystem> | null;
  if (typeof candidate !== "object" || candidate === null || typeof candidate.openSync !== "function") {
    throw new TypeError(`${call}: option "fileSystem" must be a FileSystem, not ${describeValue(value)}`);
  }
  return candidate as FileSystem;
}

function randomId(): Uint8Array {
  return randomBytes(16);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return delayWith(systemTimers, ms, signal);
}
