/** A repository of a run: its store, which may fail and die, and the handle. */
import { Buffer } from "node:buffer";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { BackupRepository, type Encryption, type RepositoryOptions } from "../../../mod.ts";
import { type DiskFault, memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { FaultStore, randomFault, type StoreFault, type StoreFaultKind } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore, StoreCapabilities } from "../../../lib/storage/object_store.ts";
import { Random } from "../random.ts";
import type { WorldTime } from "./world_time.ts";

/** How a repository begins. */
export interface PlaceSettings {
  name: string;
  onDisk: boolean;
  encryption: Encryption | undefined;
  time: WorldTime;
  random: Random;
  /** Where it is in memory, it checks what it takes, as services do: nothing torn stays, and nothing is read back. */
  checks: boolean;
  /** Where it lies, if neither on the simulated disk nor in memory. */
  store?: RealStore | undefined;
}

/** A store on a real server, behind a line that may be bad. */
export interface RealStore {
  store: ObjectStore;
  /** Makes the line bad, or good. */
  bad(isBad: boolean): void;
}

/** A store with faults that nevertheless says that it has checked what it took. */
class CheckingStore extends FaultStore {
  override readonly capabilities: StoreCapabilities = { ifAbsent: true, ifMatch: true, ranges: true, checksums: true };
}

/** What a store refuses that would take a torn object. */
const whole = (kind: StoreFaultKind): StoreFaultKind => kind === "tear" ? "refuse" : kind;

const COMPRESSIONS = [undefined, "zstd", "gzip", "none"] as const;

/** A repository. */
export class Place {
  readonly name: string;
  repo!: BackupRepository;
  store!: FaultStore;
  /** Every one of them must open it; of those in doubt, one of them. */
  secrets: Encryption[];
  doubtful: Encryption[] = [];
  /** Whether listings may lack what is there. */
  stale = false;
  /** What must not open it. */
  lost: Encryption[] = [];
  /** Backups that must be listed, with whether they are pinned. */
  readonly backups: Map<string, { pinned: boolean }> = new Map();
  readonly #settings: PlaceSettings;
  readonly #inner: ObjectStore | undefined;
  /** Calls to a real store that have not been answered. */
  readonly #underWay = new Set<Promise<unknown>>();
  #disk = memoryFileSystem();
  #faults: (() => void)[] = [];
  #isCalm = false;

  constructor(settings: PlaceSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.secrets = settings.encryption === undefined ? [] : [settings.encryption];
    const { store, onDisk } = settings;
    this.#inner = store !== undefined ? this.#noting(store.store) : onDisk ? undefined : new MemoryStore();
    store?.bad(true);
  }

  /** Opens it, with a process of its own. */
  async open(): Promise<void> {
    const { random } = this.#settings;
    // What a dead process has sent arrives before the next one begins, as at most a request's deadline later it would.
    await Promise.allSettled([...this.#underWay]);
    const store = this.#checks ? new CheckingStore(this.#below) : new FaultStore(this.#below);
    const options = this.#options();
    const candidates = [...this.secrets, ...this.doubtful];
    const first = random.below(Math.max(1, this.secrets.length));
    const order = candidates.length === 0 ? [undefined] : [candidates[first]!, ...candidates.toSpliced(first, 1)];
    for (const [i, encryption] of order.entries()) {
      try {
        this.repo = await BackupRepository.open(store, encryption === undefined ? options : { ...options, encryption });
        break;
      } catch (error) {
        const inDoubt = encryption !== undefined && (this.doubtful.length > 0);
        if (!inDoubt || i === order.length - 1) throw error;
      }
    }
    this.store = store;
    this.#faults = [];
    this.stale = false;
  }

  #options(): RepositoryOptions {
    const { random, time } = this.#settings;
    return {
      compression: random.pick(COMPRESSIONS),
      concurrency: random.pick([1, 1, 4]),
      clock: time.clock,
      timers: time,
    };
  }

  /** Makes calls on the store fail now and then. */
  fail(random: () => number, probability: number, kinds?: readonly StoreFaultKind[]): void {
    const fault = randomFault(random, probability, kinds);
    const draw = fault.do as () => StoreFaultKind;
    this.#faults.push(this.store.inject(this.#checks ? { ...fault, do: () => whole(draw()) } : fault));
    this.stale = kinds?.some((kind) => kind === "stale" || kind === "hide") === true;
  }

  /** Makes chosen calls on the store fail. */
  strike(fault: StoreFault): void {
    this.#faults.push(this.store.inject(fault));
  }

  /** Makes calls on the disk under the store fail, if there is one. */
  ail(fault: DiskFault): void {
    if (this.#inner === undefined) this.#faults.push(this.#disk.inject(fault));
  }

  get #checks(): boolean {
    return this.#settings.checks && this.#inner instanceof MemoryStore;
  }

  /** The store below all faults of calls. */
  get #below(): ObjectStore {
    const { time } = this.#settings;
    const delay = (ms: number): Promise<void> => new Promise((resolve) => void time.set(ms, resolve, true));
    return this.#inner ?? directoryStore("/repository", { fileSystem: this.#disk, clock: time.clock, delay });
  }

