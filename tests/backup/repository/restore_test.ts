import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BackupOptions } from "../../../lib/backup/backup_options.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import type { RestoreInfo } from "../../../lib/backup/info.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import {
  DecryptionError,
  ExistsError,
  GapError,
  IntegrityError,
  IOError,
  LockedError,
  NoSpaceError,
  NotFoundError,
  PermissionError,
  StorageError,
  UnsupportedFormatError,
} from "../../../lib/base/errors.ts";
import type { FileHandle, FileSystem, OpenMode } from "../../../lib/files/file_system.ts";
import type { Operation } from "../../../lib/files/memory/disk_operation.ts";
import { readFile } from "../../../lib/files/read.ts";
import { decodeText, encodeText } from "../../../lib/base/bytes.ts";
import type { Progress } from "../../../lib/base/progress.ts";
import { estimateRestore } from "../../../lib/backup/repository/restoring/estimate.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { OPEN_DEFAULTS, openRepository, storeAt } from "../../../lib/backup/repository/core/open.ts";
import { ownContext } from "../../../lib/backup/repository/core/context.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { clearLeases, LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { sealDocument } from "../../../lib/format/repository/document.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { collect } from "../helpers.ts";
import { House } from "./house.ts";
import { keysOf } from "./prune_fixture.ts";

/** Entries whose text does not compress away, so that there are several tables. */
async function fill(house: House, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    let text = "";
    while (text.length < 2000) text += Math.imul(text.length + i, 2_654_435_761).toString(36);
    await house.set(`${name}${i}`, text, i % 2 === 0 ? ["even"] : []);
    house.time.now += 1000;
  }
}

/** Backups at 100, 110 (incremental) and 115 (snapshot), 5 more versions archived. */
async function week(store?: ObjectStore): Promise<House> {
  const house = await House.make(store === undefined ? {} : { store });
  await fill(house, "a", 100);
  await house.engine.compact();
  await house.backup({ id: "full" });
  await fill(house, "b", 10);
  await house.backup({ id: "inc" });
  await fill(house, "c", 5);
  await house.backup({ id: "snap", type: "snapshot" });
  await fill(house, "d", 5);
  await house.backup({ id: "last" });
  return house;
}

/** A file system that spoils one byte of what is written of each table at a time: one that is fetched, or that is made. */
function spoiling(fs: FileSystem, which: "open" | "openSync" = "open"): FileSystem {
  return new Proxy(fs, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== which) return typeof value === "function" ? value.bind(target) : value;
      const spoilt = (path: string, mode: OpenMode, handle: FileHandle): FileHandle => {
        if (mode !== "create" || !path.endsWith(".sst")) return handle;
        return new Proxy(handle, {
          get(file, what) {
            const call = Reflect.get(file, what);
            if (what !== "append") return typeof call === "function" ? call.bind(file) : call;
            return (bytes: Uint8Array) => {
              const spoilt = bytes.slice();
              spoilt[spoilt.length >> 1]! ^= 1;
              return file.append(spoilt);
            };
          },
        });
      };
      return which === "openSync"
        ? (path: string, mode: OpenMode) => spoilt(path, mode, target.openSync(path, mode))
        : async (path: string, mode: OpenMode) => spoilt(path, mode, await target.open(path, mode));
    },
  });
}

async function turnsOfTheLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function edit(store: ObjectStore, key: string, change: (text: string) => string): Promise<void> {
  const text = decodeText(await collect((await store.get(key))!.body));
  await store.put(key, encodeText(change(text)));
}

