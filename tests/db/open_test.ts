import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, it } from "node:test";
import { BackupRepository, DB, type FileSystem, type OpenOptions } from "../../mod.ts";
import { MEMORY_DIRECTORY, memoryBeside } from "../../lib/db/memory_beside.ts";
import { all, onOneDisk, withDb, withDirectory } from "./helpers.ts";

describe("DB.open", () => {
  it("makes a database where there is none, and opens it again with all that was written", () =>
    withDirectory(async (directory) => {
      const path = join(directory, "a", "data");
      const first = await DB.open(path);
      await first.set("k", { deep: [1] }, { tags: ["t"] });
      await first.namespace("n").set("k", "in n");
      const { id, lineage, version } = first;
      assert.equal(first.path, path);
      assert.match(id, /^[0-9a-f]{32}$/);
      assert.match(lineage, /^[0-9a-f]{32}$/);
      await first.close();
      const second = await DB.open(pathToFileURL(path));
      assert.deepEqual([second.id, second.lineage, second.version], [id, lineage, version]);
      assert.deepEqual(await second.get("k"), { deep: [1] });
      assert.deepEqual(await all(second.keys({ tag: "t" })), ["k"]);
      assert.equal(await second.namespace("n").get("k"), "in n");
      assert.deepEqual(second.namespaces(), ["n"]);
      await second.close();
    }));

  it("asks nothing of the disk for :memory:", async () => {
    const asked: string[] = [];
    const disk = new Proxy({}, { get: (_, name) => () => assert.fail(asked[asked.push(String(name)) - 1]) });
    const fileSystem = await memoryBeside(disk as FileSystem);
    {
      await using db = await DB.open(MEMORY_DIRECTORY, { fileSystem });
      await db.set("a", 1);
      await db.compact();
    }
    assert.deepEqual(asked, []);
  });

  it("leaves nothing on disk for :memory:, and each is a database of its own", async () => {
    await using one = await DB.open(":memory:");
    await using two = await DB.open(":memory:");
    await one.set("k", 1);
    assert.equal(await two.get("k"), undefined);
    assert.equal(one.path, ":memory:");
    assert.notEqual(one.id, two.id);
    assert.equal(existsSync(":memory:"), false);
  });

  it("obeys createIfMissing and errorIfExists", async () => {
    const disk = onOneDisk();
    await assert.rejects(DB.open("/d", { ...disk, createIfMissing: false }), {
      name: "NotFoundError",
      code: "NOT_FOUND",
    });
    assert.equal(await DB.exists("/d", disk), false);
    await (await DB.open("/d", { ...disk, errorIfExists: true })).close();
    assert.equal(await DB.exists("/d", disk), true);
    await assert.rejects(DB.open("/d", { ...disk, errorIfExists: true }), { name: "ExistsError", code: "EXISTS" });
    await assert.rejects(DB.open("/e", { ...disk, readOnly: true }), { name: "NotFoundError" });
  });

  it("opens an empty directory as a new database", () =>
    withDirectory(async (path) => {
      await (await DB.open(path)).close();
      assert.equal(await DB.exists(path), true);
    }));

  it("refuses a directory with other files, a file, and what lies below a file", () =>
    withDirectory(async (path) => {
      const file = join(path, "letter.txt");
      writeFileSync(file, "dear");
      await assert.rejects(DB.open(path), { name: "ExistsError" });
      await assert.rejects(DB.open(file), { name: "ExistsError" });
      await assert.rejects(DB.open(join(file, "data")), { name: "NotFoundError" });
      assert.deepEqual(readdirSync(path), ["letter.txt"]);
    }));

  it("refuses our files without a marker as damage, and changes nothing", () =>
    withDirectory(async (path) => {
      const db = await DB.open(path);
      await db.set("k", 1);
      await db.close();
      rmSync(join(path, "CURRENT"));
      const before = readdirSync(path);
      await assert.rejects(DB.open(path), { name: "CorruptionError", code: "CORRUPTION" });
      assert.deepEqual(readdirSync(path), before);
    }));

  it("gives the second opener a LockedError, also for readOnly in the same process", () =>
    withDirectory(async (path) => {
      const db = await DB.open(path);
      await assert.rejects(DB.open(path), { name: "LockedError", code: "LOCKED" });
      await assert.rejects(DB.open(path, { readOnly: true }), { name: "LockedError" });
      await db.set("k", 1);
      await db.close();
      await using again = await DB.open(path);
      assert.equal(await again.get("k"), 1);
    }));

  it("readOnly writes nothing and refuses writes", () =>
    withDirectory(async (path) => {
      const writer = await DB.open(path);
      await writer.set("k", 1);
      await writer.namespace("n").set("k", 2);
      await writer.close();
      const before = readdirSync(path);
      const db = await DB.open(path, { readOnly: true });
      assert.equal(db.readOnly, true);
      assert.equal(await db.get("k"), 1);
      assert.equal(await db.namespace("n").get("k"), 2);
      assert.equal(await db.namespace("never").get("k"), undefined);
      const refused = { name: "ReadOnlyError", code: "READ_ONLY" };
      await assert.rejects(db.set("k", 2), refused);
      await assert.rejects(db.delete("k"), refused);
      await assert.rejects(db.clear(), refused);
      await assert.rejects(db.setMany([["k", 2]]), refused);
      await assert.rejects(db.atomic().set("k", 2).commit(), refused);
      await assert.rejects(db.transaction((tx) => tx.set("k", 2)), refused);
      await assert.rejects(db.namespace("m").set("k", 2), refused);
      await assert.rejects(db.flush(), refused);
      await assert.rejects(db.compact(), refused);
      assert.equal(await db.transaction((tx) => tx.get("k")), 1);
      await db.refresh();
      await db.close();
      assert.deepEqual(readdirSync(path), before);
    }));

  it("is what a database is made by, and no constructor", () => {
    const call = (from: unknown) => new (from as new (path: string) => unknown)("./data");
    assert.throws(() => call(DB), { name: "TypeError", message: /^new DB: .*; call await DB\.open\(path\)$/ });
    const message = "new BackupRepository: call await BackupRepository.open(target)";
    assert.throws(() => call(BackupRepository), { name: "TypeError", message });
  });

  it("fixes keyEncoding at creation", async () => {
    const disk = onOneDisk();
    const db = await DB.open("/d", { ...disk, keyEncoding: "bytes" });
    assert.equal(db.keyEncoding, "bytes");
    await db.set(new Uint8Array([255]), 1);
    await db.close();
    await assert.rejects(DB.open("/d", { ...disk, keyEncoding: "utf8" }), {
      name: "TypeError",
      message: /option "keyEncoding" is "utf8", but \/d was created with "bytes"/,
    });
    const again = await DB.open<Uint8Array>("/d", disk);
    assert.equal(again.keyEncoding, "bytes");
    assert.deepEqual(await all(again.keys()), [new Uint8Array([255])]);
    await again.close();
  });

  it("finds no database in memory, by the name it has", async () => {
    for (
      const [options, named] of [[{ readOnly: true }, "readOnly"], [{ createIfMissing: false }, "createIfMissing"]]
    ) {
      await assert.rejects(DB.open(":memory:", options as object), {
        name: "NotFoundError",
        message: new RegExp(`^Cannot open ":memory:" with ${named}.*: a database in memory is always a new one`),
      });
    }
  });

  it("refuses unknown options and values that make no sense, by name", async () => {
    const cases: [unknown, string, string | RegExp][] = [
      [{ cacheBtyes: 1 }, "TypeError", 'DB.open: unknown option "cacheBtyes"; did you mean "cacheBytes"?'],
      [{ readOnly: 1 }, "TypeError", 'DB.open: option "readOnly" must be true or false, not 1'],
      [
        { durability: "sync" },
        "TypeError",
        'DB.open: option "durability" must be one of "commit", "interval", "buffered", not "sync"',
      ],
      [{ keyEncoding: "utf16" }, "TypeError", /option "keyEncoding" must be one of/],
      [{ compression: "gzip" }, "TypeError", /option "compression" must be one of/],
      [{ memtableBytes: "64MB" }, "TypeError", /option "memtableBytes" must be a number, not "64MB"/],
      [{ memtableBytes: 10 }, "RangeError", /option "memtableBytes" must be a whole number from 1024/],
      [{ cacheBytes: -1 }, "RangeError", /cacheBytes/],
      [{ flushInterval: 0 }, "RangeError", /flushInterval/],
      [{ flushInterval: NaN }, "RangeError", /flushInterval/],
      [{ history: { maxbytes: 1 } }, "TypeError", /DB.open: option "history": unknown option "maxbytes"/],
      [{ archive: { onFull: "drop" } }, "TypeError", /option "onFull" must be one of "gap", "stop"/],
      [{ history: 5 }, "TypeError", /option "history": options must be an object, not 5/],
      [{ fileSystem: {} }, "TypeError", /option "fileSystem" must be a FileSystem/],
      [{ clock: 5 }, "TypeError", /option "clock" must be a function/],
      [{ onEvent: "log" }, "TypeError", /option "onEvent" must be a function/],
      [{ signal: {} }, "TypeError", /option "signal" must be an AbortSignal/],
      [null, "TypeError", /DB.open: options must be an object, not null/],
    ];
    for (const [options, name, message] of cases) {
      await assert.rejects(DB.open(":memory:", options as OpenOptions), { name, message });
    }
    await assert.rejects(DB.open(""), { name: "TypeError", message: /path must not be empty/ });
    await assert.rejects(DB.open(5 as unknown as string), { name: "TypeError", message: /path must be a string/ });
    await assert.rejects(DB.open(new URL("http://example.com")), { name: "TypeError" });
  });

  it("rejects with the reason of a signal that has fired", async () => {
    const reason = new Error("enough");
    await assert.rejects(DB.open(":memory:", { signal: AbortSignal.abort(reason) }), reason);
  });

  it("takes an undefined option as left out", async () => {
    await using db = await DB.open(":memory:", { durability: undefined, history: undefined });
    await db.set("k", 1);
  });
});

