/**
 * Pins: backups that stay until they are let go.
 *
 * A pin is put before it is asked whether the backup is being deleted; a pruning marks before it reads the pins. So one of
 * both notices the other. One that is refused is not taken back while its backup is there, for another may have found it and
 * rely on it; of a backup that is gone the pruning takes it.
 *
 * @module
 */
import { NotFoundError, ReadOnlyError, RepositoryLockedError } from "../../../base/errors.ts";
import { audited } from "./audit.ts";
import { readMarks } from "./catalog.ts";
import type { RepositoryContext } from "./context.ts";
import { BACKUP_ID, backupKey, pinKey } from "./layout.ts";

/**
 * Keeps a backup from being pruned and deleted. `NotFoundError` for an id there is none of; `RepositoryLockedError` when a
 * pruning is just deleting it; if the backup stays all the same, so does the pin.
 */
export async function pinBackup(context: RepositoryContext, id: string): Promise<void> {
  assertWritable(context, "pin", id);
  await audited(
    context,
    "pin",
    async () => {
      await assertThere(context, "pin", id);
      const put = await context.store.put(pinKey(id), new Uint8Array(0), { ifAbsent: true });
      const marked = (await readMarks(context)).some(({ keys }) => keys.includes(backupKey(id)));
      const there = await context.store.head(backupKey(id)) !== undefined;
      if (there && !marked) return;
      if (!there) {
        if (put !== undefined) await context.store.delete(pinKey(id));
        throw unknown(context, "pin", id);
      }
      throw new RepositoryLockedError(
        `Cannot pin backup ${id} of ${context.name}: a pruning is about to delete it; try again when that is done, or was ` +
          "run again (REPOSITORY_LOCKED)",
      );
    },
    () => ({}),
    { id },
  );
}

/** Lets a pinned backup be pruned again; one that is not pinned is fine. `NotFoundError` for an id there is none of. */
export async function unpinBackup(context: RepositoryContext, id: string): Promise<void> {
  assertWritable(context, "unpin", id);
  await audited(
    context,
    "unpin",
    async () => {
      await assertThere(context, "unpin", id);
      await context.store.delete(pinKey(id));
    },
    () => ({}),
    { id },
  );
}

function assertWritable(context: RepositoryContext, call: string, id: string): void {
  if (!context.readOnly) return;
  throw new ReadOnlyError(`Cannot ${call} backup ${id}: ${context.name} was opened read-only (READ_ONLY)`);
}

async function assertThere(context: RepositoryContext, call: string, id: string): Promise<void> {
  if (BACKUP_ID.test(id) && await context.store.head(backupKey(id)) !== undefined) return;
  throw unknown(context, call, id);
}

function unknown(context: RepositoryContext, call: string, id: string): NotFoundError {
  return new NotFoundError(`Cannot ${call} backup ${id}: ${context.name} has none of that id; see list() (NOT_FOUND)`);
}