describe("restore() from a repository", () => {
  it("is there after a power cut once it is told, whether it was read back or not", async () => {
    for (const options of [{}, { verifyAfter: false }, { backupId: "full", verifyAfter: false }]) {
      const house = await week();
      const settings = settingsOf({ clock: house.time.clock });
      const { achieved } = await restoreTo(house.fs, settings, house.handle, "/r", options);
      const image = house.fs.crash({ keep: "none" });
      const engine = await openAt(image, "/r", { clock: house.time.clock });
      assert.deepEqual(dump(engine, true), house.states.get(achieved.version));
      assert.ok((await engine.verify()).ok);
      await engine.close();
    }
  });

  it("blames the repository for a damaged object and the disk for a damaged file, and leaves nothing", async () => {
    const house = await week();
    const settings = settingsOf({ clock: house.time.clock });
    const restore = (path: string, fs: FileSystem = house.fs, options = {}) =>
      restoreTo(fs, settings, house.handle, path, options);
    // The log, too, is applied while the files are fetched.
    for (const options of [{ backupId: "full" }, {}]) {
      await assert.rejects(restore("/spoilt", spoiling(house.fs), options), (error: IntegrityError) => {
        assert.ok(error instanceof IntegrityError, `${error}`);
        assert.match(error.message, /does not read back as it was written/);
        return true;
      });
      assert.equal(await house.fs.stat("/spoilt"), undefined);
    }
    const { objects } = await house.store.list({ prefix: "objects/" });
    const { key } = objects.reduce((a, b) => a.size > b.size ? a : b);
    const bytes = (await collect((await house.store.get(key))!.body)).slice();
    bytes[bytes.length >> 1]! ^= 1;
    await house.store.put(key, bytes);
    for (
      const options of [{ backupId: "full" }, {}, { backupId: "full", verifyAfter: false }, { verifyAfter: false }]
    ) {
      await assert.rejects(restore("/damaged", house.fs, options), (error: IntegrityError) => {
        assert.ok(error instanceof IntegrityError, `${error}`);
        assert.ok(error.message.includes(key), error.message);
        return true;
      });
      assert.equal(await house.fs.stat("/damaged"), undefined);
    }
  });

  it("takes no object for another of the same length, read back or not", async () => {
    const houses = await Promise.all(["1", "2"].map(async (value) => {
      const house = await House.make();
      await house.set("a", value);
      await house.engine.compact();
      await house.backup({ id: "full" });
      const { base } = JSON.parse(decodeText(await collect((await house.store.get("backups/full.json"))!.body)));
      return { house, table: base.files.find(({ kind }: { kind: string }) => kind === "table") };
    }));
    const [{ house, table }, other] = houses as [typeof houses[0], typeof houses[0]];
    assert.equal(table.size, other.table.size);
    const key = `objects/${table.object}`;
    await house.store.put(key, (await other.house.store.get(`objects/${other.table.object}`))!.body);
    for (const verifyAfter of [true, false]) {
      await assert.rejects(house.restore({ verifyAfter }), (error: IntegrityError) => {
        return error instanceof IntegrityError && error.message.startsWith(key);
      });
    }
  });

  it("reads back what it made of the log, too", async () => {
    const house = await House.make();
    await fill(house, "a", 3);
    await house.backup();
    const settings = settingsOf({ clock: house.time.clock });
    await assert.rejects(restoreTo(spoiling(house.fs, "openSync"), settings, house.handle, "/spoilt"), {
      name: "IntegrityError",
      message: /does not read back as it was written/,
    });
    assert.equal(await house.fs.stat("/spoilt"), undefined);
  });

  it("does not pass for a version that the files do not hold, be it read back or not", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.set("b", "2");
    for (const id of ["with-log", "in-tables"]) {
      await house.backup({ id, type: "full" });
      await house.engine.compact();
    }
    for (const backup of await readBackups(house.context)) {
      const { id, base } = backup;
      const hasTail = base!.files.some(({ kind }) => kind === "tail");
      assert.equal(hasTail, id === "with-log");
      await house.store.put(`backups/${id}.json`, sealDocument("backup", { ...backup, version: 3 }));
      for (const verifyAfter of hasTail ? [true, false] : [true]) {
        await assert.rejects(house.restore({ backupId: id, verifyAfter }), {
          name: "IntegrityError",
          message: hasTail ? /version 3 .* its log ends at version 2/ : /shows version 2, not 3/,
        });
      }
    }
  });

  it("gives back every version between two backups, by version, time and id", async () => {
    const house = await week();
    for (let version = 100; version <= 120; version++) {
      const { info, contents } = await house.restore({ at: { version } });
      assert.equal(info.achieved.version, version);
      assert.deepEqual(info.requested, { source: "memory", mode: "replace", dryRun: false, version });
      assert.deepEqual(contents, house.states.get(version));
      const { timestamp } = info.achieved;
      assert.deepEqual((await house.restore({ at: new Date(timestamp) })).info.achieved, info.achieved);
    }
    for (const [backupId, version] of [["full", 100], ["inc", 110], ["snap", 115], ["last", 120]] as const) {
      assert.deepEqual((await house.restore({ backupId })).contents, house.states.get(version));
    }
    // Without log an incremental one is what it was made on.
    const { contents } = await house.restore({ backupId: "inc", replayLog: false });
    assert.deepEqual(contents, house.states.get(100));
    await assert.rejects(house.restore({ at: { version: 99 } }), GapError);
    await assert.rejects(house.restore({ at: { version: 121 } }), GapError);
    await assert.rejects(house.restore({ backupId: "none" }), NotFoundError);
    await assert.rejects(house.restore({ at: 0 }), (error: GapError) => error.available! > 0);
    await assert.rejects(house.restore({ at: 5, backupId: "inc" }), TypeError);
  });

  it("keeps versions and times, and begins a new history at the first write", async () => {
    const house = await week();
    const { info } = await house.restore({ at: { version: 112 } });
    assert.deepEqual([info.recordsReplayed, info.backups], [12, ["full"]]);
    const restored = await openAt(house.fs, "/again-none", {}).then((engine) => engine.close()).then(async () => {
      await restoreTo(house.fs, settingsOf(), house.handle, "/again", { at: { version: 112 } });
      return await openAt(house.fs, "/again", { clock: house.time.clock });
    });
    assert.deepEqual([restored.visibleVersion, restored.lineage], [112, house.engine.lineage]);
    await write(restored, (batch) => put(batch, 0, "mine", { value: "1" }));
    assert.notEqual(restored.lineage, house.engine.lineage);
    const { meta } = restored;
    assert.deepEqual(meta.parents, [{ lineage: house.engine.lineage, version: 112 }]);
    await restored.compact();
    await write(restored, (batch) => put(batch, 0, "mine", { value: "2" }));
    assert.deepEqual([restored.meta.lineage, restored.meta.parents], [meta.lineage, meta.parents], "once");
    // Its backups stand beside the others, and each history is told from the other.
    await house.backup({ id: "fork" }, restored);
    const forked = await house.restore();
    assert.deepEqual(forked.contents, dump(restored, true));
    const { lineage } = house.engine;
    assert.deepEqual((await house.restore({ lineage })).contents, house.states.get(120));
    await assert.rejects(house.restore({ lineage: "0".repeat(32) }), NotFoundError);
    await restored.close();
  });

  it("takes only a prefix at any point in time, into a new directory and into an open database", async () => {
    const house = await week();
    const { contents } = await house.restore({ at: { version: 107 }, prefix: "b" });
    assert.deepEqual(Object.keys(contents).filter((key) => key.startsWith(":")), [
      ":b0",
      ":b1",
      ":b2",
      ":b3",
      ":b4",
      ":b5",
      ":b6",
    ]);
    await write(house.engine, (batch) => put(batch, 0, "b0", { value: "overwritten" }));
    await write(house.engine, (batch) => put(batch, 0, "b9", { value: "overwritten" }));
    await restoreInto(house.engine, house.handle, { at: { version: 107 }, prefix: "b", mode: "merge" });
    const merged = dump(house.engine);
    assert.match(merged[":b9"]!, /overwritten/, "not in the backup: it stays");
    assert.doesNotMatch(merged[":b0"]!, /overwritten/, "the backup's entry wins");
    await restoreInto(house.engine, house.handle, { at: { version: 107 }, prefix: "b" });
    assert.equal(dump(house.engine)[":b9"], undefined, "replaced");
    assert.ok(dump(house.engine)[":d4"] !== undefined, "the rest stays");
  });

  it("brings back what has expired when that is cleared, from the log as from the base", async () => {
    const house = await House.make();
    const expiresAt = house.time.now + 60_000;
    for (const [key, type] of [["in the base", "full"], ["in the log", "incremental"]] as const) {
      await write(house.engine, (batch) => put(batch, 0, key, { value: "v", expiresAt }));
      await house.backup({ type });
    }
    house.time.now = expiresAt;
    await house.set("later", "v");
    await house.backup({ type: "incremental" });
    const keys = [":in the base", ":in the log", ":later"];
    const { info, contents } = await house.restore({ expiry: "clear" });
    assert.deepEqual([Object.keys(contents).sort(), info.entries, info.expired], [keys, 3, 0]);
    await restoreInto(house.engine, house.handle, { expiry: "clear" });
    assert.deepEqual(Object.keys(dump(house.engine)).sort(), keys);
    const kept = await house.restore({ at: { version: 3 } });
    assert.deepEqual(Object.keys(kept.contents), [":later"]);
  });

  it("rehearses without reading data or writing anything", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await week(store);
    const before = store.calls.length;
    const info = await restoreTo(house.fs, settingsOf(), house.handle, "/never", {
      at: { version: 112 },
      dryRun: true,
    });
    assert.deepEqual([info.achieved.version, info.recordsReplayed, info.requested.dryRun], [112, 12, true]);
    assert.deepEqual([info.entriesAbout, info.entriesAtMost], [true, undefined]);
    const base = await restoreTo(house.fs, settingsOf(), house.handle, "/never", { backupId: "full", dryRun: true });
    assert.deepEqual([base.recordsReplayed, base.entriesAbout, base.entriesAtMost], [0, undefined, true]);
    assert.equal(await house.fs.stat("/never"), undefined);
    const read = store.calls.slice(before).filter(({ key }) => key.startsWith("objects/"));
    assert.deepEqual(read, []);
  });

  it("refuses what is there unless told, and uses files that are the same", async () => {
    const house = await week();
    const to = (options: object = {}) => restoreTo(house.fs, settingsOf(), house.handle, "/r", options);
    await to({ backupId: "full" });
    await assert.rejects(to(), ExistsError);
    const again = await to({ overwrite: true });
    assert.ok(again.reusedBytes > 100_000 && again.bytes < again.reusedBytes / 2, JSON.stringify(again));
    const engine = await openAt(house.fs, "/r", { clock: house.time.clock });
    assert.deepEqual(dump(engine, true), house.states.get(120));
    await assert.rejects(to({ overwrite: true }), LockedError);
    await engine.close();
  });

  it("fetches what can't be taken from the directory where it is the same", async () => {
    const house = await week();
    const to = (options: object = {}) => restoreTo(house.fs, settingsOf(), house.handle, "/r", options);
    const ends = new Map<string, Progress>();
    const onProgress = (progress: Progress): unknown => ends.set(progress.phase, progress);
    let reusedBytes = 0;
    for (const overwrite of [false, true]) {
      ({ reusedBytes } = await to({ backupId: "full", overwrite, onProgress }));
      const { doneBytes, totalBytes } = ends.get("fetch")!;
      assert.equal(doneBytes, totalBytes, overwrite ? "from the directory" : "from the repository");
      // What was fetched has been read back by then.
      assert.equal(ends.get("verify")!.totalItems! > 0, overwrite);
    }
    const faults = [
      ({ name, path }: Operation) => name === "rename" && path.includes("part-"),
      ({ name, path }: Operation) => name === "read" && path.startsWith("/r/") && path.endsWith(".sst"),
    ];
    for (const at of faults) {
      house.fs.inject({ at, do: "fail" });
      const info = await to({ backupId: "full", overwrite: true });
      assert.ok(info.reusedBytes > 0 && info.reusedBytes < reusedBytes, `${info.reusedBytes} of ${reusedBytes} bytes`);
    }
    const engine = await openAt(house.fs, "/r", { readOnly: true });
    assert.deepEqual(dump(engine, true), house.states.get(100));
    await engine.close();
  });

  it("tells of all the log that it replays, be it ahead of the files", async () => {
    for (const compacts of [false, true]) {
      const store = new FaultStore(new MemoryStore(), {
        delay: async ({ operation, key }) => {
          if (operation === "get" && key.startsWith(PART.objects)) await turnsOfTheLoop(50);
        },
      });
      const house = await House.make({ store });
      await fill(house, "a", 3);
      if (compacts) await house.engine.compact();
      await house.backup();
      await fill(house, "b", 3);
      await house.backup({ type: "incremental" });
      let last: Progress | undefined;
      const onProgress = (progress: Progress): void => {
        if (progress.phase === "replay") last = progress;
      };
      await house.restore({ onProgress });
      assert.deepEqual([last?.doneItems, last?.totalItems], [3, 3]);
      assert.ok(last!.doneBytes > 0 && last!.doneBytes === last!.totalBytes, JSON.stringify(last));
    }
  });

  it("takes files that joined, though it makes more files of the log before them than there were", async () => {
    const house = await House.make();
    const settings = settingsOf({ clock: house.time.clock, memtableBytes: 2 ** 12 });
    await house.backup({ id: "full" });
    for (let i = 0; i < 40; i++) await house.set(`k${i}`, `${i}`.repeat(500));
    await house.engine.compact();
    await house.backup({ id: "later", type: "incremental" });
    await restoreInto(house.engine, house.handle, { backupId: "later" });
    await house.backup({ type: "incremental" });
    await restoreTo(house.fs, settings, house.handle, "/r");
    const engine = await openAt(house.fs, "/r", { readOnly: true });
    assert.deepEqual(dump(engine, true), dump(house.engine, true));
    await engine.close();
  });

  it("is of the lineage that its version is of", async () => {
    const house = await House.make();
    await fill(house, "a", 3);
    await house.backup();
    const { lineage: first } = house.engine;
    await house.engine.close();
    await restoreTo(house.fs, settingsOf({ clock: house.time.clock }), house.handle, "/fork", { at: { version: 3 } });
    await house.open("/fork");
    await fill(house, "b", 2);
    await house.backup();
    const { lineage } = house.engine;
    assert.notEqual(lineage, first);
    const lineageAt = async (version: number): Promise<string> =>
      (await house.restore({ lineage, at: { version } })).engine.lineage;
    assert.deepEqual([await lineageAt(3), await lineageAt(4), await lineageAt(5)], [first, lineage, lineage]);
  });

  it("takes the files that joined in its own history, and not those of the same version in another", async () => {
    const house = await House.make();
    const clock = house.time.clock;
    await fill(house, "a", 3);
    await house.backup({ id: "full" });
    await restoreTo(house.fs, settingsOf({ clock }), house.handle, "/fork");
    // Here and there files join as version 5.
    for (const [path, id] of [["/db", "here"], ["/fork", "full"]] as const) {
      await house.engine.close();
      await house.open(path);
      await fill(house, path, 1);
      await house.backup({ id: path === "/db" ? id : "there" });
      await restoreInto(house.engine, house.handle, { backupId: id });
      assert.equal(house.note(), 5);
      await house.backup({ type: "incremental" });
    }
    const { contents, info } = await house.restore({ lineage: house.engine.lineage });
    assert.equal(info.achieved.version, 5);
    assert.deepEqual(contents, house.states.get(5));
  });

  it("uses no file that is only as long, also where nothing is read back", async () => {
    const house = await week();
    const to = (options: object = {}) => restoreTo(house.fs, settingsOf(), house.handle, "/r", options);
    await to({ backupId: "full" });
    for (const name of (await house.fs.list("/r")).filter((one) => one.endsWith(".sst"))) {
      const bytes = await readFile(house.fs, `/r/${name}`, Infinity);
      bytes[bytes.length >> 1]! ^= 1;
      await house.fs.remove(`/r/${name}`);
      const file = await house.fs.open(`/r/${name}`, "create");
      await file.append(bytes);
      await file.close();
    }
    await to({ overwrite: true, verifyAfter: false });
    const engine = await openAt(house.fs, "/r", { clock: house.time.clock });
    assert.ok((await engine.verify()).ok);
    assert.deepEqual(dump(engine, true), house.states.get(120));
    await engine.close();
  });

  const ofDisk = new Map<string, typeof NoSpaceError | typeof IOError>([["by a full disk", NoSpaceError], [
    "by its disk",
    IOError,
  ]]);
  for (const how of ["by its store", "by its caller", ...ofDisk.keys()]) {
    it(`goes on where it was cut off ${how}`, async () => {
      const inner = new MemoryStore();
      const store = new FaultStore(inner);
      const house = await week(store);
      let objects = 0;
      const giveUp = new AbortController();
      const stop = store.inject({
        at: ({ operation, key }) => operation === "get" && key.startsWith("objects/") && ++objects > 2,
        do: "refuse",
        times: Infinity,
        error: ({ operation, key }) => {
          if (how === "by its caller") giveUp.abort(new Error("enough"));
          if (giveUp.signal.aborted) return giveUp.signal.reason;
          const Failure = ofDisk.get(how);
          if (Failure !== undefined) return new Failure("so the test");
          return new StorageError("away", { operation, key, retryable: false });
        },
      });
      const to = (signal?: AbortSignal) =>
        restoreTo(house.fs, settingsOf(), house.handle, "/r", { concurrency: 1, signal });
      const told = how === "by its caller" ? /^Error: enough$/ : ofDisk.get(how) ?? StorageError;
      await assert.rejects(to(giveUp.signal), told);
      await assert.rejects(openAt(house.fs, "/r", { createIfMissing: false }), NotFoundError, "nothing that opens");
      const [stage] = await house.fs.list("/r");
      const left = await house.fs.list(`/r/${stage}/database-0`);
      assert.ok(left.length > 0 && !left.some((name) => name.startsWith("part-")), left.join());
      stop();
      const info = await to();
      assert.ok(info.reusedBytes > 0);
      assert.deepEqual((await house.fs.list("/r")).filter((name) => name.startsWith(".stage-")), []);
      const engine = await openAt(house.fs, "/r", { readOnly: true });
      assert.deepEqual(dump(engine, true), house.states.get(120));
      await engine.close();
    });
  }

  it("is there after a power cut where one before it ended while it synced, or could not", async () => {
    for (const failure of ["kill", "fail"] as const) {
      const house = await week();
      const disk = memoryFileSystem();
      const to = (fs: FileSystem): Promise<RestoreInfo> => restoreTo(fs, settingsOf(), house.handle, "/r");
      const stays = { at: ({ name }: { name: string }) => name === "remove", do: "fail", times: Infinity } as const;
      const undo = failure === "fail" ? disk.inject(stays) : () => {};
      disk.inject({ at: ({ name, path }) => name === "sync" && path.endsWith(".sst"), do: failure });
      await assert.rejects(to(disk), failure === "fail" ? { message: /Cannot sync/ } : Error);
      undo();
      const again = disk.otherProcess();
      await to(again);
      const engine = await openAt(again.crash({ keep: "none" }), "/r", { clock: house.time.clock });
      assert.deepEqual(dump(engine, true), house.states.get(120), failure);
      assert.ok((await engine.verify()).ok);
      await engine.close();
    }
  });

  it("works where nothing may be written", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await week(store);
    const refusals = [
      () => new PermissionError("read only"),
      (call: StoreCall) => new StorageError("never", { ...call, retryable: false }),
    ];
    for (const error of refusals) {
      const undo = store.inject({
        at: ({ operation }) => operation === "put" || operation === "delete",
        do: "refuse",
        times: Infinity,
        error,
      });
      assert.deepEqual((await house.restore()).contents, house.states.get(120));
      undo();
    }
    await house.openRepository({ readOnly: true });
    store.calls.length = 0;
    assert.deepEqual((await house.restore()).contents, house.states.get(120));
    assert.deepEqual(store.calls.filter(({ operation }) => operation === "put" || operation === "delete"), []);
  });

  it("is refused before anything is fetched where there is too little room, and after what was left there too", async () => {
    const house = await week();
    const small = memoryFileSystem({ capacityBytes: 50_000 });
    for (let tries = 0; tries < 2; tries++) {
      await assert.rejects(restoreTo(small, settingsOf(), house.handle, "/r"), (error: NoSpaceError) => {
        return error instanceof NoSpaceError && /\d+ bytes are needed and \d+ are free/.test(error.message);
      });
      assert.ok(small.usedBytes < 1000);
    }
    small.capacityBytes = Infinity;
    await restoreTo(small, settingsOf(), house.handle, "/r");
    // What is there already needs none.
    small.capacityBytes = small.usedBytes + 100_000;
    await restoreTo(small, settingsOf(), house.handle, "/r", { overwrite: true });
    const engine = await openAt(small, "/r", { readOnly: true });
    assert.deepEqual(dump(engine, true), house.states.get(120));
    await engine.close();
  });

  for (const begins of ["before it begins", "while it goes on"]) {
    it(`works where the repository's disk is full ${begins}`, async () => {
      let isFull = false;
      const store = new FaultStore(new MemoryStore(), {
        delay: ({ operation, key }) => {
          if (restoring && !isFull && operation === "get" && key.startsWith("objects/")) {
            isFull = true;
            house.time.now += 6 * 60_000; // A lease is renewed when five minutes of it are used up.
          }
          return undefined;
        },
      });
      let restoring = false;
      const house = await House.make({ store });
      await fill(house, "a", 5);
      await house.engine.compact();
      await house.backup({ id: "full" });
      await fill(house, "b", 5);
      await house.backup();
      let refused = 0;
      store.inject({
        at: ({ operation }) => operation === "put" && isFull,
        do: "refuse",
        times: Infinity,
        error: () => {
          refused++;
          return new NoSpaceError("the disk is full");
        },
      });
      restoring = true;
      isFull = begins === "before it begins";
      assert.deepEqual((await house.restore()).contents, house.states.get(10));
      assert.ok(refused > 0);
    });
  }

  for (const [what, part, nth] of [["files come", PART.objects, 1], ["log is replayed", PART.log, 2]] as const) {
    it(`renews its lease as ${what}`, async () => {
      let asked = -Infinity;
      const store = new FaultStore(new MemoryStore(), {
        delay: ({ operation, key }) => {
          // The log was looked at for the plan.
          if (operation === "get" && key.startsWith(part) && ++asked === nth) house.time.now += 6 * 60_000;
          return undefined;
        },
      });
      const house = await House.make({ store });
      await house.backup();
      if (part === PART.log) {
        for (let i = 0; i < 1100; i++) await write(house.engine, (batch) => put(batch, 0, "a", { value: `${i}` }));
        await house.backup({ type: "incremental" });
      }
      asked = 0;
      store.calls.length = 0;
      let count: number | undefined;
      await house.restore({ onProgress: ({ phase }) => void (phase === "verify" && (count ??= store.calls.length)) });
      const leases = store.calls.slice(0, count).filter(({ operation, key }) =>
        operation === "put" && key.startsWith(PART.locks)
      );
      assert.equal(leases.length, 2, "taken, and renewed before all is read back");
    });
  }

  it("puts files that joined with a commit among those of the base, however late these come", async () => {
    let tables = new Set<string>();
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation, key }) => operation === "get" && tables.has(key) ? turnsOfTheLoop(300) : undefined,
    });
    const house = await House.make({ store });
    await fill(house, "a", 20);
    await house.engine.compact();
    await house.backup({ id: "full", type: "full" });
    const base = (await readBackups(house.context)).find(({ id }) => id === "full")!.base!;
    await fill(house, "b", 20);
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    const version = house.note();
    await house.backup({ type: "incremental" });
    tables = new Set(base.files.filter(({ kind }) => kind === "table").map(({ object }) => `objects/${object}`));
    await restoreTo(house.fs, settingsOf(), house.handle, "/r", { replayLog: true });
    const engine = await openAt(house.fs, "/r", { readOnly: true });
    assert.deepEqual(dump(engine, true), house.states.get(version));
    const pin = await engine.pin();
    const isTable = (name: string): boolean => name.endsWith(".sst");
    assert.deepEqual(
      (await house.fs.list("/r")).filter(isTable).sort(),
      pin.files.map(({ name }) => name).filter(isTable).sort(),
    );
    pin.release();
    await engine.close();
  });

  it("puts nothing by for a full disk: a restore needs no reserve", async () => {
    const house = await week();
    const touched: string[] = [];
    house.fs.inject({ at: ({ path }) => touched.push(path) < 0, do: "fail" });
    await restoreTo(house.fs, settingsOf({ reserve: true }), house.handle, "/r");
    assert.deepEqual(touched.filter((path) => path.endsWith("RESERVE")), []);
  });

  it("is published though its lease is broken while all that has come is read back", async () => {
    let isRead = false;
    let breaking: Promise<void> | undefined;
    const fs = memoryFileSystem({ delay: () => isRead ? breaking ??= breakLeases() : undefined });
    const house = await House.make({ fs });
    const breakLeases = async (): Promise<void> => {
      house.time.now += LEASE_MS + 1;
      assert.equal((await keysOf(house.store, PART.locks)).length, 1);
      assert.deepEqual(await clearLeases(house.context, ""), []);
    };
    await house.set("a", "1");
    await house.backup();
    const onProgress = ({ phase }: Progress): void => void (isRead = phase === "verify");
    assert.deepEqual((await house.restore({ onProgress })).contents, house.states.get(1));
    assert.ok(breaking !== undefined);
    assert.deepEqual(await keysOf(house.store, PART.locks), []);
  });

  it("fetches nothing more once it is given up, though log is replayed beside", async () => {
    const controller = new AbortController();
    let fetched = -Infinity;
    const onFetch = ({ operation, key }: StoreCall): undefined => {
      if (operation !== "get" || !key.startsWith(PART.objects)) return;
      if (++fetched === 2) controller.abort(new Error("enough"));
    };
    const store = new FaultStore(new MemoryStore(), { delay: onFetch });
    const house = await House.make({ store, engine: { memtableBytes: 2 ** 13 } });
    for (let i = 0; i < 60; i++) await house.set(`k${i}`, `${i}`.repeat(1000));
    const { fileCount } = await house.backup();
    assert.ok(fileCount >= 6, `${fileCount} files`);
    await house.set("more", "1");
    await house.backup({ type: "incremental" });
    fetched = 0;
    await assert.rejects(house.restore({ concurrency: 1, signal: controller.signal }), /enough/);
    assert.ok(fetched < fileCount - 2, `${fetched} of ${fileCount}`);
    const { length } = store.calls;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(store.calls.length, length, "something went on behind its back");
  });

  it("fetches no table where it was given up once it had the manifest", async () => {
    const controller = new AbortController();
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.engine.compact();
    await house.set("in the tail", "2");
    await house.backup();
    let calls = Infinity;
    const isMarker = ({ name, path }: Operation): boolean => {
      if (name !== "sync" || !path.includes("CURRENT")) return false;
      calls = Math.min(calls, store.calls.length);
      controller.abort(new Error("enough"));
      return false;
    };
    house.fs.inject({ at: isMarker, do: "fail" });
    await assert.rejects(house.restore({ signal: controller.signal }), /^Error: enough$/);
    const fetched = store.calls.slice(calls).filter(({ operation, key }) =>
      operation === "get" && key.startsWith(PART.objects)
    );
    assert.deepEqual(fetched.map(({ key }) => key), []);
  });

  it("fetches nothing more, and leaves nothing, once its log turns out to be gone", async () => {
    const inner = new MemoryStore();
    const tables = new Set<string>();
    let fetched = 0;
    const asked = Promise.withResolvers<void>();
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (operation !== "get" || tables.size === 0) return;
        if (key === log && fetched > 0) asked.resolve();
        if (!tables.has(key)) return;
        // Once it is planned; the others wait until it is missed.
        if (++fetched === 1) await inner.delete(log!);
        await asked.promise;
        await turnsOfTheLoop(100);
      },
    });
    const house = await House.make({ store, engine: { memtableBytes: 2 ** 13 } });
    for (let i = 0; i < 60; i++) await house.set(`k${i}`, `${i}`.repeat(1000));
    await house.backup();
    await house.set("more", "1");
    await house.backup({ type: "incremental" });
    const [log] = await keysOf(inner, PART.log);
    const files = (await readBackups(house.context)).flatMap(({ base }) => base?.files ?? []);
    for (const { kind, object } of files) if (kind === "table") tables.add(`${PART.objects}${object}`);
    assert.ok(tables.size > 2);
    await assert.rejects(restoreTo(house.fs, settingsOf(), house.handle, "/r", { concurrency: 1 }), NotFoundError);
    assert.equal(fetched, 1);
    assert.equal(await house.fs.stat("/r"), undefined);
  });

  it("finds another way around a base that is damaged or gone", async () => {
    for (const damage of ["flip", "delete"] as const) {
      const house = await week();
      const snap = JSON.parse(decodeText(await collect((await house.store.get("backups/snap.json"))!.body)));
      const full = JSON.parse(decodeText(await collect((await house.store.get("backups/full.json"))!.body)));
      const shared = new Set(full.base.files.map(({ object }: { object: string }) => object));
      const own = snap.base.files.find(({ object }: { object: string }) => !shared.has(object)).object;
      const bytes = await collect((await house.store.get(`objects/${own}`))!.body);
      bytes[bytes.length >> 1]! ^= 1;
      if (damage === "delete") await house.store.delete(`objects/${own}`);
      else await house.store.put(`objects/${own}`, bytes);
      const { info, contents } = await house.restore({ concurrency: 1 });
      assert.deepEqual(contents, house.states.get(120), damage);
      assert.deepEqual(info.backups, ["full"]);
      assert.ok(info.reusedBytes > 0, "what was fetched before it turned out is used");
      assert.deepEqual((await house.restore({ backupId: "snap" })).contents, house.states.get(115), damage);
    }
  });

  it("names what a chain with a hole lacks, and what can be had", async () => {
    const house = await week();
    const log = (await house.store.list({ prefix: "log/" })).objects.map(({ key }) => key);
    const [, second] = log;
    assert.match(second!, /111-0+115/);
    await house.store.delete(second!);
    assert.deepEqual((await house.restore({ at: { version: 110 } })).contents, house.states.get(110));
    assert.deepEqual((await house.restore()).contents, house.states.get(120), "behind it there is a snapshot");
    await assert.rejects(house.restore({ at: { version: 112 } }), (error: GapError) => {
      assert.deepEqual([error.requested, error.available], [112, 110]);
      return true;
    });
    const ranges = (await house.points()).map(({ from, to }) => [from.version, to.version]);
    assert.deepEqual(ranges, [[100, 110], [115, 120]]);
  });

  it("never lets an earlier state pass for the newest, whose log is damaged; what lies before can be had", async () => {
    const house = await week();
    const log = (await house.store.list({ prefix: "log/" })).objects.map(({ key }) => key);
    const last = log.at(-1)!;
    assert.match(last, /116-0+120/);
    const bytes = await collect((await house.store.get(last))!.body);
    bytes[bytes.length >> 1]! ^= 1;
    await house.store.put(last, bytes);
    await assert.rejects(house.restore(), IntegrityError);
    await assert.rejects(house.restore({ backupId: "last" }), IntegrityError);
    for (const version of [100, 105, 110, 113, 115]) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    const { contents } = await house.restore({ allowEarlier: true });
    assert.deepEqual(contents, house.states.get(115));
    // For a time it is looked where each object begins.
    const { info } = await house.restore({ at: { version: 105 } });
    await house.store.put(log.at(-2)!, bytes);
    const at = new Date(info.achieved.timestamp);
    assert.deepEqual((await house.restore({ at })).contents, house.states.get(105));
  });

  it("chooses among several databases only when told", async () => {
    const house = await week();
    const other = await openAt(house.fs, "/other", { clock: house.time.clock });
    await write(other, (batch) => put(batch, 0, "other", { value: "1" }));
    await house.backup({ id: "other" }, other);
    await assert.rejects(house.restore(), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, new RegExp(`${house.engine.id} \\(db\\), ${other.id} \\(other\\)`));
      return true;
    });
    assert.deepEqual((await house.restore({ database: other.id })).contents, dump(other, true));
    // Which a backup is of is known, and not another.
    for (const options of [{ database: house.engine.id }, { lineage: "0".repeat(32) }]) {
      await assert.rejects(house.restore({ backupId: "other", ...options }), TypeError);
    }
    const { contents } = await house.restore({ backupId: "other", database: other.id, lineage: other.lineage });
    assert.deepEqual(contents, dump(other, true));
    assert.deepEqual((await house.restore({ database: house.engine.id })).contents, house.states.get(120));
    await other.close();
  });

  it("is estimated before, with the model it rests on, and the estimate is right about what is fetched", async () => {
    const house = await week();
    const wish = { database: undefined, lineage: undefined, allowEarlier: false, replayLog: true };
    const rest = { concurrency: undefined, bytesPerSecond: undefined, encryption: undefined };
    const estimate = await estimateRestore("estimate", house.context, { point: { version: 112 }, ...wish, ...rest });
    const { info } = await house.restore({ at: { version: 112 } });
    assert.deepEqual([estimate.version, estimate.records], [112, info.recordsReplayed]);
    assert.equal(estimate.model.restores, 0);
    assert.ok(estimate.durationMs > 0 && estimate.requiredBytes >= info.bytes - estimate.logBytes);
    for (let i = 0; i < 3; i++) await house.restore();
    const next = await estimateRestore("estimate", house.context, { point: {}, ...wish, ...rest });
    assert.equal(next.version, 120);
  });
});

