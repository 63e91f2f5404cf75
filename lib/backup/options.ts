/**
 * The options of export, backup and restore, and their checks.
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
  numberOption,
  signalOption,
  stringOption,
} from "../base/options.ts";
import { HoldfastError } from "../base/errors.ts";
import type { OnProgress } from "../base/progress.ts";
import { encodeText } from "../base/bytes.ts";

/** What all long calls of this floor take. */
export interface LongWorkOptions {
  /** Gives up; the call rejects with the signal's reason and leaves no trace. Ignored once the result is published. */
  signal?: AbortSignal | undefined;
  /** Hears how far the call has come. */
  onProgress?: OnProgress | undefined;
}

/** Options of `export`. */
export interface ExportOptions extends LongWorkOptions {
  /** Replaces a database or file that is there; false unless given. Other files are never removed. */
  overwrite?: boolean | undefined;
  /** Reads the copy back and checks every checksum before it is published; true unless given. */
  verify?: boolean | undefined;
  /** `"auto"`: hard link, else clone, else copy; `"never"`: bytes of its own. For directories. */
  link?: "auto" | "never" | undefined;
}

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

/** Options of a portable backup. */
export interface BackupOptions extends LongWorkOptions {
  /** Only `"full"` (or `"auto"`, which then means it) is possible for a portable file. */
  type?: "auto" | "full" | "incremental" | "snapshot" | undefined;
  /** Only keys that begin with this: of the root, or of `namespace` where that is given. */
  prefix?: string | Uint8Array | undefined;
  /** Only this namespace (a name, or names from the outermost on) with those inside it; with `prefix` only its own keys. */
  namespace?: string | readonly string[] | undefined;
  /** Only entries for which it answers true. For a JSON file it is asked twice about each and must answer alike. */
  filter?: ((entry: FilterEntry) => boolean) | undefined;
  /** Kept in the returned info. */
  labels?: Record<string, string> | undefined;
  /** By the file's name unless given; contradicting it is refused. */
  compression?: "zstd" | "gzip" | "none" | undefined;
  /** How hard to compress: gzip 0 to 9, zstd 1 to 22. */
  level?: number | undefined;
  /** Reads the file back and compares count and checksum before it is published; true unless given. */
  verify?: boolean | undefined;
  /** Replaces a file that is there; false unless given. */
  overwrite?: boolean | undefined;
}

/** Options of `restore`. */
export interface RestoreOptions extends LongWorkOptions {
  /** `"replace"` (default): the contents become the backup's; `"merge"`: the backup's entries win, other keys stay. */
  mode?: "replace" | "merge" | undefined;
  /** Only keys that begin with this, as in `BackupOptions`; with `"replace"` only these are replaced. */
  prefix?: string | Uint8Array | undefined;
  /** Only this namespace, as in `BackupOptions`; with `"replace"` only this is replaced. */
  namespace?: string | readonly string[] | undefined;
  /** Replays the log of an export (default); for a portable file there is none. */
  replayLog?: boolean | undefined;
  /** `"keep"` (default): what has expired stays away; `"clear"`: entries come back without expiry. */
  expiry?: "keep" | "clear" | undefined;
  /** Checks the source's checksums before anything changes; true unless given. */
  verifyBefore?: boolean | undefined;
  /** Reads back what was written before it takes effect; true unless given. */
  verifyAfter?: boolean | undefined;
  /** Reads and counts, changes nothing; false unless given. */
  dryRun?: boolean | undefined;
  /** Replaces a database at the destination; false unless given. Where the target is a path. */
  overwrite?: boolean | undefined;
  /** How keys look in a new database: what the source says unless given. Where the target is a path. */
  keyEncoding?: "utf8" | "bytes" | undefined;
}

/** A part of the contents. */
export interface Selection {
  /** undefined: all. [] with a prefix: the root alone. */
  namespace: readonly string[] | undefined;
  /** Keys begin with this. */
  prefix: Uint8Array | undefined;
}

