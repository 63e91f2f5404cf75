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
export { DB } from "./lib/db/db.ts";
export type { ExportStreamOptions } from "./lib/db/export_stream.ts";
export { Reader } from "./lib/db/reading/reader.ts";
export { KeySpace } from "./lib/db/key_space.ts";
export { Namespace, type NamespaceOptions } from "./lib/db/namespace.ts";
export { Snapshot } from "./lib/db/reading/snapshot.ts";
export { Transaction, type TransactionOptions } from "./lib/db/writing/transaction.ts";
export { type AtomicCheck, AtomicOperation, type AtomicResult } from "./lib/db/writing/atomic.ts";
export type {
  ArchiveOptions,
  ClockOptions,
  HistoryOptions,
  OpenOptions,
  PathOptions,
  TuningOptions,
  WorkOptions,
} from "./lib/db/options.ts";
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
export type { LostKeys, RepairOptions, RepairReport } from "./lib/db/repair.ts";
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
  BackupDestination,
  BackupInfo,
  BackupOptions,
  BackupType,
  ByteStream,
  Encryption,
  ExportInfo,
  ExportOptions,
  FilterEntry,
  LongWorkOptions,
  PointInTimeOption,
  RestoreInfo,
  RestoreOptions,
  RestoreSource,
  WantedPoint,
} from "./lib/backup/mod.ts";
export {
  BackupRepository,
  type DrillOptions,
  type PointOptions,
  type RestoreTarget,
} from "./lib/db/repository/backup_repository.ts";
export type { RepositoryOptions } from "./lib/db/repository/repository_options.ts";
export type {
  Activity,
  AuditDetail,
  AuditEntry,
  BackupFilter,
  BackupSource,
  CopyOptions,
  CopyReport,
  DrillReport,
  EstimateModel,
  HealthFinding,
  HealthPolicy,
  HealthReport,
  KeyInfo,
  PruneReport,
  RecoveryRange,
  Replication,
  ReplicationEstimate,
  ReplicationEvent,
  ReplicationOptions,
  ReplicationStatus,
  RepositoryHandle,
  RepositoryProblem,
  RepositoryRepairReport,
  RepositoryStats,
  RepositoryVerifyReport,
  RestoreEstimate,
  RetentionPolicy,
  StoreRequests,
  VerifyOptions,
} from "./lib/backup/repository/mod.ts";
export { retention } from "./lib/backup/repository/pruning/retention_policy.ts";
export { PROMETHEUS_TYPE, type PrometheusOptions, prometheusText } from "./lib/backup/repository/care/prometheus.ts";
export type { Duration } from "./lib/base/duration.ts";
export type { Timers } from "./lib/base/timers.ts";
export type {
  CleanUpOptions,
  GetOptions,
  ListOptions as StoreListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  ProbeOptions,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "./lib/storage/object_store.ts";
export { checkKey } from "./lib/storage/object_key.ts";
export { DirectoryStore, directoryStore, type DirectoryStoreOptions } from "./lib/storage/directory_store.ts";
export { MemoryStore } from "./lib/storage/memory_store.ts";
export type { OnProgress, Progress } from "./lib/base/progress.ts";
export * from "./lib/base/errors.ts";
export type { FileHandle, FileInfo, FileLock, FileSystem, OpenMode } from "./lib/files/file_system.ts";
export { nodeFileSystem } from "./lib/files/node_file_system.ts";
