/**
 * Whether anyone has written to a database since it was read.
 *
 * The lock says that there is no other writer; where it was lost (`marker_watch.ts`) there is one all the same. One that is
 * at work has added to the log by the time that the marker is switched, and is left in peace: it is this process that may
 * not have the database. One that is not finds the marker switched before it next tells anyone that something is kept.
 *
 * @module
 */
import { LockedError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { filePath } from "../file_names.ts";
import { openSegment } from "../log/log_segment.ts";
import type { LoadedManifest } from "../manifest/manifest.ts";

/** Throws `LockedError` when the manifest has grown since it was loaded, or has gone. */
export function assertSameManifest(fs: FileSystem, path: string, loaded: LoadedManifest): void {
  if (fs.statSync(filePath(path, "manifest", loaded.number))?.size !== loaded.size) throw atWork(path);
}

/** As `assertSameManifest`, and when the open segment has grown, of which the records up to `seen` were read. */
export function assertUntouched(fs: FileSystem, path: string, loaded: LoadedManifest, seen: number): void {
  assertSameManifest(fs, path, loaded);
  const { database, openLog } = loaded.state;
  // One whose end is known takes no records any more.
  if (openLog === undefined || openLog.end !== null) return;
  const { reader, close } = openSegment(fs, path, { number: openLog.number, database: database.id }, undefined, seen);
  try {
    if (reader.next() !== undefined) throw atWork(path);
  } finally {
    close();
  }
}

/** Says that another process writes here. */
export function atWork(path: string): LockedError {
  return new LockedError(
    `Cannot open ${path}: another process is writing to it, though it does not hold the lock; close it or open with ` +
      "readOnly (LOCKED)",
    { path },
  );
}
