/**
 * Floor 6: export, portable backup, restore.
 *
 * ```
 * export.ts            a pinned version as directory, tar file or stream     ┐ stage.ts, file_sink.ts: publish whole or
 * backup_portable.ts   a snapshot as one file of entries                     │ not at all; destination.ts: what is in the
 * restore.ts           into an open database, in one commit                  │ way, before anything is written
 * restore_to.ts        into a new directory                                  ┘
 * load/                sources of any kind, and entries on their way into sorted tables
 * portable/            entries as JSON: skv's format, and lines
 * archive/             tar, gzip and zstd, as streams
 * ```
 *
 * @module
 */
export { exportDatabase, exportPieces } from "./export.ts";
export { type BackupDestination, backupIntoRepository, backupTo } from "./backup_to.ts";
export { restoreInto } from "./restore.ts";
export { restoreTo } from "./restore_to.ts";
export type { BackupInfo, BackupType, ExportInfo, RestoreInfo } from "./info.ts";
export type { BackupOptions, FilterEntry } from "./backup_options.ts";
export type { ExportOptions } from "./export_options.ts";
export type { LongWorkOptions } from "./long_work.ts";
export type { PointInTimeOption, RestoreOptions, WantedPoint } from "./restore_options.ts";
export type { Encryption } from "./encryption.ts";
export type { PartialWork } from "./partial.ts";
export type { RestoreSource } from "./load/source.ts";
export type { ByteStream } from "./archive/streams.ts";
export { localPath } from "./destination.ts";
export { transferOptions } from "./backup_options.ts";
export { OPEN_DEFAULTS, type OpenSettings } from "./repository/core/open.ts";
