/**
 * A file system in memory. For a database without a disk (`":memory:"`), and for tests: a simulated disk that loses power
 * at a chosen moment, fills up, or fails at a chosen call.
 *
 * @module
 */
import { ExistsError, IOError, LockedError, NotFoundError } from "../../base/errors.ts";
import type { FileHandle, FileInfo, FileLock, FileSystem, OpenMode } from "../file_system.ts";
import type { DiskFault } from "./disk_faults.ts";
import type { OperationName } from "./disk_operation.ts";
import { checkDiskOptions, type DiskUser, MemoryDisk, type MemoryFileSystemOptions } from "./memory_disk.ts";
import { MemoryContent } from "./memory_content.ts";
import { MemoryFileHandle } from "./memory_file_handle.ts";
import { checkCrashOptions, type CrashOptions, imageAfterCut } from "./memory_image.ts";
import { MemoryDirectory, MemoryFile, type MemoryNode, MemoryVolume } from "./memory_volume.ts";

export { type DiskFault, type DiskFaultKind, randomDiskFault } from "./disk_faults.ts";
export { randomDamage } from "./disk_damage.ts";
export type { Operation, OperationName } from "./disk_operation.ts";
export { type MemoryFileSystemOptions, type PartialAppend, PowerCutError, slowSyncs } from "./memory_disk.ts";
export type { CrashKeep, CrashOptions } from "./memory_image.ts";

/**
 * An empty disk in memory.
 *
 * @example Power goes after the write, before the sync
 * ```ts
 * import { memoryFileSystem } from "./memory_file_system.ts";
 * const disk = memoryFileSystem();
 * const file = await disk.open("/log", "create");
 * await disk.syncDirectory("/");
 * await file.append(new Uint8Array(100));
 * const after = disk.crash({ keep: "none" });
 * (await after.stat("/log"))?.size; // 0
 * ```
 */
export function memoryFileSystem(options: MemoryFileSystemOptions = {}): MemoryFileSystem {
  checkDiskOptions("memoryFileSystem", options);
  return new MemoryFileSystem(new MemoryDisk(options));
}

/**
 * A program's view of a simulated disk. Paths are POSIX paths; the current directory is `/`. There is one user, so that
 * `private` means nothing.
 */
export class MemoryFileSystem implements FileSystem {
  readonly kind = "memory";
  readonly #disk: MemoryDisk;
  readonly #user: DiskUser = { ended: undefined };

  /** A view of `disk`; `memoryFileSystem` makes both. */
  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  // ---- the simulation

  /** How many mutating operations there have been. */
  get operations(): number {
    return this.#disk.operations;
  }

  /** Bytes in files, those without a name but still open included. */
  get usedBytes(): number {
    return this.#disk.usedBytes;
  }

  /** The disk's size; may be changed at any time. */
  get capacityBytes(): number {
    return this.#disk.capacityBytes;
  }
  set capacityBytes(value: number) {
    this.#disk.capacityBytes = value;
  }

  /** Whether there is power: false after `crash`, or once the operation of `cutPowerAt` was reached. */
  get powered(): boolean {
    return this.#disk.powered;
  }

  /** Cuts the power at the mutating operation with this index (see `operations`); it and all later calls fail. */
  cutPowerAt(index: number): void {
    this.#disk.cutAt = index;
  }

  /**
   * Cuts the power, after which every call here fails, and gives what a machine then finds: a new disk without locks and
   * hooks, all of it durable. May be called again for another outcome of the same cut.
   */
  crash(options: CrashOptions = {}, next: MemoryFileSystemOptions = {}): MemoryFileSystem {
    const image = this.fork(options, next);
    this.#disk.powered = false;
    return image;
  }

