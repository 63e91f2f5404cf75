/** The database of a run, its model, and all that is held of both. */
import assert from "node:assert/strict";
import { type Commit, DB, type Key, type KeyEncoding, type KeySpace, type OpenOptions } from "../../mod.ts";
import type { HeldList } from "./held_list.ts";
import type { Follower } from "./follower.ts";
import { type Disk, openOptionsOf, type RunKind } from "./limits.ts";
import { Model, type ModelOperation, type ModelPoint } from "./model.ts";
import type { Random } from "./random.ts";
import type { HeldSnapshot } from "./snapshots.ts";
import type { StoredBackup } from "./copies.ts";
import { type KeyPool, keyPool } from "./values.ts";
import type { WatchPair } from "./watch_pair.ts";

/** A key space of the open database. */
export interface SpaceHandle {
  /** The names of the namespace, joined by "/"; "" for the root. */
  name: string;
  handle: KeySpace<Key>;
  encoding: KeyEncoding;
}

/** The namespaces that a run may write to, those around others first, and whether their keys look as the root's do. */
const NAMESPACES: readonly (readonly [path: string, asRoot: boolean])[] = [
  ["users", true],
  ["users/drafts", true],
  ["users/drafts/pictures", false],
  ["raw", true],
  ["raw/é", false],
  ["late", false],
];

/** How a write's promise is made good. */
export type Durability = "commit" | "interval" | "buffered";

/** A run's state. */
export class World {
  readonly random: Random;
  readonly model = new Model();
  readonly pool: KeyPool;
  readonly disk: Disk;
  readonly options: OpenOptions;
  /** Where the database is. */
  readonly path: string;
  db!: DB<Key>;
  /** The root first. */
  spaces: SpaceHandle[] = [];
  snapshots: HeldSnapshot[] = [];
  watches: WatchPair[] = [];
  followers: Follower[] = [];
  lists: HeldList[] = [];
  backups: StoredBackup[] = [];
  /** Commits up to this version survive a power cut. */
  durable = 0;
  /** Commits up to this version survive the end of the process. */
  written = 0;
  /** The last restore that dealt key spaces anew before the database was opened; what came before is not mapped. */
  unmappedUntil = 0;
  /** Calls made. */
  operations = 0;
  #raw = 4_102_444_800_000; // 2100: nothing has expired by the system's clock
  #now = this.#raw;
  #trace: string[] = [];
  #names = 0;

  constructor(random: Random, disk: Disk, kind: RunKind) {
    this.random = random;
    this.disk = disk;
    this.pool = keyPool(random);
    this.options = openOptionsOf(random, kind);
    this.path = `${disk.root}/db`;
  }

  // ---- time

  /** The time that the database goes by: its clock's, but never one before what it saw. */
  get now(): number {
    return this.#now;
  }

  /** Lets time pass, or sets the clock back, which must not be felt. */
  passTime(): void {
    if (this.random.chance(0.1)) {
      this.db.snapshot().release(); // looks at the clock
      this.#raw = this.#now - this.random.below(10_000);
    } else {
      this.#now += this.random.weighted([[5, 1], [5, this.random.below(100)], [1, this.random.below(3000)]]);
      this.#raw = this.#now;
    }
  }

  // ---- opening and closing

  /** Opens the database, or opens it again. */
  async open(): Promise<void> {
    this.#raw = this.#now;
    const last = this.model.commits.findLast(({ reset }) => reset);
    this.unmappedUntil = last?.version ?? 0;
    this.db = await DB.open<Key>(this.path, {
      ...this.options,
      fileSystem: this.disk.fileSystem,
      clock: () => this.#raw,
    });
    this.spaces = this.spacesOf(this.db);
    this.model.opened(this.db.timestamp);
  }

  /** Options to open a copy of the database with. */
  copyOptions(): OpenOptions {
    const { keyEncoding: _, ...options } = this.options;
    return { ...options, createIfMissing: false, fileSystem: this.disk.fileSystem, clock: () => this.#now };
  }

  /** The key spaces of a database that was made as this one. */
  spacesOf(db: DB<Key>): SpaceHandle[] {
    const spaces: SpaceHandle[] = [{ name: "", handle: db, encoding: this.options.keyEncoding! }];
    for (const [name, asRoot] of NAMESPACES) {
      const keyEncoding = asRoot === (this.options.keyEncoding === "utf8") ? "utf8" : "bytes";
      const path = name.split("/");
      let at = db.namespace<Key>(path[0]!, path.length === 1 ? { keyEncoding } : undefined);
      for (let i = 1; i < path.length; i++) {
        at = at.namespace<Key>(path[i]!, i === path.length - 1 ? { keyEncoding } : undefined);
      }
      spaces.push({ name, handle: at, encoding: keyEncoding });
    }
    return spaces;
  }

  /** A name that no file or directory of this run has. */
  newPath(ending = ""): string {
    return `${this.disk.root}/${++this.#names}${ending}`;
  }

  /** Ends everything that does not outlive an open database. */
  async letGo(): Promise<void> {
    for (const { snapshot } of this.snapshots) snapshot.release();
    for (const list of this.lists) await list.end();
    for (const watch of this.watches) await watch.end();
    for (const follower of this.followers) await follower.end();
    this.snapshots = [];
    this.lists = [];
    this.watches = [];
    this.followers = [];
  }

  // ---- choices

  /** A key space; the root most often. */
  pickSpace(): SpaceHandle {
    return this.random.chance(0.5) ? this.spaces[0]! : this.random.pick(this.spaces);
  }

  /** The present, as the model has it: commits on their way are in its `version` already. */
  point(version: number = this.model.version): ModelPoint {
    return { version, moment: this.#now };
  }

  // ---- writing

  /** Tells the model of a commit and returns what the database must answer. */
  expect(operations: readonly ModelOperation[]): Commit {
    const commit = this.model.commit(this.#now, operations);
    this.#tellWatches();
    return commit;
  }

  /** Tells the model of a restore. */
  expectRestore(
    ...[content, deletes]: Parameters<Model["restore"]> extends [number, ...infer Rest] ? Rest : never
  ): Commit {
    const commit = this.model.restore(this.#now, content, deletes);
    this.#tellWatches();
    this.allDurable();
    return commit;
  }

  #tellWatches(): void {
    const commit = this.model.commits[this.model.commits.length - 1]!;
    for (const watch of this.watches) watch.note(commit);
  }

  /** Notes that a write was acknowledged. */
  acknowledge(version: number, durability: Durability | undefined): void {
    const mode = durability ?? this.options.durability ?? "commit";
    if (mode === "commit") this.durable = Math.max(this.durable, version);
    if (mode !== "buffered") this.written = Math.max(this.written, version);
  }

  /** Notes that all so far is on disk. */
  allDurable(): void {
    this.durable = this.written = this.model.version;
  }

  /** After a write: the database stands where the model does. */
  assertVersion(): void {
    assert.equal(this.db.version, this.model.version, "db.version");
    assert.equal(this.db.timestamp, this.model.timestamp, "db.timestamp");
  }

  // ---- the trace

  /** Notes what is done, for when it fails. */
  note(what: string): void {
    this.#trace.push(`${this.model.version}: ${what}`);
    if (this.#trace.length > 60) this.#trace.shift();
  }

  /** The last things done. */
  get trace(): readonly string[] {
    return this.#trace;
  }
}
