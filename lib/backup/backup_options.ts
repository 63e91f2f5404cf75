/**
 * The options of a backup, and their checks: those of all backups, those of a portable file, those of a repository.
 *
 * @module
 */
import {
  booleanOption,
  type CheckedOptions,
  checkOptions,
  choiceOption,
  describeValue,
  functionOption,
  isRecord,
  numberOption,
  stringOption,
} from "../base/options.ts";
import type { Secret } from "../format/repository/key_ring.ts";
import { type Encryption, encryptionOption } from "./encryption.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "./long_work.ts";
import { BACKUP_ID } from "./repository/core/layout.ts";
import { type CheckedPolicy, checkPolicy, type RetentionPolicy } from "./repository/pruning/retention_policy.ts";
import { checkSelection, type Selection } from "./selection.ts";

/** An entry as a backup's filter sees it. */
export interface FilterEntry {
  /** A string, or bytes where the key space has them. */
  key: string | Uint8Array;
  /** As it was set. */
  value: unknown;
  /** The namespaces it lies in, outermost first; [] for the root. */
  namespace: readonly string[];
  /** Of the commit that wrote it. */
  version: number;
  /** Of that commit, ms. */
  timestamp: number;
  /** In the order given at the write. */
  tags: readonly string[];
  /** ms, if it expires. */
  expiresAt?: number;
}

/** Options of `backup`. */
export interface BackupOptions extends LongWorkOptions {
  /**
   * `"full"`: complete, in objects of its own. `"snapshot"`: complete, sharing unchanged objects with what is there.
   * `"incremental"`: the log since its parent. `"auto"` (default): incremental where it can be, else a snapshot, and full
   * when it is the first; a snapshot, too, when the last complete one is a week old, unless `parent` or `maxBytes` is given.
   * A portable file is always `"full"`.
   */
  type?: "auto" | "full" | "incremental" | "snapshot" | undefined;
  /** Only keys that begin with this: of the root, or of `namespace` where that is given. */
  prefix?: string | Uint8Array | undefined;
  /** Only this namespace (a name, or names from the outermost on) with those inside it; with `prefix` only its own keys. */
  namespace?: string | readonly string[] | undefined;
  /** Only entries for which it answers true. It may be asked twice about each and must answer alike. */
  filter?: ((entry: FilterEntry) => boolean) | undefined;
  /** Kept with the backup. */
  labels?: Record<string, string> | undefined;
  /** Of a file as its name says, and refused where that says otherwise; in a repository `"none"` for what is compressed already, else `"zstd"`. */
  compression?: "zstd" | "gzip" | "none" | undefined;
  /** How hard to compress: gzip 0 to 9, zstd 1 to 22. */
  level?: number | undefined;
  /**
   * Reads back what was written and compares it before the backup is published; in a repository, where the store has not
   * checked it itself (`capabilities.checksums`). True unless given.
   */
  verify?: boolean | undefined;
  /** Replaces a file that is there; false unless given. Not for repositories, whose backups are never replaced. */
  overwrite?: boolean | undefined;
  /** Repositories: its name, `[A-Za-z0-9._-]{1,128}`, taken once; made from time and chance unless given. */
  id?: string | undefined;
  /** Repositories: the backup an incremental one builds on; the newest of this history unless given. */
  parent?: string | undefined;
  /**
   * Repositories: gives up when more than so many bytes would have to be stored, and leaves nothing. Log is packed once more
   * for that, before any of it is sent; what is committed meanwhile comes on top. A file that another backup has found while
   * this one was at work stays until a pruning.
   */
  maxBytes?: number | undefined;
  /** Repositories: how many objects are sent at once, 1 to 64; 4 unless given. */
  concurrency?: number | undefined;
  /** Repositories: bytes sent and read back per second at most. */
  bytesPerSecond?: number | undefined;
  /** Repositories: prunes by this policy once the backup is there; where that fails the call rejects, and the backup stays. */
  prune?: RetentionPolicy | undefined;
  /** Repositories: leaves out commits that are not in tables yet; the backup is then a little older than now. */
  excludeLog?: boolean | undefined;
  /** Repositories: what opens one that is encrypted, or encrypts one that this call creates. */
  encryption?: Encryption | undefined;
}

const PACKINGS = ["zstd", "gzip", "none"] as const;
const TYPES = ["auto", "full", "incremental", "snapshot"] as const;
const BOTH = ["type", "prefix", "namespace", "filter", "labels", "compression", "level", "verify", "overwrite"];
const REPOSITORY = ["id", "parent", "maxBytes", "concurrency", "bytesPerSecond", "prune", "excludeLog", "encryption"];

/** What both kinds of backup take, checked, with defaults. */
export interface CheckedBackupOptions extends LongWorkOptions {
  /** See `BackupOptions`. */
  selection: Selection;
  /** The prefix as given. */
  prefix: string | Uint8Array | undefined;
  /** See `BackupOptions`. */
  filter: ((entry: FilterEntry) => boolean) | undefined;
  /** See `BackupOptions`. */
  labels: Record<string, string>;
  /** See `BackupOptions`. */
  compression: "zstd" | "gzip" | "none" | undefined;
  /** See `BackupOptions`. */
  level: number | undefined;
  /** See `BackupOptions`. */
  verify: boolean;
  /** See `BackupOptions`. */
  overwrite: boolean;
}