  /** What `crash` would give now, while this disk goes on: cheap enough to look at after every single operation. */
  fork(options: CrashOptions = {}, next: MemoryFileSystemOptions = {}): MemoryFileSystem {
    const { keep, random } = checkCrashOptions("crash", options);
    checkDiskOptions("crash", next);
    if (keep !== "all" && this.#disk.options.durable === false) {
      throw new TypeError('crash: a disk made with durable: false can only be crashed with keep: "all"');
    }
    if ((keep === "random" || keep === "scattered") && random === undefined) {
      throw new TypeError(`crash: keep "${keep}" needs the option random`);
    }
    const root = imageAfterCut(this.#disk.volume, keep, random ?? (() => 0));
    const disk = new MemoryDisk(
      { capacityBytes: this.#disk.capacityBytes, ...next },
      new MemoryVolume(next.durable ?? true, root),
    );
    disk.usedBytes = bytesOf(root, new Set());
    return new MemoryFileSystem(disk);
  }

  /** Another process on the same disk: it sees the same files and locks, and dies by itself. */
  otherProcess(): MemoryFileSystem {
    return new MemoryFileSystem(this.#disk);
  }

  /** Whether this process was ended. */
  get killed(): boolean {
    return this.#user.ended !== undefined;
  }

  /** Makes calls fail, from all processes that use this disk; the function given back removes the fault. */
  inject(fault: DiskFault): () => void {
    return this.#disk.faults.inject(fault);
  }

  /** Damages a file at rest, durably: `change` gets its bytes and gives those that are found from now on. */
  damage(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const { node } = this.#disk.volume.existing("damage", this.resolve(path));
    if (node.kind !== "file") throw new IOError(`Cannot damage ${path}: it is a directory (EISDIR)`, { path });
    const bytes = new Uint8Array(node.content.size);
    node.content.read(bytes, 0);
    const changed = change(bytes);
    this.#disk.usedBytes += changed.length - node.content.size;
    node.content = new MemoryContent();
    node.content.append(changed);
    node.lost = [];
    node.synced(node.beginSync());
  }

  /** Ends this process as by SIGKILL: its handles and calls fail, its locks are free, what it wrote stays. */
  kill(): void {
    this.#disk.end(this.#user);
  }

  // ---- the file system

  openSync(path: string, mode: OpenMode): FileHandle {
    const resolved = this.resolve(path);
    const call = mode === "create" ? "create" : "open";
    this.#disk.check(this.#user, call, path);
    const { volume } = this.#disk;
    const node = volume.find(resolved);
    if (node?.kind === "directory") {
      if (mode === "create") throw exists("create", path);
      throw new IOError(`Cannot open ${path}: it is not a plain file (EISDIR)`, { path });
    }
    if (mode !== "create" && node !== undefined) {
      return this.#reading("open", path, () => this.#handle(path, node, mode));
    }
    if (mode === "read") volume.existing("open", resolved);
    return this.#mutating("create", path, () => {
      const { directory, name } = volume.vacant(call, resolved);
      const file = new MemoryFile();
      this.#disk.hold(file);
      volume.change({ directory, name, node: file });
      return this.#handle(path, file, mode);
    });
  }

  async open(path: string, mode: OpenMode): Promise<FileHandle> {
    await this.#disk.wait(mode === "create" ? "create" : "open", path);
    return this.openSync(path, mode);
  }

  statSync(path: string): FileInfo | undefined {
    return this.#reading("stat", path, () => {
      const node = this.#disk.volume.find(this.resolve(path));
      if (node === undefined) return undefined;
      return { kind: node.kind, size: node.kind === "file" ? node.content.size : 0 };
    });
  }

  async stat(path: string): Promise<FileInfo | undefined> {
    await this.#disk.wait("stat", path);
    return this.statSync(path);
  }

  async list(path: string): Promise<string[]> {
    await this.#disk.wait("list", path);
    return this.#reading("list", path, () => [...this.#directory("list", path).entries.keys()].sort());
  }

  async makeDirectory(path: string, options: { parents?: boolean } = {}): Promise<void> {
    await this.#disk.wait("makeDirectory", path);
    const { volume } = this.#disk;
    const resolved = this.resolve(path);
    if (options.parents) {
      if (volume.find(resolved)?.kind === "directory") return this.#disk.check(this.#user, "makeDirectory", path);
      const parent = resolved.slice(0, resolved.lastIndexOf("/")) || "/";
      if (volume.find(parent) === undefined) await this.makeDirectory(parent, options);
    }
    this.#mutating("makeDirectory", path, () => {
      const { directory, name } = volume.vacant("make directory", resolved);
      volume.change({ directory, name, node: new MemoryDirectory() });
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#disk.wait("rename", from);
    this.renameSync(from, to);
  }

  renameSync(from: string, to: string): void {
    this.#mutating("rename", from, () => {
      const { volume } = this.#disk;
      const source = volume.existing("rename", this.resolve(from));
      const target = volume.place("rename", this.resolve(to));
      if (target.node === source.node) return;
      if (target.node !== undefined) checkReplaceable(source.node, target.node, from, to);
      if (source.node.kind === "directory" && `${this.resolve(to)}/`.startsWith(`${this.resolve(from)}/`)) {
        throw new IOError(`Cannot rename ${from} to ${to}: it would be inside itself (EINVAL)`, { path: to });
      }
      volume.change(
        { directory: source.directory, name: source.name, node: undefined },
        { directory: target.directory, name: target.name, node: source.node },
      );
      if (target.node?.kind === "file") this.#disk.drop(target.node);
    });
  }

  async link(from: string, to: string): Promise<void> {
    await this.#disk.wait("link", from);
    this.#mutating("link", from, () => {
      const { volume } = this.#disk;
      const { node } = volume.existing("link", this.resolve(from));
      const { directory, name } = volume.vacant("link", this.resolve(to));
      if (node.kind !== "file") {
        throw new IOError(`Cannot link ${from} to ${to}: it is a directory (EPERM)`, { path: from });
      }
      this.#disk.hold(node);
      volume.change({ directory, name, node });
    });
  }

  /** Fails always, as on most disks: where something is in its place, with that. */
  async clone(from: string, to: string): Promise<void> {
    await this.#disk.wait("clone", from);
    this.#reading("clone", from, () => {
      this.#disk.volume.vacant("clone", this.resolve(to));
      throw new IOError(`Cannot clone ${from} to ${to}: the file system cannot do it (ENOTSUP)`, { path: to });
    });
  }

  async remove(path: string): Promise<void> {
    await this.#disk.wait("remove", path);
    this.#mutating("remove", path, () => {
      const { volume } = this.#disk;
      const { directory, name, node } = volume.existing("remove", this.resolve(path));
      if (node.kind !== "file") throw new IOError(`Cannot remove ${path}: it is a directory (EISDIR)`, { path });
      volume.change({ directory, name, node: undefined });
      this.#disk.drop(node);
    });
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#disk.wait("removeDirectory", path);
    this.#mutating("removeDirectory", path, () => {
      const { volume } = this.#disk;
      const { directory, name, node } = volume.existing("remove directory", this.resolve(path));
      if (node.kind !== "directory") throw notDirectory("remove directory", path);
      if (node.entries.size > 0) {
        throw new ExistsError(`Cannot remove directory ${path}: the directory is not empty (ENOTEMPTY)`, { path });
      }
      volume.change({ directory, name, node: undefined });
    });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#disk.wait("syncDirectory", path);
    this.#mutating("syncDirectory", path, () => {
      this.#disk.volume.syncDirectory(this.#directory("sync directory", path));
    });
  }

  async freeSpace(path: string): Promise<number | undefined> {
    await this.#disk.wait("freeSpace", path);
    return this.#reading("freeSpace", path, () => {
      const free = this.#disk.capacityBytes - this.#disk.usedBytes;
      return Number.isFinite(free) ? Math.max(0, free) : undefined;
    });
  }

  async lock(path: string): Promise<FileLock> {
    await this.#disk.wait("lock", path);
    const resolved = this.resolve(path);
    return this.#reading("lock", path, () => {
      const { locks, volume } = this.#disk;
      const holder = locks.get(resolved);
      if (holder !== undefined) {
        const directory = resolved.slice(0, resolved.lastIndexOf("/")) || "/";
        const name = holder === this.#user ? "this process" : "another process";
        throw new LockedError(`Cannot open ${directory}: locked by ${name}; close it or open with readOnly (LOCKED)`, {
          path,
          holder: name,
        });
      }
      const { directory, name, node } = volume.place("lock", resolved);
      if (node === undefined) {
        const file = new MemoryFile();
        this.#disk.hold(file);
        volume.change({ directory, name, node: file });
      }
      locks.set(resolved, this.#user);
      let held = true;
      return {
        release: (): void => {
          if (held && locks.get(resolved) === this.#user) locks.delete(resolved);
          held = false;
        },
      };
    });
  }

  lockedHere(path: string): boolean {
    return this.#disk.locks.get(this.resolve(path)) === this.#user;
  }

  resolve(path: string): string {
    const parts: string[] = [];
    for (const part of path.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    return `/${parts.join("/")}`;
  }

  #handle(path: string, file: MemoryFile, mode: OpenMode): FileHandle {
    return new MemoryFileHandle(this.#disk, this.#user, { path, resolved: this.resolve(path) }, file, mode);
  }

  #directory(call: string, path: string): MemoryDirectory {
    const resolved = this.resolve(path);
    const node = resolved === "/" ? this.#disk.volume.root : this.#disk.volume.existing(call, resolved).node;
    if (node.kind !== "directory") throw notDirectory(call, path);
    return node;
  }

  #reading<T>(name: OperationName, path: string, work: () => T): T {
    return this.#disk.reading(this.#user, name, path, work);
  }

  #mutating<T>(name: OperationName, path: string, work: () => T): T {
    return this.#disk.mutating(this.#user, name, path, work);
  }
}

