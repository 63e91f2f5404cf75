/**
 * A machine for programs that use Holdfast, with a disk, stores, a clock and chance of its own. It loses power, ends
 * programs and has its disk fail, all as a seed says.
 *
 * @module
 */
import { clearImmediate, setImmediate } from "node:timers";
import { HoldfastError } from "../../base/errors.ts";
import type { Simulation } from "../../base/simulation.ts";
import type { Timers } from "../../base/timers.ts";
import { yieldToLoop } from "../../base/yield.ts";
import type { RepositoryOptions } from "../../db/repository/repository_options.ts";
import type { OpenOptions } from "../../db/options.ts";
import {
  type DiskFaultKind,
  type MemoryFileSystem,
  memoryFileSystem,
  type MemoryFileSystemOptions,
  randomDiskFault,
  slowSyncs,
} from "../../files/memory/memory_file_system.ts";
import { FaultStore, randomFault } from "../../storage/fault_store.ts";
import { MemoryStore } from "../../storage/memory_store.ts";
import { SimulatedTime } from "./simulated_time.ts";

/**
 * What may happen to a program: `"kill"` ends it as by SIGKILL, `"power"` takes the machine's power, `"disk"` lets calls on
 * the disk fail, with and without effect, `"full"` leaves no space on it, `"store"` lets calls on object stores fail.
 */
export type AccidentKind = "kill" | "power" | "disk" | "full" | "store";

/** All of them. */
export const ACCIDENTS: readonly AccidentKind[] = ["kill", "power", "disk", "full", "store"];

/** How a run of a program came to its end: by itself, or what happened to it. */
export type Ending = "ended" | AccidentKind;

/** 2030: nothing has expired by the system's clock. */
const BEGIN = 1_893_456_000_000;

/** An accident comes within so many changes of the disk, or not before the program ends. */
const WITHIN = 1024;

/** Shorter pauses don't wait for `pass`, or every call on a failing store would stand still, ms. */
const SHORT_MS = 5000;

/** A simulated machine; `simulate` makes one for each seed. */
export class SimulatedMachine {
  /** Chance as the seed says, from 0 up to 1: for all that a program or test decides at random. */
  readonly random: () => number;
  /** The time, which stands still until `pass`. */
  readonly clock: () => number;
  readonly #time = new SimulatedTime(BEGIN);
  readonly #simulation: Simulation;
  readonly #accidents: readonly AccidentKind[];
  readonly #onEnding: (ending: Ending) => void;
  readonly #stores = new Map<string, MemoryStore>();
  /** In half of the machines syncs take their time, so that other writers go on meanwhile. */
  readonly #diskOptions: MemoryFileSystemOptions;
  #disk: MemoryFileSystem;
  #handles: FaultStore[] = [];
  #storeFault: number | undefined;
  #isHit = false;

  /** See `simulate`. @internal */
  constructor(
    simulation: Simulation,
    random: () => number,
    accidents: readonly AccidentKind[],
    onEnding: (ending: Ending) => void,
  ) {
    this.#onEnding = onEnding;
    this.#simulation = simulation;
    this.#accidents = accidents;
    this.random = random;
    this.clock = this.#time.clock;
    this.#diskOptions = random() < 0.5 ? { delay: slowSyncs(random) } : {};
    this.#disk = memoryFileSystem(this.#diskOptions);
  }

  /** The disk as the program that runs now sees it; another object for each run. */
  get fileSystem(): MemoryFileSystem {
    return this.#disk;
  }

  /**
   * Options of `DB.open` that put a database onto this machine, with limits so small that a few dozen entries make tables,
   * blob files and compactions. Nothing is synced behind a program's back: `flushInterval` never passes.
   */
  get openOptions(): OpenOptions {
    return {
      fileSystem: this.#disk,
      clock: this.clock,
      flushInterval: 2 ** 31 - 1,
      memtableBytes: 4096,
      cacheBytes: 64 * 1024,
      blobBytes: 1024,
      tuning: {
        blockBytes: 256,
        tableBytes: 4096,
        level0Tables: 3,
        levelBytes: 16 * 1024,
        reserve: false,
        delay: () => Promise.resolve(),
      },
    };
  }

