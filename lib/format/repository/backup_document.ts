/**
 * `backups/<id>.json`: one backup. It exists when this document does; what it names was stored before.
 *
 * A backup is a base (the tables of one version, for `full` and `snapshot`), archived log from there up to its version, or
 * both. An `incremental` has no base: that of its nearest complete ancestor counts.
 *
 * Invariants, checked on both sides of the store:
 *
 * 1. `full` and `snapshot` have a base, of this version or an older one; `incremental` has none, and a parent.
 * 2. `log` is a range that is not empty, and ends at `version`.
 * 3. Object keys and file names stay inside `objects/` and a directory.
 *
 * @module
 */
import {
  base64Text,
  choice,
  flag,
  list,
  nullable,
  object,
  type Shape,
  text,
  where,
  whole,
} from "../manifest/json_shape.ts";
import type { LineageParent } from "../manifest/manifest_edit.ts";
import type { ObjectCompression } from "./object_header.ts";
import { objectPathShape } from "./object_name.ts";
import { fileName, id32, keyPart, record, sha256 } from "./shapes.ts";

/** What a file of a backup is. */
export type BackupFileKind = "table" | "blob" | "manifest" | "marker" | "tail" | "entries";

/** Kinds of backups. */
export type BackupType = "full" | "snapshot" | "incremental";

/** One file of a base. */
export interface BackupFile {
  /** Its name in the database directory; "" for `tail` and `entries`, which are no files there. */
  name: string;
  /** What it is. */
  kind: BackupFileKind;
  /** Its length, bytes. */
  size: number;
  /** The key of its object below `objects/`. */
  object: string;
  /** The length of its object as stored, bytes. */
  stored: number;
}

/** The files of one version, complete. */
export interface BackupBase {
  /** The last commit they hold. */
  version: number;
  /** Its time, ms. */
  timestamp: number;
  /** The name of the manifest among the files; "" for a base of entries. */
  manifestName: string;
  /** The files. */
  files: BackupFile[];
}

/** Archived log that a backup needs. */
export interface BackupLog {
  /** Its first version. */
  from: number;
  /** Its last version. */
  to: number;
  /** The chain hash at `to`, 64 hexadecimal digits. */
  chain: string;
  /** How many bytes were stored for it. */
  bytes: number;
}

/** One backup. */
export interface BackupDocument {
  /** Its id, as in the file's name. */
  id: string;
  /** What it is. */
  type: BackupType;
  /** What was asked for. */
  requestedType: string;
  /** The backup it goes on from. */
  parentId: string | null;
  /** The database's id. */
  database: string;
  /** The database's name, for people. */
  databaseName: string;
  /** The line of history that `version` belongs to. */
  lineage: string;
  /** The lines of history it came from, the oldest first. */
  parents: LineageParent[];
  /** How the keys of the root are given. */
  keyEncoding: "utf8" | "bytes";
  /** When the database was made, ms. */
  databaseCreatedAt: number;
  /** When the backup began, ms. */
  createdAt: number;
  /** How long it took, ms. */
  durationMs: number;
  /** The last commit it holds. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** Up to when no other commit was made, ms. */
  coveredUntil: number;
  /** How many entries, where that is counted. */
  entryCount: number;
  /** How many files. */
  fileCount: number;
  /** How many bytes before compression. */
  totalBytes: number;
  /** The bytes of all its objects, as stored. */
  storedBytes: number;
  /** Of these, what this backup added: the rest was there. */
  addedBytes: number;
  /** How its objects are compressed. */
  compression: ObjectCompression;
  /** Whether its objects are encrypted. */
  encrypted: boolean;
  /** The namespace it is limited to; null: all. */
  namespace: string[] | null;
  /** The prefix it is limited to, as text or as base64url; null: none. */
  prefix: { text?: string; bytes?: string } | null;
  /** What its maker wrote on it. */
  labels: Record<string, string>;
  /** Whether it holds only a part of the database. */
  selective: boolean;
  /** The files, for a complete backup. */
  base: BackupBase | null;
  /** The log it needs. */
  log: BackupLog | null;
}

const file: Shape<BackupFile> = where(
  object({
    name: fileName,
    kind: choice("table", "blob", "manifest", "marker", "tail", "entries"),
    size: whole(),
    object: objectPathShape,
    stored: whole(),
  }),
  ({ name, kind }) =>
    (name === "") === (kind === "tail" || kind === "entries") ? undefined : `a ${kind} named "${name}"`,
);

/** The shape of `BackupDocument`. */
export const backupDocument: Shape<BackupDocument> = where(
  object({
    id: keyPart,
    type: choice("full", "snapshot", "incremental"),
    requestedType: text,
    parentId: nullable(keyPart),
    database: id32,
    databaseName: text,
    lineage: id32,
    parents: list(object({ lineage: id32, version: whole() })),
    keyEncoding: choice("utf8", "bytes"),
    databaseCreatedAt: whole(),
    createdAt: whole(),
    durationMs: whole(),
    version: whole(),
    timestamp: whole(),
    coveredUntil: whole(),
    entryCount: whole(),
    fileCount: whole(),
    totalBytes: whole(),
    storedBytes: whole(),
    addedBytes: whole(),
    compression: choice("none", "zstd", "gzip"),
    encrypted: flag,
    namespace: nullable(list(text)),
    prefix: nullable(object({}, { text, bytes: base64Text })),
    labels: record(text),
    selective: flag,
    base: nullable(object({ version: whole(), timestamp: whole(), manifestName: fileName, files: list(file) })),
    log: nullable(object({ from: whole(1), to: whole(1), chain: sha256, bytes: whole() })),
  }),
  problem,
);

function problem({ type, parentId, version, base, log }: BackupDocument): string | undefined {
  if ((type === "incremental") !== (base === null)) return `${type} ${base === null ? "without" : "with"} a base`;
  if (type === "incremental" && parentId === null) return "incremental without a parent";
  if (base !== null && base.version > version) return `a base of version ${base.version} above ${version}`;
  if (log === null) return undefined;
  if (log.from > log.to) return `log from ${log.from} to ${log.to}`;
  return log.to === version ? undefined : `log to ${log.to}, not ${version}`;
}
