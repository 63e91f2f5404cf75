/** What Level's own suite does not ask: what lies beneath, and what is ours to decide. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { HoldfastLevel, LevelError } from "../../../lib/adapters/level.ts";
import { concatBytes } from "../../../lib/base/bytes.ts";
import { yieldToLoop } from "../../../lib/base/yield.ts";
import type { Operation } from "../../../lib/files/memory/disk_operation.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { DB } from "../../../mod.ts";
import { withDirectory } from "../../db/helpers.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The code of the error that opening ends with: Level says "not open", and why in its cause. */
async function whyNotOpen(level: HoldfastLevel): Promise<unknown> {
  const error = await level.open().then(() => assert.fail("it opened"), (error) => error);
  assert.equal(error.code, "LEVEL_DATABASE_NOT_OPEN");
  return error.cause;
}

describe("new HoldfastLevel()", () => {
  it("finds in a directory what an earlier one has written there", () =>
    withDirectory(async (directory) => {
      const location = join(directory, "some", "where");
      const first = new HoldfastLevel<string, number>(location, { valueEncoding: "json" });
      await first.put("answer", 42);
      await first.close();
      await first.open();
      await first.put("", 0);
      await first.close();
      await using second = new HoldfastLevel<string, number>(location, { valueEncoding: "json" });
      assert.deepEqual(await second.iterator().all(), [["", 0], ["answer", 42]]);
      assert.equal(second.location, location);
      assert.equal(second.holdfast.path, location);
      assert.equal(second.supports.permanence, true);
    }));

  it("is locked out while another has the directory open", () =>
    withDirectory(async (directory) => {
      await using first = new HoldfastLevel(directory);
      await first.open();
      const second = new HoldfastLevel(directory);
      const error = await whyNotOpen(second) as LevelError;
      assert.ok(error instanceof LevelError);
      assert.equal(error.code, "LEVEL_LOCKED");
      await assert.rejects(HoldfastLevel.destroy(directory), { code: "LEVEL_LOCKED" });
      await first.close();
      await second.open();
      await second.close();
    }));

  it("leaves the directory free when it could not be opened in full", async () => {
    const disk = memoryFileSystem();
    const error = await whyNotOpen(new HoldfastLevel("/data", { fileSystem: disk, namespace: "" }));
    assert.match(String(error), /1 to 255 bytes/);
    const db = await DB.open("/data", { fileSystem: disk });
    await db.close();
  });

  it("leaves nothing behind in memory, and says so", async () => {
    const level = new HoldfastLevel(":memory:");
    await level.put("a", "1");
    assert.equal(level.supports.permanence, false);
    await level.close();
    await level.open();
    assert.equal(await level.get("a"), undefined);
    await level.close();
  });

  it("passes the options of DB.open on, and its own checks of them", async () => {
    const disk = memoryFileSystem();
    await new HoldfastLevel("/data", { fileSystem: disk, memtableBytes: 2 ** 20 }).put("a", "1");
    assert.throws(() => new HoldfastLevel("/data", { memtableBytes: 1 }), /option "memtableBytes"/);
    assert.throws(() => new HoldfastLevel("/data", { durability: "never" as "commit" }), /option "durability"/);
    assert.throws(() => new HoldfastLevel(7 as unknown as string), /path must be a string or a file: URL|must be/);
    assert.throws(() => new HoldfastLevel(""), /the location is empty/);
  });

  it("takes options of classic-level for those that mean the same", async () => {
    const disk = memoryFileSystem();
    await using level = new HoldfastLevel("/data", { fileSystem: disk, compression: false, cacheSize: 2 ** 15 });
    await level.open({ writeBufferSize: 2 ** 16, maxFileSize: 2 ** 16, tuning: { levelBytes: 2 ** 21 } });
    const text = "it packs well ".repeat(500);
    for (let n = 0; n < 40; n++) await level.put(`${n}`, text);
    await level.holdfast.compact();
    for (let n = 0; n < 40; n++) assert.equal(await level.get(`${n}`), text);
    const { levels, tableBytes, cacheBytes, flushes } = level.holdfast.stats();
    assert.ok(tableBytes > 40 * text.length, `${tableBytes} bytes`);
    assert.ok(levels.reduce((sum, { tables }) => sum + tables, 0) >= 4);
    assert.ok(flushes >= 3, `${flushes} flushes`);
    assert.ok(cacheBytes <= 2 ** 15, `${cacheBytes} bytes in the cache`);
    assert.throws(
      () => new HoldfastLevel("/data", { cacheSize: "8 MB" as unknown as number }),
      /option "cacheSize" must be/,
    );
    assert.throws(
      () => new HoldfastLevel("/data", { blockSize: 4096, tuning: { blockBytes: 4096 } }),
      { name: "TypeError", message: /options "blockSize" and "blockBytes" say the same/ },
    );
    assert.throws(() => new HoldfastLevel("/data", { compression: 1 as unknown as boolean }), /"compression"/);
  });

  it("leaves the options as they were", async () => {
    const tuning = { levelBytes: 2 ** 21 };
    const options = { maxFileSize: 2 ** 16, blockSize: undefined, maxOpenFiles: undefined, tuning };
    await using level = new HoldfastLevel(":memory:", options);
    await level.open();
    assert.deepEqual(tuning, { levelBytes: 2 ** 21 });
  });

  it("refuses options of classic-level that would do nothing", () => {
    for (const name of ["maxOpenFiles", "blockRestartInterval", "multithreading"]) {
      assert.throws(() => new HoldfastLevel("/data", { [name]: 1 }), new RegExp(`unknown option "${name}": `));
    }
  });

  it("opens for reading only where told, and refuses writes", async () => {
    const disk = memoryFileSystem();
    const writer = new HoldfastLevel("/data", { fileSystem: disk });
    await writer.put("a", "1");
    await writer.close();
    await using reader = new HoldfastLevel("/data", { fileSystem: disk.otherProcess(), readOnly: true });
    assert.equal(await reader.get("a"), "1");
    assert.deepEqual(await reader.keys().all(), ["a"]);
    await assert.rejects(reader.put("b", "2"), { code: "LEVEL_READONLY" });
    await assert.rejects(reader.clear(), { code: "LEVEL_READONLY" });
  });

  it("says of a snapshot from before a refresh that it is gone, and not the database", async () => {
    const disk = memoryFileSystem();
    await using writer = new HoldfastLevel("/data", { fileSystem: disk });
    await writer.put("a", "1");
    await using reader = new HoldfastLevel("/data", { fileSystem: disk.otherProcess(), readOnly: true });
    await reader.open();
    const snapshot = reader.snapshot();
    const iterator = reader.iterator();
    await writer.put("b", "2");
    await reader.holdfast.refresh();
    const gone = {
      code: "LEVEL_SNAPSHOT_NOT_OPEN",
      message: /the snapshot was taken before refresh\(\); take a new one/,
    };
    await assert.rejects(reader.get("a", { snapshot }), gone);
    await assert.rejects(reader.getMany(["a"], { snapshot }), gone);
    await assert.rejects(reader.has("a", { snapshot }), gone);
    assert.throws(() => reader.getSync("a", { snapshot }), gone);
    await assert.rejects(reader.keys({ snapshot }).all(), gone);
    await assert.rejects(iterator.next(), gone);
    assert.deepEqual(await reader.keys().all(), ["a", "b"]);
    await reader.holdfast.close();
    await assert.rejects(reader.get("a"), { code: "LEVEL_DATABASE_NOT_OPEN" });
  });
});