/** As rename(2): a file over a file, a directory over an empty directory. */
function checkReplaceable(source: MemoryNode, target: MemoryNode, from: string, to: string): void {
  const call = `Cannot rename ${from} to ${to}:`;
  if (target.kind === "directory" && source.kind === "file") {
    throw new IOError(`${call} it is a directory (EISDIR)`, { path: to });
  }
  if (target.kind === "file" && source.kind === "directory") throw notDirectory("rename", to);
  if (target.kind === "directory" && target.entries.size > 0) {
    throw new ExistsError(`${call} the directory is not empty (ENOTEMPTY)`, { path: to });
  }
}

function exists(call: string, path: string): ExistsError {
  return new ExistsError(`Cannot ${call} ${path}: something is already there (EEXIST)`, { path });
}

function notDirectory(call: string, path: string): NotFoundError {
  return new NotFoundError(`Cannot ${call} ${path}: a part of the path is not a directory (ENOTDIR)`, { path });
}

function bytesOf(node: MemoryNode, seen: Set<MemoryNode>): number {
  if (seen.has(node)) return 0;
  seen.add(node);
  if (node.kind === "file") return node.content.size;
  let bytes = 0;
  for (const child of node.entries.values()) bytes += bytesOf(child, seen);
  return bytes;
}
