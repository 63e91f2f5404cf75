/**
 * A simulated disk and the one gate that every call on it passes: counted, delayed, made to fail, or cut off there.
 *
 * @module
 */
import { keepNames } from "../../base/class_names.ts";
import { IOError, NoSpaceError } from "../../base/errors.ts";
import { booleanOption, checkOptions, functionOption, numberOption } from "../../base/options.ts";
import { DiskFaults, type Strike } from "./disk_faults.ts";
import type { Operation, OperationName } from "./disk_operation.ts";
import { type MemoryFile, MemoryVolume } from "./memory_volume.ts";

/** What a hook may answer to an append: write only so many bytes, then fail with `error`. */
export interface PartialAppend {
  /** How many of the bytes reach the file. */
  writtenBytes: number;
  /** What the call then throws. */
  error: unknown;
}

/** How a simulated disk behaves. */
export interface MemoryFileSystemOptions {
  /** The disk's size; unlimited unless given. */
  capacityBytes?: number | undefined;
  /**
   * Whether it is remembered what a power cut would leave; true unless given. Without, `crash` can only keep all, and
   * nothing is spent on remembering.
   */
  durable?: boolean | undefined;
  /** Called before each operation; what it throws is the call's error, and nothing happens. */
  beforeOperation?: ((operation: Operation) => PartialAppend | undefined | void) | undefined;
  /** Called after each operation that took effect; what it throws is the call's error all the same. */
  afterOperation?: ((operation: Operation) => void) | undefined;
  /** Called before each asynchronous operation, which takes effect once the answer has settled. */
  delay?: ((name: OperationName, path: string) => Promise<void> | undefined) | undefined;
}

/** Refuses what is no way for a disk to behave: a test whose disk is another than it says proves nothing. */
export function checkDiskOptions(call: string, options: MemoryFileSystemOptions | undefined): void {
  const hooks = ["beforeOperation", "afterOperation", "delay"];
  const checked = checkOptions(call, options, ["capacityBytes", "durable", ...hooks]);
  numberOption(call, checked, "capacityBytes", undefined, { min: 0, max: Infinity, integer: false });
  booleanOption(call, checked, "durable", undefined);
  for (const hook of hooks) functionOption(call, checked, hook);
}

/** Turns of the queue of promises that slow syncs take at most: several times what it takes to write a group of commits. */
const SLOW_SYNC_TURNS_MAX = 200;

/** A `delay` for which syncs of files take their time, as `random` says: meanwhile others go on. */
export function slowSyncs(random: () => number): (name: OperationName, path: string) => Promise<void> | undefined {
  const pass = async (turns: number): Promise<void> => {
    for (; turns > 0; turns--) await undefined;
  };
  return (name) => name === "sync" ? pass(Math.floor(random() * SLOW_SYNC_TURNS_MAX)) : undefined;
}

/** Every call on a disk without power ends so. */
export class PowerCutError extends IOError {
  /** Names the call and the path. */
  constructor(call: string, path: string) {
    super(`Cannot ${call} ${path}: the power is cut (IO)`, { path });
  }
}

keepNames({ PowerCutError });

/** One program that uses the disk; once ended, nothing it holds works. */
export interface DiskUser {
  /** Why nothing works any more. */
  ended: "killed" | undefined;
}

/** The disk itself, shared by all who use it. */
export class MemoryDisk {
  /** Its files and directories. */
  readonly volume: MemoryVolume;
  /** What goes wrong. */
  readonly faults: DiskFaults = new DiskFaults();
  /** Its limits and hooks. */
  readonly options: MemoryFileSystemOptions;
  /** Locked files, by resolved path. */
  readonly locks: Map<string, DiskUser> = new Map();
  /** The disk's size in bytes. */
  capacityBytes: number;
  /** Bytes in files. */
  usedBytes = 0;
  /** Mutating operations so far. */
  operations = 0;
  /** The mutating operation at which the power goes. */
  cutAt: number = Infinity;
  /** Whether there is power. */
  powered = true;

  /** An empty disk, or one that begins with `volume`. */
  constructor(options: MemoryFileSystemOptions, volume?: MemoryVolume) {
    this.options = options;
    this.capacityBytes = options.capacityBytes ?? Infinity;
    this.volume = volume ?? new MemoryVolume(options.durable ?? true);
  }

  /** Waits as the delay hook says. */
  async wait(name: OperationName, path: string): Promise<void> {
    const delay = this.options.delay?.(name, path);
    if (delay !== undefined) await delay;
  }

