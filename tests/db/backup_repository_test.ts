/** The public face of repositories: what it passes on, and what it refuses. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import {
  BackupRepository,
  ClosedError,
  DB,
  DecryptionError,
  type Encryption,
  ExistsError,
  IntegrityError,
  type ListPage,
  MemoryStore,
  NotFoundError,
  type ObjectBody,
  type PutOptions,
  ReadOnlyError,
  type RepositoryOptions,
  StorageError,
  type StoredObject,
} from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { FaultStore } from "../../lib/storage/fault_store.ts";
import { UnconditionalStore } from "../backup/repository/unconditional_store.ts";
import { onOneDisk, withDb, withDirectory } from "./helpers.ts";

const FIRST: Encryption = { key: new Uint8Array(32).fill(1) };
const SECOND: Encryption = { key: new Uint8Array(32).fill(2) };
const WORDS: Encryption = { passphrase: "three random words" };

/** A store that changes one bit of each object of a backup's content on its way in. */
class LyingStore extends MemoryStore {
  override async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    if (!key.startsWith("objects/")) return await super.put(key, body, options);
    const pieces: Uint8Array[] = [];
    for await (const piece of body instanceof Uint8Array ? [body] : body) pieces.push(piece.slice());
    const last = pieces.findLast(({ length }) => length > 0)!;
    last[last.length >> 1]! ^= 1;
    async function* changed(): AsyncGenerator<Uint8Array> {
      yield* pieces;
    }
    return await super.put(key, changed(), options);
  }
}

/** A store in which somebody does something just before it is listed for the first time. */
class BusyStore extends MemoryStore {
  beforeList: (() => Promise<void>) | undefined;

  override async list(...options: Parameters<MemoryStore["list"]>): Promise<ListPage> {
    const before = this.beforeList;
    this.beforeList = undefined;
    await before?.();
    return await super.list(...options);
  }
}

/** A store that writes down which reads leave its checksums to the caller. */
class AskedStore extends MemoryStore {
  readonly asked: [key: string, unchecked: boolean | undefined][] = [];

  override async get(...[key, options]: Parameters<MemoryStore["get"]>): Promise<StoredObject | undefined> {
    this.asked.push([key, options?.unchecked]);
    return await super.get(key, options);
  }
}

