import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, TestClock, withDb } from "./helpers.ts";

describe("atomic", () => {
  it("writes all in one commit when its checks hold", () =>
    withDb(async (db) => {
      const { version } = await db.set("a", 1);
      await db.set("r1", 1);
      const result = await db.atomic()
        .check({ key: "a", version }, { key: "new", version: null })
        .deleteRange({ prefix: "r" })
        .set("a", 2)
        .set("new", 1, { tags: ["t"], expireIn: 1000 })
        .delete("b")
        .commit({ durability: "interval" });
      assert.ok(result.ok);
      assert.equal(result.version, 3);
      assert.equal(typeof result.timestamp, "number");
      assert.deepEqual((await all(db.list())).map(({ key, version }) => [key, version]), [["a", 3], ["new", 3]]);
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["new"]);
    }));

  it("writes nothing when one does not", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      assert.deepEqual(await db.atomic().check({ key: "a", version: null }).set("x", 1).commit(), { ok: false });
      assert.deepEqual(await db.atomic().check({ key: "a", version: 2 }).set("x", 1).commit(), { ok: false });
      assert.deepEqual(await db.atomic().check({ key: "b", version: 1 }).set("x", 1).commit(), { ok: false });
      assert.equal(await db.has("x"), false);
      assert.equal(db.version, 1);
    }));

  it("takes deleted and expired entries as not there", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("gone", 1);
      await db.delete("gone");
      await db.set("old", 1, { expireIn: 1 });
      clock.ms++;
      const none = ["gone", "old", "never"].map((key) => ({ key, version: null }));
      assert.equal((await db.atomic().check(...none).set("x", 1).commit()).ok, true);
    }, { clock: clock.now });
  });

  it("of simultaneous claims lets exactly one win", () =>
    withDb(async (db) => {
      const claims = Array.from({ length: 20 }, (_, i) => {
        return db.atomic().check({ key: "name", version: null }).set("name", i).commit();
      });
      const won = (await Promise.all(claims)).filter(({ ok }) => ok);
      assert.equal(won.length, 1);
      assert.equal(await db.get("name"), 0);
    }));

  it("checks what earlier calls wrote, awaited or not", () =>
    withDb(async (db) => {
      const first = db.set("a", 1);
      const second = db.atomic().check({ key: "a", version: 1 }).set("a", 2).commit();
      assert.equal((await first).version, 1);
      assert.equal((await second).ok, true);
    }));

  it("applies operations in order: the last per key wins, a deleteRange affects only earlier ones", () =>
    withDb(async (db) => {
      await db.atomic().set("a", 1).set("a", 2).deleteRange({ prefix: "a" }).set("ab", 3).set("b", 1).delete("b")
        .commit();
      assert.deepEqual((await all(db.list())).map(({ key, value }) => [key, value]), [["ab", 3]]);
    }));

  it("spans namespaces", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      const bytes = db.namespace("bytes", { keyEncoding: "bytes" });
      const both = db.atomic().set("count", 1);
      both.in(users).check({ key: "ada", version: null }).set("ada", 1);
      both.in(bytes).set(new Uint8Array([1]), 2);
      assert.ok((await both.commit()).ok);
      assert.equal((await users.getEntry("ada"))?.version, 1);
      assert.equal(await bytes.get(new Uint8Array([1])), 2);
      assert.deepEqual(await users.atomic().check({ key: "ada", version: 7 }).set("ada", 2).commit(), { ok: false });
      await using other = await DB.open(":memory:");
      assert.throws(() => db.atomic().in(other), { name: "TypeError", message: /another database/ });
      assert.throws(() => db.atomic().in({} as never), {
        name: "TypeError",
        message: /expected a database or a namespace/,
      });
    }));

  it("is all there after a power cut once it is acknowledged", async () => {
    const disk = memoryFileSystem();
    const db = await DB.open("/d", { fileSystem: disk });
    await db.atomic().set("a", 1).set("b", 2, { tags: ["t"] }).commit();
    await using again = await DB.open("/d", { fileSystem: disk.crash({ keep: "none" }) });
    assert.deepEqual(await all(again.keys()), ["a", "b"]);
    assert.deepEqual(await all(again.keys({ tag: "t" })), ["b"]);
    await db.close().catch(() => {});
  });

  it("can be committed once, and refuses what makes no sense at once", () =>
    withDb(async (db) => {
      const once = db.atomic().set("a", 1);
      await once.commit();
      await assert.rejects(once.commit(), { name: "TypeError", message: /committed already; begin a new one/ });
      assert.throws(() => once.set("a", 2), { name: "TypeError", message: /committed already/ });
      assert.throws(() => db.atomic().set("", 1), { name: "RangeError", message: /atomic.set: the key is empty/ });
      assert.throws(() => db.atomic().set("a", undefined as never), TypeError);
      assert.throws(() => db.atomic().set("a", 1, { durability: "commit" } as never), TypeError);
      assert.throws(() => db.atomic().deleteRange({}), TypeError);
      assert.throws(() => db.atomic().check({ key: "a" } as never), {
        name: "TypeError",
        message: /version is missing/,
      });
      assert.throws(() => db.atomic().check({ key: "a", version: "1" } as never), TypeError);
      assert.throws(() => db.atomic().check({ key: "a", version: -1 }), RangeError);
      assert.throws(() => db.atomic().check(undefined as never), TypeError);
      assert.throws(() => db.atomic().check("a" as never), {
        name: "TypeError",
        message: 'atomic.check: the check must be an object, not "a"',
      });
      const entry = (await db.getEntry("a"))!;
      assert.throws(() => db.atomic().check(entry), {
        name: "TypeError",
        message: "atomic.check: the check has a value, as an entry has; give { key, version } alone",
      });
      await assert.rejects(db.atomic().commit({ durable: true } as never), TypeError);
      assert.equal((await db.atomic().commit()).ok, true);
    }));
});
