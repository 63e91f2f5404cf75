/**
 * The files of the operating system, through the `node:fs` that Deno, Bun and Node implement natively.
 *
 * It asks for nothing outside the paths it is given, so that under Deno `--allow-read=DIR --allow-write=DIR` is enough.
 * What that forbids is best effort: free space is unknown, a directory that may not be opened is not synced, and links
 * above DIR stay unresolved.
 *
 * @module
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsync,
  lstatSync,
  openSync,
  promises,
  readdirSync,
  realpathSync,
  renameSync,
  statSync,
} from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import process from "node:process";
import { awaited } from "../base/awaited.ts";
import { isGranted } from "../base/deno_permissions.ts";
import { IOError } from "../base/errors.ts";
import type { FileHandle, FileInfo, FileLock, FileSystem, MakeOptions, OpenMode } from "./file_system.ts";
import { failureCode, nodeError } from "./node_errors.ts";
import { NodeFileHandle } from "./node_file_handle.ts";
import { holdsLock, takeLock } from "./node_lock.ts";

/**
 * Never `O_APPEND`: Linux then ignores the position of a write, and an append after `truncate` must go where this library
 * says. Never `O_TRUNC`: no open may destroy. `O_NONBLOCK` (which systems without pipes among their files lack) because to
 * open a pipe would otherwise wait, with all of the process, for somebody to write to it; it means nothing for a file.
 */
const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY | (constants.O_NONBLOCK ?? 0),
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  append: constants.O_RDWR | constants.O_CREAT,
};

/**
 * Failures to sync a directory that are let pass: the system can't (Windows, some network file systems) or the
 * permissions don't reach it (a parent directory under Deno). The names in it are then as durable as the system makes
 * them by itself.
 */
const UNSYNCABLE: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EINVAL", "EISDIR", "ENOTSUP", "NotCapable"]);

/**
 * A directory that says it is not larger is listed at once, which takes less time than a trip through the thread pool; a
 * larger one off the main thread. On ext4 it stands for 2,000 names and a millisecond. Windows says nothing of the kind.
 */
const SMALL_DIRECTORY_BYTES = 64 * 1024;

/** The rights of what is made; the process's umask takes from them. */
const FILE_RIGHTS = 0o666;
const FILE_RIGHTS_PRIVATE = 0o600;
const DIRECTORY_RIGHTS = 0o777;
const DIRECTORY_RIGHTS_PRIVATE = 0o700;

/** Deno's `copyFile` ignores "clone or fail" and copies, which would break the promise of `clone`. */
const CLONES = !("Deno" in globalThis);

/** The file system of the machine. It keeps no state: one is as good as another. */
export function nodeFileSystem(): FileSystem {
  return new NodeFileSystem();
}

