/**
 * A scratch directory for a drill, made and removed again: by the next drill there, where the process was killed that had it. A
 * lock that the system drops with the process tells.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import process from "node:process";
import { localPath } from "../../backup/mod.ts";
import { toHex } from "../../base/bytes.ts";
import { isGranted } from "../../base/deno_permissions.ts";
import { HoldfastError, NotFoundError, PermissionError } from "../../base/errors.ts";
import { LOCK_NAME } from "../../engine/file_names.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { fixedPath, join } from "../../files/paths.ts";
import { removeTree } from "../../files/publish.ts";

const PREFIX = "holdfast-drill-";

/** Runs `work` in a new directory inside `given`, or inside the system's place for temporary files. */
export async function drillIn<T>(
  call: string,
  given: string | URL | undefined,
  fs: FileSystem,
  work: (fs: FileSystem, directory: string) => Promise<T>,
): Promise<T> {
  const parent = given === undefined ? temporary(call) : fixedPath(fs, localPath(`${call}: option "directory"`, given));
  if ((await fs.stat(parent))?.kind !== "directory") {
    // Nobody who gave none knows where a path comes from that is in no line of theirs.
    const [which, remedy] = given === undefined
      ? [`, the place for temporary files${namedBy(parent)}`, 'make it, or pass option "directory"']
      : ["", "make it first"];
    throw new NotFoundError(`Cannot drill in ${parent}${which}: there is no such directory; ${remedy} (NOT_FOUND)`, {
      path: parent,
    });
  }
  await removeLeft(fs, parent);
  const directory = join(parent, `${PREFIX}${toHex(randomBytes(6))}`);
  await fs.makeDirectory(directory, { private: true });
  try {
    const lock = await fs.lock(join(directory, LOCK_NAME));
    try {
      return await work(fs, directory);
    } finally {
      lock.release();
    }
  } finally {
    await removeTree(fs, directory).catch(() => {}); // The first failure is the one to tell.
  }
}

/** Removes what is left of drills whose process was killed: it may be as large as the database. */
async function removeLeft(fs: FileSystem, parent: string): Promise<void> {
  // Who may not look makes a directory all the same.
  for (const name of await fs.list(parent).catch((): string[] => [])) {
    const directory = join(parent, name);
    const lock = join(directory, LOCK_NAME);
    try {
      // A link is nothing of ours; and without a lock a drill is just beginning there, or was one of an earlier release.
      const isOurs = name.startsWith(PREFIX) && fs.resolve(directory) === join(fs.resolve(parent), name);
      if (!isOurs || await fs.stat(lock) === undefined) continue;
      (await fs.lock(lock)).release();
      await removeTree(fs, directory);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error; // It is in use, or another user's.
    }
  }
}

/**
 * The system's place for temporary files. Under Deno a variable that may not be read counts as not set, and nobody is asked
 * for it, nor for the place itself.
 */
function temporary(call: string): string {
  if (VARIABLES.every((variable) => isGranted({ name: "env", variable }))) return tmpdir();
  const known = VARIABLES.filter((variable) => isGranted({ name: "env", variable }));
  const path = known.map((variable) => process.env[variable]).find(Boolean) ?? UNSET;
  if (isGranted({ name: "read", path }) && isGranted({ name: "write", path })) return path;
  throw new PermissionError(
    `Cannot ${call}: the place for temporary files is out of bounds here; pass option "directory" (PERMISSION)`,
    { path },
  );
}

/** ` by TMPDIR`, where a variable says so; the system's own place has none. */
function namedBy(path: string): string {
  const variable = VARIABLES.find((each) => {
    const value = isGranted({ name: "env", variable: each }) ? process.env[each] : undefined;
    // The runtimes leave a slash at the end out.
    return value !== undefined && (value === path || value === `${path}/`);
  });
  return variable === undefined ? "" : ` by ${variable}`;
}

/** What names that place, the first that is set. */
const VARIABLES = ["TMPDIR", "TMP", "TEMP"];
/** Where it is when none is. */
const UNSET = process.platform === "win32" ? "C:\\Windows\\Temp" : "/tmp";
