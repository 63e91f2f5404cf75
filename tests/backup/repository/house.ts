/** A database, a repository and a clock, for the tests of repositories. */
import type { BackupOptions } from "../../../lib/backup/backup_options.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import type { BackupInfo, RestoreInfo } from "../../../lib/backup/info.ts";
import type { RestoreOptions } from "../../../lib/backup/restore_options.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import {
  ownContext,
  type RepositoryContext,
  type RepositoryHandle,
} from "../../../lib/backup/repository/core/context.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { OPEN_DEFAULTS, openRepository, type OpenSettings } from "../../../lib/backup/repository/core/open.ts";
import { type RecoveryRange, recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { Replication } from "../../../lib/backup/repository/replicating/replication.ts";
import {
  type ReplicationOptions,
  replicationOptions,
} from "../../../lib/backup/repository/replicating/replication_options.ts";
import type { Engine, EngineSettings } from "../../../lib/engine/types.ts";
import type { FileSystem } from "../../../lib/files/file_system.ts";
import { join } from "../../../lib/files/paths.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { FakeTime } from "./fake_timers.ts";

/** The day on which these tests begin, at midnight. */
export const MIDNIGHT: number = Date.UTC(2026, 10, 21);

/** Counted over all houses: a disk may be handed from one to the next. */
let restores = 0;

/** What `dump` gives. */
export type Contents = Record<string, string>;

/** One database on a simulated disk, and a repository in a store. */
export class House {
  readonly fs: ReturnType<typeof memoryFileSystem>;
  readonly time: FakeTime;
  readonly store: ObjectStore;
  engine!: Engine;
  context!: RepositoryContext;
  /** The contents at each version, for comparing. */
  readonly states: Map<number, Contents> = new Map();
  readonly #changes: Partial<EngineSettings>;

  private constructor(
    fs: ReturnType<typeof memoryFileSystem>,
    store: ObjectStore,
    now: number,
    changes: Partial<EngineSettings>,
  ) {
    this.fs = fs;
    this.store = store;
    this.time = new FakeTime(now);
    this.#changes = changes;
  }

  static async make(
    options: {
      fs?: ReturnType<typeof memoryFileSystem>;
      store?: ObjectStore;
      now?: number;
      engine?: Partial<EngineSettings>;
      repository?: Partial<OpenSettings>;
    } = {},
  ): Promise<House> {
    const { fs = memoryFileSystem(), store = new MemoryStore(), now = MIDNIGHT } = options;
    const house = new House(fs, store, now, options.engine ?? {});
    await house.open();
    await house.openRepository(options.repository);
    return house;
  }

  /** Opens the database (again). */
  async open(path = "/db", fs: FileSystem = this.fs): Promise<Engine> {
    return this.engine = await openAt(fs, path, { clock: this.time.clock, ...this.#changes });
  }

  /** Opens the repository (again). */
  async openRepository(changes: Partial<OpenSettings> = {}): Promise<RepositoryContext> {
    const settings = { ...OPEN_DEFAULTS, clock: this.time.clock, timers: this.time, ...changes };
    return this.context = await openRepository(this.store, settings);
  }

  get handle(): RepositoryHandle {
    return ownContext({ ...this.context }, this.context);
  }

  /** Sets a key in a commit of its own, and remembers the contents. */
  async set(key: string, value: string, tags: string[] = []): Promise<number> {
    await write(this.engine, (batch) => put(batch, 0, key, { value, tags }));
    return this.note();
  }

  /** Remembers the contents at the present version. */
  note(): number {
    const { visibleVersion } = this.engine;
    this.states.set(visibleVersion, dump(this.engine, true));
    return visibleVersion;
  }

  backup(options?: BackupOptions, engine: Engine = this.engine): Promise<BackupInfo> {
    return backupTo(engine, this.handle, options);
  }

  replicate(options?: ReplicationOptions, engine: Engine = this.engine): Promise<Replication> {
    return new Replication(this.context, engine, replicationOptions("replicate", options)).start();
  }

  /** Restores into a new directory and gives back what it holds. */
  async restore(options: RestoreOptions = {}): Promise<{ info: RestoreInfo; contents: Contents; engine: Engine }> {
    const path = `/restored-${++restores}`;
    const settings = settingsOf({ clock: this.time.clock });
    const info = await restoreTo(this.fs, settings, this.handle, path, options);
    const engine = await openAt(this.fs, path, { clock: this.time.clock, readOnly: true });
    const contents = dump(engine, true);
    await engine.close();
    return { info, contents, engine };
  }

  async points(): Promise<RecoveryRange[]> {
    return recoveryRanges(await readFacts(this.context));
  }

  /** Copies the database directory as a careless user would, while it is open. */
  async copyDirectory(to: string): Promise<void> {
    await this.fs.makeDirectory(to, { parents: true });
    for (const name of await this.fs.list(this.engine.path)) {
      if (name.startsWith("LOCK")) continue;
      const from = await this.fs.open(join(this.engine.path, name), "read");
      const bytes = new Uint8Array(from.sizeSync());
      await from.readAt(bytes, 0);
      await from.close();
      const target = await this.fs.open(join(to, name), "create");
      await target.append(bytes);
      await target.sync();
      await target.close();
    }
  }
}
