/**
 * What is at a path before a database is opened there: a pure decision over what the directory holds.
 *
 * @module
 */
import { CorruptionError, ExistsError, NotFoundError, PermissionError } from "../../base/errors.ts";
import type { FileInfo, FileSystem } from "../../files/file_system.ts";
import { inWords } from "../../files/kinds.ts";
import { join } from "../../files/paths.ts";
import { FORMER_SUFFIX, isOurs, MARKER_NAME, parseFileName, STAGE_PREFIX } from "../file_names.ts";

/** What was found: a database, room for a new one, or nothing at all. */
export type Place = "database" | "empty" | "missing";

/**
 * Says what a directory with these names is. Names of ours without the marker are damage, unless none of them can hold
 * data: then the making of a database was interrupted before it was published.
 */
export function classifyDirectory(path: string, names: readonly string[]): Place {
  if (names.includes(MARKER_NAME)) return "database";
  const former = names.find((name) => name.startsWith(STAGE_PREFIX) && name.endsWith(FORMER_SUFFIX));
  if (former !== undefined) {
    throw new CorruptionError(
      join(path, MARKER_NAME),
      0,
      `it is missing: this database was being replaced, and lies in ${former} as it was`,
    );
  }
  if (names.includes("repository.json")) {
    throw new ExistsError(
      `Cannot open ${path}: it is a backup repository; open it with BackupRepository.open, or restore from it (EXISTS)`,
      { path },
    );
  }
  const foreign = names.find((name) => !isOurs(name));
  if (foreign !== undefined) {
    throw new ExistsError(
      `Cannot open ${path}: the directory holds other files (${foreign}) and no database; check the path, or make one in an ` +
        "empty directory (EXISTS)",
      { path },
    );
  }
  const data = names.find((name) => {
    const kind = parseFileName(name)?.kind;
    return kind !== undefined && kind !== "manifest";
  });
  if (data !== undefined) {
    throw new CorruptionError(join(path, MARKER_NAME), 0, `it is missing beside ${data}`);
  }
  return "empty";
}

/** Looks at a path. A plain file there is `ExistsError`, one above it `NotFoundError`. */
export async function lookAt(fs: FileSystem, path: string): Promise<Place> {
  const info = await fs.stat(path);
  if (info === undefined) {
    for (let above = join(path, ".."); above !== join(above, ".."); above = join(above, "..")) {
      const kind = await kindOf(fs, above);
      if (kind === "directory") break;
      if (kind !== undefined) {
        throw new NotFoundError(`Cannot open ${path}: ${above} is not a directory (NOT_FOUND)`, { path });
      }
    }
    return "missing";
  }
  if (info.kind !== "directory") {
    throw new ExistsError(
      `Cannot open ${path}: it is ${inWords(info)}, and a database is a directory; choose another path (EXISTS)`,
      { path },
    );
  }
  return classifyDirectory(path, await fs.list(path));
}

/** What is at a path; what this runtime may not even look at counts as a directory: making the path will tell. */
async function kindOf(fs: FileSystem, path: string): Promise<FileInfo["kind"] | undefined> {
  try {
    return (await fs.stat(path))?.kind;
  } catch (error) {
    if (error instanceof PermissionError) return "directory";
    throw error;
  }
}