/** What a backup into a repository takes, checked, with defaults. */
export interface CheckedRepositoryBackup extends CheckedBackupOptions {
  /** See `BackupOptions`. */
  type: "auto" | "full" | "incremental" | "snapshot";
  /** See `BackupOptions`. */
  id: string | undefined;
  /** See `BackupOptions`. */
  parent: string | undefined;
  /** See `BackupOptions`. */
  maxBytes: number | undefined;
  /** See `BackupOptions`. */
  concurrency: number | undefined;
  /** See `BackupOptions`. */
  bytesPerSecond: number | undefined;
  /** See `BackupOptions`. */
  prune: CheckedPolicy | undefined;
  /** See `BackupOptions`. */
  excludeLog: boolean;
  /** See `BackupOptions`. */
  encryption: Secret | undefined;
}

/** Checks the options of a portable backup. */
export function checkBackupOptions(call: string, options: BackupOptions | undefined): CheckedBackupOptions {
  const checked = checkOptions(call, options, [...BOTH, ...REPOSITORY, ...LONG_OPTIONS]);
  const misplaced = REPOSITORY.find((name) => checked[name] !== undefined);
  if (misplaced !== undefined) {
    throw new TypeError(`${call}: option "${misplaced}" is for backup repositories; leave it out for a portable file`);
  }
  const type = choiceOption(call, checked, "type", "auto", TYPES);
  if (type === "incremental" || type === "snapshot") {
    throw new TypeError(`${call}: option "type" must be "full" for a portable file, not "${type}"`);
  }
  return common(call, checked);
}

/** Checks the options of a backup into a repository. */
export function checkRepositoryBackup(call: string, options: BackupOptions | undefined): CheckedRepositoryBackup {
  const checked = checkOptions(call, options, [...BOTH, ...REPOSITORY, ...LONG_OPTIONS]);
  if (checked["overwrite"] !== undefined) {
    throw new TypeError(
      `${call}: option "overwrite" is for portable files; backups in a repository are never replaced`,
    );
  }
  const both = common(call, checked);
  const type = choiceOption(call, checked, "type", "auto", TYPES);
  const selective = both.selection.namespace !== undefined || both.selection.prefix !== undefined ||
    both.filter !== undefined;
  if (selective && (type === "incremental" || type === "snapshot")) {
    throw new TypeError(`${call}: a backup of a part (prefix, namespace, filter) is "full", not "${type}"`);
  }
  const parent = stringOption(call, checked, "parent", undefined);
  if (parent !== undefined && (type === "full" || type === "snapshot" || selective)) {
    throw new TypeError(`${call}: option "parent" is for incremental backups`);
  }
  const id = stringOption(call, checked, "id", undefined);
  if (id !== undefined && (!BACKUP_ID.test(id) || /^\.+$/.test(id))) {
    throw new TypeError(`${call}: option "id" must be 1 to 128 of A-Z a-z 0-9 . _ -, not ${describeValue(id)}`);
  }
  const { compression, level } = both;
  if (level !== undefined && (compression === "none" || (compression === "gzip" ? level > 9 : level < 1))) {
    throw new RangeError(`${call}: option "level" is ${level}, but gzip has 0 to 9, zstd 1 to 22 and "none" none`);
  }
  return {
    ...both,
    type,
    id,
    parent,
    maxBytes: numberOption(call, checked, "maxBytes", undefined, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    ...transferOptions(call, checked),
    prune: checked["prune"] === undefined
      ? undefined
      : checkPolicy(`${call}: option "prune"`, checked["prune"] as RetentionPolicy),
    excludeLog: booleanOption(call, checked, "excludeLog", false),
    encryption: encryptionOption(call, checked),
  };
}

/** The options `concurrency` and `bytesPerSecond`. */
export function transferOptions(
  call: string,
  checked: CheckedOptions,
): { concurrency: number | undefined; bytesPerSecond: number | undefined } {
  return {
    // More at once gains nothing on one machine, and each holds a few megabytes.
    concurrency: numberOption(call, checked, "concurrency", undefined, { min: 1, max: 64 }),
    bytesPerSecond: numberOption(call, checked, "bytesPerSecond", undefined, { min: 1024, max: 2 ** 40 }),
  };
}

function common(call: string, checked: CheckedOptions): CheckedBackupOptions {
  return {
    selection: checkSelection(call, checked),
    prefix: checked["prefix"] as string | Uint8Array | undefined,
    filter: functionOption<(entry: FilterEntry) => boolean>(call, checked, "filter"),
    labels: checkLabels(call, checked),
    compression: choiceOption(call, checked, "compression", undefined, PACKINGS),
    level: numberOption(call, checked, "level", undefined, { min: 0, max: 22 }),
    verify: booleanOption(call, checked, "verify", true),
    overwrite: booleanOption(call, checked, "overwrite", false),
    ...longOptions(call, checked),
  };
}

/** Checks the option `labels`: a record of strings. */
export function checkLabels(call: string, options: CheckedOptions): Record<string, string> {
  const labels = options["labels"];
  if (labels === undefined) return {};
  if (!isRecord(labels)) {
    throw new TypeError(`${call}: option "labels" must be a record of strings, not ${describeValue(labels)}`);
  }
  const entries: [string, unknown][] = Object.entries(labels);
  const wrong = entries.find(([, value]) => typeof value !== "string");
  if (wrong !== undefined) {
    const [name, value] = wrong;
    throw new TypeError(
      `${call}: option "labels" must be a record of strings, but ${JSON.stringify(name)} is ${describeValue(value)}`,
    );
  }
  return Object.fromEntries(entries as [string, string][]);
}