/** Whether a link is there, wherever it leads. */
function isLink(path: string): boolean {
  // With a slash at its end it would be followed.
  return lstatSync(path.replace(/\/+$/, ""), { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

class NodeFileSystem implements FileSystem {
  readonly kind = "node";

  openSync(path: string, mode: OpenMode, options: MakeOptions = {}): FileHandle {
    let descriptor: number;
    try {
      descriptor = openSync(path, FLAGS[mode], options.private ? FILE_RIGHTS_PRIVATE : FILE_RIGHTS);
    } catch (error) {
      throw nodeError(mode === "create" ? "create" : "open", path, error);
    }
    try {
      const info = fstatSync(descriptor);
      if (!info.isFile()) throw new IOError(`Cannot open ${path}: it is not a plain file (EISDIR)`, { path });
      return new NodeFileHandle(path, descriptor, info.size);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  // Opening takes microseconds and is rare beside reads and writes; going through the thread pool would cost more.
  // deno-lint-ignore require-await
  async open(path: string, mode: OpenMode, options?: MakeOptions): Promise<FileHandle> {
    return this.openSync(path, mode, options);
  }

  statSync(path: string): FileInfo | undefined {
    try {
      const info = statSync(path);
      const kind = info.isFile() ? "file" : info.isDirectory() ? "directory" : "other";
      return { kind, size: kind === "file" ? info.size : 0 };
    } catch (error) {
      const code = failureCode(error);
      if (code === "ENOENT") return isLink(path) ? { kind: "link", size: 0 } : undefined;
      if (code === "ENOTDIR") return undefined;
      throw nodeError("look at", path, error);
    }
  }

  // deno-lint-ignore require-await
  async stat(path: string): Promise<FileInfo | undefined> {
    return this.statSync(path);
  }

  async list(path: string): Promise<string[]> {
    return (isSmallDirectory(path) ? listAtOnce(path) : await attempt("list", path, promises.readdir(path))).sort();
  }

  async makeDirectory(path: string, options: MakeOptions & { parents?: boolean } = {}): Promise<void> {
    const mode = options.private ? DIRECTORY_RIGHTS_PRIVATE : DIRECTORY_RIGHTS;
    await attempt("make directory", path, options.parents ? makeParents(path, mode) : promises.mkdir(path, { mode }));
  }

  async rename(from: string, to: string): Promise<void> {
    await attempt("rename", `${from} to ${to}`, promises.rename(from, to));
  }

  renameSync(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      throw nodeError("rename", `${from} to ${to}`, error);
    }
  }

  async link(from: string, to: string): Promise<void> {
    await attempt("link", `${from} to ${to}`, promises.link(from, to));
  }

  async clone(from: string, to: string): Promise<void> {
    if (!CLONES) {
      throw new IOError(`Cannot clone ${from} to ${to}: this runtime cannot (ENOTSUP)`, { path: to });
    }
    const mode = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE;
    await attempt("clone", `${from} to ${to}`, promises.copyFile(from, to, mode));
  }

  async remove(path: string): Promise<void> {
    try {
      // Deno's unlink also removes an empty directory, and macOS lets root unlink any.
      if (lstatSync(path).isDirectory()) {
        throw new IOError(`Cannot remove ${path}: it is a directory (EISDIR)`, { path });
      }
    } catch (error) {
      throw error instanceof IOError ? error : nodeError("remove", path, error);
    }
    await attempt("remove", path, promises.unlink(path));
  }

  async removeDirectory(path: string): Promise<void> {
    await attempt("remove directory", path, promises.rmdir(path));
  }

  async syncDirectory(path: string): Promise<void> {
    try {
      const directory = openSync(path, constants.O_RDONLY);
      try {
        await awaited<void>((callback) => fsync(directory, callback));
      } finally {
        closeSync(directory);
      }
    } catch (error) {
      if (!UNSYNCABLE.has(failureCode(error))) throw nodeError("sync directory", path, error);
    }
  }

  async freeSpace(path: string): Promise<number | undefined> {
    try {
      if (!isGranted({ name: "sys", kind: "statfs" })) return undefined;
      const info = await promises.statfs(path);
      return info.bavail * info.bsize;
    } catch {
      // Refused, not known here, or the directory isn't there yet: in each case nobody can tell.
      return undefined;
    }
  }

  lock(path: string): Promise<FileLock> {
    return takeLock(path, this.resolve(path));
  }

  lockedHere(path: string): boolean {
    return holdsLock(this.resolve(path));
  }

  resolve(path: string): string {
    const absolute = isAbsolute(path) ? resolve(path) : resolve(workingDirectory(path), path);
    let existing = absolute;
    let rest = "";
    while (true) {
      try {
        const real = realpathSync(existing);
        // A link may lead to where no text does: then its own path is the one to use.
        if (!isMisread(real) || isSamePlace(existing, real)) return join(real, rest);
        return join(existing, rest);
      } catch {
        // Missing, or out of bounds for this runtime's permissions: then its parent may still be known.
        const parent = dirname(existing);
        if (parent === existing) return absolute;
        rest = join(existing.slice(parent.length), rest);
        existing = parent;
      }
    }
  }
}

/**
 * Where relative paths begin. Of a directory whose name is not UTF-8, Node and Bun give one with U+FFFD in it, which leads
 * elsewhere: what is written to "./data" would lie there, with that of all directories that are misread the same way.
 */
function workingDirectory(path: string): string {
  let here: string;
  try {
    here = process.cwd();
  } catch (error) {
    // It was removed, or Deno refuses its name or to read it.
    const why = error instanceof Error ? error.message : String(error);
    throw new IOError(`Cannot use ${path}: the working directory is not known: ${why}; work from another one (IO)`, {
      path,
      cause: error,
    });
  }
  if (!isMisread(here) || isSamePlace(".", here)) return here;
  throw new IOError(
    `Cannot use ${path}: the name of the working directory, ${here}, is not UTF-8, so that no path leads into it; ` +
      "rename it, or give a path that leads into it through a link (IO)",
    { path },
  );
}

/** Whether there may have been other bytes in place of some text. */
function isMisread(text: string): boolean {
  return text.includes("\ufffd");
}

function isSamePlace(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one, { bigint: true }), statSync(other, { bigint: true })];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false; // One of them is not there.
  }
}

/**
 * Makes a directory and those above it. Where the system refuses for a reason that Node does not expect there, as on a disk
 * that is read-only, Node says that nothing is there; asked for one directory alone, it says what the system said.
 */
async function makeParents(path: string, mode: number): Promise<void> {
  try {
    await promises.mkdir(path, { recursive: true, mode });
  } catch (error) {
    if (failureCode(error) !== "ENOENT") throw error;
    let missing = path;
    while (dirname(missing) !== missing && !existsSync(dirname(missing))) missing = dirname(missing);
    const reason = await promises.mkdir(missing, { mode }).then(() => undefined, (refused: unknown) => refused);
    throw reason === undefined || failureCode(reason) === "EEXIST" ? error : reason;
  }
}

/** False where it can't be told. */
function isSmallDirectory(path: string): boolean {
  if (process.platform === "win32") return false;
  try {
    return statSync(path).size <= SMALL_DIRECTORY_BYTES;
  } catch {
    return false;
  }
}

function listAtOnce(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    throw nodeError("list", path, error);
  }
}

async function attempt<T>(call: string, path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw nodeError(call, path, error);
  }
}