  /**
   * Options of `BackupRepository.open` that tie a repository to this machine's time. Pauses before another try are over at
   * once.
   */
  get repositoryOptions(): RepositoryOptions {
    const set: Timers["set"] = (ms, run, keepAlive) => {
      if (ms >= SHORT_MS) return this.#time.set(ms, run, keepAlive);
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    };
    return { clock: this.clock, timers: { set } };
  }

  /** The object store of this name, as the program that runs now sees it. What is in it outlives every accident. */
  store(name = "store"): FaultStore {
    let inner = this.#stores.get(name);
    if (inner === undefined) this.#stores.set(name, inner = new MemoryStore());
    const store = new FaultStore(inner);
    if (this.#storeFault !== undefined) store.inject(randomFault(this.random, this.#storeFault));
    this.#handles.push(store);
    return store;
  }

  /** Lets time go by: timers that are due fire, each followed by what it sets going. */
  async pass(ms: number): Promise<void> {
    await this.#time.advance(ms);
  }

  /**
   * Runs a program until it ends, or something happens to it, and says which. It must let errors through: those of the
   * accident end it here, others are thrown. Whatever it left open is closed to it; the next run is another process.
   */
  async run(program: () => Promise<void>): Promise<Ending> {
    const kind = this.#accidents.length === 0 || this.random() < 0.2 ? undefined : this.#pick(this.#accidents);
    this.#isHit = false;
    const heal = kind === undefined ? () => {} : this.#arrange(kind);
    let failure: unknown;
    let failed = false;
    try {
      await program();
    } catch (error) {
      [failed, failure] = [true, error];
    }
    heal();
    await this.#next(kind === "power");
    if (failed && !(this.#isHit && isOfAccident(failure))) throw failure;
    const ending = kind !== undefined && (failed || kind === "power") ? kind : "ended";
    this.#onEnding(ending);
    return ending;
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)]!;
  }

  /** Sets an accident up; the call that is returned takes back what lasts. */
  #arrange(kind: AccidentKind): () => void {
    const { random } = this;
    if (kind === "store") {
      this.#isHit = true;
      this.#storeFault = this.#pick([0.02, 0.1, 0.3]);
      return () => this.#storeFault = undefined;
    }
    if (kind === "kill" || kind === "power") {
      // As often within the first dozen changes as within the last hundreds.
      let left = Math.ceil(WITHIN ** random());
      const at = ({ mutates }: { mutates: boolean }): boolean => {
        if (mutates) left--;
        this.#isHit ||= left === 0;
        return mutates && left === 0;
      };
      return this.#disk.inject({ at, do: kind === "kill" ? "kill" : "cut" });
    }
    const kinds: readonly DiskFaultKind[] = kind === "full" ? ["full"] : ["fail", "lose", "tear"];
    const fault = randomDiskFault(random, this.#pick([0.002, 0.02, 0.1]), kinds);
    return this.#disk.inject({ ...fault, at: (operation) => fault.at(operation) && (this.#isHit = true) });
  }

  /** What comes after a process: the same disk, or what is left of it without power. */
  async #next(power: boolean): Promise<void> {
    for (const store of this.#handles.splice(0)) store.kill();
    const disk = this.#disk;
    const keep = this.#pick(["none", "random", "scattered"] as const);
    this.#disk = power ? disk.crash({ keep, random: this.random }, this.#diskOptions) : disk.otherProcess();
    if (!power) disk.kill();
    // What the ended process still had under way meets closed doors.
    for (let i = 0; i < 20; i++) await yieldToLoop();
    this.#simulation.beginProcess();
  }
}

/** Whether an error is one that calls of the library give when disk, store or process fail. */
function isOfAccident(error: unknown): boolean {
  if (error instanceof HoldfastError) return true;
  if (error instanceof AggregateError) return error.errors.every(isOfAccident);
  // What `await using` makes of an error in its block and another one of closing.
  const both = error as { name?: unknown; error?: unknown; suppressed?: unknown } | null;
  return both?.name === "SuppressedError" && isOfAccident(both.error) && isOfAccident(both.suppressed);
}
