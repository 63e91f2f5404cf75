/**
 * The objects of complete backups, as one line of transfers: one small backup after the other would wait for the store at each.
 *
 * @module
 */
import type { BackupBase, BackupDocument, BackupFile } from "../../../../format/repository/backup_document.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { runPool } from "../../core/pool.ts";
import type { ObjectCopier } from "./object_copier.ts";

/** What is done beside the transfers. */
export interface BaseCopyOptions {
  /** Copies. */
  copier: ObjectCopier;
  /** Called behind each file. */
  done: () => Promise<void>;
  /** Called once all files of a backup are there; with what they are and take. */
  publish: (backup: BackupDocument, copied: CopiedBase) => Promise<void>;
}

/** A base in the target. */
export interface CopiedBase {
  /** With the target's objects. */
  base: BackupBase;
  /** What they take. */
  storedBytes: number;
  /** What of that was not there before. */
  addedBytes: number;
}

/**
 * Copies them: the files of all, in the order of the backups, as many at once as there are transfers. So what is shared, and
 * what must be a backup's own, is as if one backup came behind the other.
 */
export async function copyBases(
  { compression, concurrency }: RepositoryContext,
  backups: readonly BackupDocument[],
  { copier, done, publish }: BaseCopyOptions,
): Promise<void> {
  const transfers = backups.flatMap((backup) => {
    const files = [...backup.base!.files];
    const open = { backup, files, left: files.length, addedBytes: 0 };
    return files.map((file, i) => ({ open, file, i }));
  });
  await runPool(transfers, concurrency, async ({ open, file, i }) => {
    const { backup, files } = open;
    const codec = codecOf(compression, backup, file);
    const { object, stored, reused } = await copier.copy(file, backup.type === "full", codec);
    files[i] = { ...file, object, stored };
    if (!reused) open.addedBytes += stored;
    await done();
    if (--open.left > 0) return;
    const storedBytes = files.reduce((sum, { stored }) => sum + stored, 0);
    await publish(backup, { base: { ...backup.base!, files }, storedBytes, addedBytes: open.addedBytes });
  });
  // One that names none can't be restored, and is copied as it is: that is for verify to say.
  for (const backup of backups) {
    const base = backup.base!;
    if (base.files.length === 0) await publish(backup, { base, storedBytes: 0, addedBytes: 0 });
  }
}

/** As the target compresses; where it leaves that open, as the backup was. Tables and blobs are compressed in themselves. */
function codecOf(
  compression: RepositoryContext["compression"],
  backup: BackupDocument,
  { kind }: BackupFile,
): BackupDocument["compression"] {
  const wanted = compression ?? backup.compression;
  return wanted === "none" && compression === undefined && kind !== "table" && kind !== "blob" ? "zstd" : wanted;
}
