/**
 * Floor 6: export, portable backup, restore.
 *
 * @module
 */
export { exportDatabase, exportStream, type ExportStreamOptions } from "./export.ts";
export { backupPortable } from "./backup_portable.ts";
export { restoreInto } from "./restore.ts";
export { restoreTo } from "./restore_to.ts";
export type { BackupInfo, BackupType, ExportInfo, RestoreInfo } from "./info.ts";
export type { BackupOptions, ExportOptions, FilterEntry, LongWorkOptions, RestoreOptions } from "./options.ts";
export type { PartialWork } from "./partial.ts";
export type { RestoreSource } from "./source.ts";
export type { ByteStream } from "./streams.ts";
