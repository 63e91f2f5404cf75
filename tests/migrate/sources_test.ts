/** Each source as its own library writes it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { serialize } from "node:v8";
import { ClassicLevel } from "classic-level";
import { open as openLmdb } from "lmdb";
import { toHex } from "../../lib/base/bytes.ts";
import { KvU64, openKv } from "../../lib/adapters/kv.ts";
import { HoldfastLevel } from "../../lib/adapters/level.ts";
import {
  fromDenoKv,
  fromLevel,
  fromLmdb,
  fromRedis,
  fromSqlite,
  migrate,
  type MigrationReport,
} from "../../lib/adapters/migrate.ts";
import { structured, tuple, typed } from "../../lib/adapters/typed.ts";
import { DB } from "../../mod.ts";
import { binary } from "../tools/runtimes.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-migrate-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const place = (name: string): string => join(directory, name);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Reads seven of a source, a commit for each two of them, then fails as a killed program would: the next run goes on. */
async function interrupted(db: DB, source: Parameters<typeof migrate>[1]): Promise<MigrationReport> {
  let left = 7;
  const failing: typeof source = {
    id: source.id,
    async open() {
      const opened = await source.open();
      return {
        ...opened,
        async *entries(encoding, position) {
          for await (const item of opened.entries(encoding, position)) {
            if (left-- === 0) throw new Error("killed");
            yield { ...item, bytes: 2 ** 19 };
          }
        },
      };
    },
  };
  await assert.rejects(migrate(db, failing), /killed/);
  const report = await migrate(db, source);
  assert.equal(report.earlier, 6);
  return report;
}

describe("fromLevel()", () => {
  it("reads a directory of LevelDB, and goes on where it was", async () => {
    const path = place("level");
    const level = new ClassicLevel<string, string>(path);
    await level.batch(Array.from({ length: 20 }, (_, n) => ({ type: "put", key: `k${n}`, value: `v${n}` })));
    await level.put("bytes", new Uint8Array([255, 0]), { valueEncoding: "view" });
    await level.sublevel("sub").put("a", "in a sublevel");
    await level.close();
    await using db = await DB.open(":memory:");
    const report = await interrupted(db, fromLevel(path, { values: "auto" }));
    assert.deepEqual([report.entries, await db.count()], [22, 22]);
    assert.deepEqual(await db.getMany(["k0", "k19"]), ["v0", "v19"]);
    assert.deepEqual(await db.get("bytes"), new Uint8Array([255, 0]));
    const over = new HoldfastLevel<string, string>(db);
    assert.equal(await over.sublevel("sub").get("a"), "in a sublevel");
  });

  it("makes of values what it is told", async () => {
    const level = new HoldfastLevel<string, string>(place("forms"));
    await level.put("a", '{"x":1}');
    await level.put("b", "no json");
    const read = async (values: "auto" | "json" | "text" | "bytes") => {
      await using db = await DB.open(":memory:");
      const source = fromLevel(level, { id: "forms", values });
      const { leftOut } = await migrate(db, source, { unsupported: "report" });
      return [await db.getMany(["a", "b"]), leftOut.map(({ key, reason }) => `${key}: ${reason.slice(0, 20)}`)];
    };
    assert.deepEqual(await read("auto"), [['{"x":1}', "no json"], []]);
    assert.deepEqual(await read("json"), [[{ x: 1 }, undefined], ['"b": its value is no JSON']]);
    assert.deepEqual(await read("bytes"), [[text('{"x":1}'), text("no json")], []]);
    await level.put("", "the empty key");
    await level.put("c", new Uint8Array([255]) as never, { valueEncoding: "view" });
    const [, leftOut] = await read("text");
    assert.deepEqual(
      leftOut,
      ['"": the key is empty; a ', '"c": its value is not UTF'],
    );
    await level.close();
  });

  it("says what it can't open", async () => {
    await using db = await DB.open(":memory:");
    await assert.rejects(migrate(db, fromLevel(place("nothing"))), { code: "NOT_FOUND" });
    await assert.rejects(migrate(db, fromLevel(directory)), { code: "MIGRATION", message: /^Cannot read level / });
    assert.throws(() => fromLevel({} as never), /expected a directory or a Level database/);
    assert.throws(() => fromLevel({ iterator() {} } as never), /needs option "id"/);
  });
});

