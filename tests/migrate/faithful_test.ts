/** What came out changed, or not at all, without a word. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { open as openLmdb } from "lmdb";
import { HoldfastLevel } from "../../lib/adapters/level.ts";
import {
  fromDenoKv,
  fromLevel,
  fromLmdb,
  fromRedis,
  fromSqlite,
  migrate,
  type MigrationSource,
  type SourceItem,
} from "../../lib/adapters/migrate.ts";
import { structured, tuple } from "../../lib/adapters/typed.ts";
import { DB } from "../../mod.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-faithful-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const place = (name: string): string => join(directory, name);

/** A source of these items, which fails behind so many. */
function listed(items: readonly SourceItem[], { plan, failAt = Infinity }: { plan?: string; failAt?: number } = {}) {
  const source: MigrationSource = {
    ...{ id: "list", plan },
    open: async () => ({
      async *entries(_encoding, position) {
        const from = position === undefined ? 0 : Number(position) + 1;
        for (const [i, item] of items.entries()) {
          if (i === failAt) throw new Error("killed");
          if (i >= from) yield item;
        }
      },
      close: async () => {},
    }),
  };
  return source;
}

describe("migrate()", () => {
  it("tells of a value by a message with half of a surrogate pair", async () => {
    await using db = await DB.open(":memory:");
    const level = new HoldfastLevel<string, string>(place("smile"));
    await level.put("a", "😀");
    const told: string[] = [];
    const report = await migrate(db, fromLevel(level, { id: "smile", values: "json" }), {
      unsupported: "report",
      onUnsupported: ({ key }) => told.push(key),
    });
    assert.deepEqual([report.unsupported, told], [1, ['"a"']]);
    await migrate(db, listed([{ shown: "\ud83d", unsupported: "half \ud83d" }]), { unsupported: "report" });
    await level.close();
  });

  it("goes on in no other way than it began", async () => {
    await using db = await DB.open(":memory:");
    const items = Array.from({ length: 9 }, (_, n) => ({ position: `${n}`, key: `k${n}`, value: n, bytes: 2 ** 19 }));
    await assert.rejects(migrate(db, listed(items, { plan: "a", failAt: 5 })), /killed/);
    assert.equal(await db.count(), 4);
    const refusal = { code: "MIGRATION", message: /it was read with a, by which 4 entries came in, .*with b now/ };
    await assert.rejects(migrate(db, listed(items, { plan: "b" })), refusal);
    assert.equal((await migrate(db, listed(items, { plan: "a" }))).entries, 9);
    await assert.rejects(migrate(db, listed(items)), /to be read with nothing said now/);
    assert.equal((await migrate(db, listed(items, { plan: "b" }), { again: true })).entries, 9);
    assert.equal(typeof (await migrate(db, listed(items, { plan: "b" }))).doneBefore, "number");
  });

  it("is not done when a further run was interrupted before it could say how far it came", async () => {
    await using db = await DB.open(":memory:");
    // No positions; a commit for each entry.
    const items = (value: string) => ["a", "b", "c"].map((key) => ({ key, value, bytes: 2 ** 26 }));
    await migrate(db, listed(items("old")));
    await assert.rejects(migrate(db, listed(items("new"), { failAt: 2 }), { again: true }), /killed/);
    assert.deepEqual(await db.getMany(["a", "b", "c"]), ["new", "new", "old"]);
    assert.equal((await migrate(db, listed(items("new")))).doneBefore, undefined);
    assert.deepEqual(await db.getMany(["a", "b", "c"]), ["new", "new", "new"]);
  });

  it("keeps little in memory of a source of small entries that says nowhere how to go on", async () => {
    await using db = await DB.open(":memory:");
    await migrate(db, listed(Array.from({ length: 45_000 }, (_, n) => ({ key: `k${n}`, value: 1, bytes: 0 }))));
    assert.deepEqual([await db.count(), db.version], [45_000, 3]);
  });

  it("refuses whole numbers of JSON that would be rounded", async () => {
    const level = new HoldfastLevel<string, string>(place("numbers"));
    const texts = {
      ids: '{"id":12345678901234567890}',
      list: "[1,-9007199254740993]",
      point: "9007199254740993.0",
      power: "[-9.007199254740993e15]",
      tenths: "90071992547409930e-1",
      held: "[1.0000000000000000e2,9007199254740994.0,1.2345678901234567e19,1e23,0.1000000000000000055e17]",
      fraction: "0.10000000000000000555",
      ours: JSON.stringify({ a: 2 ** 70, b: -(2 ** 53), c: 0.1234567890123456789 }),
      zeros: "100000000000000000000",
      text: '{"id":"12345678901234567890"}',
    };
    for (const [key, value] of Object.entries(texts)) await level.put(key, value);
    await using db = await DB.open(":memory:");
    const report = await migrate(db, fromLevel(level, { id: "numbers", values: "json" }), { unsupported: "report" });
    assert.deepEqual(report.leftOut.map(({ key }) => key), ['"ids"', '"list"', '"point"', '"power"', '"tenths"']);
    assert.match(report.leftOut[0]!.reason, /the number 12345678901234567890, which JavaScript would round/);
    assert.deepEqual(await db.get("text"), { id: "12345678901234567890" });
    assert.equal((await db.get<{ a: number }>("ours"))?.a, 2 ** 70);
    await level.close();
  });
});