describe("HoldfastLevel over a database", () => {
  it("shares its entries and leaves it open", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    await db.set(utf8("from below"), { n: 1 });
    const level = new HoldfastLevel<string, unknown>(db, { valueEncoding: "json" });
    assert.deepEqual(await level.get("from below"), { n: 1 });
    await level.put("from above", [2]);
    assert.equal(level.getSync("from above", { valueEncoding: "utf8" }), "[2]");
    assert.equal(level.holdfast, db);
    assert.equal(level.location, ":memory:");
    await level.close();
    assert.equal(db.closed, false);
    assert.equal(await db.get(utf8("from above")), "[2]");
  });

  it("keeps to its namespace", async () => {
    await using db = await DB.open(":memory:");
    const one = new HoldfastLevel(db, { namespace: "one" });
    const two = new HoldfastLevel<Uint8Array, string>(db, { namespace: ["outer", "two"], keyEncoding: "view" });
    await one.put("", "empty");
    await one.put("a", "1");
    await two.put(bytes(0xff), "2");
    await db.set("a", 3);
    assert.deepEqual(await one.iterator().all(), [["", "empty"], ["a", "1"]]);
    assert.deepEqual(await two.iterator().all(), [[bytes(0xff), "2"]]);
    assert.deepEqual(db.namespaces(), ["one", "outer"]);
    await one.clear();
    assert.deepEqual([await one.keys().all(), await two.keys().all(), await db.get("a")], [[], [bytes(0xff)], 3]);
    assert.equal(one.supports.additionalMethods["compactRange"], undefined);
    await assert.rejects(one.compactRange("a", "b"), { code: "LEVEL_NOT_SUPPORTED" });
    for (const namespace of [1, [], ["one", 1]]) {
      assert.throws(
        () => new HoldfastLevel(db, { namespace: namespace as string[] }),
        /option "namespace" must be a name/,
      );
    }
  });

  it("keeps to the namespace of the call, with the keys that are there", async () => {
    await using db = await DB.open(":memory:");
    await db.namespace("text", { keyEncoding: "utf8" }).set("ä", "1");
    const names = ["text"];
    const level = new HoldfastLevel(db, { namespace: names });
    names.push("inner");
    assert.equal(await level.get("ä"), "1");
  });

  it("leaves it open when it could not be opened in full", async () => {
    await using db = await DB.open(":memory:");
    assert.match(String(await whyNotOpen(new HoldfastLevel(db, { namespace: "" }))), /1 to 255 bytes/);
    assert.equal(db.closed, false);
  });

  it("clears entries, and namespaces beside them not", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    await db.namespace("other").set(utf8("a"), 1);
    const level = new HoldfastLevel(db);
    await level.batch([{ type: "put", key: "", value: "e" }, { type: "put", key: "\0", value: "first" }]);
    await level.clear();
    assert.deepEqual([await level.keys().all(), await db.namespace("other").count()], [[], 1]);
  });

  it("takes text keys only where the database has those", async () => {
    await using db = await DB.open(":memory:");
    const level = new HoldfastLevel<string, string>(db);
    await level.put("ä", "1");
    assert.equal(await db.get("ä"), "1");
    assert.deepEqual(await level.keys({ gte: "a", lte: "ä", keyEncoding: "view" }).all(), [utf8("ä")]);
    for (
      const call of [
        level.put(bytes(0xff), "2", { keyEncoding: "view" }),
        level.get(bytes(0xff), { keyEncoding: "view" }),
        level.has(bytes(0xff), { keyEncoding: "view" }),
        level.del(bytes(0xff), { keyEncoding: "view" }),
      ]
    ) await assert.rejects(call, { code: "LEVEL_INVALID_KEY" });
  });

  it("is closed with it", async () => {
    const db = await DB.open(":memory:");
    const level = new HoldfastLevel(db);
    await level.put("a", "1");
    await db.close();
    await assert.rejects(level.get("a"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    await assert.rejects(level.put("a", "2"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    assert.throws(() => level.iterator(), { code: "LEVEL_DATABASE_NOT_OPEN" });
    assert.throws(() => level.snapshot(), { code: "LEVEL_DATABASE_NOT_OPEN" });
    await level.close();
    assert.equal((await whyNotOpen(level) as LevelError).code, "LEVEL_DATABASE_NOT_OPEN");
  });

  it("has its namespace from the constructor alone", async () => {
    await using db = await DB.open(":memory:");
    const level = new HoldfastLevel(db, { namespace: ["a", "b"] });
    for (const namespace of ["a", "a,b"]) {
      const error = await level.open({ namespace } as object).then(() => assert.fail("it opened"), (error) => error);
      assert.match(error.cause.message, /option "namespace" is for the constructor/);
    }
    await level.open();
    await level.close();
  });

  it("has no use for options of opening", async () => {
    await using db = await DB.open(":memory:");
    assert.throws(() => new HoldfastLevel(db, { cacheBytes: 0 }), /open already; give "cacheBytes" to DB\.open/);
    assert.throws(() => new HoldfastLevel(db, { errorIfExists: true }), /errorIfExists/);
    const { permanence, createIfMissing, errorIfExists } = new HoldfastLevel(db).supports;
    assert.deepEqual([permanence, createIfMissing, errorIfExists], [false, false, false]);
  });
});

describe("HoldfastLevel's data", () => {
  it("is what DB.open reads, and the other way round", async () => {
    const disk = memoryFileSystem();
    const level = new HoldfastLevel<string, unknown>("/data", { fileSystem: disk });
    const users = level.sublevel<string, object>("users", { valueEncoding: "json" });
    await users.put("ada", { name: "Ada" });
    await level.put("text", "hello");
    await level.put("bytes", bytes(0, 255), { valueEncoding: "view" });
    await level.close();
    const db = await DB.open<Uint8Array>("/data", { fileSystem: disk });
    const found = db.listSync();
    assert.deepEqual([...found].map(({ key, value }) => [new TextDecoder().decode(key), value]), [
      ["!users!ada", '{"name":"Ada"}'],
      ["bytes", bytes(0, 255)],
      ["text", "hello"],
    ]);
    await db.set(utf8("json"), null);
    await db.set(utf8("json of more"), { ä: 1 });
    await db.close();
    await level.open();
    assert.equal(await level.get("json", { valueEncoding: "json" }), null);
    assert.equal(await level.get("json"), "null");
    assert.deepEqual(await level.get("json of more", { valueEncoding: "view" }), utf8('{"ä":1}'));
    assert.deepEqual(await level.get("text", { valueEncoding: "view" }), utf8("hello"));
    await level.close();
  });

  it("comes back from a backup of what lies beneath, the empty key too", () =>
    withDirectory(async (directory) => {
      const level = new HoldfastLevel(join(directory, "data"));
      await level.batch([{ type: "put", key: "", value: "e" }, { type: "put", key: "a", value: "1" }]);
      const { entryCount } = await level.holdfast.backup(join(directory, "backups/"));
      assert.ok(entryCount >= 2);
      await level.holdfast.backup(join(directory, "portable.jsonl"));
      await level.put("a", "2");
      await level.close();
      await DB.restore(join(directory, "backups/"), join(directory, "restored"));
      await DB.restore(join(directory, "portable.jsonl"), join(directory, "imported"));
      for (const name of ["restored", "imported"]) {
        await using copy = new HoldfastLevel(join(directory, name));
        assert.deepEqual(await copy.iterator().all(), [["", "e"], ["a", "1"]], name);
      }
      await HoldfastLevel.destroy(join(directory, "restored"));
      assert.ok(!readdirSync(directory).includes("restored"));
    }));

  it("changes under a restore beneath, and not in a snapshot", async () => {
    const disk = memoryFileSystem();
    await using level = new HoldfastLevel("/data", { fileSystem: disk });
    await level.put("", "old");
    await level.put("a", "old");
    await level.holdfast.export("/copy");
    await level.put("", "new");
    await level.put("a", "new");
    const snapshot = level.snapshot();
    const iterator = level.iterator();
    await level.holdfast.restore("/copy");
    assert.deepEqual(await level.getMany(["", "a"]), ["old", "old"]);
    assert.deepEqual(await level.getMany(["", "a"], { snapshot }), ["new", "new"]);
    assert.deepEqual(await iterator.all(), [["", "new"], ["a", "new"]]);
    await snapshot.close();
    await level.put("", "newer");
    assert.equal(level.getSync(""), "newer");
  });

  it("replaces what UTF-8 can't hold, as Level does", async () => {
    await using level = new HoldfastLevel(":memory:");
    await level.put("\ud800", "\udfff!");
    assert.equal(await level.get("\ufffd"), "\ufffd!");
    await level.put(bytes(0xff), bytes(0xfe, 0x61), { keyEncoding: "view", valueEncoding: "view" });
    assert.deepEqual(await level.iterator().all(), [["\ufffd", "\ufffd!"], ["\ufffd", "\ufffda"]]);
    await level.put("bom", "\ufefftext");
    assert.equal((await level.get("bom", { valueEncoding: "buffer" }) as unknown as Uint8Array).length, 7);
    assert.equal(await level.get("bom"), "\ufefftext");
    await level.put("both", concatBytes(utf8("\ufeff"), bytes(0xff)), { valueEncoding: "view" });
    assert.equal(await level.get("both"), "\ufeff\ufffd");
  });

  it("is what a view of any kind shows, and no more of its buffer", async () => {
    await using level = new HoldfastLevel<ArrayBufferView, ArrayBufferView>(":memory:", {
      keyEncoding: "view" as never,
      valueEncoding: "view" as never,
    });
    const { buffer } = bytes(1, 2, 3, 4);
    await level.put(new DataView(buffer, 1, 1), new Uint16Array(buffer, 2, 1));
    assert.deepEqual(await level.iterator().all(), [[bytes(2), bytes(3, 4)]]);
  });

  it("is the caller's own", async () => {
    await using level = new HoldfastLevel<string, Uint8Array>(":memory:", { valueEncoding: "view" });
    const value = bytes(1);
    const [single, many] = [level.put("a", value), level.batch([{ type: "put", key: "b", value }])];
    const chained = level.status === "open" ? level.batch() : (await level.open(), level.batch());
    await Promise.all([single, many]);
    chained.put("c", value);
    value[0] = 2;
    await chained.write();
    const read = await level.get("a");
    read![0] = 9;
    assert.deepEqual(await level.values().all(), [bytes(1), bytes(1), bytes(1)]);
    const gte = utf8("b");
    const iterator = level.keys({ gte, keyEncoding: "view" });
    gte[0] = 0;
    assert.deepEqual(await iterator.all(), [utf8("b"), utf8("c")]);
  });
});

describe("HoldfastLevel's empty key", () => {
  const entries = [["", "e"], ["\0", "0"], ["a", "1"], ["b", "2"]] as const;
  async function filled(): Promise<HoldfastLevel> {
    const level = new HoldfastLevel(":memory:");
    await level.batch(entries.map(([key, value]) => ({ type: "put", key, value })));
    return level;
  }

  it("comes first, or last in reverse, where the range has it", async () => {
    await using level = await filled();
    const keys = entries.map(([key]) => key);
    assert.deepEqual(await level.keys().all(), keys);
    assert.deepEqual(await level.keys({ reverse: true }).all(), [...keys].reverse());
    assert.deepEqual(await level.values({ reverse: true, lte: "a" }).all(), ["1", "0", "e"]);
    assert.deepEqual(await level.keys({ gte: "" }).all(), keys);
    assert.deepEqual(await level.keys({ gt: "" }).all(), keys.slice(1));
    assert.deepEqual(await level.keys({ lte: "" }).all(), [""]);
    assert.deepEqual(await level.keys({ lt: "" }).all(), []);
    assert.deepEqual(await level.keys({ limit: 1 }).all(), [""]);
    assert.deepEqual(await level.keys({ reverse: true, limit: 3 }).all(), ["b", "a", "\0"]);
    assert.deepEqual(await level.iterator({ keys: false, limit: 1 }).all(), [[undefined, "e"]]);
    assert.deepEqual(await level.iterator({ values: false, limit: 1 }).all(), [["", undefined]]);
  });

  it("is found by seeking", async () => {
    await using level = await filled();
    const forward = level.keys({ lt: "b" });
    forward.seek("a");
    assert.deepEqual(await forward.nextv(9), ["a"]);
    forward.seek("");
    assert.deepEqual([await forward.next(), await forward.next()], ["", "\0"]);
    forward.seek("b");
    assert.deepEqual(await forward.nextv(9), []);
    await forward.close();
    const backward = level.keys({ reverse: true });
    backward.seek("\0");
    assert.deepEqual(await backward.nextv(9), ["\0", ""]);
    backward.seek("");
    assert.deepEqual(await backward.nextv(9), [""]);
    await backward.close();
  });

  it("is written, read and deleted with the others", async () => {
    await using level = await filled();
    const snapshot = level.snapshot();
    await level.batch([{ type: "del", key: "" }, { type: "put", key: "a", value: "x" }]);
    assert.deepEqual(await level.getMany(["", "a"]), [undefined, "x"]);
    assert.deepEqual(await level.getMany(["", "a"], { snapshot }), ["e", "1"]);
    assert.deepEqual(await level.hasMany(["", "a"]), [false, true]);
    assert.deepEqual(await level.keys({ snapshot }).all(), ["", "\0", "a", "b"]);
    await level.put("", "again");
    await level.clear({ limit: 1 });
    assert.equal(await level.has(""), false);
    await level.put("", "again");
    await level.clear({ gt: "" });
    assert.deepEqual(await level.iterator().all(), [["", "again"]]);
    await level.clear({ snapshot });
    assert.deepEqual(await level.iterator().all(), []);
    await level.batch(entries.map(([key, value]) => ({ type: "put", key, value })));
    await level.clear({ gte: "" });
    assert.deepEqual(await level.iterator().all(), []);
  });
});

describe("HoldfastLevel's limits and errors", () => {
  it("name a key or value that can be none", async () => {
    await using level = new HoldfastLevel(":memory:");
    const long = "k".repeat(65_536);
    const many = [level.getMany(["a", long]), level.hasMany(["", long])];
    for (const call of [level.put(long, "v"), level.get(long), level.has(long), level.del(long), ...many]) {
      await assert.rejects(call, { code: "LEVEL_INVALID_KEY", message: /65,536 bytes/ });
    }
    assert.throws(() => level.getSync(long), { code: "LEVEL_INVALID_KEY" });
    assert.throws(() => level.batch().put(long, "v"), { code: "LEVEL_INVALID_KEY" });
    await level.put(long.slice(1), "v");
    assert.deepEqual(await level.values({ gte: long.slice(1), lte: long.slice(1) }).all(), ["v"]);
    const value = new Uint8Array(256 * 2 ** 20 + 1);
    await assert.rejects(level.put("a", value as never, { valueEncoding: "view" }), { code: "LEVEL_INVALID_VALUE" });
  });

  it("name what an encoding makes neither text nor bytes of, which would be kept as nothing", async () => {
    await using level = new HoldfastLevel<unknown, unknown>(":memory:");
    await level.put("before", "1");
    for (const made of [new ArrayBuffer(3), 5, [1], {}, null, undefined]) {
      for (const format of ["utf8", "view"] as const) {
        const encoding = { name: "wrong", format, encode: () => made as never, decode: (data: unknown) => data };
        const message = /the encoding makes .* of it/;
        const asValue = [
          level.put("a", 1, { valueEncoding: encoding }),
          level.batch([{ type: "put", key: "a", value: 1 }], { valueEncoding: encoding }),
        ];
        for (const call of asValue) await assert.rejects(call, { code: "LEVEL_INVALID_VALUE", message });
        const asKey = [
          level.put(1, "1", { keyEncoding: encoding }),
          level.get(1, { keyEncoding: encoding }),
          level.has(1, { keyEncoding: encoding }),
          level.del(1, { keyEncoding: encoding }),
        ];
        for (const call of asKey) await assert.rejects(call, { code: "LEVEL_INVALID_KEY", message });
      }
    }
    await assert.rejects(level.put("a", () => 1, { valueEncoding: "json" }), { code: "LEVEL_INVALID_VALUE" });
    assert.deepEqual(await level.keys().all(), ["before"]);
  });

  it("leave nothing of a batch that is refused", async () => {
    await using level = new HoldfastLevel(":memory:");
    const operations = [{ type: "put", key: "a", value: "1" }, {
      type: "put",
      key: "k".repeat(70_000),
      value: "2",
    }] as const;
    await assert.rejects(level.batch([...operations]), { code: "LEVEL_INVALID_KEY" });
    assert.deepEqual(await level.keys().all(), []);
    const chained = level.batch().put("a", "1");
    assert.throws(() => chained.put("k".repeat(70_000), "2"), { code: "LEVEL_INVALID_KEY" });
    await chained.put("b", "3").write();
    assert.deepEqual(await level.keys().all(), ["a", "b"]);
  });

  it("tell of damage by Level's name", async () => {
    const disk = memoryFileSystem();
    const options = { fileSystem: disk, tuning: { reserve: false } };
    const level = new HoldfastLevel("/data", options);
    await level.batch(Array.from({ length: 100 }, (_, i) => ({ type: "put", key: `k${i}`, value: "v".repeat(99) })));
    await level.compactRange("", "z");
    await level.close();
    const table = (await disk.list("/data")).find((name) => name.endsWith(".sst"));
    disk.damage(`/data/${table}`, (all) => all.map((byte, i) => i > 70 && i < 90 ? byte ^ 0xff : byte));
    await level.open();
    await assert.rejects(level.get("k0"), { name: "LevelError", code: "LEVEL_CORRUPTION" });
    assert.throws(() => level.getSync("k0"), { code: "LEVEL_CORRUPTION" });
    await assert.rejects(level.iterator().all(), { code: "LEVEL_CORRUPTION" });
    await level.close();
    disk.damage("/data/CURRENT", () => bytes(1, 2, 3));
    assert.equal((await whyNotOpen(level) as LevelError).code, "LEVEL_CORRUPTION");
  });

  it("tell of a place that is full, taken or locked by Level's name", async () => {
    const disk = memoryFileSystem();
    const options = { fileSystem: disk, tuning: { reserve: false } };
    const level = new HoldfastLevel("/data", options);
    await level.open();
    const heal = disk.inject({ at: ({ name }) => name === "append", do: "full", times: Infinity });
    await assert.rejects(level.put("a", "1"), { code: "LEVEL_IO_ERROR", message: /no space is left/ });
    heal();
    await level.close();
    assert.equal(
      (await whyNotOpen(new HoldfastLevel("/data", { ...options, errorIfExists: true })) as LevelError).code,
      "EXISTS",
    );
    await withDirectory(async (directory) => {
      await using _locked = await DB.open(directory);
      await assert.rejects(HoldfastLevel.repair(directory), { code: "LEVEL_LOCKED" });
    });
  });

  it("tell of a close that failed, and of it once", async () => {
    const disk = memoryFileSystem();
    const level = new HoldfastLevel("/data", { fileSystem: disk, durability: "buffered", tuning: { reserve: false } });
    await level.put("a", "1", { sync: true });
    await level.put("b", "2");
    const heal = disk.inject({ at: () => true, do: "fail", times: Infinity });
    await assert.rejects(level.close(), { code: "LEVEL_DATABASE_NOT_CLOSED" });
    heal();
    await level.close();
    await level.open();
    assert.equal(await level.get("a"), "1");
    await level.close();
  });

  it("tell of damage behind what could be read before it, and again", async () => {
    const disk = memoryFileSystem();
    const options = { fileSystem: disk, compression: "none", tuning: { reserve: false } } as const;
    const level = new HoldfastLevel("/data", options);
    const keys = Array.from({ length: 500 }, (_, i) => `k${String(i).padStart(3, "0")}`);
    await level.batch(keys.map((key) => ({ type: "put", key, value: "v".repeat(99) })));
    await level.compactRange("", "z");
    await level.close();
    const table = (await disk.list("/data")).find((name) => name.endsWith(".sst"));
    disk.damage(`/data/${table}`, (all) => all.map((byte, i) => i > 70 && i < 90 ? byte ^ 0xff : byte));
    await level.open();
    const iterator = level.keys({ reverse: true });
    const seen: (string | undefined)[] = [];
    while (seen.length < 600 && !seen.includes("LEVEL_CORRUPTION")) {
      seen.push(await iterator.next().catch(({ code }) => code));
    }
    const read: string[] = [];
    assert.throws(() => {
      for (const key of level.holdfast.keysSync({}, { reverse: true })) {
        read.push(new TextDecoder().decode(key as never));
      }
    }, { code: "CORRUPTION" });
    assert.deepEqual(seen, [...read, "LEVEL_CORRUPTION"]);
    assert.ok(read.length > 100 && read.length < 500, `${read.length}`);
    await assert.rejects(iterator.next(), { code: "LEVEL_CORRUPTION" });
    await level.close();
  });

  it("refuse a snapshot of another database, and one that is closed", async () => {
    await using level = new HoldfastLevel(":memory:");
    await using other = new HoldfastLevel(":memory:");
    await Promise.all([level.open(), other.open()]);
    const snapshot = other.snapshot();
    await assert.rejects(level.get("a", { snapshot }), /belongs to another database/);
    await snapshot.close();
    await assert.rejects(other.get("a", { snapshot }), { code: "LEVEL_SNAPSHOT_NOT_OPEN" });
    const foreign = { ref() {}, unref() {} } as unknown as typeof snapshot;
    await assert.rejects(level.get("a", { snapshot: foreign }), /must be what snapshot\(\) of this database returned/);
  });
});

describe("HoldfastLevel's reads", () => {
  it("of large values end before the database closes", async () => {
    await using level = new HoldfastLevel(":memory:");
    const value = "v".repeat(2 ** 20);
    await level.put("large", value);
    await level.compactRange("a", "z");
    const reads = [level.get("large"), level.getMany(["large"])];
    const closing = level.close();
    assert.deepEqual(await Promise.all(reads), [value, [value]]);
    await closing;
  });

  it("of many keys end before the database closes, whatever they end with", async () => {
    await using level = new HoldfastLevel(":memory:");
    await level.put("a", "1");
    const keys = new Array<string>(100_000).fill("a");
    const [read, failed] = [level.getMany(keys), level.getMany([...keys, "k".repeat(65_536)])];
    const refused = assert.rejects(failed, { code: "LEVEL_INVALID_KEY" });
    await level.close();
    assert.equal((await read).filter((value) => value === "1").length, keys.length);
    await refused;
  });

  it("by an iterator come in the order of bytes, over many chunks, while writes go on", async () => {
    await using level = new HoldfastLevel<Uint8Array, string>(":memory:", {
      keyEncoding: "view",
      durability: "interval",
    });
    const keys = Array.from({ length: 1500 }, (_, i) => bytes(i >> 8, i & 0xff));
    await level.batch(keys.map((key) => ({ type: "put", key, value: String(key) })));
    const iterator = level.iterator({ reverse: true });
    const { version } = level.holdfast;
    await level.clear({ lt: bytes(0xff) });
    assert.equal(level.holdfast.version, version + 1);
    const seen: Uint8Array[] = [];
    for await (const [key, value] of iterator) {
      assert.equal(value, String(key));
      seen.push(key);
    }
    assert.deepEqual(seen, keys.reverse());
    assert.deepEqual(await level.keys().all(), []);
  });

  it("hold nothing once they have ended, failed or were closed", async () => {
    await using level = new HoldfastLevel(":memory:");
    // More than what a list reads ahead at first.
    const keys = Array.from({ length: 1000 }, (_, i) => String(i));
    await level.batch(keys.map((key) => ({ type: "put", key, value: "not JSON" })));
    const pins = (): number => level.holdfast.stats().pins;
    const before = pins();
    const snapshot = level.snapshot();
    const left = level.iterator();
    await left.next();
    left.seek("2");
    await left.next();
    assert.ok(pins() > before);
    await snapshot.close();
    await left.close();
    await level.keys({ reverse: true }).all();
    for await (const key of level.keys()) if (key === "10") break;
    for await (const value of level.values()) if (value !== "") break;
    await assert.rejects(level.iterator({ valueEncoding: "json" }).all(), { code: "LEVEL_DECODE_ERROR" });
    await level.clear({ limit: 2 });
    assert.equal(pins(), before);
  });

  it("of many keys hold nothing of what they gave", async () => {
    await using level = new HoldfastLevel<string, Uint8Array>(":memory:", { valueEncoding: "view" });
    await level.put("large", new Uint8Array(2 ** 20));
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 400; i++) await level.getMany(["large"]);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 200 * 2 ** 20, `${grown} bytes of 400 MiB`);
  });

  it("that are ended by a signal say so, and hold nothing", async () => {
    await using level = new HoldfastLevel(":memory:");
    await level.batch(["a", "b", "c"].map((key) => ({ type: "put", key, value: "" })));
    const before = level.holdfast.stats().pins;
    const controller = new AbortController();
    const iterator = level.iterator({ signal: controller.signal });
    assert.deepEqual(await iterator.next(), ["a", ""]);
    const reading = iterator.nextv(2);
    controller.abort(new Error("enough"));
    const { reason } = controller.signal;
    await assert.rejects(reading, { name: "AbortError", code: "LEVEL_ABORTED", cause: reason });
    await iterator.close();
    assert.equal(level.holdfast.stats().pins, before);
  });

  it("read as far ahead as single steps have come, and large values one by one", async () => {
    const disk = memoryFileSystem();
    const options = { fileSystem: disk, compression: "none", cacheBytes: 0, tuning: { blockBytes: 256 } } as const;
    await using level = new HoldfastLevel("/data", options);
    // A block each, and a place in a file of blobs.
    const [small, large] = ["v".repeat(300), "v".repeat(2 ** 18)];
    const keys = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, "0"));
    await level.batch(keys.map((key) => ({ type: "put", key, value: key < "50" ? small : large })));
    await level.compactRange("", "z");
    // Their files are open from here on.
    await level.getMany(["00", "50"]);
    const reads = { sst: 0, blob: 0 };
    const count = ({ name, path }: Operation): boolean => {
      if (name.startsWith("read")) reads[path.endsWith(".blob") ? "blob" : "sst"]++;
      return false;
    };
    disk.inject({ at: count, do: "fail" });
    const controller = new AbortController();
    for (const signal of [undefined, controller.signal]) {
      reads.sst = reads.blob = 0;
      await using iterator = level.values({ signal });
      for (const ahead of [1, 3, 3, 7, 7, 7, 7, 15]) {
        assert.equal(await iterator.next(), small);
        assert.equal(reads.sst, ahead);
      }
      iterator.seek("30");
      assert.equal(await iterator.next(), small);
      assert.equal(reads.sst, 16);
      iterator.seek("50");
      for (let i = 0; i < 20; i++) assert.equal(await iterator.next(), large);
      assert.equal(reads.blob, 20);
    }
    const all = level.values({ gte: "50", signal: controller.signal }).all();
    await yieldToLoop();
    controller.abort();
    await assert.rejects(all, { code: "LEVEL_ABORTED" });
    assert.ok(reads.blob < 20 + 50, `${reads.blob} reads`);
  });

  it("clear a part of what is there, in either direction", async () => {
    await using level = new HoldfastLevel(":memory:", { durability: "interval" });
    const keys = Array.from({ length: 2500 }, (_, i) => String(i).padStart(4, "0"));
    await level.batch(keys.map((key) => ({ type: "put", key, value: "" })));
    await level.clear({ gte: "0100", limit: 1700 });
    await level.clear({ reverse: true, limit: 100 });
    assert.deepEqual(await level.keys().all(), [...keys.slice(0, 100), ...keys.slice(1800, 2400)]);
  });

  it("clear all that they were told to before the database closes", () =>
    withDirectory(async (directory) => {
      const keys = Array.from({ length: 5000 }, (_, i) => String(i).padStart(4, "0"));
      await using level = new HoldfastLevel(directory, { durability: "buffered" });
      await level.batch(keys.map((key) => ({ type: "put", key, value: "" })));
      await Promise.all([level.clear({ limit: 4000 }), level.close()]);
      await level.open();
      assert.deepEqual(await level.keys().all(), keys.slice(4000));
    }));

  it("tell how much a range takes on disk", async () => {
    await using level = new HoldfastLevel(":memory:", { compression: "none" });
    const deferred = [level.approximateSize("a", "z"), level.compactRange("a", "z")];
    assert.deepEqual(await Promise.all(deferred), [0, undefined]);
    await level.put("key", "v".repeat(10_000));
    await level.compactRange("a", "z");
    assert.ok(await level.approximateSize("a", "z") > 9_000);
    assert.equal(await level.approximateSize("l", "z"), 0);
    assert.equal(await level.approximateSize("a", "key"), 0);
    await level.close();
    await assert.rejects(level.approximateSize("a", "z"), { code: "LEVEL_DATABASE_NOT_OPEN" });
    assert.throws(() => level.holdfast, { code: "LEVEL_DATABASE_NOT_OPEN" });
  });

  it("go on after a repair", () =>
    withDirectory(async (directory) => {
      const level = new HoldfastLevel(directory);
      await level.put("a", "1");
      await level.close();
      const { lost } = await HoldfastLevel.repair(directory);
      assert.deepEqual(lost, []);
      await level.open();
      assert.equal(await level.get("a"), "1");
      await level.close();
    }));
});
