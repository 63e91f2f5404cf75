/** A disk on which one accident happens, at a chosen call. */
import {
  type MemoryFileSystem,
  type MemoryFileSystemOptions,
  type Operation,
  type PartialAppend,
} from "../../../lib/files/memory/memory_file_system.ts";
import { Clockwork } from "../public_database.ts";
import { randomFrom, TURN } from "../random.ts";
import { failBefore, type Kind } from "./kinds.ts";

/** What a scenario begins with, and goes on with. */
export interface World {
  disk: MemoryFileSystem;
  machine: Clockwork;
}

/** One run of a scenario: the world, and the accident that waits in it. */
export class Trial implements World {
  readonly disk: MemoryFileSystem;
  readonly machine: Clockwork;
  readonly kind: Kind;
  /** The call that was hit. */
  hit: Operation | undefined;
  /** The paths of all that were. */
  readonly hitPaths: Set<string> = new Set();
  /** All calls while it was armed. */
  readonly calls: Operation[] = [];
  readonly #at: number;
  #seen = 0;
  #armed = false;
  #full = false;

  /** Begins as `world` is now; the accident happens at call number `at` (from 1) of those that it applies to, once armed. */
  constructor(world: World, kind: Kind, at: number) {
    const options: MemoryFileSystemOptions = {
      beforeOperation: (operation) => this.#before(operation),
      afterOperation: (operation) => this.#after(operation),
    };
    this.disk = world.disk.fork({ keep: "all" }, options);
    this.machine = world.machine.fork();
    this.kind = kind;
    this.#at = at;
  }

  /** Whether the program has died of it. */
  get dead(): boolean {
    const { does } = this.kind;
    return this.hit !== undefined && ("kill" in does || "cut" in does);
  }

  /** Whether the disk fails at this moment. */
  get broken(): boolean {
    return this.#armed && this.hit !== undefined && this.kind.lasts;
  }

  /** Whether calls that only read fail at this moment. */
  get readsFail(): boolean {
    const reads = (["open", "read"] as const).map((name) => ({ index: 0, name, path: "", mutates: false }));
    return this.broken && reads.some((read) => this.kind.applies(read));
  }

  /** From here on calls count. */
  arm(): void {
    this.#armed = true;
  }

  /** The disk works again. */
  disarm(): void {
    this.#armed = false;
    if (this.#full) this.disk.capacityBytes = Infinity;
  }

  /** What whoever comes next finds: the same disk, or what the power cut left of it. */
  next(): World {
    const { does } = this.kind;
    const { machine } = this;
    if (!this.dead) return { disk: this.disk, machine };
    if ("cut" in does) {
      return { disk: this.disk.crash({ keep: does.cut, random: randomFrom(TURN, this.#at) }), machine };
    }
    return { disk: this.disk.otherProcess(), machine };
  }

  #strikes(operation: Operation): boolean {
    if (!this.#armed) return false;
    this.calls.push(operation);
    if (!this.kind.applies(operation)) return false;
    this.#seen++;
    if (this.#seen !== this.#at && !(this.kind.lasts && this.#seen > this.#at)) return false;
    this.hit ??= operation;
    this.hitPaths.add(operation.path);
    return true;
  }

  #struck: Operation | undefined;

  #before(operation: Operation): PartialAppend | void {
    if (!this.#strikes(operation)) return;
    this.#struck = operation;
    const { does } = this.kind;
    if ("fail" in does) return failBefore(does, operation);
    if ("cut" in does) this.disk.cutPowerAt(operation.index);
    else if ("kill" in does) this.disk.kill();
    else if (!this.#full) {
      this.#full = true;
      this.disk.capacityBytes = this.disk.usedBytes;
    }
  }

  #after(operation: Operation): void {
    const { does } = this.kind;
    if (this.#struck !== operation || !("fail" in does) || does.fail !== "after") return;
    throw does.error(operation);
  }
}
