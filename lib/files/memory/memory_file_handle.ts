/**
 * An open file of a simulated disk.
 *
 * @module
 */
import { ClosedError, IOError } from "../../base/errors.ts";
import type { FileHandle, OpenMode } from "../file_system.ts";
import type { OperationName } from "./disk_operation.ts";
import type { DiskUser, MemoryDisk } from "./memory_disk.ts";
import type { MemoryFile, SyncUnderWay } from "./memory_volume.ts";

/** A `FileHandle` over a file in memory. Closing works in every state, so that cleaning up after a power cut is quiet. */
export class MemoryFileHandle implements FileHandle {
  readonly path: string;
  readonly #disk: MemoryDisk;
  readonly #user: DiskUser;
  readonly #file: MemoryFile;
  readonly #writable: boolean;
  readonly #resolved: string;
  #closed = false;

  /**
   * A handle of `user`, opened with `path`, which is the absolute `resolved`; keeps the file's bytes until closed, whatever
   * becomes of its names.
   */
  constructor(
    disk: MemoryDisk,
    user: DiskUser,
    { path, resolved }: { path: string; resolved: string },
    file: MemoryFile,
    mode: OpenMode,
  ) {
    this.path = path;
    this.#disk = disk;
    this.#user = user;
    this.#file = file;
    this.#resolved = resolved;
    this.#writable = mode !== "read";
    // What stands behind the end is known to the handle that put it there.
    if (mode === "append") file.ahead = 0;
    disk.hold(file);
  }

  readAtSync(into: Uint8Array, position: number): number {
    this.#check("read");
    return this.#disk.reading(this.#user, "read", this.path, () => this.#file.content.read(into, position));
  }

  async readAt(into: Uint8Array, position: number): Promise<number> {
    this.#check("read");
    await this.#disk.wait("read", this.path);
    return this.readAtSync(into, position);
  }

  appendSync(bytes: Uint8Array): void {
    this.#checkWritable("append");
    this.#disk.append(this.#user, this.path, this.#file, bytes);
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#checkWritable("append");
    await this.#disk.wait("append", this.path);
    this.appendSync(bytes);
  }

  fillSync(size: number): void {
    this.#checkWritable("fill");
    this.#disk.fill(this.#user, this.path, this.#file, size);
  }

  syncSync(): void {
    this.#check("sync");
    const sync = this.#file.beginSync();
    try {
      this.#sync(sync);
    } finally {
      this.#file.endSync(sync);
    }
  }

  async sync(): Promise<void> {
    this.#check("sync");
    const sync = this.#file.beginSync();
    try {
      await this.#disk.wait("sync", this.path);
      this.#check("sync");
      this.#sync(sync);
    } finally {
      this.#file.endSync(sync);
    }
  }

  #sync(sync: SyncUnderWay): void {
    const file = this.#file;
    this.#disk.mutating(this.#user, "sync", this.path, () => file.synced(sync), () => file.syncFailed());
  }

  sizeSync(): number {
    this.#check("size");
    return this.#disk.reading(this.#user, "size", this.path, () => this.#file.content.size);
  }

  isInPlaceSync(): boolean {
    return this.#disk.volume.find(this.#resolved) === this.#file;
  }

  async truncate(size: number): Promise<void> {
    this.#checkWritable("truncate");
    await this.#disk.wait("truncate", this.path);
    this.#checkWritable("truncate");
    this.#disk.mutating(this.#user, "truncate", this.path, () => {
      this.#disk.usedBytes += size - this.#file.content.size;
      this.#file.truncate(size);
    });
  }

  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#disk.drop(this.#file);
  }

  // deno-lint-ignore require-await
  async close(): Promise<void> {
    this.closeSync();
  }

  #check(call: OperationName): void {
    if (!this.#closed) return;
    throw new ClosedError(`Cannot ${call} ${this.path}: the file is closed (CLOSED)`, { path: this.path });
  }

  #checkWritable(call: OperationName): void {
    this.#check(call);
    if (this.#writable) return;
    throw new IOError(`Cannot ${call} ${this.path}: the file is not open for this (EBADF)`, { path: this.path });
  }
}