  /** Whether a key is there, whatever calls fail. */
  async holds(key: string): Promise<boolean> {
    return await this.#below.head(key) !== undefined;
  }

  /** All its keys, whatever calls fail. */
  async keys(): Promise<string[]> {
    return (await allKeys(this.#below, "")).map(({ key }) => key);
  }

  /** Changes an object behind everyone's back, or takes it away. */
  async damage(key: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Promise<void> {
    const store = this.#below;
    const changed = change(await bytesOf((await store.get(key))!.body));
    if (changed === undefined) await store.delete(key);
    else await store.put(key, changed);
  }

  /** Another process that has it open, as long as `work` goes on. */
  async elsewhere<T>(work: (repo: BackupRepository) => Promise<T>): Promise<T> {
    const [encryption] = this.secrets;
    const options = this.#options();
    const repo = await BackupRepository.open(
      this.#below,
      encryption === undefined ? options : { ...options, encryption },
    );
    try {
      return await work(repo);
    } finally {
      await repo.close();
    }
  }

  /** All its objects, in a store of their own. */
  async copied(): Promise<MemoryStore> {
    const from = this.#below;
    const to = new MemoryStore();
    for (let after: string | undefined;;) {
      const { objects, next } = await from.list({ after });
      for (const { key } of objects) await to.put(key, (await from.get(key))!.body);
      if ((after = next) === undefined) return to;
    }
  }

  /** Lets the process that uses the store die at the n-th call from now. */
  dieAt(calls: number, kind: "die" | "dieAfter"): void {
    this.#faults.push(this.store.inject({ at: this.store.calls.length + calls, do: kind }));
  }

  /** The store works again. */
  heal(): void {
    for (const remove of this.#faults) remove();
    this.#faults = [];
    this.stale = false;
  }

  /** Nothing fails any more, on the line neither. */
  calm(): void {
    this.heal();
    this.#settings.store?.bad(false);
    this.#isCalm = true;
  }

  /** Whether calls may fail. */
  get failing(): boolean {
    const hasBadLine = this.#settings.store !== undefined && !this.#isCalm;
    return this.#faults.length > 0 || this.store.dead || hasBadLine;
  }

  /** Remembers what has not been answered. */
  #noting(store: ObjectStore): ObjectStore {
    const note = <T>(call: Promise<T>): Promise<T> => {
      const end = call.then(() => {}, () => {}).finally(() => this.#underWay.delete(end));
      this.#underWay.add(end);
      return call;
    };
    return {
      name: store.name,
      capabilities: store.capabilities,
      put: (key, body, options) => note(store.put(key, body, options)),
      get: (key, options) => store.get(key, options),
      head: (key, options) => store.head(key, options),
      list: (options) => store.list(options),
      delete: (key, options) => note(store.delete(key, options)),
    };
  }

  /** Ends the process that uses it; `power`: on a disk, what was not synced goes too. */
  end(power: boolean): void {
    this.store.kill();
    if (!this.#settings.onDisk || this.#settings.store !== undefined) return;
    const { random } = this.#settings;
    const next = power
      ? this.#disk.crash({ keep: random.pick(["none", "random", "scattered"]), random: random.next })
      : this.#disk.otherProcess();
    if (!power) this.#disk.kill();
    this.#disk = next;
  }
}

/** All bytes of an object. */
export async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece.slice());
  return new Uint8Array(Buffer.concat(pieces));
}