const PACKINGS = ["zstd", "gzip", "none"] as const;
const KEY_ENCODINGS = ["utf8", "bytes"] as const;
const LONG = ["signal", "onProgress"] as const;

/** Options that repositories will take: refused, never passed over. */
const REPOSITORY_BACKUP = [
  "id",
  "parent",
  "maxBytes",
  "concurrency",
  "bytesPerSecond",
  "prune",
  "excludeLog",
  "encryption",
];
const REPOSITORY_RESTORE = ["backupId", "at", "database", "lineage", "allowEarlier", "concurrency", "encryption"];

function long(call: string, options: CheckedOptions): LongWorkOptions {
  return { signal: signalOption(call, options), onProgress: functionOption<OnProgress>(call, options, "onProgress") };
}

function refuseRepositoryOptions(call: string, options: CheckedOptions, names: readonly string[]): void {
  const name = names.find((each) => options[each] !== undefined);
  if (name === undefined) return;
  throw new HoldfastError(
    "UNSUPPORTED",
    `${call}: option "${name}" belongs to backup repositories, which are not in this release; leave it out`,
  );
}

/** Export options, checked, with their defaults. */
export interface CheckedExportOptions extends LongWorkOptions {
  /** See `ExportOptions`. */
  overwrite: boolean;
  /** See `ExportOptions`. */
  verify: boolean;
  /** See `ExportOptions`. */
  link: "auto" | "never";
}

/** Checks the options of an export. */
export function checkExportOptions(call: string, options: ExportOptions | undefined): CheckedExportOptions {
  const checked = checkOptions(call, options, ["overwrite", "verify", "link", ...LONG]);
  return {
    overwrite: booleanOption(call, checked, "overwrite", false),
    verify: booleanOption(call, checked, "verify", true),
    link: choiceOption(call, checked, "link", "auto", ["auto", "never"]),
    ...long(call, checked),
  };
}

/** Backup options, checked, with their defaults. */
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

/** Checks the options of a portable backup. */
export function checkBackupOptions(call: string, options: BackupOptions | undefined): CheckedBackupOptions {
  const own = ["type", "prefix", "namespace", "filter", "labels", "compression", "level", "verify", "overwrite"];
  const checked = checkOptions(call, options, [...own, ...REPOSITORY_BACKUP, ...LONG]);
  refuseRepositoryOptions(call, checked, REPOSITORY_BACKUP);
  const type = choiceOption(call, checked, "type", "auto", ["auto", "full", "incremental", "snapshot"]);
  if (type === "incremental" || type === "snapshot") {
    throw new TypeError(`${call}: option "type" must be "full" for a portable file, not "${type}"`);
  }
  return {
    selection: checkSelection(call, checked),
    prefix: checked["prefix"] as string | Uint8Array | undefined,
    filter: functionOption<(entry: FilterEntry) => boolean>(call, checked, "filter"),
    labels: checkLabels(call, checked),
    compression: choiceOption(call, checked, "compression", undefined, PACKINGS),
    level: numberOption(call, checked, "level", undefined, { min: 0, max: 22 }),
    verify: booleanOption(call, checked, "verify", true),
    overwrite: booleanOption(call, checked, "overwrite", false),
    ...long(call, checked),
  };
}

/** Restore options, checked, with their defaults. */
export interface CheckedRestoreOptions extends LongWorkOptions {
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
}

