/** One database, two repositories, in memory or in directories, and programs that work on these at the same time, each by a clock of its own. */
import { setImmediate } from "node:timers";
import type { Timers } from "../../../lib/base/timers.ts";
import { Turns } from "../../../lib/base/turns.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { BackupRepository, DB, type Encryption, type RepositoryOptions } from "../../../mod.ts";
import { Random } from "../random.ts";
import { Chronicle, type State } from "../repository/chronicle.ts";

/** 2100: nothing has expired by the system's clock. */
const BEGIN = 4_102_444_800_000;

/** A minute, ms. */
export const MINUTE = 60_000;

const KEYS = 60;

/** A repository of a run. */
export interface Repository {
  name: string;
  store: ObjectStore;
}

/** A run's state. */
export class World {
  readonly random: Random;
  /** For what is called more or less often as calls overlap: it must not change what is done next. */
  readonly chance: Random;
  readonly disk: MemoryFileSystem = memoryFileSystem();
  readonly chronicle: Chronicle = new Chronicle();
  readonly first: Repository;
  readonly second: Repository;
  readonly trace: string[] = [];
  readonly counts: Record<string, number> = {};
  /** Backups that are told of, with their versions, unless someone deleted them by name. */
  readonly told: Map<string, number> = new Map();
  /** Whether a program of this round is killed. */
  dying = false;
  restores = 0;
  db!: DB;
  #now = BEGIN;
  #writes = 0;
  readonly #turns = new Turns();
  readonly #encryption: Encryption | undefined;

  constructor(seed: number) {
    this.random = new Random(seed, 1);
    this.chance = new Random(seed, 2);
    // The tags of these are of contents: what is written once more as it was has the same.
    const make = (name: string): ObjectStore =>
      seed % 2 === 0 ? new MemoryStore() : directoryStore(`/${name}`, { fileSystem: memoryFileSystem() });
    [this.first, this.second] = ["first", "second"].map((name) => ({ name, store: make(name) })) as [
      Repository,
      Repository,
    ];
    this.#encryption = this.random.chance(0.5) ? { key: this.random.bytes(32) } : undefined;
  }

  /** The time that all but programs with other clocks go by. */
  readonly clock = (): number => this.#now;

  /** Lets time go by. */
  pass(ms: number): void {
    this.#now += ms;
  }

  /** Opens the database. */
  async begin(): Promise<void> {
    this.db = await DB.open("/db", { fileSystem: this.disk, clock: this.clock, memtableBytes: 2 ** 20 });
  }

  /** Opens a repository anew, as another program would. */
  async open(store: ObjectStore, options: RepositoryOptions = {}): Promise<BackupRepository> {
    const own = this.#encryption === undefined ? {} : { encryption: this.#encryption };
    const simulated = { clock: this.clock, timers: byTurns, ...own, ...options };
    return await BackupRepository.open(store, simulated as RepositoryOptions);
  }

  /** Commits something, and notes what the database shows then. */
  async commit(): Promise<State> {
    const { random, db } = this;
    const key = (): string => `k/${String(random.below(KEYS)).padStart(2, "0")}`;
    return await this.alone(async () => {
      const batch = db.atomic().set("writes", ++this.#writes);
      for (let left = random.between(1, 4); left > 0; left--) {
        const kind = random.below(12);
        if (kind === 0) batch.delete(key());
        else if (kind === 1) {
          const [start, end] = [key(), key()].sort() as [string, string];
          if (start < end) batch.deleteRange({ start, end });
        } else {
          const long = new Uint8Array(random.below(60_000)).fill(this.#writes);
          const value = kind === 2 ? long : `v${this.#writes}`.padEnd(random.below(400), "x");
          batch.set(key(), value, { tags: random.chance(1 / 3) ? [`t${random.below(3)}`] : [] });
        }
      }
      await batch.commit();
    });
  }

  /** Changes the database, nobody else doing so, and notes what it shows then. */
  async alone(change: () => Promise<void>): Promise<State> {
    return await this.#turns.take(async () => {
      await change();
      return this.chronicle.note(this.db);
    });
  }

  /** Counts what happened. */
  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }
}

/** Turns of the loop that a timer takes at most. */
const TURNS_MAX = 400;

/** Timers that go by turns of the loop, so that a run repeats. */
const byTurns: Timers = {
  set(ms, run) {
    let isOver = false;
    void turns(Math.min(1 + ms / 5, TURNS_MAX)).then(() => {
      if (!isOver) run();
    });
    return () => void (isOver = true);
  },
};

/** Lets others go first. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise<void>((resolve) => void setImmediate(resolve));
}
