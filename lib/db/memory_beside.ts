/**
 * The file system of a database opened as `":memory:"`: its own files are in memory, and every other path is on the
 * system's disk, so that it exports to, backs up to and restores from real files.
 *
 * @module
 */
import { IOError, NotFoundError } from "../base/errors.ts";
import type { FileHandle, FileInfo, FileLock, FileSystem, MakeOptions, OpenMode } from "../files/file_system.ts";

/** Where the files in memory appear to be. */
const MEMORY_ROOT = "/:memory:";

/** The directory of such a database. */
export const MEMORY_DIRECTORY: string = `${MEMORY_ROOT}/data`;

/** Refuses to open one that would have to be there: each begins empty. */
export function assertNew({ readOnly, createIfMissing }: { readOnly: boolean; createIfMissing: boolean }): void {
  if (!readOnly && createIfMissing) return;
  const option = readOnly ? "readOnly" : "createIfMissing: false";
  throw new NotFoundError(
    `Cannot open ":memory:" with ${option}: a database in memory is always a new one (NOT_FOUND)`,
  );
}

/** Sends each path to the file system it belongs to. */
class MemoryBeside implements FileSystem {
  readonly kind = "memory";
  readonly #memory: FileSystem;
  readonly #disk: FileSystem;

  /** What is below `/:memory:` is in `memory`, all else on `disk`. */
  constructor(memory: FileSystem, disk: FileSystem) {
    this.#memory = memory;
    this.#disk = disk;
  }

  #of(path: string): FileSystem {
    return path === MEMORY_ROOT || path.startsWith(`${MEMORY_ROOT}/`) ? this.#memory : this.#disk;
  }

  /** Both paths' file system; what would have to cross from one to the other fails, and is copied instead. */
  #ofBoth(call: string, from: string, to: string): FileSystem {
    const found = this.#of(from);
    if (found === this.#of(to)) return found;
    throw new IOError(`Cannot ${call} ${from} to ${to}: one is in memory, the other on disk; copy it (IO)`, {
      path: to,
    });
  }

  open(path: string, mode: OpenMode, options?: MakeOptions): Promise<FileHandle> {
    return this.#of(path).open(path, mode, options);
  }
  openSync(path: string, mode: OpenMode, options?: MakeOptions): FileHandle {
    return this.#of(path).openSync(path, mode, options);
  }
  stat(path: string): Promise<FileInfo | undefined> {
    return this.#of(path).stat(path);
  }
  statSync(path: string): FileInfo | undefined {
    return this.#of(path).statSync(path);
  }
  list(path: string): Promise<string[]> {
    return this.#of(path).list(path);
  }
  makeDirectory(path: string, options?: MakeOptions & { parents?: boolean }): Promise<void> {
    return this.#of(path).makeDirectory(path, options);
  }
  async rename(from: string, to: string): Promise<void> {
    await this.#ofBoth("rename", from, to).rename(from, to);
  }
  async link(from: string, to: string): Promise<void> {
    await this.#ofBoth("link", from, to).link(from, to);
  }
  async clone(from: string, to: string): Promise<void> {
    await this.#ofBoth("clone", from, to).clone(from, to);
  }
  remove(path: string): Promise<void> {
    return this.#of(path).remove(path);
  }
  removeDirectory(path: string): Promise<void> {
    return this.#of(path).removeDirectory(path);
  }
  syncDirectory(path: string): Promise<void> {
    return this.#of(path).syncDirectory(path);
  }
  freeSpace(path: string): Promise<number | undefined> {
    return this.#of(path).freeSpace(path);
  }
  lock(path: string): Promise<FileLock> {
    return this.#of(path).lock(path);
  }
  lockedHere(path: string): boolean {
    return this.#of(path).lockedHere(path);
  }
  resolve(path: string): string {
    return this.#of(path).resolve(path);
  }
}

/** Files in memory beside those on a disk. */
export async function memoryBeside(disk: FileSystem): Promise<FileSystem> {
  const { memoryFileSystem } = await import("../files/memory/memory_file_system.ts");
  const memory = memoryFileSystem();
  // Whoever makes a directory syncs those above it, and one of them is the disk's.
  await memory.makeDirectory(MEMORY_DIRECTORY, { parents: true });
  return new MemoryBeside(memory, disk);
}