/** Checks the options of a restore; `toPath`: the target is a path. */
export function checkRestoreOptions(
  call: string,
  options: RestoreOptions | undefined,
  toPath: boolean,
): CheckedRestoreOptions {
  const own = ["mode", "prefix", "namespace", "replayLog", "expiry", "verifyBefore", "verifyAfter", "dryRun"];
  const path = ["overwrite", "keyEncoding"];
  const checked = checkOptions(call, options, [...own, ...path, ...REPOSITORY_RESTORE, ...LONG]);
  if (checked["at"] !== undefined && checked["backupId"] !== undefined) {
    throw new TypeError(`${call}: both option "at" and option "backupId"; give one of them`);
  }
  refuseRepositoryOptions(call, checked, REPOSITORY_RESTORE);
  const misplaced = toPath ? undefined : path.find((name) => checked[name] !== undefined);
  if (misplaced !== undefined) {
    throw new TypeError(`${call}: option "${misplaced}" is for a restore into a path; this database is open already`);
  }
  const mode = choiceOption(call, checked, "mode", "replace", ["replace", "merge"]);
  if (toPath && mode === "merge") {
    throw new TypeError(`${call}: option "mode" "merge" needs an open database; open it and call its restore`);
  }
  if (booleanOption(call, checked, "replayLog", true) === false) {
    throw new HoldfastError(
      "UNSUPPORTED",
      `${call}: option "replayLog" false belongs to backup repositories, which are not in this release; leave it out`,
    );
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
    ...long(call, checked),
  };
}

function checkSelection(call: string, options: CheckedOptions): Selection {
  const prefix = options["prefix"];
  if (prefix !== undefined && typeof prefix !== "string" && !(prefix instanceof Uint8Array)) {
    throw new TypeError(`${call}: option "prefix" must be a string or bytes, not ${describeValue(prefix)}`);
  }
  if (prefix?.length === 0) throw new TypeError(`${call}: option "prefix" must not be empty`);
  if (typeof prefix === "string" && !prefix.isWellFormed()) {
    throw new TypeError(`${call}: option "prefix" holds half of a surrogate pair`);
  }
  const given = options["namespace"];
  const single = typeof given === "string" ? stringOption(call, options, "namespace", undefined) : undefined;
  const path = single === undefined ? given : [single];
  if (
    path !== undefined && (!Array.isArray(path) || path.length === 0 ||
      path.some((name) => typeof name !== "string" || name === "" || !name.isWellFormed()))
  ) {
    throw new TypeError(`${call}: option "namespace" must be a name or an array of names, not ${describeValue(given)}`);
  }
  const bytes = typeof prefix === "string" ? encodeText(prefix) : prefix?.slice();
  return { namespace: path === undefined ? (prefix === undefined ? undefined : []) : [...path], prefix: bytes };
}

function checkLabels(call: string, options: CheckedOptions): Record<string, string> {
  const labels = options["labels"];
  if (labels === undefined) return {};
  const entries = typeof labels === "object" && labels !== null ? Object.entries(labels) : undefined;
  if (entries === undefined || entries.some(([, value]) => typeof value !== "string")) {
    throw new TypeError(`${call}: option "labels" must be a record of strings, not ${describeValue(labels)}`);
  }
  return Object.fromEntries(entries);
}

/** Whether a selection leaves anything out. */
export function isSelective(selection: Selection): boolean {
  return selection.namespace !== undefined || selection.prefix !== undefined;
}

/** Whether an entry is part of a selection. */
export function isSelected(selection: Selection, namespace: readonly string[], key: Uint8Array): boolean {
  const { namespace: wanted, prefix } = selection;
  if (wanted !== undefined) {
    if (prefix !== undefined ? namespace.length !== wanted.length : namespace.length < wanted.length) return false;
    for (let i = 0; i < wanted.length; i++) if (namespace[i] !== wanted[i]) return false;
  }
  if (prefix === undefined) return true;
  if (key.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false;
  return true;
}

/** Whether entries of a namespace can be part of a selection at all. */
export function isNamespaceSelected(selection: Selection, namespace: readonly string[]): boolean {
  return isSelected({ namespace: selection.namespace, prefix: undefined }, namespace, new Uint8Array(0)) &&
    (selection.prefix === undefined || namespace.length === selection.namespace!.length);
}
