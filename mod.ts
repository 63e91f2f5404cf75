/**
 * Holdfast: an embedded, ordered key-value database in pure TypeScript, built around its backups.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:"); // or a directory: "./data"
 * await db.set("user/1", { name: "Ada" }, { tags: ["admin"] });
 * for await (const { key, value } of db.list({ prefix: "user/" })) console.log(key, value);
 * ```
 *
 * @module
 */
export { DB, type PathOptions, type RepairOptions, type WorkOptions } from "./lib/db/db.ts";
export { Reader } from "./lib/db/reading/reader.ts";
export { KeySpace } from "./lib/db/key_space.ts";
export { Namespace, type NamespaceOptions } from "./lib/db/namespace.ts";
export { Snapshot } from "./lib/db/reading/snapshot.ts";
export { Transaction, type TransactionOptions } from "./lib/db/writing/transaction.ts";
export { type AtomicCheck, AtomicOperation, type AtomicResult } from "./lib/db/writing/atomic.ts";
export type { ArchiveOptions, HistoryOptions, OpenOptions, TuningOptions } from "./lib/db/options.ts";
export type { Key } from "./lib/db/data/keys.ts";
export type { Json, Storable, Value } from "./lib/db/data/values.ts";
export type { Entry } from "./lib/db/data/entries.ts";
export type { KeyRange, ListRange } from "./lib/db/data/ranges.ts";
export type { ListOptions, PointInTime, ReadOptions } from "./lib/db/reading/read_options.ts";
export type { EntryOptions, SetOptions, WriteOptions } from "./lib/db/writing/write_options.ts";
export type { SetManyItem, SetManyOptions, SetManyResult } from "./lib/db/writing/set_many.ts";
export type { WatchOptions, WatchRange } from "./lib/db/watching/watch.ts";
export type { Change } from "./lib/db/watching/change.ts";
export type { ChangesOptions, CommitRecord } from "./lib/db/watching/changes.ts";
export type { LostKeys, RepairReport } from "./lib/db/repair_report.ts";
export type {
  Commit,
  Durability,
  EngineEvent,
  EngineStats,
  KeyEncoding,
  LevelStats,
  Problem,
  StallReason,
  VerifyReport,
} from "./lib/engine/types.ts";
export type { SlotMeta } from "./lib/format/manifest/manifest_edit.ts";
export type {
  BackupInfo,
  BackupOptions,
  BackupType,
  ByteStream,
  ExportInfo,
  ExportOptions,
  ExportStreamOptions,
  FilterEntry,
  LongWorkOptions,
  RestoreInfo,
  RestoreOptions,
  RestoreSource,
} from "./lib/backup/mod.ts";
export type { OnProgress, Progress } from "./lib/base/progress.ts";
export * from "./lib/base/errors.ts";
export type { FileHandle, FileInfo, FileLock, FileSystem, OpenMode } from "./lib/files/file_system.ts";
export { nodeFileSystem } from "./lib/files/node_file_system.ts";