describe("fromSqlite()", () => {
  for (const encoding of ["UTF-8", "UTF-16le", "UTF-16be"]) {
    it(`keeps texts with zeros, and tells of those that are none, in ${encoding}`, async () => {
      const path = place(`${encoding}.sqlite`);
      const sqlite = new DatabaseSync(path);
      const bad = encoding === "UTF-8" ? "f09f98" : encoding === "UTF-16le" ? "3dd8" : "d83d";
      // "cell 0" is a name that the query gives to something else.
      sqlite.exec(`
        pragma encoding = '${encoding}';
        create table t (k text primary key, "cell 0" text, n integer) without rowid;
        insert into t values ('z' || char(0) || '1', 'a' || char(0) || 'b', 1), ('z' || char(0) || '2', 'ß😀', 2),
          (cast(x'${bad}' as text), 'x', 3), ('A', cast(x'${bad}' as text), 4), ('b', '', 5), ('C', null, 6);
      `);
      sqlite.close();
      await using db = await DB.open(":memory:");
      const source = fromSqlite(path, { table: "t", key: "k" });
      const report = await migrate(db, source, { unsupported: "report" });
      assert.deepEqual(await Array.fromAsync(db.list(), ({ key, value }) => [key, value]), [
        ["C", { "cell 0": null, n: 6 }],
        ["b", { "cell 0": "", n: 5 }],
        ["z\x001", { "cell 0": "a\0b", n: 1 }],
        ["z\x002", { "cell 0": "ß😀", n: 2 }],
      ]);
      const reasons = report.leftOut.map(({ reason }) => reason).sort();
      assert.match(reasons[0]!, /^column cell 0 is TEXT, and no text/);
      assert.match(reasons[1]!, /^its key, column k, is TEXT, and no text/);
      // As bytes they can be kept, and from every position the rest follows.
      const bytes = fromSqlite(path, { table: "t", key: "n", value: "cell 0", values: "bytes" });
      await migrate(db, bytes, { again: true });
      assert.deepEqual(await db.get("4"), new Uint8Array(Buffer.from(bad, "hex")));
      const opened = await source.open();
      const all = await Array.fromAsync(opened.entries("utf8", undefined));
      assert.equal(all.length, 6);
      for (const [i, { position }] of all.entries()) {
        if (position === undefined) continue;
        assert.deepEqual(await Array.fromAsync(opened.entries("utf8", position)), all.slice(i + 1));
      }
      assert.equal(all.filter(({ position }) => position !== undefined).length, 3);
      await opened.close();
    });
  }

  it("tells of the very row that can't be kept, however large its number", async () => {
    const path = place("large.sqlite");
    const sqlite = new DatabaseSync(path);
    sqlite.exec("create table t (id integer primary key, v text)");
    sqlite.exec("insert into t values (7, '{'), (9007199254740992, '1'), (9007199254740993, '{')");
    sqlite.close();
    await using db = await DB.open(":memory:");
    const source = fromSqlite(path, { table: "t", key: "id", value: "v", values: "json" });
    const { leftOut } = await migrate(db, source, { unsupported: "report" });
    assert.deepEqual(leftOut.map(({ key }) => key), ["7", "9007199254740993n"]);
    assert.equal(await db.get("9007199254740992"), 1);
  });
});

