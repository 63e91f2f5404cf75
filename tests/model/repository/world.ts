/** The databases of a run, its repositories, and what is known of them. */
import { setImmediate, setTimeout } from "node:timers";
import type { KeyEncoding } from "../../../mod.ts";
import {
  type MemoryFileSystem,
  memoryFileSystem,
  type MemoryFileSystemOptions,
  slowSyncs,
} from "../../../lib/files/memory/memory_file_system.ts";
import type { Simulation } from "../../../lib/base/simulation.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { openOptionsOf } from "../limits.ts";
import { Random } from "../random.ts";
import { keyPool } from "../values.ts";
import { Chronicle } from "./chronicle.ts";
import { Home } from "./home.ts";
import { Place, type RealStore } from "./place.ts";
import { isOfStore } from "./tasks.ts";
import { WorldTime } from "./world_time.ts";

/** 2100: nothing has expired by the system's clock. */
const BEGIN = 4_102_444_800_000;

/** Databases at a time. */
const HOMES_MAX = 4;

/** What a run is made for. */
export interface WorldSettings {
  /** Whether disks fail too, and rot. */
  faulty: boolean;
  /** Whether stores check what they take, so that nothing is read back. */
  checks: boolean;
  /** Where the first and the second repository lie, if not where the seed says. */
  stores?: readonly RealStore[] | undefined;
  /** How much log may wait to be archived, bytes. */
  archives?: readonly (readonly [weight: number, number])[] | undefined;
}

const ARCHIVES: readonly (readonly [weight: number, number])[] = [[6, 2 ** 30], [2, 20_000], [1, 4000]];

/** A run's state. */
export class World {
  readonly simulation: Simulation;
  /** Whether disks fail too, and rot. */
  readonly faulty: boolean;
  readonly random: Random;
  /** For what is called more or less often from run to run, as calls overlap: it must not change what is done next. */
  readonly chance: Random;
  readonly time: WorldTime = new WorldTime(BEGIN);
  readonly chronicle: Chronicle = new Chronicle();
  readonly homes: Home[] = [];
  readonly first: Place;
  readonly second: Place;
  readonly trace: string[] = [];
  /** Whether listings may lack what is there. */
  readonly stale: boolean;
  disk: MemoryFileSystem;
  /** Of the disk, also after its power was cut: in half of the runs its syncs take their time. */
  readonly diskOptions: MemoryFileSystemOptions;
  /** Leases of the dead hold until then. */
  lingering = 0;
  restores = 0;
  step = 0;
  /** Whether calls on the disk may fail. */
  ails = false;
  /** Whether a repository has lost something for good: then errors may say what is to be done. */
  mended = false;
  /** What happened, by kind. */
  readonly counts: Record<string, number> = {};
  readonly #archives: readonly (readonly [weight: number, number])[];
  #names = 0;

  constructor(
    seed: number,
    simulation: Simulation,
    { faulty, checks, stores = [], archives = ARCHIVES }: WorldSettings,
  ) {
    this.simulation = simulation;
    this.faulty = faulty;
    this.#archives = archives;
    const random = this.random = new Random(seed, 3);
    this.chance = new Random(seed, 4);
    this.stale = seed % 7 === 5;
    this.diskOptions = seed % 2 === 0 ? { delay: slowSyncs(new Random(seed, 6).next) } : {};
    this.disk = memoryFileSystem(this.diskOptions);
    const place = (name: string, store?: RealStore): Place =>
      new Place({
        name,
        onDisk: random.chance(0.3),
        encryption: random.chance(0.5) ? this.newSecret() : undefined,
        time: this.time,
        random: new Random(random.below(2 ** 31)),
        checks,
        store,
      });
    this.first = place("first", stores[0]);
    this.second = place("second", stores[1]);
  }

  /** Makes everything. */
  async begin(): Promise<void> {
    await this.first.open();
    await this.second.open();
    for (let i = this.random.between(1, 2); i > 0; i--) {
      await this.addHome(this.newPath(), this.random.pick(["utf8", "bytes"]));
    }
  }

  /** Opens a database that is there, or a new one. */
  async addHome(path: string, encoding: KeyEncoding): Promise<Home> {
    const { random } = this;
    const options = openOptionsOf(random, { limits: "tiny", disk: "memory" });
    const archive = random.weighted(this.#archives);
    const home = new Home({
      path,
      options: { ...options, archive: { maxBytes: archive }, history: { maxBytes: random.pick([0, 4096, 2 ** 20]) } },
      encoding,
      pool: keyPool(random),
      chronicle: this.chronicle,
      clock: this.time.clock,
      latest: () => this.time.latest,
      calmly: this.calmly,
    });
    await home.open(this.disk);
    this.homes.push(home);
    this.note(`${path} is database ${home.db.id.slice(0, 8)}, ${encoding}, archive ${archive}`);
    return home;
  }

  /** Makes room for another database. */
  async dropOne(): Promise<void> {
    if (this.homes.length < HOMES_MAX) return;
    const [old] = this.homes.splice(this.random.between(1, this.homes.length - 1), 1);
    this.note(`${old!.name} is let go`);
    for (const end of [() => old!.replication?.stop(), () => old!.db.close()]) {
      try {
        await end();
      } catch (error) {
        // The store may have died while others were told what to do.
        if (!isOfStore(error) || !(this.ails || this.first.failing)) throw error;
        this.leaveLeases();
      }
    }
  }

  // ---- choices

  pickHome(): Home {
    return this.random.pick(this.homes);
  }

  newPath(): string {
    return `/${++this.#names}`;
  }

  newId(): string {
    return `b${++this.#names}`;
  }

  newSecret(): { key: Uint8Array } {
    return { key: new Uint8Array(32).fill(++this.#names) };
  }

  // ---- what may go wrong

  /** Whether a lease may be left that nobody holds any more. */
  get mayBeLocked(): boolean {
    return this.time.clock() <= this.lingering;
  }

  /** From now on leases may be left by the dead. */
  leaveLeases(): void {
    this.lingering = this.time.latest + LEASE_MS + 1;
  }

  /**
   * The clock is right again, if it was set back. A program that begins anew with a clock behind what the last run of it said
   * to be complete is the one case in which a time may mean something else before its commits are archived than after.
   */
  catchUp(): void {
    const seen = [this.time.latest, ...this.homes.map(({ db }) => engineOf(db)!.now())];
    this.time.step(Math.max(...seen) + 1 - this.time.clock());
  }

  // ---- waiting

  /** Until nothing goes on in any repository but what waits for time to go by. */
  async quiet(): Promise<void> {
    for (let i = 0; i < 100_000; i++) {
      const busy = [this.first, this.second].some(({ repo }) => repo.status().activities.length > 0) ||
        this.homes.some(({ replication }) => replication?.status().state === "shipping");
      if (!busy) return;
      await new Promise<void>((resolve) => i < 200 ? setImmediate(() => resolve()) : setTimeout(resolve, 1));
    }
    throw new Error("it never becomes quiet");
  }

  /** What the test itself reads does not fail. */
  readonly calmly = <T>(work: () => T): T => {
    const { ails } = this;
    this.ails = false;
    try {
      return work();
    } finally {
      this.ails = ails;
    }
  };

  // ---- the trace

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  note(what: string): void {
    this.trace.push(`${this.step}: ${what}`);
  }
}
