/**
 * An open file of the operating system.
 *
 * Invariants:
 *
 * 1. Every read and write names its position (pread, pwrite): the descriptor has no position of its own, so that reads
 *    and an append may run at once.
 * 2. `#end` is where the next append goes. A failed append moves it behind what did reach the file. Zeros up to `#filled`
 *    may stand behind it.
 * 3. The descriptor is closed exactly once and only when no call is under way on it: the system gives the number to the
 *    next file opened, and a late write would land in that one.
 *
 * @module
 */
import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncate,
  read as readDescriptor,
  readSync,
  statSync,
  write as writeDescriptor,
  writeSync,
} from "node:fs";
import { awaited } from "../base/awaited.ts";
import { ClosedError, HoldfastError, IOError } from "../base/errors.ts";
import type { FileHandle } from "./file_system.ts";
import { nodeError } from "./node_errors.ts";

/** One call moves at most this much: the system's own limit is just below 2 GiB. */
const CALL_BYTES_MAX = 2 ** 30;

const ZEROS = new Uint8Array(64 * 1024);

/** A `FileHandle` over a descriptor of the operating system. */
export class NodeFileHandle implements FileHandle {
  readonly path: string;
  readonly #descriptor: number;
  #identity: { dev: number; ino: number; mtimeMs: number } | undefined;
  #end: number;
  #filled = 0;
  #closed = false;
  #pending = 0;
  #onIdle: (() => void) | undefined;

  /** Takes over `descriptor`, which was opened for `path`. */
  constructor(path: string, descriptor: number, size: number) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#end = size;
  }

  readAtSync(into: Uint8Array, position: number): number {
    this.#check("read");
    let done = 0;
    while (done < into.length) {
      const length = Math.min(into.length - done, CALL_BYTES_MAX);
      const count = this.#run("read", () => readSync(this.#descriptor, into, done, length, position + done));
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readAt(into: Uint8Array, position: number): Promise<number> {
    return this.#during("read", async () => {
      let done = 0;
      while (done < into.length) {
        const length = Math.min(into.length - done, CALL_BYTES_MAX);
        const count = await awaited<number>((callback) =>
          readDescriptor(this.#descriptor, into, done, length, position + done, callback)
        );
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  appendSync(bytes: Uint8Array): void {
    this.#check("write");
    let done = 0;
    while (done < bytes.length) {
      const length = Math.min(bytes.length - done, CALL_BYTES_MAX);
      const count = this.#run("write", () => writeSync(this.#descriptor, bytes, done, length, this.#end));
      done += this.#wrote(count);
    }
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#during("write", async () => {
      let done = 0;
      while (done < bytes.length) {
        const length = Math.min(bytes.length - done, CALL_BYTES_MAX);
        const count = await awaited<number>((callback) =>
          writeDescriptor(this.#descriptor, bytes, done, length, this.#end, callback)
        );
        done += this.#wrote(count);
      }
    });
  }

  fillSync(size: number): void {
    this.#check("write");
    for (let at = Math.max(this.#end, this.#filled); at < size; at = this.#filled) {
      const length = Math.min(size - at, ZEROS.length);
      this.#filled = at +
        nonZero(this.path, this.#run("write", () => writeSync(this.#descriptor, ZEROS, 0, length, at)));
    }
  }

  /** Counts what one call wrote. */
  #wrote(count: number): number {
    this.#end += nonZero(this.path, count);
    return count;
  }

  syncSync(): void {
    this.#check("sync");
    this.#run("sync", () => fdatasyncSync(this.#descriptor));
  }

  sync(): Promise<void> {
    return this.#during("sync", () => awaited<void>((callback) => fdatasync(this.#descriptor, callback)));
  }

  sizeSync(): number {
    this.#check("measure");
    return this.#run("measure", () => fstatSync(this.#descriptor).size);
  }

  isInPlaceSync(): boolean {
    this.#check("find");
    return this.#run("find", () => {
      // On a network file system its number may be another's by now, although it is open here.
      const { dev, ino, mtimeMs } = this.#identity ??= fstatSync(this.#descriptor);
      const there = statSync(this.path, { throwIfNoEntry: false });
      return there?.ino === ino && there.dev === dev && there.mtimeMs === mtimeMs;
    });
  }

  truncate(size: number): Promise<void> {
    return this.#during("truncate", async () => {
      await awaited<void>((callback) => ftruncate(this.#descriptor, size, callback));
      this.#end = size;
      this.#filled = 0;
    });
  }

  closeSync(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Invariant 3: with calls under way the last of them closes.
    if (this.#pending === 0) this.#run("close", () => closeSync(this.#descriptor));
    else this.#onIdle = () => close(this.#descriptor, () => {});
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    try {
      await awaited<void>((callback) => close(this.#descriptor, callback));
    } catch (error) {
      throw nodeError("close", this.path, error);
    }
  }

  #check(call: string): void {
    if (!this.#closed) return;
    throw new ClosedError(`Cannot ${call} ${this.path}: the file is closed (CLOSED)`, { path: this.path });
  }

  #run<T>(call: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw nodeError(call, this.path, error);
    }
  }

  async #during<T>(call: string, work: () => Promise<T>): Promise<T> {
    this.#check(call);
    this.#pending++;
    try {
      return await work();
    } catch (error) {
      throw error instanceof HoldfastError ? error : nodeError(call, this.path, error);
    } finally {
      if (--this.#pending === 0) this.#onIdle?.();
    }
  }
}

/** A short write is fine, one of nothing would repeat for ever. */
function nonZero(path: string, count: number): number {
  if (count > 0) return count;
  throw new IOError(`Cannot write ${path}: the system wrote nothing (IO)`, { path });
}