describe("fromLmdb()", () => {
  it("reads a database with shared structures that is handed in, and says why it can't by its path", async () => {
    const path = place("shared");
    const lmdb = openLmdb({ path, sharedStructuresKey: Symbol.for("structures") });
    for (let n = 0; n < 20; n++) await lmdb.put(`k${n}`, { n, same: true });
    await using db = await DB.open(":memory:");
    assert.equal((await migrate(db, fromLmdb(lmdb, { id: "shared" }))).entries, 20);
    assert.deepEqual(await db.get("k7"), { n: 7, same: true });
    await lmdb.put(Symbol.for("mine") as never, 1);
    const { leftOut } = await migrate(db, fromLmdb(lmdb, { id: "more" }), { unsupported: "report" });
    assert.deepEqual(leftOut.map(({ key }) => key), ["Symbol(mine)"]);
    await lmdb.close();
    await assert.rejects(migrate(db, fromLmdb(path)), {
      code: "MIGRATION",
      message: /with shared structures has.*hand it in/,
    });
  });

  it("makes no entries of names of databases, and keeps what is undefined", async () => {
    const lmdb = openLmdb({ path: place("root") });
    await lmdb.put("nothing", undefined);
    await lmdb.openDB({ name: "users" }).put("ada", 1);
    await using db = await DB.open(":memory:");
    const source = fromLmdb(lmdb, { id: "root", codec: await structured() });
    const { entries, leftOut } = await migrate(db, source, { unsupported: "report" });
    assert.deepEqual([entries, leftOut.map(({ key }) => key), await db.has("nothing")], [1, ['"users"'], true]);
    assert.match(leftOut[0]!.reason, /the name of a database within/);
    await lmdb.close();
  });
});