describe("a repository that is not what it should be", () => {
  const open = (store: ObjectStore, changes: object = {}) => openRepository(store, { ...OPEN_DEFAULTS, ...changes });

  it("is refused when it is of a newer format, damaged, lost, or something else", async () => {
    const house = await week();
    const key = "repository.json";
    await house.store.delete(`index/${key}`);
    const good = decodeText(await collect((await house.store.get(key))!.body));
    await house.store.put(key, encodeText(good.replace('"formatVersion": 1', '"formatVersion": 2')));
    await assert.rejects(open(house.store), IntegrityError, "changed by hand: its checksum does not match");
    await house.store.delete(key);
    await assert.rejects(open(house.store), (error: IntegrityError) => /no repository\.json/.test(error.message));
    await house.store.put(key, encodeText(good));
    await edit(house.store, "backups/inc.json", (text) => text.replace('"version": 110', '"version": 111'));
    await house.openRepository();
    const { lineage } = house.engine;
    for (const options of [{}, { lineage }, { at: { version: 105 } }, { backupId: "inc" }]) {
      await assert.rejects(house.restore(options), IntegrityError, JSON.stringify(options));
    }
    for (
      const [options, version] of [
        [{ backupId: "full" }, 100],
        [{ lineage, at: { version: 105 } }, 105],
        [{ allowEarlier: true }, 120],
      ] as const
    ) {
      assert.deepEqual((await house.restore(options)).contents, house.states.get(version), "others go on");
    }
    const foreign = new MemoryStore();
    await foreign.put("pictures/cat.png", new Uint8Array(5));
    await assert.rejects(open(foreign), ExistsError);
    // What is no key, such as the mark of a folder, no page has; the first may have nothing then, and is not the last.
    const withoutFirst = {
      at: () => true,
      do: "hide",
      times: Infinity,
      hidden: (each: string) => each === "0",
    } as const;
    await foreign.put("0", new Uint8Array(0));
    await assert.rejects(open(new FaultStore(foreign, { faults: [withoutFirst] })), ExistsError);
    await assert.rejects(open(new MemoryStore(), { create: false }), NotFoundError);
    await assert.rejects(open(new MemoryStore(), { readOnly: true }), NotFoundError);
    const fs = memoryFileSystem();
    await fs.makeDirectory("/notes");
    (await fs.open("/notes/my notes.txt", "create")).closeSync();
    await assert.rejects(storeAt(fs, "/notes"), (error: ExistsError) => /my notes\.txt/.test(error.message));
    await assert.rejects(storeAt(fs, "/notes/my notes.txt"), ExistsError);
    await assert.rejects(storeAt(house.fs, "/db"), (error: ExistsError) => /it is a database/.test(error.message));
  });

  for (const encryption of [undefined, { passphrase: "correct horse" }]) {
    it(`opens by the copy of what says who it is, ${encryption === undefined ? "plain" : "encrypted"}`, async () => {
      const house = await House.make({ repository: { encryption } });
      await house.set("a", "1");
      await house.backup();
      for (const damage of ["missing", "damaged"]) {
        if (damage === "missing") await house.store.delete("repository.json");
        else await house.store.put("repository.json", encodeText("{}"));
        const { id } = house.context;
        // Whoever may only read writes nothing.
        assert.equal((await house.openRepository({ encryption, readOnly: true })).id, id);
        assert.equal(await house.store.head("repository.json") === undefined, damage === "missing");
        assert.deepEqual((await house.restore()).contents, house.states.get(house.engine.visibleVersion));
        assert.equal((await house.openRepository({ encryption })).id, id);
        await house.set("a", damage);
        await house.backup();
        assert.deepEqual((await house.restore()).contents, house.states.get(house.engine.visibleVersion));
      }
      for (
        const [key, other] of [["repository.json", "index/repository.json"], [
          "index/repository.json",
          "repository.json",
        ]]
      ) {
        await house.store.put(key!, encodeText("{}"));
        const { problems } = await verifyRepository(house.context, undefined, { read: "all" });
        assert.deepEqual(problems.map((problem) => problem.key), [key]);
        const { repaired } = await repairRepository(house.context, { dryRun: false });
        assert.deepEqual(repaired, [`${key} was written anew`]);
        await house.store.delete(other!);
        assert.equal((await house.openRepository({ encryption })).id, house.context.id);
        // One that has none, as of before there were any, is whole, and has one afterwards.
        assert.ok((await verifyRepository(house.context, undefined, { read: "all" })).ok);
        await repairRepository(house.context, { dryRun: false });
        assert.notEqual(await house.store.head("index/repository.json"), undefined);
      }
    });
  }

  for (const theirs of [undefined, { key: new Uint8Array(32).fill(2) }]) {
    it(`opens by its key where repository.json is that of another, ${theirs ? "encrypted" : "plain"} one`, async () => {
      const encryption = { key: new Uint8Array(32).fill(1) };
      const house = await House.make({ repository: { encryption } });
      await house.set("a", "a");
      await house.backup();
      const other = await House.make({ repository: { encryption: theirs } });
      await house.store.put("repository.json", (await other.store.get("repository.json"))!.body);
      const { id } = house.context;
      assert.equal((await house.openRepository({ encryption })).id, id);
      await house.backup();
      assert.deepEqual((await house.restore()).contents, house.states.get(1));
      const { problems } = await verifyRepository(house.context, undefined, { read: "all" });
      assert.deepEqual(problems.map(({ key }) => key), ["repository.json"]);
      await repairRepository(house.context, { dryRun: false });
      assert.ok((await verifyRepository(house.context, undefined, { read: "all" })).ok);
      await house.store.delete("index/repository.json");
      assert.equal((await house.openRepository({ encryption })).id, id);
      const wrong = { key: new Uint8Array(32).fill(3) };
      await assert.rejects(house.openRepository({ encryption: wrong }), DecryptionError);
    });
  }

  it("is refused by the release that is too old for it, by name", async () => {
    const house = await week();
    const { sealDocument } = await import("../../../lib/format/repository/document.ts");
    const text = decodeText(
      sealDocument("repository", { id: "0".repeat(32), createdAt: 1, encryption: null, more: 1 }),
    );
    await house.store.put("repository.json", encodeText(text));
    await assert.rejects(open(house.store), (error: UnsupportedFormatError) => {
      assert.ok(error instanceof UnsupportedFormatError);
      assert.equal(error.found, "more");
      return true;
    });
  });

  it("opens only with its key, shows nothing of it, and is never written to in the clear", async () => {
    const house = await House.make({ repository: { encryption: { passphrase: "correct horse" } } });
    await house.set("secret-key", "secret-value");
    await house.engine.compact();
    await house.backup();
    await house.set("secret-key", "secret-value-2");
    await house.backup();
    await assert.rejects(open(house.store), DecryptionError);
    await assert.rejects(open(house.store, { encryption: { passphrase: "battery staple" } }), DecryptionError);
    await assert.rejects(open(house.store, { encryption: { key: new Uint8Array(32) } }), DecryptionError);
    await assert.rejects(open(new MemoryStore(), { encryption: { passphrase: "x" }, create: false }), NotFoundError);
    const plain = new MemoryStore();
    await open(plain);
    await assert.rejects(open(plain, { encryption: { passphrase: "x" } }), DecryptionError);
    const wrong = await backupTo(house.engine, house.store, { encryption: { passphrase: "wrong" } } as BackupOptions)
      .catch((error) => error);
    assert.ok(wrong instanceof DecryptionError && !/wrong"/.test(wrong.message));
    for (const { key } of (await house.store.list()).objects) {
      const bytes = decodeText(
        await collect((await house.store.get(key))!.body).then((all) => all.map((b) => b & 127)),
      );
      for (const word of ["correct horse", "secret-key", "secret-value"]) {
        assert.ok(!bytes.includes(word), `${key} shows ${word}`);
      }
    }
    assert.ok(!JSON.stringify(house.context).includes("correct horse"));
    await house.openRepository({ encryption: { passphrase: "correct horse" } });
    assert.deepEqual((await house.restore()).contents, house.states.get(2));
  });

  it("tells when an older state of it was put back", async () => {
    const house = await House.make({ repository: { encryption: { key: new Uint8Array(32).fill(9) } } });
    await house.set("a", "1");
    await house.backup();
    await house.set("b", "2");
    await house.backup();
    const head = (await house.store.list({ prefix: "heads/" })).objects[0]!.key;
    const old = await collect((await house.store.get(head))!.body);
    await house.set("c", "3");
    await house.backup();
    await house.store.put(head, old);
    await house.engine.close();
    await house.open();
    await house.set("d", "4");
    await assert.rejects(
      house.backup(),
      (error: IntegrityError) => /older state of the repository/.test(error.message),
    );
  });

  it("in a directory is for its owner alone, and opens by path", async () => {
    const fs = memoryFileSystem();
    const house = await House.make({ store: directoryStore("/backups", { fileSystem: fs }) });
    await house.set("a", "1");
    await house.backup();
    const context = await openRepository(await storeAt(fs, "/backups"), OPEN_DEFAULTS);
    const info = await restoreTo(fs, settingsOf(), ownContext({ ...context }, context), "/r");
    assert.equal(info.entries, 1);
    assert.equal((await restoreTo(fs, settingsOf(), "/backups", "/r2")).entries, 1);
  });
});