describe("fromSqlite()", () => {
  const path = place("shop.sqlite");
  const sqlite = new DatabaseSync(path);
  sqlite.exec(`
    create table users (email text primary key, name text, age integer, note text);
    create table parts (shelf integer, row integer, label text, photo blob, weight real, until integer, primary key (shelf, row)) without rowid;
    create table big (id integer primary key, n integer);
    create table loose (k, v);
    create table cased (k text collate nocase, v text);
    create view old as select * from users;
    insert into users values ('ada@example.org', 'Ada', 36, null), ('grace@example.org', 'Grace', 85, 'x');
    insert into parts values (2, 10, 'bolt', x'0001', 0.5, 4102444800000), (2, 9, 'nut', x'', 1, null), (10, 1, 'cog', null, 2.5, 1000);
    insert into big values (1, 9007199254740993), (2, 7);
    insert into cased values ('a', 'small'), ('A', 'capital');
    insert into loose values (1, 'a'), ('1', 'b'), ('2', 'c'), ('2', 'd'), (null, 'e');
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 20)
      insert into big select i + 10, i from n;
  `);
  sqlite.close();

  it("makes JSON of rows, or values of a column", async () => {
    await using db = await DB.open(":memory:");
    await migrate(db, fromSqlite(path, { table: "users", key: "email" }));
    assert.deepEqual(await db.get("ada@example.org"), { name: "Ada", age: 36, note: null });
    const names = db.namespace("names");
    await migrate(db, fromSqlite(path, { table: "users", key: "name", value: "age" }), { into: names });
    assert.deepEqual([await names.get("Ada"), await names.count()], [36, 2]);
    await migrate(db, fromSqlite(path, { table: "cased", key: "k", value: "v" }));
    assert.deepEqual(await db.getMany(["a", "A"]), ["small", "capital"]);
  });

  it("keeps the order of several key columns, blobs, and times of expiry", async () => {
    await using db = await DB.open(":memory:");
    const options = { table: "parts", key: ["shelf", "row"], expiresAt: "until" };
    const report = await migrate(db, fromSqlite(path, { ...options, columns: ["label", "weight"] }));
    assert.deepEqual([report.entries, report.expired], [2, 1]);
    const found = await Array.fromAsync(db.list(tuple.range([2])), ({ key, value }) => [tuple.decode(key), value]);
    assert.deepEqual(found, [[[2, 9], { label: "nut", weight: 1 }], [[2, 10], { label: "bolt", weight: 0.5 }]]);
    assert.equal((await db.getEntry(tuple.encode([2, 10])))?.expiresAt, 4102444800000);
    const photos = db.namespace("photos", { keyEncoding: "bytes" });
    const photo = fromSqlite(path, { table: "parts", key: ["shelf", "row"], value: "photo" });
    await migrate(db, photo, { into: photos });
    assert.deepEqual(await photos.get(tuple.bytes.encode([2, 10])), new Uint8Array([0, 1]));
    assert.equal(await photos.get(tuple.bytes.encode([10, 1])), null);
  });

  it("goes on where it was, and refuses numbers that are none here unless a codec keeps them", async () => {
    await using db = await DB.open(":memory:");
    const source = fromSqlite(path, { table: "big", key: "id" });
    await assert.rejects(migrate(db, source), { key: '"1"', message: /value\.n is a bigint/ });
    const codec = await structured<{ n: bigint | number }>();
    const keeping = fromSqlite(path, { table: "big", key: "id", keys: "tuple", codec: codec as never });
    const report = await interrupted(db, keeping);
    assert.deepEqual([report.entries, await db.count()], [22, 22]);
    assert.equal((await typed(db, { codec }).get(tuple.encode([1])))?.n, 9007199254740993n);
  });

  it("goes on where it was in tables whose names and orders are not the usual ones", async () => {
    const file = place("orders.sqlite");
    const sqlite = new DatabaseSync(file);
    const tables: readonly (readonly [table: string, columns: string, key: string])[] = [
      // All names that a row's number has, with nothing else that puts the rows in an order.
      ["taken", "k text, rowid text, _RowId_ text, oid text", "k"],
      ["likewise", "k text collate nocase, rowid, _rowid_, oid", "k"],
      ["keyed", "k text primary key, rowid, _rowid_, oid", "k"],
      ["some", "k text, ROWID text, oid text", "k"],
      ["numbered", "rowid integer primary key, k text, _rowid_ text, oid text", "k"],
      // The order of a column is not that by which rows differ.
      ["letters", "k text collate nocase, v, primary key (k collate binary)", "k"],
      ["we\"ird tab'le.s", '"select" text, "from" text', "select"],
      ["made", "v text, k text generated always as ('x' || v) virtual", "v"],
    ];
    sqlite.exec("begin");
    for (const [table, columns, key] of tables) {
      const [name, column] = [table, key].map((each) => `"${each.replaceAll('"', '""')}"`);
      sqlite.exec(`create table ${name} (${columns}) ${table === "letters" ? "without rowid" : ""}`);
      const insert = sqlite.prepare(`insert into ${name} (${column}) values (?)`);
      // It is interrupted between two letters that are one where their size doesn't count.
      for (const letter of ["0", "a", "A", "b", "B", "c", "C", "d", "D", "e", "E"]) insert.run(letter);
    }
    sqlite.exec("commit");
    sqlite.close();
    for (const [table, , key] of tables) {
      await using db = await DB.open(":memory:");
      const report = await interrupted(db, fromSqlite(file, { table, key }));
      assert.deepEqual([table, report.entries, await db.count()], [table, 11, 11]);
    }
  });

  it("tells of keys that are rounded as numbers, or NULL where the rows have no other order", async () => {
    const file = place("keys.sqlite");
    const sqlite = new DatabaseSync(file);
    sqlite.exec(`
      create table big (id integer primary key); insert into big values (1), (9007199254740993), (-9007199254740993);
      create table bare (k text, rowid, _rowid_, oid); insert into bare (k) values ('a'), (null), ('b');
    `);
    sqlite.close();
    for (
      const [table, key, entries, told] of [
        ["big", "id", 1, /is -9007199254740993, beyond what a number holds/],
        ["bare", "k", 2, /column k, is NULL/],
      ] as const
    ) {
      await using db = await DB.open(":memory:");
      const source = fromSqlite(file, { table, key, keys: "tuple" });
      const report = await migrate(db, source, { unsupported: "report" });
      assert.deepEqual(
        [report.entries, told.test(report.leftOut[0]!.reason)],
        [entries, true],
        report.leftOut[0]!.reason,
      );
    }
  });

  it("refuses rows that would be one entry, and keys that are none", async () => {
    await using db = await DB.open(":memory:");
    const from = (options: object) => migrate(db, fromSqlite(path, { table: "loose", key: "k", ...options }));
    await assert.rejects(from({}), { code: "MIGRATION", message: /2 rows have k = 2, and would be one entry/ });
    const writable = new DatabaseSync(path);
    writable.exec("delete from loose where v = 'd'");
    await assert.rejects(from({}), /column k holds values of several types/);
    const report = await migrate(db, fromSqlite(path, { table: "loose", key: "k", keys: "tuple", value: "v" }), {
      unsupported: "report",
    });
    assert.deepEqual(report.leftOut, [{ key: "null", reason: "part of its key, column k, is NULL" }]);
    assert.deepEqual(await db.getMany([tuple.encode([1]), tuple.encode(["1"])]), ["a", "b"]);
    writable.exec("drop table loose");
    writable.close();
  });

  it("tells of each row whose key has NULL in it, however many there are", async () => {
    await using db = await DB.open(":memory:");
    const writable = new DatabaseSync(path);
    writable.exec("create table partly (k text unique, j text, v int)");
    writable.exec("insert into partly values ('a', 'x', 1), (null, 'x', 2), (null, 'x', 3)");
    try {
      const from = (key: string | string[], unsupported: "report" | "stop") =>
        migrate(db, fromSqlite(path, { table: "partly", key, value: "v" }), { unsupported, again: true });
      await assert.rejects(from("k", "stop"), {
        code: "MIGRATION",
        message: /its key, column k, is NULL; 1 entry before it is in/,
      });
      assert.deepEqual((await from("k", "report")).leftOut.map(({ key }) => key), ["null", "null"]);
      const { entries, leftOut } = await from(["j", "k"], "report");
      assert.deepEqual([entries, leftOut.length], [1, 2]);
      assert.deepEqual([await db.get("a"), await db.get(tuple.encode(["x", "a"]))], [1, 1]);
      await assert.rejects(from("j", "report"), /3 rows have j = x, and would be one entry/);
    } finally {
      writable.exec("drop table partly");
      writable.close();
    }
  });

  it("reads a table of which a trigger has the name", async () => {
    await using db = await DB.open(":memory:");
    const file = place("triggers.sqlite");
    const sqlite = new DatabaseSync(file);
    sqlite.exec("create table first (k text); create trigger both after insert on first begin select 1; end");
    sqlite.exec("create table both (k text, v int); insert into both values ('a', 1)");
    sqlite.close();
    await migrate(db, fromSqlite(file, { table: "both", key: "k", value: "v" }));
    assert.equal(await db.get("a"), 1);
  });

  it("reads a file in mode WAL where nothing can be made beside it", async () => {
    const file = place("still.sqlite");
    const writer = new DatabaseSync(file);
    writer.exec(
      "pragma journal_mode = wal; create table t (k text, v text); insert into t values ('a', 'in the file')",
    );
    writer.close();
    // As on a disk that is only read: the library can't make its file of that name.
    symlinkSync(place("nowhere/at/all"), `${file}-shm`);
    const source = fromSqlite(file, { table: "t", key: "k", value: "v" });
    await using db = await DB.open(":memory:");
    assert.equal((await migrate(db, source)).entries, 1);
    assert.equal(await db.get("a"), "in the file");
    // What is in a log would be missed.
    writeFileSync(`${file}-wal`, "a log");
    await assert.rejects(migrate(db, source, { again: true }), { code: "MIGRATION", message: /unable to open/ });
  });

  it("says what is not there", async () => {
    await using db = await DB.open(":memory:");
    const from = (file: string, options: object) =>
      migrate(db, fromSqlite(file, { table: "users", key: "email", ...options }));
    await assert.rejects(from(path, { table: "user" }), /no table "user"; the tables are big, .*users/);
    await assert.rejects(from(path, { table: "old" }), /"old" is a view/);
    await assert.rejects(from(path, { key: "mail" }), /no column "mail"; it has email, name, age, note/);
    await assert.rejects(from(place("nothing"), {}), { code: "NOT_FOUND" });
    await assert.rejects(from(directory, {}), {
      code: "MIGRATION",
      message: /it is a directory, and SQLite keeps a file/,
    });
    writeFileSync(place("empty"), "");
    await assert.rejects(from(place("empty"), {}), /no table "users"; the file has no tables$/);
    writeFileSync(place("text"), "not SQLite, but long enough to be looked at ".repeat(30));
    await assert.rejects(from(place("text"), {}), {
      code: "MIGRATION",
      message: /^Cannot read sqlite .*not a database/,
    });
    for (
      const [options, message] of [
        [{ table: undefined }, /"table" is missing/],
        [{ key: [] }, /"key" is missing/],
        [{ key: ["a", "b"], keys: "text" }, /several key columns/],
        [{ value: "name", columns: ["age"] }, /both "value" and "columns"/],
        [{ codec: {} }, /fromSqlite: option "codec"/],
      ] as const
    ) assert.throws(() => fromSqlite(path, { table: "users", key: "email", ...options } as never), { message });
  });
});

