import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, type Namespace } from "../../mod.ts";
import { all, onOneDisk, withDb } from "./helpers.ts";

describe("namespace", () => {
  it("keeps its keys apart from the root, from others, and from those inside", () =>
    withDb(async (db) => {
      const a = db.namespace("a");
      const b = db.namespace("b");
      const inside = a.namespace("b");
      const spaces = [db, a, b, inside];
      for (const [i, space] of spaces.entries()) await space.set("k", i, { tags: ["t"] });
      for (const [i, space] of spaces.entries()) {
        assert.equal(await space.get("k"), i);
        assert.deepEqual((await all(space.list({ tag: "t" }))).map(({ value }) => value), [i]);
        assert.equal(await space.count(), 1);
      }
      await db.deleteRange({ start: "a", end: "z" });
      assert.deepEqual([await db.count(), await a.count(), await inside.count()], [0, 1, 1]);
      assert.deepEqual([db.namespaces(), a.namespaces(), b.namespaces()], [["a", "b"], ["b"], []]);
      assert.deepEqual([inside.name, inside.path], ["b", ["a", "b"]]);
    }));

  it("exists from its first write on", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      assert.deepEqual([await users.get("k"), await users.count(), db.namespaces()], [undefined, 0, []]);
      await users.delete("k");
      await users.clear();
      assert.deepEqual(db.namespaces(), []);
      await assert.rejects(users.set("", 1), RangeError);
      await users.atomic().check({ key: "k", version: 9 }).set("k", 1).commit();
      assert.deepEqual(db.namespaces(), []);
      const deep = users.namespace("x").namespace("y");
      await deep.set("k", 1);
      assert.deepEqual([db.namespaces(), users.namespaces(), users.namespace("x").namespaces()], [["users"], ["x"], [
        "y",
      ]]);
    }));

  it("is the same through every handle, and through many writes at once", () =>
    withDb(async (db) => {
      await Promise.all(Array.from({ length: 50 }, (_, i) => db.namespace(`n${i % 5}`).set(`k${i}`, i)));
      assert.deepEqual(db.namespaces(), ["n0", "n1", "n2", "n3", "n4"]);
      for (let i = 0; i < 5; i++) assert.equal(await db.namespace(`n${i}`).count(), 10);
    }));

  it("is found again after reopening, and gets no key space of another", async () => {
    const disk = onOneDisk();
    for (let round = 0; round < 3; round++) {
      await using db = await DB.open("/d", disk);
      for (let i = 0; i < round; i++) assert.equal(await db.namespace(`n${i}`).get("k"), i);
      db.namespace("only asked for");
      await db.namespace(`n${round}`).set("k", round);
      await db.namespace("n0").namespace(`inner${round}`).set("k", round);
      assert.equal(await db.namespace("only asked for").count(), 0);
    }
    await using db = await DB.open("/d", disk);
    assert.deepEqual(db.namespaces(), ["n0", "n1", "n2"]);
    assert.deepEqual(db.namespace("n0").namespaces(), ["inner0", "inner1", "inner2"]);
  });

  it("works with many namespaces, whose numbers take more than one byte", () =>
    withDb(async (db) => {
      const count = 300;
      for (let i = 0; i < count; i++) await db.namespace(`n${i}`).set("k", i, { tags: ["t"], durability: "buffered" });
      for (const i of [0, 61, 62, 63, 126, 127, 190, 299]) {
        const one = db.namespace(`n${i}`);
        assert.deepEqual((await all(one.list())).map(({ value }) => value), [i]);
        assert.deepEqual(await all(one.keys({ tag: "t" })), ["k"]);
      }
      await db.namespace("n62").clear();
      await db.namespace("n126").deleteRange({ start: "a" });
      const left = [];
      for (let i = 0; i < count; i++) if (await db.namespace(`n${i}`).has("k")) left.push(i);
      assert.equal(left.length, count - 2);
      await db.clear();
      for (let i = 0; i < count; i++) assert.equal(db.namespace(`n${i}`).hasSync("k"), false);
      assert.equal(db.namespaces().length, count);
    }));

  it("clear empties it with those inside, and no others", () =>
    withDb(async (db) => {
      const a = db.namespace("a");
      await Promise.all([db.set("k", 0), a.set("k", 1), a.namespace("in").set("k", 2), db.namespace("b").set("k", 3)]);
      await a.clear();
      assert.deepEqual([await db.count(), await a.count(), await a.namespace("in").count()], [1, 0, 0]);
      assert.equal(await db.namespace("b").count(), 1);
      await a.set("k", 9);
      assert.equal(await a.get("k"), 9);
      await db.clear();
      assert.deepEqual([await db.count(), await a.count(), await db.namespace("b").count()], [0, 0, 0]);
    }));

  it("has a key encoding of its own, the parent's unless stated", async () => {
    const disk = onOneDisk();
    const db = await DB.open("/d", disk);
    const bytes = db.namespace("bytes", { keyEncoding: "bytes" });
    await bytes.set(new Uint8Array([255]), 1);
    assert.equal(bytes.keyEncoding, "bytes");
    assert.equal(bytes.namespace("inner").keyEncoding, "bytes");
    assert.equal(bytes.namespace("text", { keyEncoding: "utf8" }).keyEncoding, "utf8");
    await db.close();
    await using again = await DB.open("/d", disk);
    assert.deepEqual(await all(again.namespace<Uint8Array>("bytes").keys()), [new Uint8Array([255])]);
    assert.throws(() => again.namespace("bytes", { keyEncoding: "utf8" }), {
      name: "TypeError",
      message: 'namespace: the namespace "bytes" has keyEncoding "bytes", not "utf8"; leave the option out',
    });
  });

  it("refuses names that make no sense", () =>
    withDb(async (db) => {
      assert.throws(() => db.namespace(""), {
        name: "RangeError",
        message: /a namespace's name has 1 to 255 bytes, not 0/,
      });
      assert.throws(() => db.namespace("é".repeat(128)), { name: "RangeError", message: /not 256/ });
      assert.throws(() => db.namespace(5 as never), { name: "TypeError" });
      assert.throws(() => db.namespace("\ud800"), { name: "TypeError" });
      assert.throws(() => db.namespace("n", { encoding: "bytes" } as never), {
        name: "TypeError",
        message: 'namespace: unknown option "encoding"; there is "keyEncoding"',
      });
      await db.namespace("a/b\0c ").set("k", 1);
      assert.deepEqual(db.namespaces(), ["a/b\0c "]);
    }));

  it("lies in 255 others at most, and comes back from files of every kind", async () => {
    const { fileSystem } = onOneDisk();
    const deepest = (db: DB): Namespace => {
      let at = db.namespace("0");
      for (let depth = 1; depth < 255; depth++) at = at.namespace(String(depth));
      return at;
    };
    const db = await DB.open("/d", { fileSystem });
    await deepest(db).set("k", 1);
    const more = { name: "RangeError", message: /lies in 255 others, and no more are allowed/ };
    assert.throws(() => deepest(db).namespace("more"), more);
    await db.export("/export");
    await db.backup("/b.jsonl");
    await db.backup("/repository/");
    await db.close();
    for (const source of ["/export", "/b.jsonl", "/repository"]) {
      await DB.restore(source, `${source}-restored`, { fileSystem });
      const restored = await DB.open(`${source}-restored`, { fileSystem });
      assert.equal(await deepest(restored).get("k"), 1, source);
      await restored.close();
    }
  });

  it("measures and watches its own part", () =>
    withDb(async (db) => {
      const big = db.namespace("big");
      const watch = big.watch();
      await db.set("root", 1);
      await big.namespace("in").set("k", 1);
      await big.setMany(Array.from({ length: 500 }, (_, i) => [`k${i}`, `value ${Math.sin(i)}`] as const));
      await db.flush();
      await db.compact();
      assert.ok(await big.sizeOf() > await db.sizeOf());
      const { value } = await watch.next();
      assert.equal(value?.length, 500);
      await watch.return?.();
    }));
});
