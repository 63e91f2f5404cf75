/**
 * The lock of a database that is not to be opened, but repaired, destroyed or replaced.
 *
 * @module
 */
import { LockedError } from "../base/errors.ts";
import type { FileLock, FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { LOCK_NAME } from "./file_names.ts";

/**
 * Takes the lock. Where it is held, the error says what was to be done, and advises nothing but closing: what opens beside a
 * writer only reads. `directory` is how the user named it, `path` what that resolves to.
 */
export async function lockFor(action: string, fs: FileSystem, directory: string, path: string): Promise<FileLock> {
  try {
    return await fs.lock(join(path, LOCK_NAME));
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    const { holder } = error;
    throw new LockedError(
      `Cannot ${action} ${directory}: locked by ${holder ?? "another program"}; close it first (LOCKED)`,
      { path, holder, cause: error },
    );
  }
}
