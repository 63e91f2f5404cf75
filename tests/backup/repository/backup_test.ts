import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { exportDatabase } from "../../../lib/backup/export.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import {
  ExistsError,
  GapError,
  HoldfastError,
  LineageError,
  NoSpaceError,
  NotFoundError,
  RepositoryLockedError,
  StorageError,
} from "../../../lib/base/errors.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { repositoryStats } from "../../../lib/backup/repository/care/repository_stats.ts";
import { readBackup } from "../../../lib/backup/repository/core/catalog.ts";
import { objectKey } from "../../../lib/backup/repository/core/layout.ts";
import { takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { objectPieces } from "../../../lib/backup/repository/core/objects.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectBody, ObjectStore, PutOptions } from "../../../lib/storage/object_store.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { House, MIDNIGHT } from "./house.ts";
import { DAY, prune } from "./prune_fixture.ts";
import { NO_WAIT } from "./sweep.ts";

async function keysBelow(store: ObjectStore, prefix: string): Promise<string[]> {
  return (await store.list({ prefix })).objects.map(({ key }) => key);
}

async function fill(house: House, name: string, count: number, bytes = 2000): Promise<void> {
  for (let i = 0; i < count; i++) {
    let text = "";
    while (text.length < bytes) text += Math.imul(text.length + i, 2_654_435_761).toString(36);
    await house.set(`${name}${i}`, text);
    house.time.now += 1000;
  }
}

describe("backup() into a repository", () => {
  it("is full at first, then incremental, and a snapshot in a new history", async () => {
    const house = await House.make();
    await fill(house, "a", 3);
    const first = await house.backup();
    assert.deepEqual([first.type, first.requestedType, first.parentId], ["full", "auto", undefined]);
    await fill(house, "b", 2);
    const second = await house.backup();
    assert.deepEqual([second.type, second.parentId, second.version], ["incremental", first.id, 5]);
    const idle = await house.backup();
    assert.deepEqual([idle.type, idle.version, idle.addedBytes], ["incremental", 5, 0]);
    await restoreInto(house.engine, house.handle, { backupId: first.id });
    house.note();
    await fill(house, "c", 1);
    const third = await house.backup();
    assert.deepEqual([third.type, third.requestedType], ["snapshot", "auto"]);
    for (const { id, version } of [first, second, third]) {
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(version), id);
    }
  });

  it("is a snapshot when the last complete one is a week old, so that those before can be pruned", async () => {
    const house = await House.make();
    await fill(house, "a", 20);
    const types: string[] = [];
    const stored: number[] = [];
    for (let day = 0; day < 70; day++) {
      house.time.now = MIDNIGHT + day * DAY;
      if (day % 3 === 0) await fill(house, "b", 1); // Else it is idle, which is no reason to build on for ever.
      types.push((await house.backup()).type);
      await prune(house, { keepDaily: 3 });
      const { backups } = await repositoryStats(house.context);
      assert.ok(backups.full + backups.snapshot + backups.incremental <= 10, JSON.stringify(backups));
      stored.push((await repositoryStats(house.context)).logBytes);
    }
    assert.deepEqual(types.flatMap((type, day) => type === "incremental" ? [] : [`${type} ${day}`]).slice(0, 3), [
      "full 0",
      "snapshot 7",
      "snapshot 14",
    ]);
    assert.ok(Math.max(...stored.slice(-14)) <= 1.1 * Math.max(...stored.slice(14, 28)), `${stored} bytes of log`);
    assert.deepEqual((await house.restore()).contents, dump(house.engine, true));
    house.time.now += 8 * DAY;
    assert.equal((await house.backup({ maxBytes: 2 ** 20 })).type, "incremental", "there is a limit");
    const { id } = (await listBackups(house.context)).at(-1)!;
    assert.equal((await house.backup({ parent: id })).type, "incremental", "it was told what to build on");
    assert.equal((await house.backup({ type: "incremental" })).type, "incremental", "it was told to");
    assert.equal((await house.backup()).type, "snapshot");
    assert.equal((await house.backup()).type, "incremental");
    await house.engine.close();
  });

  it("is a snapshot once, and not incremental for years, behind one that a wrong clock dated far ahead", async () => {
    const house = await House.make();
    house.time.now += 900 * DAY;
    await house.set("a", "1");
    await house.backup();
    house.time.now -= 900 * DAY;
    const types: string[] = [];
    for (let day = 0; day < 8; day++) {
      await house.set("a", `${day}`);
      types.push((await house.backup()).type);
      house.time.now += DAY;
    }
    assert.deepEqual(types, ["snapshot", ...Array(6).fill("incremental"), "snapshot"]);
    await house.engine.close();
  });

  it("is a snapshot when that of its own history is a week old, however young one is of another that it left", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await restoreTo(house.fs, settingsOf({ clock: house.time.clock }), house.handle, "/fork");
    const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
    const types: string[] = [];
    for (const days of [0, 1, 7]) {
      house.time.now += days * DAY;
      await write(fork, (batch) => put(batch, 0, "b", { value: `${days}` }));
      await house.set("b", `${days}`);
      await house.backup({ type: "full" });
      types.push((await house.backup({}, fork)).type);
    }
    assert.deepEqual(types, ["snapshot", "incremental", "snapshot"]);
    await fork.close();
  });

  it("of type incremental becomes a snapshot when log is missing, and says so", async () => {
    const house = await House.make({ engine: { historyBytes: 0, archiveBytes: 0, memtableBytes: 2 ** 13 } });
    await fill(house, "a", 3);
    const base = await house.backup();
    await fill(house, "b", 30);
    await house.engine.compact();
    const next = await house.backup({ type: "incremental" });
    assert.deepEqual([next.type, next.requestedType, next.parentId], ["snapshot", "incremental", undefined]);
    for (const { id, version } of [base, next]) {
      assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(version));
    }
    const ranges = (await house.points()).map(({ from, to }) => [from.version, to.version]);
    assert.deepEqual(ranges, [[3, 3], [33, 33]], "it never pretends to have what lies between");
  });

  it("is no incremental one behind another whose own log is lost, though the log since that is there", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await house.set("b", "1");
    assert.equal((await house.backup()).type, "incremental");
    for (const key of await keysBelow(house.store, "log/")) await house.store.delete(key);
    await house.set("c", "1");
    const { id, type } = await house.backup();
    assert.equal(type, "snapshot");
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(3));
  });

  it("shares unchanged objects in snapshots, and none in full backups", async () => {
    const house = await House.make();
    await fill(house, "a", 100);
    await house.engine.compact();
    const first = await house.backup({ type: "full" });
    await house.set("z", "1");
    const snapshot = await house.backup({ type: "snapshot" });
    assert.ok(snapshot.addedBytes < first.storedBytes / 20, `${snapshot.addedBytes} of ${first.storedBytes} added`);
    assert.ok(snapshot.storedBytes > first.storedBytes / 2);
    const before = await keysBelow(house.store, "objects/");
    const second = await house.backup({ type: "full" });
    assert.equal(second.addedBytes, second.storedBytes);
    // All that the first one has may go, and the second one is whole.
    for (const key of before) await house.store.delete(key);
    assert.deepEqual((await house.restore({ backupId: second.id })).contents, house.states.get(second.version));
  });

  it("of a part keeps only that, and is never built on", async () => {
    const house = await House.make();
    await fill(house, "a", 3);
    await fill(house, "b", 2);
    const part = await house.backup({ prefix: "b", labels: { why: "test" } });
    assert.deepEqual([part.type, part.selective, part.entryCount, part.prefix, part.labels], [
      "full",
      true,
      2,
      "b",
      { why: "test" },
    ]);
    const { object, size } = (await readBackup(house.context, part.id))!.base!.files[0]!;
    let bytes = 0;
    for await (const piece of objectPieces(house.context, objectKey(object))) bytes += piece.length;
    assert.deepEqual([part.totalBytes, size, part.addedBytes], [bytes, bytes, part.storedBytes]);
    const filtered = await house.backup({ filter: ({ key }) => key === "a1" });
    assert.deepEqual([filtered.entryCount, filtered.selective], [1, true]);
    // Entries are compressed unless told otherwise, and files that are already are not.
    assert.deepEqual([part.compression, filtered.compression], ["zstd", "zstd"]);
    assert.deepEqual(await house.points(), []);
    assert.equal((await house.backup()).type, "full");
    assert.deepEqual(Object.keys((await house.restore({ backupId: part.id })).contents), [":b0", ":b1"]);
    await assert.rejects(house.backup({ type: "incremental", parent: part.id }), /only a part/);
    await assert.rejects(house.backup({ prefix: "b", type: "incremental" }), TypeError);
  });

  it("leaves out what is in no table with excludeLog", async () => {
    const house = await House.make();
    await fill(house, "a", 3);
    await house.engine.compact();
    await fill(house, "b", 3);
    const info = await house.backup({ type: "full", excludeLog: true });
    assert.equal(info.version, 3);
    assert.deepEqual((await house.restore({ backupId: info.id })).contents, house.states.get(3));
    await fill(house, "c", 1);
    assert.deepEqual((await house.backup()).type, "incremental");
    assert.deepEqual((await house.restore()).contents, house.states.get(7));
    assert.deepEqual((await house.restore({ at: { version: 5 } })).contents, house.states.get(5));
  });

  it("shows nothing that the database may still lose, also of a part of it", async () => {
    for (const part of [{}, { prefix: "a" }]) {
      const house = await House.make({ engine: { durability: "buffered" } });
      for (const key of ["a", "b", "a"]) await house.set(key, "1");
      const { version } = await house.backup(part);
      assert.equal(version, 3);
      const disk = house.fs.fork({ keep: "none" });
      const found = await openAt(disk, "/db", { clock: house.time.clock });
      assert.ok(found.visibleVersion >= version, `${found.visibleVersion} after the power was cut`);
      await found.close();
      await house.engine.close();
    }
  });

  it("sends a tail of many pieces beside the tables, each commit as it was", async () => {
    const house = await House.make({ engine: { memtableBytes: 16 * 2 ** 20, blobBytes: 2 ** 20 } });
    await fill(house, "a", 3);
    await house.engine.compact();
    // Pieces that are full with one commit, with several, and the last with one that fills it alone. Keys are compared whole.
    for (const kib of [900, 100, 300, 500, 700, 20, 1500, 5, 800]) {
      await write(house.engine, (batch) => {
        for (let i = 0; i < kib; i++) {
          const hash = createHash("shake256", { outputLength: 500 }).update(`${kib} ${i}`);
          put(batch, 0, hash.digest("hex"), { value: `${i}` });
        }
      });
    }
    house.note();
    const info = await house.backup({ type: "full" });
    const { base } = (await readBackup(house.context, info.id))!;
    assert.ok(base!.files.find(({ kind }) => kind === "tail")!.size > 4 * 2 ** 20);
    assert.ok(base!.files.some(({ kind }) => kind === "table"));
    assert.deepEqual((await house.restore({ backupId: info.id })).contents, house.states.get(info.version));
    assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
  });

  it("stops at maxBytes and leaves nothing", async () => {
    const house = await House.make();
    await fill(house, "a", 100);
    await house.engine.compact();
    await assert.rejects(house.backup({ maxBytes: 20_000 }), (error: HoldfastError) => {
      assert.equal(error.code, "LIMIT");
      assert.match(error.message, /20000 bytes of option "maxBytes"/);
      return true;
    });
    assert.deepEqual(await keysBelow(house.store, "objects/"), []);
    assert.deepEqual(await keysBelow(house.store, "backups/"), []);
    assert.deepEqual(await keysBelow(house.store, "locks/"), []);
    await house.backup();
  });

  it("leaves no files of a base when its log goes beyond maxBytes", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ type: "full" });
    const before = await keysBelow(house.store, "objects/");
    for (let i = 0; i < 100; i++) {
      await house.set("a", createHash("shake256", { outputLength: 500 }).update(`${i}`).digest("hex"));
    }
    await house.engine.compact();
    // Another that is at work may have found what it made by now: then all of it stays for the next pruning.
    const other = await takeLease(house.context, { kind: "copy", holder: "another" });
    await assert.rejects(house.backup({ type: "full", maxBytes: 20_000 }), /LIMIT/);
    assert.ok((await keysBelow(house.store, "objects/")).length > before.length);
    await other.release();
    await prune(house, { keepLast: 1 });
    await assert.rejects(house.backup({ type: "full", maxBytes: 20_000 }), /LIMIT/);
    assert.deepEqual(await keysBelow(house.store, "objects/"), before);
    assert.equal((await house.backup({ type: "full" })).version, 101);
  });

  for (const [what, count] of [["no commit", 0], ["a commit of time 0", 1]] as const) {
    it(`works for a database with ${what}, for a copy of it, and without the log`, async () => {
      const house = await House.make({ now: 0 });
      house.note();
      for (let i = 0; i < count; i++) await house.set("a", "1");
      await exportDatabase(house.engine, "/exported");
      const copy = await openAt(house.fs, "/exported", { clock: house.time.clock });
      await house.backup({ id: "copy", type: "full" }, copy);
      await house.backup({ id: "whole", type: "full" });
      await house.backup({ id: "tables", type: "full", excludeLog: true });
      const listed = await listBackups(house.context);
      assert.deepEqual(listed.map(({ id, timestamp }) => `${id} ${timestamp}`).sort(), [
        "copy 0",
        "tables 0",
        "whole 0",
      ]);
      for (const { id, version } of listed) {
        assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(version), id);
      }
      await copy.close();
    });
  }

  it("that was aborted lists nothing, and the next one uses what it left", async () => {
    const sent: string[] = [];
    const store = new class extends MemoryStore {
      override put(key: string, body: ObjectBody, options?: PutOptions): ReturnType<MemoryStore["put"]> {
        async function* watched(): AsyncGenerator<Uint8Array> {
          for await (const piece of body instanceof Uint8Array ? [body] : body) {
            sent.push(key);
            yield piece;
          }
        }
        return super.put(key, watched(), options);
      }
    }();
    const house = await House.make({ store });
    await fill(house, "a", 150);
    await house.engine.compact();
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ phase, doneItems }: { phase: string; doneItems: number }): void => {
      if (phase === "objects" && doneItems >= 2) controller.abort(reason);
    };
    const aborted = house.backup({ signal: controller.signal, onProgress, concurrency: 1 });
    await assert.rejects(aborted, (error) => error === reason);
    assert.deepEqual(await keysBelow(store, "backups/"), []);
    const left = await keysBelow(store, "objects/");
    assert.ok(left.length >= 2);
    assert.ok(left.every((key) => sent.includes(key)));
    sent.length = 0;
    const info = await house.backup();
    assert.deepEqual(sent.filter((key) => left.includes(key)), [], "nothing is sent twice");
    assert.ok(info.addedBytes < info.storedBytes);
    assert.deepEqual((await house.restore()).contents, house.states.get(150));
  });

  it("knows from one listing what is there; a full one beside others asks object by object", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store, repository: { timers: NO_WAIT } });
    await fill(house, "a", 3);
    await house.engine.flush();
    const heal = store.inject({
      at: ({ operation, key }) => operation === "put" && key.startsWith("backups/"),
      do: "refuse",
      times: Infinity,
    });
    await assert.rejects(house.backup(), StorageError);
    heal();
    const left = new Set(await keysBelow(store, "objects/"));
    const backup = async (type: "full" | "snapshot"): Promise<{ lists: number; heads: number; left: Set<string> }> => {
      const since = store.calls.length;
      await house.backup({ type });
      const calls = store.calls.slice(since).filter(({ key }) => key.startsWith("objects/"));
      const times = (name: string): number => calls.filter(({ operation }) => operation === name).length;
      const firsts = new Map(
        calls.filter(({ key }) => left.has(key)).reverse().map(({ key, operation }) => [key, operation]),
      );
      return { lists: times("list"), heads: times("head"), left: new Set(firsts.values()) };
    };
    // What is there is read at once, and looked at again when it was found whole. A put would have sent it to some stores.
    assert.deepEqual(await backup("full"), { lists: 1, heads: left.size, left: new Set(["get"]) });
    await fill(house, "b", 3);
    await house.engine.flush();
    assert.deepEqual(await backup("snapshot"), { lists: 1, heads: 0, left: new Set() });
    const full = await backup("full");
    assert.equal(full.lists, 0);
    assert.ok(full.heads > 0);
  });

  it("takes an id once, and refuses those that make no sense", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const first = await house.backup({ id: "monday" });
    assert.equal(first.id, "monday");
    await assert.rejects(house.backup({ id: "monday" }), ExistsError);
    for (const id of ["", "a/b", "ä", "x".repeat(129), "..", 5]) {
      await assert.rejects(house.backup({ id: id as string }), TypeError, String(id));
    }
    await assert.rejects(house.backup({ parent: "none", type: "incremental" }), NotFoundError);
    await assert.rejects(house.backup({ overwrite: true }), /never replaced/);
    await assert.rejects(house.backup({ typ: "full" } as never), /did you mean "type"/);
    await assert.rejects(house.backup({ concurrency: 0 }), RangeError);
    await assert.rejects(house.backup({ compression: "zstd", level: 40 }), RangeError);
    assert.deepEqual(await keysBelow(house.store, "backups/"), ["backups/monday.json"]);
  });

  it("refuses a parent from a history that the database has not come from", async () => {
    const house = await House.make();
    await fill(house, "a", 4);
    const first = await house.backup();
    await fill(house, "b", 2);
    const second = await house.backup();
    await restoreInto(house.engine, house.handle, { backupId: first.id });
    await house.set("own", "1");
    await exportDatabase(house.engine, "/fork");
    const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
    await write(fork, (batch) => put(batch, 0, "x", { value: "y" }));
    await house.backup({ type: "full" });
    const own = await house.backup({ id: "own", type: "full" });
    await assert.rejects(
      house.backup({ type: "incremental", parent: own.id }, fork).then((info) => {
        // It may build on what came before its own history began.
        assert.ok(info.version > own.version);
        throw new LineageError("as good");
      }),
      LineageError,
    );
    assert.ok(second.version < own.version);
    await exportDatabase(house.engine, "/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock, readOnly: true });
    await house.set("later", "1");
    const { id } = await house.backup();
    for (const type of ["auto", "incremental"] as const) {
      await assert.rejects(house.backup({ type, parent: id }, copy), /has not come from/);
    }
    await copy.close();
    await fork.close();
  });

  it("runs one at a time for a database; another program is told who and until when", async () => {
    let release = (): void => {};
    let reached = (): void => {};
    const there = new Promise<void>((resolve) => reached = resolve);
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation, key }) => {
        if (operation !== "put" || !key.startsWith("objects/")) return undefined;
        reached();
        return new Promise((resolve) => release = resolve);
      },
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    const slow = house.backup();
    await there;
    await assert.rejects(house.backup(), (error: RepositoryLockedError) => {
      assert.ok(error instanceof RepositoryLockedError);
      assert.match(error.message, /\/db has done so since 2026-11-21T.*until 2026-11-21T/);
      return true;
    });
    const timer = setInterval(() => release(), 1);
    await slow;
    clearInterval(timer);
    assert.deepEqual((await house.restore()).contents, house.states.get(1));
  });

  it("keeps to its bandwidth", async () => {
    const waits: number[] = [];
    const timers = {
      set: (ms: number, run: () => void, keep: boolean) => (waits.push(ms), NO_WAIT.set(ms, run, keep)),
    };
    const house = await House.make({ repository: { timers } });
    await fill(house, "a", 100);
    await house.engine.compact();
    const info = await house.backup({ bytesPerSecond: 50_000, verify: false });
    const waited = waits.reduce((sum, ms) => sum + ms, 0);
    // Pauses are measured from now on, and no time passes between them here: each counts what is owed by then.
    assert.ok(waited >= (info.addedBytes / 50_000) * 1000 * 0.8, `${waited} ms for ${info.addedBytes} bytes`);
  });

  it("meets a full disk with NoSpaceError, on either side, and earlier backups stay", async () => {
    const disk = memoryFileSystem();
    const house = await House.make({ store: directoryStore("/repo", { fileSystem: disk }) });
    await fill(house, "a", 30);
    const first = await house.backup();
    await fill(house, "b", 60);
    disk.capacityBytes = disk.usedBytes + 20_000;
    await assert.rejects(house.backup({ type: "full" }), NoSpaceError);
    disk.capacityBytes = Infinity;
    assert.deepEqual((await house.restore({ backupId: first.id })).contents, house.states.get(30));
    const second = await house.backup();
    assert.deepEqual((await house.restore({ backupId: second.id })).contents, house.states.get(90));
    const small = memoryFileSystem({ capacityBytes: 30_000 });
    await assert.rejects(restoreTo(small, settingsOf(), house.handle, "/r"), NoSpaceError);
    small.capacityBytes = Infinity;
    await restoreTo(small, settingsOf(), house.handle, "/r");
    const restored = await openAt(small, "/r", { readOnly: true });
    assert.deepEqual(dump(restored, true), house.states.get(90));
    await restored.close();
  });

  for (const harm of ["gone", "cut"] as const) {
    it(`builds on no object that is ${harm}, and puts it anew`, async () => {
      const house = await House.make();
      await fill(house, "a", 30);
      await house.engine.compact();
      await house.backup({ id: "first" });
      const tables = await readBackup(house.context, "first").then((found) => found!.base!.files);
      const key = `objects/${tables.find(({ kind }) => kind === "table")!.object}`;
      if (harm === "gone") await house.store.delete(key);
      else await house.store.put(key, new Uint8Array(5));
      await fill(house, "b", 3);
      await house.backup({ id: "second", type: "snapshot" });
      assert.deepEqual((await house.restore({ backupId: "second" })).contents, house.states.get(33));
      // Under its own name it is the first one's, too.
      const { problems } = await verifyRepository(house.context, undefined, { read: "all" });
      assert.deepEqual(problems.map((problem) => problem.key), harm === "gone" ? [] : [key]);
    });
  }

  it("works from a reader beside the writer", async () => {
    const house = await House.make();
    await fill(house, "a", 5);
    const reader = await openAt(house.fs.otherProcess(), "/db", { readOnly: true, clock: house.time.clock });
    const info = await house.backup({}, reader);
    assert.equal(info.type, "full");
    assert.deepEqual(reader.slots(), []);
    assert.deepEqual((await house.restore()).contents, house.states.get(5));
    assert.equal((await house.backup({ type: "incremental" }, reader)).type, "snapshot");
    await reader.close();
  });

  it("from a reader does not vouch for its last millisecond, in which the writer may have gone on", async () => {
    const house = await House.make();
    for (const key of ["a", "b"]) await house.set(key, key);
    const at = house.engine.visibleTimestamp;
    const reader = await openAt(house.fs.otherProcess(), "/db", { readOnly: true, clock: house.time.clock });
    await house.set("c", "c");
    assert.equal(house.engine.visibleTimestamp, at);
    house.time.now += 1000;
    const { id } = await house.backup({}, reader);
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(2));
    await assert.rejects(house.restore({ at }), GapError);
    await reader.close();
  });
});