describe("DB.destroy", () => {
  it("removes a database and nothing else", () =>
    withDirectory(async (directory) => {
      const path = join(directory, "data");
      const db = await DB.open(path);
      await db.set("k", 1);
      await assert.rejects(DB.destroy(path), { name: "LockedError" });
      await db.close();
      writeFileSync(join(path, "mine.txt"), "mine");
      await DB.destroy(path);
      assert.deepEqual(readdirSync(path), ["mine.txt"]);
      assert.equal(await DB.exists(path), false);
      await assert.rejects(DB.destroy(path), { name: "NotFoundError" });
      mkdirSync(join(directory, "empty"));
      await DB.destroy(join(directory, "nothing"));
    }));
});

describe("close", () => {
  it("makes every later call a ClosedError that names the call", async () => {
    const db = await DB.open(":memory:");
    const namespace = db.namespace("n");
    const snapshot = db.snapshot();
    await db.set("k", 1);
    assert.equal(db.closed, false);
    await db.close();
    await db.close();
    assert.equal(db.closed, true);
    const closed = { name: "ClosedError", code: "CLOSED" };
    await assert.rejects(db.get("k"), {
      ...closed,
      message: "Cannot get: the database :memory: is closed; open it again (CLOSED)",
    });
    assert.throws(() => db.getSync("k"), closed);
    assert.throws(() => db.list(), closed);
    assert.throws(() => db.snapshot(), closed);
    assert.throws(() => db.watch(), closed);
    assert.throws(() => db.changes(), closed);
    assert.throws(() => db.atomic(), closed);
    assert.throws(() => db.namespace("n"), closed);
    assert.throws(() => db.namespaces(), closed);
    assert.throws(() => db.stats(), closed);
    assert.throws(() => db.slots(), closed);
    assert.throws(() => db.exportStream(), closed);
    assert.throws(() => snapshot.getSync("k"), closed);
    snapshot.release();
    await assert.rejects(snapshot.get("k"), closed);
    await assert.rejects(namespace.set("k", 1), closed);
    const calls = [
      () => db.has("k"),
      () => db.getMany(["k"]),
      () => db.getEntry("k"),
      () => db.count(),
      () => db.sizeOf(),
      () => db.set("k", 1),
      () => db.delete("k"),
      () => db.deleteRange({ prefix: "k" }),
      () => db.clear(),
      () => db.setMany([]),
      () => db.transaction(() => 1),
      () => db.flush(),
      () => db.compact(),
      () => db.verify(),
      () => db.dropSlot("x"),
      () => db.refresh(),
      () => db.export("x"),
      () => db.backup("x.json"),
      () => db.restore("x.json"),
    ];
    for (const call of calls) await assert.rejects(call(), closed);
  });

  it("keeps what was written before it without waiting for it", async () => {
    const disk = onOneDisk();
    for (const durability of ["commit", "interval", "buffered"] as const) {
      const db = await DB.open(`/${durability}`, { ...disk, durability });
      const writes = Promise.all([db.set("a", 1), db.set("b", 2)]);
      await db.close();
      await writes;
      await using again = await DB.open(`/${durability}`, disk);
      assert.deepEqual(await again.getMany(["a", "b"]), [1, 2]);
    }
  });

  it("ends lists that are under way", async () => {
    const db = await DB.open(":memory:");
    await db.setMany(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i] as const));
    const list = db.list();
    await list.next();
    await db.close();
    await assert.rejects(all(list), { name: "ClosedError" });
  });

  it("is what await using does", async () => {
    let kept: DB;
    {
      await using db = await DB.open(":memory:");
      kept = db;
    }
    assert.equal(kept.closed, true);
  });
});