describe("BackupRepository", () => {
  it("refuses to be inside of what it backs up", () =>
    withDirectory(async (home) => {
      await using db = await DB.open(join(home, "data"));
      await db.set("a", 1);
      await using inside = await BackupRepository.open(join(home, "data", "backups"));
      const refusal = { name: "TypeError", message: /is the database's own directory or inside it; choose another/ };
      await assert.rejects(inside.backup(db), refusal);
      await assert.rejects(inside.backup(db, { prefix: "a" }), refusal);
      await assert.rejects(db.backup(inside), refusal);
      await assert.rejects(inside.replicate(db), refusal);
      assert.deepEqual([await inside.list(), db.slots()], [[], []]);
      await using beside = await BackupRepository.open(join(home, "data-backups"));
      assert.equal((await beside.backup(db)).version, 1);
    }));

  it("names its own call where a restore is refused", () =>
    withDb(async (db) => {
      await using repo = await BackupRepository.open(new MemoryStore());
      await repo.backup(db);
      const refused: [() => Promise<unknown>, RegExp][] = [
        [() => repo.restore("to", { overwrite: 1 } as object), /^restore: option "overwrite"/],
        [() => repo.restore("to", { encryption: { passphrase: "p" } }), /^restore: option "encryption"/],
        [() => repo.restore(":memory:"), /^restore: ":memory:" is no path/],
      ];
      for (const [call, message] of refused) await assert.rejects(call(), { message });
    }));

  it("says of a dry run's entries what it knows of them", () =>
    withDb(async (db) => {
      await using repo = await BackupRepository.open(new MemoryStore());
      for (const value of [1, 2]) await db.set("a", value);
      await repo.backup(db);
      const planned = await repo.restore(db, { dryRun: true });
      assert.deepEqual([planned.entriesAtMost, planned.entries >= 1], [true, true]);
      await db.setMany(Array.from({ length: 10 }, (_, i) => [`b${i}`, i] as const));
      await repo.backup(db);
      const behind = await repo.restore(db, { dryRun: true });
      assert.deepEqual([behind.entriesAtMost, behind.entries], [undefined, planned.entries + behind.recordsReplayed]);
    }));

  it("leaves a store's checksums away where it has a digest of its own, and not where it copies bytes as they are", () =>
    withDirectory(async (home) => {
      const store = new AskedStore();
      await using db = await DB.open(join(home, "data"));
      await db.set("a", 1);
      await using repo = await BackupRepository.open(store);
      await repo.backup(db, { type: "full" });
      await db.set("b", 2);
      await repo.backup(db, { type: "incremental" });
      store.asked.length = 0;
      await repo.restore(join(home, "restored"));
      await repo.verify();
      const whole = store.asked.filter(([key]) => /^(?:objects|log)\//.test(key));
      assert.ok(whole.length > 4 && whole.every(([, unchecked]) => unchecked), JSON.stringify(store.asked));

      const { objects } = await store.list({ prefix: "objects/" });
      const { key } = objects[0]!;
      await store.put(key, new Uint8Array(100));
      store.asked.length = 0;
      await repo.repair();
      const copied = store.asked.filter((asked) => asked[0] === key && !asked[1]);
      assert.equal(copied.length, 1, JSON.stringify(store.asked));
    }));

  it("opens by path and by file: URL, of real files that are for their owner alone", () =>
    withDirectory(async (home) => {
      await using db = await DB.open(join(home, "data"));
      await db.set("a", 1);
      await using repo = await BackupRepository.open(join(home, "backups"));
      await repo.backup(db);
      await using again = await BackupRepository.open(pathToFileURL(join(home, "backups")));
      assert.equal(again.id, repo.id);
      assert.equal((await again.list()).length, 1);
      for (const name of readdirSync(join(home, "backups"), { recursive: true }) as string[]) {
        const { mode } = statSync(join(home, "backups", name));
        assert.equal(mode & 0o077, 0, name);
      }
    }));

  it("tells at its end what keeps a replication from ending well, unless that was told to whoever stopped it", async () => {
    await using db = await DB.open(":memory:");
    const store = new FaultStore(new MemoryStore());
    const repo = await BackupRepository.open(store);
    await db.set("a", 1);
    const first = await repo.replicate(db);
    await db.set("a", 2);
    const heal = store.inject({ at: ({ key }) => key.startsWith("log/"), do: "tear" });
    await assert.rejects(first.stop(), StorageError);
    heal();
    await repo.replicate(db);
    await repo.close();

    const again = await BackupRepository.open(store);
    await again.replicate(db);
    await db.set("a", 3);
    store.inject({ at: ({ key }) => key.startsWith("log/"), do: "tear" });
    await assert.rejects(again.close(), StorageError);
  });

  it("is what db.backup and db.restore take by its path, too", () =>
    withDirectory(async (home) => {
      await using db = await DB.open(join(home, "data"));
      await db.set("a", 1);
      const { id, type } = await db.backup(join(home, "backups"), { labels: { why: "before" } });
      assert.equal(type, "full");
      await db.set("a", 2);
      await db.restore(join(home, "backups"), { backupId: id });
      assert.equal(await db.get("a"), 1);
      await DB.restore(join(home, "backups"), join(home, "else"), { backupId: id });
      await using copy = await DB.open(join(home, "else"));
      assert.equal(await copy.get("a"), 1);
    }));

  it("stops at the tables of the base with replayLog false", () =>
    withDb(async (db) => {
      await db.set("in a table", 1);
      await db.flush();
      await db.compact();
      await using repo = await BackupRepository.open(new MemoryStore());
      await repo.backup(db, { type: "snapshot", excludeLog: true });
      await db.set("in the log", 2);
      const { id } = await repo.backup(db, { type: "incremental" });
      await withDb(async (other) => {
        for (const backupId of [undefined, id]) {
          await repo.restore(other, { replayLog: false, backupId });
          assert.deepEqual([await other.get("in a table"), await other.get("in the log")], [1, undefined]);
        }
        await repo.restore(other);
        assert.deepEqual([await other.get("in a table"), await other.get("in the log")], [1, 2]);
      });
    }));

  it("notices at the backup that a store keeps something else, unless told not to look", () =>
    withDb(async (db) => {
      await db.set("a", "something to keep");
      await using repo = await BackupRepository.open(new LyingStore());
      await assert.rejects(repo.backup(db), IntegrityError);
      assert.deepEqual(await repo.list(), []);
      await repo.backup(db, { verify: false });
      assert.equal((await repo.verify()).ok, false);
    }));

  it("tells of what is under way, and prints its figures", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      await using repo = await BackupRepository.open(new MemoryStore());
      const seen: string[] = [];
      await repo.backup(db, { onProgress: () => void seen.push(...repo.status().activities.map(({ kind }) => kind)) });
      assert.ok(seen.length > 0 && seen.every((kind) => kind === "backup"));
      assert.deepEqual(repo.status(), { activities: [], replications: [] });
      assert.match(await repo.metrics(), /^holdfast_backup_backups\{.*type="full".*\} 1$/m);
      assert.deepEqual((await repo.history()).map(({ action, result }) => [action, result]), [["backup", "ok"]]);
    }));

  it("forgets a replication that was stopped, with its database, and leaves nothing on its signal, nor does a restore", () =>
    withDb(async (db) => {
      await using repo = await BackupRepository.open(new MemoryStore());
      const { signal } = new AbortController();
      let listening = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => (listening++, add(...args));
      signal.removeEventListener = (...args: Parameters<typeof remove>) => (listening--, remove(...args));
      const running = await repo.replicate(db);
      for (let i = 0; i < 3; i++) {
        await using replication = await repo.replicate(db, { signal });
        await db.set("a", i);
        await replication.flush();
      }
      assert.deepEqual(repo.status().replications.map(({ state }) => state), ["waiting"]);
      await withDirectory(async (path) => void await repo.restore(join(path, "restored"), { signal }));
      assert.equal(listening, 0);
      await running.stop();
      assert.deepEqual(repo.status().replications, []);
    }));

  it("does nothing when its signal fired before, replicating too, and leaves no empty repository", () =>
    withDirectory(async (path) => {
      await using db = await DB.open(join(path, "data"));
      await db.set("a", 1);
      const store = new MemoryStore();
      await using repo = await BackupRepository.open(store);
      await repo.backup(db, { id: "first" });
      await using other = await BackupRepository.open(new MemoryStore());
      const stored = async (): Promise<string[]> =>
        (await store.list()).objects.map(({ key }) => key).filter((key) => !key.startsWith("audit/"));
      const before = [await stored(), readdirSync(path, { recursive: true }), db.slots()];
      const fresh = new MemoryStore();
      const signal = AbortSignal.abort(new Error("given up"));
      const long: Record<string, () => Promise<unknown>> = {
        backup: () => repo.backup(db, { signal }),
        "backup into a directory": () => db.backup(join(path, "backups"), { signal }),
        "backup into a store": () => db.backup(fresh, { signal }),
        restore: () => repo.restore(join(path, "restored"), { signal }),
        estimate: () => repo.estimate({ signal }),
        verify: () => repo.verify(undefined, { signal }),
        prune: () => repo.prune({ keepLast: 1 }, { signal }),
        delete: () => repo.delete("first", { signal }),
        "dry run of prune": () => repo.prune({ keepLast: 1 }, { signal, dryRun: true }),
        drill: () => repo.drill({ signal }),
        repair: () => repo.repair({ signal }),
        copyTo: () => repo.copyTo(other, { signal }),
        replicate: () => repo.replicate(db, { signal }),
      };
      for (const [name, call] of Object.entries(long)) await assert.rejects(call, { message: "given up" }, name);
      assert.deepEqual([await stored(), readdirSync(path, { recursive: true }), db.slots()], before);
      assert.deepEqual((await fresh.list()).objects, []);
      assert.deepEqual(repo.status().replications, []);
    }));

  for (const how of ["throws", "rejects with"]) {
    it(`tells each listener how far long work is, and ends with what that ${how}`, () =>
      withDirectory(async (path) => {
        await using db = await DB.open(join(path, "data"));
        await db.set("a", 1);
        await using repo = await BackupRepository.open(new MemoryStore());
        await repo.backup(db);
        await using other = await BackupRepository.open(new MemoryStore());
        const broken = new Error("of the listener");
        const onProgress = (): Promise<void> => {
          if (how === "throws") throw broken;
          return Promise.reject(broken);
        };
        const long: Record<string, () => Promise<unknown>> = {
          backup: () => repo.backup(db, { onProgress }),
          restore: () => repo.restore(join(path, "restored"), { onProgress }),
          estimate: () => repo.estimate({ onProgress }),
          verify: () => repo.verify(undefined, { onProgress }),
          prune: () => repo.prune({ keepLast: 1 }, { onProgress }),
          "dry run of prune": () => repo.prune({ keepLast: 1 }, { onProgress, dryRun: true }),
          drill: () => repo.drill({ onProgress }),
          repair: () => repo.repair({ onProgress }),
          copyTo: () => repo.copyTo(other, { onProgress }),
        };
        for (const [name, call] of Object.entries(long)) {
          // Of these there is one report: what it rejects with finds no next one to end.
          if (how === "rejects with" && ["estimate", "dry run of prune"].includes(name)) await call();
          else await assert.rejects(call, { message: "of the listener" }, name);
        }
        // It says nothing of what was backed up, so there is no drill that failed.
        assert.deepEqual((await repo.history()).filter(({ action }) => action === "drill"), []);
        assert.ok((await repo.health()).findings.every(({ code }) => code !== "drill-failed"));
      }));
  }

  it("refuses after close, read-only, without a key and without a backup, each by name", () =>
    withDb(async (db) => {
      const store = new MemoryStore();
      const repo = await BackupRepository.open(store);
      await repo.backup(db);
      await assert.rejects(repo.verify("none"), NotFoundError);
      await assert.rejects(
        repo.verify({ read: "sample" } as never),
        /^TypeError: verify: id must be a string, not an object; options come second: verify\(undefined, options\)$/,
      );
      await assert.rejects(repo.pin("none"), NotFoundError);
      await assert.rejects(repo.backup({} as DB), TypeError);
      // Each would ask the other, without an end.
      const other = await BackupRepository.open(new MemoryStore());
      for (const no of [repo, other] as never[]) {
        await assert.rejects(
          repo.backup(no),
          /^TypeError: backup: .* must be an open database, not a BackupRepository$/,
        );
        await assert.rejects(repo.restore(no), /^TypeError: restore: destination must be .*, not a BackupRepository$/);
      }
      await assert.rejects(
        repo.drill({ directory: 5 as never }),
        /^TypeError: drill: option "directory": path must be/,
      );
      await assert.rejects(repo.replicate({} as DB), TypeError);
      await assert.rejects(repo.copyTo({} as BackupRepository), TypeError);
      // Before it looks for the directory.
      const drill = repo.drill({ directory: "missing", signal: 5 as never });
      await assert.rejects(drill, { name: "TypeError", message: /"signal"/ });
      await using reader = await BackupRepository.open(store, { readOnly: true });
      for (const call of [() => reader.backup(db), () => reader.delete("x"), () => reader.prune({ keepLast: 1 })]) {
        await assert.rejects(call, ReadOnlyError);
      }
      assert.equal((await reader.list()).length, 1);
      await repo.close();
      await assert.rejects(repo.list(), ClosedError);
      await assert.rejects(repo.backup(db), ClosedError);
      const closed = { name: "ClosedError", message: /the repository memory.* is closed; open it again \(CLOSED\)$/ };
      await assert.rejects(db.backup(repo), closed);
      await assert.rejects(db.restore(repo), closed);
      await assert.rejects(DB.restore(repo, "never"), closed);
      await assert.rejects(other.copyTo(repo), closed);
      assert.equal((await reader.list()).length, 1);
    }));

  it("ends what is under way when it is closed, and takes nothing new", () =>
    withDb(async (db) => {
      const repo = await BackupRepository.open(new MemoryStore());
      await db.set("a", 1);
      const backups = [repo.backup(db), db.backup(repo)];
      await repo.close();
      const made = await Promise.allSettled(backups);
      assert.ok(made.some(({ status }) => status === "fulfilled"));
      for (const each of made) {
        if (each.status === "rejected") assert.equal(each.reason.code, "REPOSITORY_LOCKED"); // one at a time
      }
    }));

  it("says what a replication would ask for, with the options that decide it, and no others", async () => {
    await using repo = await BackupRepository.open(new MemoryStore());
    const [read, unread] = [await repo.estimateReplication(), await repo.estimateReplication({ verify: false })];
    assert.equal(read.busy.gets - unread.busy.gets, 3600);
    assert.deepEqual({ ...read.busy, gets: 0 }, { ...unread.busy, gets: 0 });
    await assert.rejects(repo.estimateReplication({ baseEvery: "1d" } as never), TypeError);
  });

  it("says what a replication would ask for of a store without conditions, also to who may only read", async () => {
    const store = new UnconditionalStore();
    await using repo = await BackupRepository.open(store);
    await using reader = await BackupRepository.open(store, { readOnly: true });
    const asked = await repo.estimateReplication();
    assert.equal(asked.idle.deletes, 60);
    assert.deepEqual(await reader.estimateReplication(), asked);
  });

  it("is the other's where another makes it while it is opened, and has backed up into it", () =>
    withDb(async (db) => {
      for (const encryption of [undefined, FIRST]) {
        for (const backedUp of [false, true]) {
          const store = new BusyStore();
          let id: string | undefined;
          store.beforeList = async () => {
            await using first = await BackupRepository.open(store, { encryption });
            if (backedUp) await first.backup(db);
            id = first.id;
          };
          await using second = await BackupRepository.open(store, { encryption });
          assert.equal(second.id, id);
          await second.backup(db);
          assert.equal((await second.list()).length, backedUp ? 2 : 1);
        }
      }
    }));

  it("is refused where something else is, or what is left of one", async () => {
    const store = new MemoryStore();
    await store.put("photo.jpg", new Uint8Array(1));
    await assert.rejects(
      BackupRepository.open(store),
      (error) => error instanceof ExistsError && /photo/.test(`${error}`),
    );
    await store.put("objects/ab", new Uint8Array(1));
    await assert.rejects(
      BackupRepository.open(store),
      (error) => error instanceof IntegrityError && /objects\/ab.*no repository\.json/.test(`${error}`),
    );
  });

  it("refuses options that it does not know, or whose values make no sense", async () => {
    const open = (options: object): Promise<unknown> => BackupRepository.open(new MemoryStore(), options);
    await assert.rejects(open({ encrypton: FIRST }), TypeError);
    await assert.rejects(open({ encryption: { key: new Uint8Array(31) } }), RangeError);
    await assert.rejects(open({ encryption: {} }), TypeError);
    await assert.rejects(open({ concurrency: 0 }), RangeError);
    await assert.rejects(open({ timeZone: "Mars/Olympus" }), RangeError);
    await assert.rejects(open({ compression: "lz4" }), TypeError);
    await assert.rejects(BackupRepository.open(7 as unknown as string), TypeError);
    await assert.rejects(
      BackupRepository.open("/backups", { fileSystem: memoryFileSystem(), createIfMissing: false }),
      NotFoundError,
    );
  });
});