  /** Throws when the power is cut or the user is gone. */
  check(user: DiskUser, name: OperationName, path: string): void {
    if (!this.powered) throw new PowerCutError(name, path);
    if (user.ended) throw new IOError(`Cannot ${name} ${path}: the process was killed (IO)`, { path });
  }

  /** Runs an operation that only reads. */
  reading<T>(user: DiskUser, name: OperationName, path: string, work: () => T): T {
    this.check(user, name, path);
    const { beforeOperation, afterOperation } = this.options;
    if (beforeOperation === undefined && afterOperation === undefined && !this.faults.any) return work();
    const operation = { index: this.operations, name, path, mutates: false };
    beforeOperation?.(operation);
    const strike = this.#strike(user, operation);
    const result = work();
    if (strike?.kind === "lose") throw strike.error;
    afterOperation?.(operation);
    return result;
  }

  /** Runs an operation that changes something. When the power goes at it, it has begun, but nothing of it is durable. */
  mutating<T>(user: DiskUser, name: OperationName, path: string, work: () => T, onFault?: () => void): T {
    this.check(user, name, path);
    const operation: Operation = { index: ++this.operations, name, path, mutates: true };
    this.#before(operation, onFault);
    const strike = this.#strike(user, operation, onFault);
    if (operation.index >= this.cutAt) {
      if (name !== "sync" && name !== "syncDirectory") work();
      this.powered = false;
      throw new PowerCutError(name, path);
    }
    const result = work();
    if (strike?.kind === "lose") throw strike.error;
    this.options.afterOperation?.(operation);
    return result;
  }

  #before(operation: Operation, onFault?: () => void): PartialAppend | void {
    try {
      return this.options.beforeOperation?.(operation);
    } catch (error) {
      onFault?.();
      throw error;
    }
  }

  /** What goes wrong at a call: thrown, unless something happens before. */
  #strike(user: DiskUser, operation: Operation, onFault?: () => void): Strike | undefined {
    const strike = this.faults.strike(operation);
    if (strike === undefined) return undefined;
    if (strike.kind === "kill") {
      this.end(user);
      this.check(user, operation.name, operation.path);
    }
    if (strike.kind === "cut") {
      this.cutAt = operation.index;
      if (operation.mutates) return undefined;
      this.powered = false;
      this.check(user, operation.name, operation.path);
    }
    if (strike.kind !== "fail") return strike;
    onFault?.();
    throw strike.error;
  }

  /** Ends a process: its locks are free. */
  end(user: DiskUser): void {
    user.ended = "killed";
    for (const [path, holder] of this.locks) if (holder === user) this.locks.delete(path);
  }

  /** Appends: all of it, or what fits and then `NoSpaceError`. */
  append(user: DiskUser, path: string, file: MemoryFile, bytes: Uint8Array): void {
    this.#write(user, "append", path, file, bytes);
  }

  /** Puts zeros behind the end until there are `size` bytes: all of them, or what fits and then `NoSpaceError`. */
  fill(user: DiskUser, path: string, file: MemoryFile, size: number): void {
    const missing = size - file.content.size;
    if (missing > 0) this.#write(user, "fill", path, file, new Uint8Array(missing));
  }

  #write(user: DiskUser, name: "append" | "fill", path: string, file: MemoryFile, bytes: Uint8Array): void {
    this.check(user, name, path);
    const operation: Operation = { index: ++this.operations, name, path, mutates: true, bytes: bytes.length };
    const hooked = this.#before(operation);
    const strike = this.#strike(user, operation);
    const partial = strike?.kind === "tear" ? { writtenBytes: strike.bytes, error: strike.error } : hooked;
    const wanted = partial ? Math.min(partial.writtenBytes, bytes.length) : bytes.length;
    const over = name === "append" ? file.ahead : 0;
    const count = Math.min(wanted, over + Math.max(0, this.capacityBytes - this.usedBytes));
    const written = count === bytes.length ? bytes : bytes.subarray(0, count);
    this.usedBytes += Math.max(0, count - over);
    if (name === "append") file.append(written);
    else file.fill(written);
    if (operation.index >= this.cutAt) {
      this.powered = false;
      throw new PowerCutError(name, path);
    }
    if (count < wanted) {
      throw new NoSpaceError(`Cannot write ${path}: no space is left on the disk (ENOSPC); free some space`, { path });
    }
    if (partial) throw partial.error;
    if (strike?.kind === "lose") throw strike.error;
    this.options.afterOperation?.(operation);
  }

  /** One more name or handle leads to the file. */
  hold(file: MemoryFile): void {
    file.uses++;
  }

  /** One less; the last one's going frees the space. */
  drop(file: MemoryFile): void {
    if (--file.uses === 0) this.usedBytes -= file.content.size;
  }
}
