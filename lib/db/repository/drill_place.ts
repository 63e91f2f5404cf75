/**
 * A scratch directory for a drill, made and removed again.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { localPath } from "../../backup/mod.ts";
import { toHex } from "../../base/bytes.ts";
import { NotFoundError, PermissionError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { fixedPath, join } from "../../files/paths.ts";
import { removeTree } from "../../files/publish.ts";

/** Runs `work` in a new directory inside `given`, or inside the system's place for temporary files. */
export async function drillIn<T>(
  call: string,
  given: string | URL | undefined,
  fs: FileSystem,
  work: (fs: FileSystem, directory: string) => Promise<T>,
): Promise<T> {
  const parent = given === undefined ? temporary(call) : fixedPath(fs, localPath(call, given));
  if ((await fs.stat(parent))?.kind !== "directory") {
    throw new NotFoundError(`Cannot drill in ${parent}: there is no such directory; make it first (NOT_FOUND)`, {
      path: parent,
    });
  }
  const directory = join(parent, `holdfast-drill-${toHex(randomBytes(6))}`);
  await fs.makeDirectory(directory, { private: true });
  try {
    return await work(fs, directory);
  } finally {
    await removeTree(fs, directory).catch(() => {}); // The first failure is the one to tell.
  }
}

/** The system's place for temporary files, where the permissions let that be asked. */
function temporary(call: string): string {
  try {
    return tmpdir();
  } catch (cause) {
    throw new PermissionError(
      `Cannot ${call}: the place for temporary files can't be asked for here; pass option "directory" (PERMISSION)`,
      { cause },
    );
  }
}