describe("fromLmdb()", () => {
  it("reads what lmdb writes, and goes on where it was", async () => {
    const path = place("lmdb");
    const lmdb = openLmdb({ path, maxDbs: 2 });
    const named = lmdb.openDB<unknown, string>({ name: "named" });
    await named.transaction(() => {
      for (let n = 0; n < 20; n++) named.put(`k${String(n)}`, { n });
    });
    await named.put("date", new Date(0));
    await named.put("bytes", new Uint8Array([1, 2]));
    await lmdb.close();
    await using db = await DB.open(":memory:");
    const source = fromLmdb(path, { database: "named", codec: await structured() });
    const report = await interrupted(db, source);
    assert.deepEqual([report.entries, await db.count()], [22, 22]);
    assert.deepEqual(await db.get("k19"), { n: 19 });
    assert.deepEqual(await db.get("bytes"), new Uint8Array([1, 2]));
    assert.deepEqual(await typed(db, { codec: await structured<Date>() }).get("date"), new Date(0));
    await using other = await DB.open(":memory:");
    const plain = await migrate(other, fromLmdb(path, { database: "named" }), { unsupported: "report" });
    assert.deepEqual(plain.leftOut.map(({ key }) => key), ['"date"']);
    await assert.rejects(migrate(other, fromLmdb(path, { database: "none" })), /no database named "none"/);
  });

  it("reads directories and files whatever they are called", async () => {
    await using db = await DB.open(":memory:");
    for (const [name, noSubdir] of [["directory.db", false], ["plain-file", true]] as const) {
      const lmdb = openLmdb({ path: place(name), noSubdir });
      await lmdb.put(name, 1);
      await lmdb.close();
      assert.equal((await migrate(db, fromLmdb(place(name)))).entries, 1);
      assert.equal(await db.get(name), 1);
    }
  });

  it("tells of entries for which lmdb gives the key of another", async () => {
    const lmdb = openLmdb<unknown, number | number[]>({ path: place("twins") });
    for (const key of [1, [1], 2]) await lmdb.put(key, JSON.stringify(key));
    for (const stops of [false, true]) {
      await using db = await DB.open(":memory:");
      const source = fromLmdb(lmdb, { id: "twins", keys: "tuple" });
      // Between the two, where it goes on behind the first.
      if (stops) await assert.rejects(migrate(db, source), { code: "MIGRATION", message: /^Cannot keep 1 of twins/ });
      const report = await migrate(db, source, { unsupported: "report" });
      assert.deepEqual([report.entries, report.leftOut.map(({ key }) => key)], [2, ["1"]]);
    }
    await lmdb.close();
  });

  it("makes tuples of keys that are not text", async () => {
    const lmdb = openLmdb<unknown, string | number | (string | number)[]>({ path: place("tuples") });
    await lmdb.put(["a", 7], "seven");
    await lmdb.put(["a", 10], "ten");
    await lmdb.put(3, "three");
    await lmdb.put("word", null);
    await using db = await DB.open(":memory:");
    const asText = await migrate(db, fromLmdb(lmdb, { id: "text" }), { unsupported: "report" });
    assert.deepEqual([asText.entries, asText.unsupported], [1, 3]);
    assert.match(asText.leftOut[0]!.reason, /its key is 3, not text/);
    await using tuples = await DB.open(":memory:", { keyEncoding: "bytes" });
    await migrate(tuples, fromLmdb(lmdb, { id: "tuples", keys: "tuple" }));
    const found = await Array.fromAsync(tuples.keys(), (key) => tuple.bytes.decode(key));
    assert.deepEqual(found, [["a", 7], ["a", 10], ["word"], [3]]);
    const twice = lmdb.openDB<string, string>({ name: "twice", dupSort: true, encoding: "ordered-binary" });
    await twice.put("k", "a");
    await twice.put("k", "b");
    await assert.rejects(migrate(db, fromLmdb(twice, { id: "twice" })), /2 values have 1 keys.*dupSort/);
    await lmdb.close();
  });

  it("says what it can't open", async () => {
    await using db = await DB.open(":memory:");
    await assert.rejects(migrate(db, fromLmdb(place("nothing"))), { code: "NOT_FOUND" });
    writeFileSync(place("no-lmdb"), "not LMDB, and long enough to be looked at ".repeat(500));
    writeFileSync(place("short"), "x");
    for (const wrong of ["no-lmdb", "short"]) {
      await assert.rejects(migrate(db, fromLmdb(place(wrong))), {
        code: "MIGRATION",
        message: /no file as the package lmdb/,
      });
    }
    await assert.rejects(migrate(db, fromLmdb(directory)), { code: "MIGRATION" });
    assert.throws(() => fromLmdb({} as never), /expected a path or a database of lmdb/);
    assert.throws(() => fromLmdb({ getKeys() {} } as never), /needs option "id"/);
  });
});

