/**
 * Where an export, a backup or a restore goes: checked before anything is read, each obstacle an error of its own.
 *
 * @module
 */
import { ExistsError, NoSpaceError, NotFoundError, PermissionError } from "../base/errors.ts";
import { pathOf, schemeOf } from "../base/options.ts";
import { isOurs, MARKER_NAME } from "../engine/file_names.ts";
import { formerDatabase, namesOfPublication } from "../engine/recovery/replaced.ts";
import type { FileSystem } from "../files/file_system.ts";
import { inWords } from "../files/kinds.ts";
import { basename, dirname, join } from "../files/paths.ts";

/** Object stores by their scheme, and where their clients are. */
const STORES: Record<string, string> = { s3: "s3", gs: "gcs", gcs: "gcs", az: "azure", azure: "azure", abfss: "azure" };

/**
 * The path that a destination or source names; a string with the scheme of an object store is a `TypeError`, and so is the
 * name of a database in memory: it would be a directory of that name.
 */
export function localPath(call: string, path: string | URL): string {
  if (path === ":memory:") {
    throw new TypeError(
      `${call}: ":memory:" is no path; a database in memory is copied and restored while it is open`,
    );
  }
  const text = path instanceof URL ? path.href : path;
  const scheme = schemeOf(text) ?? "";
  const store = STORES[scheme];
  if (store === undefined) return pathOf(call, path);
  throw new TypeError(
    `${call}: ${scheme}:// needs a client: import { ${store} } from "@holdfast/db/${store}" and pass ${store}("${text}")`,
  );
}

/** What is at a directory destination now. */
export type DirectoryState = "missing" | "empty" | "database";

/** Checks a directory destination. `source`: the open database's own directory, which must not hold it. */
export async function checkDirectory(
  call: string,
  fs: FileSystem,
  path: string,
  options: { overwrite: boolean; source?: string | undefined },
): Promise<DirectoryState> {
  const resolved = fs.resolve(path);
  if (options.source !== undefined && isWithin(resolved, fs.resolve(options.source))) {
    throw new TypeError(
      `${call}: the destination ${path} is the database's own directory or inside it; choose another`,
    );
  }
  const info = await fs.stat(path);
  if (info === undefined) {
    await checkParent(call, fs, path);
    return "missing";
  }
  if (info.kind !== "directory") {
    throw new ExistsError(`Cannot write ${path}: ${inWords(info)} is in its place; choose another path (EXISTS)`, {
      path,
    });
  }
  const names = (await fs.list(path)).filter((name) => !name.startsWith(".stage-"));
  const foreign = names.find((name) => !isOurs(name));
  if (foreign === undefined && !names.includes(MARKER_NAME)) {
    const former = await formerDatabase(fs, path);
    if (former !== undefined) {
      if (options.overwrite) return "empty";
      throw new ExistsError(
        `Cannot write ${path}: a database is there, in ${former}, which was being replaced; ` +
          `pass overwrite: true to replace it (EXISTS)`,
        { path },
      );
    }
    const leftBehind = await namesOfPublication(fs, path);
    if (names.every((name) => leftBehind.has(name))) return "empty";
  }
  if (!names.includes(MARKER_NAME) || foreign !== undefined) {
    throw new ExistsError(
      `Cannot write ${path}: the directory is not empty (${foreign ?? names[0]}); choose another, or empty it (EXISTS)`,
      { path },
    );
  }
  if (!options.overwrite) {
    throw new ExistsError(`Cannot write ${path}: a database is there; pass overwrite: true to replace it (EXISTS)`, {
      path,
    });
  }
  return "database";
}

/** Checks a file destination; `source` as above. */
export async function checkFile(
  call: string,
  fs: FileSystem,
  path: string,
  options: { overwrite: boolean; source?: string | undefined },
): Promise<void> {
  if (options.source !== undefined && isWithin(fs.resolve(path), fs.resolve(options.source))) {
    throw new TypeError(`${call}: the destination ${path} is inside the database's own directory; choose another`);
  }
  const info = await fs.stat(path);
  if (info === undefined) return await checkParent(call, fs, path);
  if (info.kind !== "file" && !(info.kind === "link" && options.overwrite)) {
    throw new ExistsError(`Cannot write ${path}: ${inWords(info)} is in its place; choose another path (EXISTS)`, {
      path,
    });
  }
  if (!options.overwrite) {
    throw new ExistsError(`Cannot write ${path}: the file exists; pass overwrite: true to replace it (EXISTS)`, {
      path,
    });
  }
}

async function checkParent(call: string, fs: FileSystem, path: string): Promise<void> {
  const parent = dirname(fs.resolve(path));
  let info;
  try {
    info = await fs.stat(parent);
  } catch (error) {
    // Narrow permissions may cover the destination and not its parent: then the attempt itself will tell.
    if (error instanceof PermissionError) return;
    throw error;
  }
  if (info === undefined) {
    throw new NotFoundError(
      `Cannot write ${path}: its parent directory ${parent} is missing; make it first (NOT_FOUND)`,
      {
        path: parent,
      },
    );
  }
  if (info.kind !== "directory") {
    throw new NotFoundError(`Cannot write ${path}: ${parent} is not a directory; ${call} needs one (NOT_FOUND)`, {
      path: parent,
    });
  }
}

/** Refuses when less than `needed` bytes are free at `path` (which need not be there yet), where that can be asked. */
export async function checkSpace(fs: FileSystem, path: string, needed: number): Promise<void> {
  let free: number | undefined;
  try {
    const there = await fs.stat(path) !== undefined;
    free = await fs.freeSpace(there ? path : dirname(fs.resolve(path)));
  } catch {
    return;
  }
  if (free === undefined || free >= needed) return;
  throw new NoSpaceError(
    `Cannot write ${path}: ${needed} bytes are needed and ${free} are free; make room or choose another disk (NO_SPACE)`,
    { path },
  );
}

/** Runs the first write to a destination; a refusal of the system names the destination. */
export async function firstWrite<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    if (!(cause instanceof PermissionError)) throw cause;
    throw new PermissionError(
      `Cannot write ${path}: not writable for this user or runtime; change its rights or choose another path (PERMISSION)`,
      { path, cause },
    );
  }
}

/** Whether a destination of `backup` names a repository: an existing directory, a trailing slash, or no extension. */
export async function meansRepository(fs: FileSystem, path: string): Promise<boolean> {
  if (/[/\\]$/.test(path) || !/[^.]\.[^.]+$/.test(basename(path))) return true;
  return (await fs.stat(path))?.kind === "directory";
}

/** Whether `path` is `directory` or inside it; both resolved. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(join(directory, "/"));
}