describe("fromRedis()", () => {
  /** A server of strings; keys that `gone` names expire between two questions. */
  function server(keys: readonly string[], { run, gone = [] }: { run: string; gone?: string[] }) {
    let open = 0;
    let most = 0;
    const bytes = (text: string) => Buffer.from(text);
    const answer = (command: string, args: string[]): unknown => {
      const [key = ""] = args;
      switch (command) {
        case "INFO":
          return bytes(`redis_version:7\r\n${run}`);
        case "DBSIZE":
          return keys.length;
        case "SCAN":
          return key === "0" ? [bytes("7"), keys.slice(0, 60).map(bytes)] : [bytes("0"), keys.slice(60).map(bytes)];
        case "TYPE":
          return bytes(key.startsWith("list") ? "list" : "string");
        case "PTTL":
          return gone.includes(key) ? 1 : -1;
        case "LRANGE":
          return [];
        default:
          return gone.includes(key) ? null : bytes(`value of ${key}`);
      }
    };
    const client = {
      async callBuffer(command: string, ...args: never[]) {
        if (command === "GET") most = Math.max(most, ++open);
        await Promise.resolve();
        if (command === "GET") open--;
        return answer(command, args.map(String));
      },
    };
    return { client, most: () => most };
  }
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);

  it("passes over what expires while it is read, and asks for few values at once", async () => {
    const { client, most } = server([...keys, "list"], { run: "run_id:abc\r\n", gone: ["k3", "k59", "k99", "list"] });
    await using db = await DB.open(":memory:");
    const report = await migrate(db, fromRedis(client, { id: "redis" }));
    assert.deepEqual([report.entries, report.unsupported, await db.has("k3")], [97, 0, false]);
    assert.ok(most() <= 32, `${most()} at once`);
  });

  it("reads what comes in several pages, and passes over what has gone between two questions", async () => {
    const pages: Record<string, string[][]> = {
      SCAN: [["a hash", "a set", "a zset"], [], ["no hash", "no set", "no zset", "no list", "a string"]],
      HSCAN: [["\ufeffone", "1"], [], ["two", "\ufeff2"]],
      SSCAN: [["c", "a"], ["a", "b"]],
      ZSCAN: [["b", "1", "c", "-1"], ["a", "1", "c", "-1"]],
    };
    pages["SCAN"]!.push(["no stream", "now string"]);
    const answer = (command: string, args: string[]): unknown => {
      const [key = ""] = args;
      const [state, type] = key.split(" ");
      const scanned = pages[command];
      if (scanned !== undefined) {
        const place = Number(command === "SCAN" ? key : args[1]);
        return [
          `${(place + 1) % scanned.length}`,
          state === "no" ? [] : scanned[place]!.map((each) => Buffer.from(each)),
        ];
      }
      if (command === "TYPE") return type;
      // A stream is gone before that is asked; what is to expire in the same millisecond does.
      if (command === "PTTL") return key === "no stream" ? -2 : state === "now" ? 0 : -1;
      return { INFO: "run_id:abc\r\n", DBSIZE: 11, LRANGE: [], GET: Buffer.from(`value of ${key}`) }[command];
    };
    const client = { callBuffer: async (command: string, ...args: never[]) => answer(command, args.map(String)) };
    await using db = await DB.open(":memory:");
    const source = fromRedis(client, { id: "redis" });
    const { entries, expired, unsupported } = await migrate(db, source, { unsupported: "report" });
    assert.deepEqual([entries, expired, unsupported], [4, 1, 0]);
    assert.deepEqual(await Array.fromAsync(db.list(), ({ key, value }) => [key, value]), [
      ["a hash", { "\ufeffone": "1", two: "\ufeff2" }],
      ["a set", ["a", "b", "c"]],
      ["a string", "value of a string"],
      ["a zset", [["c", -1], ["a", 1], ["b", 1]]],
    ]);
    assert.equal((await source.open()).total, 11);
    assert.equal((await fromRedis(client, { id: "redis", match: "a *" }).open()).total, undefined);
    assert.equal(fromRedis("redis://:secret@localhost").id, "redis localhost:6379/0");
  });

  it("goes on behind a page only where the server says which run its cursors are of", async () => {
    for (const [run, positions] of [["run_id:abc\r\n", ["abc 7"]], ["", []]] as const) {
      const source = await fromRedis(server(keys, { run }).client, { id: "redis" }).open();
      const items = await Array.fromAsync(source.entries("utf8", undefined));
      assert.equal(items.length, 100);
      assert.deepEqual(items.flatMap(({ position }) => position ?? []), positions);
    }
  });

  it("begins anew where the server was started again, whose cursors are others", async () => {
    const source = await fromRedis(server(keys, { run: "run_id:abc\r\n" }).client, { id: "redis" }).open();
    const counts = ["abc 7", "before 7"].map(async (after) => {
      return (await Array.fromAsync(source.entries("utf8", after))).length;
    });
    assert.deepEqual(await Promise.all(counts), [40, 100]);
  });
});

describe("fromDenoKv()", () => {
  it("tells of a key that is none, where keys are text", async () => {
    const path = place("kv.sqlite");
    const file = new DatabaseSync(path);
    file.exec(`
      create table kv (k blob primary key, v blob, v_encoding integer, version integer, expiration_ms integer) without rowid;
      create table queue (id text);
      create table queue_running (id text);
      insert into kv values (x'ff', x'01', 3, 1, -1), (x'026100', x'02', 3, 1, -1);
    `);
    file.close();
    await using db = await DB.open(":memory:");
    const { leftOut } = await migrate(db, fromDenoKv(path), { unsupported: "report" });
    assert.deepEqual(leftOut, [{ key: "0xff", reason: "its key is none of Deno KV" }]);
    assert.deepEqual(await db.get(tuple.encode(["a"])), new Uint8Array([2]));
  });
});