describe("delete()", () => {
  it("deletes nothing where it is given what only prune() takes", () =>
    withDb(async (db) => {
      await using repo = await BackupRepository.open(new MemoryStore());
      await repo.backup(db, { id: "first" });
      const message = /^delete: unknown option "dryRun"/;
      await assert.rejects(repo.delete("first", { dryRun: true } as object), { name: "TypeError", message });
      assert.equal((await repo.list()).length, 1);
      await repo.delete("first", {});
      assert.deepEqual(await repo.list(), []);
    }));
});

describe("Keys of a repository", () => {
  const opens = async (store: MemoryStore, encryption: Encryption): Promise<boolean> => {
    try {
      await (await BackupRepository.open(store, { encryption })).close();
      return true;
    } catch (error) {
      assert.ok(error instanceof DecryptionError);
      return false;
    }
  };

  it("are added and removed, each opens it alone, and the last one stays", () =>
    withDb(async (db) => {
      const store = new MemoryStore();
      await using repo = await BackupRepository.open(store, { encryption: FIRST });
      assert.equal(repo.encrypted, true);
      await db.set("a", 1);
      await repo.backup(db);
      const added = await repo.addKey(WORDS);
      assert.deepEqual((await repo.keys()).map(({ kind }) => kind).sort(), ["key", "passphrase"]);
      assert.deepEqual([await opens(store, FIRST), await opens(store, WORDS), await opens(store, SECOND)], [
        true,
        true,
        false,
      ]);
      const [old] = (await repo.keys()).filter(({ id }) => id !== added.id);
      await repo.removeKey(old!.id);
      assert.deepEqual([await opens(store, FIRST), await opens(store, WORDS)], [false, true]);
      await assert.rejects(repo.removeKey(added.id), TypeError);
      await assert.rejects(repo.removeKey("none"), NotFoundError);
      await using other = await BackupRepository.open(store, { encryption: WORDS });
      await withDb(async (empty) => {
        await other.restore(empty);
        assert.equal(await empty.get("a"), 1);
      });
    }));

  it("are replaced by a rotation that writes no data, and handles that are open go on", () =>
    withDb(async (db) => {
      const store = new MemoryStore();
      await using repo = await BackupRepository.open(store, { encryption: FIRST });
      await db.set("a", 1);
      await repo.backup(db);
      const keysOf = async (): Promise<string[]> =>
        (await store.list()).objects.map(({ key }) => key).filter((key) => !/^(?:keys|audit|locks)\//.test(key));
      const before = await keysOf();
      await repo.rotateKey(SECOND);
      assert.deepEqual(await keysOf(), before);
      assert.deepEqual([await opens(store, FIRST), await opens(store, SECOND)], [false, true]);
      await db.set("b", 2);
      assert.equal((await repo.backup(db)).type, "incremental");
    }));

  it("are in no file and no message", () =>
    withDirectory(async (home) => {
      const secret = "a passphrase to be found nowhere";
      const path = join(home, "backups");
      await using db = await DB.open(join(home, "data"), { fileSystem: onOneDisk().fileSystem });
      await db.set("a", 1);
      await using repo = await BackupRepository.open(path, { encryption: { passphrase: secret } });
      await repo.backup(db);
      await repo.drill({ backupId: "none" }).catch(() => {});
      const refused = await BackupRepository.open(path, { encryption: { passphrase: `${secret}!` } }).catch((error) =>
        error
      );
      const texts = [
        String(refused),
        JSON.stringify(refused),
        JSON.stringify(repo),
        JSON.stringify(await repo.history()),
      ];
      for (const name of readdirSync(path, { recursive: true }) as string[]) {
        const file = join(path, name);
        if (statSync(file).isFile()) texts.push(readFileSync(file, "latin1"));
      }
      for (const text of texts) assert.ok(!text.includes(secret));
    }));

  it("are refused where nothing is encrypted, and asked for where all is", async () => {
    const [plain, secret] = [new MemoryStore(), new MemoryStore()];
    await BackupRepository.open(plain);
    await BackupRepository.open(secret, { encryption: FIRST });
    const open = (store: MemoryStore, options?: RepositoryOptions): Promise<unknown> =>
      BackupRepository.open(store, options);
    await assert.rejects(open(plain, { encryption: FIRST }), DecryptionError);
    await assert.rejects(open(secret), DecryptionError);
    await using keyless = await BackupRepository.open(secret, { keyless: true });
    assert.deepEqual([keyless.readOnly, keyless.encrypted, (await keyless.verify()).ok], [true, true, true]);
    await assert.rejects(keyless.drill(), ReadOnlyError);
  });
});