describe("a source", () => {
  it("has a plan that tells apart what is read in another way, which no migration goes on with", () => {
    const table = { table: "t", key: "id" };
    const plans = [
      [fromLevel("l"), fromLevel("l", { values: "json" }), fromLevel("l", { values: "bytes" })],
      [fromLmdb("l"), fromLmdb("l", { keys: "tuple" })],
      [fromRedis("redis://localhost"), fromRedis("redis://localhost", { values: "json" })],
      [
        fromSqlite("s", table),
        fromSqlite("s", { ...table, key: "other" }),
        fromSqlite("s", { ...table, keys: "tuple" }),
        fromSqlite("s", { ...table, value: "v" }),
        fromSqlite("s", { ...table, value: "v", values: "json" }),
        fromSqlite("s", { ...table, columns: ["v"] }),
        fromSqlite("s", { ...table, expiresAt: "e" }),
      ],
    ];
    for (const sources of plans) {
      assert.equal(new Set(sources.map(({ id }) => id)).size, 1);
      assert.equal(new Set(sources.map(({ plan }) => plan)).size, sources.length, sources[0]!.id);
    }
  });
});

/** Deno's files: read by Deno, and by the others as far as their engines can. */
const isDeno = process.versions["deno"] !== undefined;

/** What Deno writes. */
const PROGRAM = `
const kv = await Deno.openKv(Deno.args[0]);
await kv.set(["users", "ada", 1], { born: new Date("1815-12-10"), likes: new Set(["looms"]), big: 2n ** 70n });
await kv.set(["plain"], { a: [1, "x", null] });
await kv.set(["soon"], "gone soon", { expireIn: 3600_000 });
await kv.set(["count"], new Deno.KvU64(77n));
await kv.set(["bytes"], new Uint8Array([1, 2, 3]));
await kv.enqueue("a message", { delay: 1e9 });
kv.close();
`;