describe("looking after a database", () => {
  it("flush, compact, stats, verify, slots and sizeOf work", () =>
    withDb(async (db) => {
      await db.setMany(Array.from({ length: 2000 }, (_, i) => [`k${i}`, "v".repeat(100)] as const));
      await db.flush();
      await db.deleteRange({ start: "k1", end: "k2" });
      await db.compact();
      await db.compact({ prefix: "k5" });
      const stats = db.stats();
      assert.equal(stats.version, db.version);
      assert.ok(stats.tableBytes > 0);
      assert.ok(await db.sizeOf() > 0);
      assert.ok(await db.sizeOf({ prefix: "zzz" }) < await db.sizeOf({ start: "a" }));
      const phases: string[] = [];
      const report = await db.verify({ onProgress: ({ phase }) => phases.push(phase) });
      assert.deepEqual([report.ok, report.problems], [true, []]);
      assert.ok(phases.includes("verify"));
      assert.deepEqual(db.slots(), []);
      await assert.rejects(db.dropSlot("x"), { name: "NotFoundError" });
      await assert.rejects(db.compact({ tag: "x" } as object), { name: "TypeError", message: /unknown option "tag"/ });
    }));

  it("verify ends with the database, and takes for no damage what another one does to it then", async () => {
    let ms = 0;
    // Each look at this clock finds a slice used up.
    const options = { ...onOneDisk(), tuning: { tableBytes: 1024, monotonic: () => ms += 2 } };
    const db = await DB.open("/d", options);
    await db.setMany(Array.from({ length: 2000 }, (_, i) => [`k${i}`, "v".repeat(100)] as const));
    await db.compact();
    const verified = assert.rejects(db.verify(), { name: "ClosedError" });
    await db.close();
    const other = await DB.open("/d", options);
    await other.set("k1", 1);
    await other.compact();
    await other.close();
    await verified;
  });

  it("repair of a database that is whole keeps everything", async () => {
    const disk = onOneDisk();
    const db = await DB.open("/d", disk);
    await db.set("k", 1);
    await db.close();
    const report = await DB.repair("/d", { ...disk, dryRun: true });
    assert.deepEqual(report.lost, []);
    await assert.rejects(DB.repair("/nothing", disk), { name: "NotFoundError" });
  });

  it("takes no time from a clock that no later one could follow", async () => {
    const { fileSystem } = onOneDisk();
    let now = 253_402_300_799_999.5;
    const clock = (): number => now;
    const refusal = { name: "RangeError", message: /option "clock" must give ms .* from 1970 to the year 9999, not / };
    for (const wrong of [-1, 253_402_300_800_000, 2 ** 53, 1e300, Infinity, NaN]) {
      await assert.rejects(DB.open("/new", { fileSystem, clock: () => wrong }), refusal, String(wrong));
      assert.equal(await fileSystem.stat("/new"), undefined);
      await assert.rejects(BackupRepository.open("/other/", { fileSystem, clock: () => wrong }), refusal);
    }
    let db = await DB.open("/d", { fileSystem, clock });
    assert.equal((await db.set("k", 1)).timestamp, 253_402_300_799_999);
    await db.backup("/repository/");
    now = 2 ** 60;
    await assert.rejects(db.set("k", 2), refusal);
    now = 5;
    assert.equal((await db.set("k", 3)).version, 2);
    await db.close();
    db = await DB.open("/d", { fileSystem, clock });
    assert.equal(await db.get("k"), 3);
    await db.close();
  });

  it("repair tells the time by the clock it is given", async () => {
    const { fileSystem } = onOneDisk();
    const clock = (): number => 4_000_000_000_000.5;
    const db = await DB.open("/d", { fileSystem, clock: () => 1 });
    await db.set("k", 1);
    await db.close();
    await fileSystem.remove("/d/CURRENT");
    await assert.rejects(DB.repair("/d", { fileSystem, clock: 5 as never }), { name: "TypeError" });
    await DB.repair("/d", { fileSystem, clock });
    const aside = (await fileSystem.list("/d")).filter((name) => name.startsWith("damaged-"));
    assert.deepEqual(aside, ["damaged-20961002T070640.000Z"]);
    const repaired = await DB.open("/d", { fileSystem, clock });
    assert.equal(repaired.timestamp, 4_000_000_000_000);
    await repaired.close();
  });
});
