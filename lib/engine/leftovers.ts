/**
 * Removing what no one needs any more, in an order in which a crash leaves nothing that looks like damage.
 *
 * @module
 */
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { removeTree } from "../files/publish.ts";
import { parseFileName } from "./file_names.ts";

/**
 * Removes files and stages of a database directory; whatever can't be removed stays, for the next to try. Log segments go
 * first, for good, and all else only then: stage and manifest say of a segment that it is no lost part of the database
 * (`recovery/replaced.ts`).
 */
export async function removeLeftovers(fs: FileSystem, directory: string, names: readonly string[]): Promise<void> {
  const isLog = (name: string): boolean => parseFileName(name)?.kind === "log";
  const logs = names.filter(isLog);
  try {
    for (const name of logs) await removeTree(fs, join(directory, name));
    if (logs.length > 0 && logs.length < names.length) await fs.syncDirectory(directory);
  } catch {
    return;
  }
  for (const name of names) {
    if (!isLog(name)) await removeTree(fs, join(directory, name)).catch(() => {});
  }
}