function fileOfDeno(): string {
  const program = join(directory, "program.js");
  const path = join(directory, "deno.sqlite");
  writeFileSync(program, PROGRAM);
  execFileSync(binary("deno"), ["run", "-A", "--no-config", "--unstable-kv", program, path], { stdio: "pipe" });
  return path;
}

/** A file like Deno's whose values are as this runtime writes them. */
function fileOfThisRuntime(
  rows: readonly (readonly [key: Uint8Array, value: Uint8Array, encoding: number])[],
  more = "",
): string {
  const path = join(directory, `own-${rows.length}.sqlite`);
  const file = new DatabaseSync(path);
  file.exec(`
    create table kv (k blob primary key, v blob not null, v_encoding integer not null, version integer not null,
      seq integer not null default 0, expiration_ms integer not null default -1) without rowid;
    create table queue (ts integer not null, id text not null, data blob not null, primary key (ts, id));
    create table queue_running (deadline integer not null, id text not null, data blob not null);
  `);
  const insert = file.prepare("insert into kv (k, v, v_encoding, version) values (?, ?, ?, 1)");
  file.exec("begin");
  for (const row of rows) insert.run(...row);
  file.exec(`commit; ${more}`);
  file.close();
  return path;
}

describe("fromDenoKv()", () => {
  it("reads what Deno wrote in Deno, and says elsewhere that it can't", async () => {
    const path = fileOfDeno();
    const home = join(directory, "home");
    {
      await using db = await DB.open(home, { keyEncoding: "bytes" });
      const moving = migrate(db, fromDenoKv(path), { unsupported: "report" });
      if (!isDeno) {
        // Node's V8 may come to know the form of Deno's.
        const report = await moving.catch((error) => error);
        if (!(report instanceof Error)) return;
        assert.equal((report as { code?: unknown }).code, "MIGRATION");
        return assert.match(report.message, /as Deno's V8 clones them, .*; run this in Deno/);
      }
      const { entries, leftOut } = await moving;
      assert.equal(entries, 5);
      assert.match(leftOut[0]!.key, /^message /);
      assert.match(leftOut[0]!.reason, /waits in the queue/);
      const [soon] = (await Array.fromAsync(db.list())).filter(({ value }) => value === "gone soon");
      assert.ok(Math.abs(soon!.expiresAt! - Date.now() - 3600_000) < 600_000);
    }
    await using kv = await openKv(home);
    const ada = await kv.get<{ born: Date; likes: Set<string>; big: bigint }>(["users", "ada", 1]);
    assert.deepEqual(ada.value, { born: new Date("1815-12-10"), likes: new Set(["looms"]), big: 2n ** 70n });
    assert.deepEqual((await kv.get(["plain"])).value, { a: [1, "x", null] });
    assert.deepEqual((await kv.get(["count"])).value, new KvU64(77n));
    assert.deepEqual((await kv.get(["bytes"])).value, new Uint8Array([1, 2, 3]));
  });

  it("makes tuples as text where keys are text, and tells of values that can't be read", async () => {
    const key = (...parts: string[]): Uint8Array => tuple.bytes.encode(parts);
    const good: [Uint8Array, Uint8Array, number] = [key("a", "b"), new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0]), 2];
    await using db = await DB.open(":memory:");
    await migrate(db, fromDenoKv(fileOfThisRuntime([good])));
    assert.deepEqual(await db.get(tuple.encode(["a", "b"])), { $u64: "5" });
    const rows: typeof good[] = [good, [key("c"), new Uint8Array([1]), 9]];
    // Where values of V8 are known here, of this version.
    const isV8 = serialize(null)[0] === 0xff;
    if (isV8) rows.push([key("d"), new Uint8Array([0xff, 15, 1]), 1], [key("e"), serialize(new Map([[1, 2]])), 1]);
    const { entries, leftOut } = await migrate(db, fromDenoKv(fileOfThisRuntime(rows)), { unsupported: "report" });
    assert.equal(entries, isV8 ? 2 : 1);
    assert.deepEqual(leftOut.map((each) => each.key), isV8 ? ['["c"]', '["d"]'] : ['["c"]']);
    assert.match(leftOut[0]!.reason, /not known \(9\)/);
  });

  it("goes on where it was, keeps times of expiry, and tells of each message that waits", async () => {
    const rows = Array.from({ length: 1500 }, (_, n) => [tuple.bytes.encode([n]), Uint8Array.of(n & 0xff), 3] as const);
    const path = fileOfThisRuntime(
      rows,
      `update kv set expiration_ms = 4000000000000 where k = x'${toHex(rows[7]![0])}';
      insert into queue values (1, 'waits', x''); insert into queue_running values (1, 'runs', x'')`,
    );
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    await assert.rejects(migrate(db, fromDenoKv(path)), /Cannot keep message runs .*; 1500 entries before it are in/);
    const { entries, earlier, leftOut } = await migrate(db, fromDenoKv(path), { unsupported: "report" });
    assert.deepEqual([entries, earlier, leftOut.map(({ key }) => key)], [1500, 1500, [
      "message runs",
      "message waits",
    ]]);
    assert.deepEqual((await Array.fromAsync(db.list())).map(({ key }) => toHex(key)), rows.map(([key]) => toHex(key)));
    assert.equal((await db.getEntry(rows[7]![0]))?.expiresAt, 4_000_000_000_000);
    assert.equal((await db.getEntry(rows[8]![0]))?.expiresAt, undefined);
  });

  it("says what it can't open", async () => {
    await using db = await DB.open(":memory:");
    await assert.rejects(migrate(db, fromDenoKv(join(directory, "nothing"))), { code: "NOT_FOUND" });
    const other = join(directory, "other.sqlite");
    const file = new DatabaseSync(other);
    file.exec("create table kv (k, v)");
    file.close();
    await assert.rejects(migrate(db, fromDenoKv(other)), /no file of Deno KV; for a table/);
  });
});
