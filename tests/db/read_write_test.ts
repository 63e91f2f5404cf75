import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { equalBytes } from "../../lib/base/bytes.ts";
import { DB, type DB as Database } from "../../mod.ts";
import { all, onOneDisk, withDb } from "./helpers.ts";

const alphabet = [..."abcdefgh"];
async function fill(db: Database): Promise<void> {
  await db.setMany(alphabet.map((key, i) => [key, i] as const));
}

describe("get, getMany, has and their sync forms", () => {
  it("give undefined for what is absent", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      assert.equal(await db.get("b"), undefined);
      assert.equal(db.getSync("b"), undefined);
      assert.deepEqual(await db.getMany(["b", "a", "a"]), [undefined, 1, 1]);
      assert.deepEqual(db.getManySync(new Set(["a", "b"])), [1, undefined]);
      assert.deepEqual([await db.has("a"), await db.has("b"), db.hasSync("a"), db.hasSync("b")], [
        true,
        false,
        true,
        false,
      ]);
    }));

  it("read at a snapshot", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      using snapshot = db.snapshot();
      await db.set("a", 2);
      await db.set("b", 2);
      assert.equal(await db.get("a", { snapshot }), 1);
      assert.deepEqual(await db.getMany(["a", "b"], { snapshot }), [1, undefined]);
      assert.equal(db.hasSync("b", { snapshot }), false);
      assert.equal((await db.getEntry("a", { snapshot }))?.version, 1);
      assert.deepEqual(await all(db.keys({}, { snapshot })), ["a"]);
      assert.equal(await db.count({}, { snapshot }), 1);
    }));

  it("refuse what they don't know", () =>
    withDb(async (db) => {
      await assert.rejects(db.get("a", { snapshots: 1 } as object), {
        name: "TypeError",
        message: 'get: unknown option "snapshots"; did you mean "snapshot"?',
      });
      await assert.rejects(db.get("a", { snapshot: {} as never }), {
        name: "TypeError",
        message: /what snapshot\(\) returned/,
      });
      await assert.rejects(db.getMany("abc" as never), {
        name: "TypeError",
        message: 'getMany: keys must be an array of keys, not "abc"',
      });
      await using other = await DB.open(":memory:");
      using snapshot = other.snapshot();
      await assert.rejects(db.get("a", { snapshot }), { name: "TypeError", message: /another database/ });
    }));

  it("give bytes that are the caller's own, wherever they were read", () =>
    withDb(async (db) => {
      const noise = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i >> 5) * 31);
      const values = {
        row: Uint8Array.of(1, 2, 3),
        table: new Uint8Array(2000).fill(7),
        packed: new Uint8Array(300_000).fill(7),
        noise,
      };
      for (const [key, value] of Object.entries(values)) await db.set(key, value);
      for (let round = 0; round < 2; round++) {
        for (const [key, value] of Object.entries(values)) {
          const read = async () => [
            db.getSync<Uint8Array>(key)!,
            (await db.get<Uint8Array>(key))!,
            (await db.getEntry<Uint8Array>(key))!.value,
            ...(await all(db.list<Uint8Array>({ prefix: key }))).map((entry) => entry.value),
          ];
          for (const bytes of await read()) {
            assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
            bytes.fill(0);
          }
          for (const bytes of await read()) assert.ok(equalBytes(bytes, value), key);
        }
        await db.flush();
        await db.compact();
      }
    }));

  it("read large values from blobs in both forms", () =>
    withDb(async (db) => {
      const large = new Uint8Array(300_000).map((_, i) => i);
      const text = "long ".repeat(40_000);
      await db.set("b", large);
      await db.set("t", text);
      await db.compact();
      assert.deepEqual(await db.get("b"), large);
      assert.deepEqual(db.getSync("b"), large);
      assert.deepEqual(await db.getMany(["t", "b"]), [text, large]);
      assert.equal((await db.getEntry("t"))?.value, text);
      assert.deepEqual((await all(db.list())).map(({ value }) => value), [large, text]);
      assert.deepEqual([...db.listSync()].map(({ value }) => value), [large, text]);
    }));
});

describe("writing", () => {
  it("takes effect in the order of the calls, each with its own commit", () =>
    withDb(async (db) => {
      const commits = await Promise.all([
        db.set("a", 1),
        db.delete("a"),
        db.set("a", 3),
        db.deleteRange({ prefix: "x" }),
      ]);
      assert.deepEqual(commits.map(({ version }) => version), [1, 2, 3, 4]);
      assert.equal(await db.get("a"), 3);
      for (const { timestamp } of commits) assert.ok(Math.abs(timestamp - Date.now()) < 60_000);
    }));

  it("keeps its key, whatever a value does while it is turned into JSON", () =>
    withDb(async (db) => {
      const nosy = (value: number) => ({
        toJSON() {
          db.getSync("bb");
          void db.set("cc", 3);
          return value;
        },
      });
      await db.set("aa", nosy(1));
      await db.setMany([["dd", nosy(4)], { key: "ee", value: nosy(5) }]);
      await db.atomic().set("ff", nosy(6)).commit();
      assert.deepEqual(await all(db.keys()), ["aa", "cc", "dd", "ee", "ff"]);
      assert.deepEqual(db.getManySync(["aa", "cc", "dd", "ee", "ff"]), [1, 3, 4, 5, 6]);
    }));

  it("deletes what is missing as a commit like any other", () =>
    withDb(async (db) => {
      assert.equal((await db.delete("nothing")).version, 1);
      assert.equal((await db.deleteRange({ prefix: "nothing" })).version, 2);
      assert.equal((await db.deleteRange({ start: "z", end: "a" })).version, 3);
      assert.equal((await db.clear()).version, 4);
    }));

  it("takes a durability per write", () =>
    withDb(async (db) => {
      await db.set("a", 1, { durability: "commit" });
      await db.delete("a", { durability: "buffered" });
      await db.deleteRange({ prefix: "a" }, { durability: "interval" });
      await db.clear({ durability: "commit" });
      const wrong = { durability: "never" } as never;
      await assert.rejects(db.set("a", 1, wrong), {
        name: "TypeError",
        message: /set: option "durability" must be one of/,
      });
      await assert.rejects(db.delete("a", wrong), { name: "TypeError", message: /delete: option/ });
      await assert.rejects(db.set("a", 1, { ttl: 1 } as never), {
        name: "TypeError",
        message: 'set: unknown option "ttl"; there are "tags", "expireIn", "expiresAt", "durability"',
      });
    }));

  it("survives a power cut once a commit is acknowledged", async () => {
    const { memoryFileSystem } = await import("../../lib/files/memory/memory_file_system.ts");
    const disk = memoryFileSystem();
    const db = await DB.open("/d", { fileSystem: disk });
    await db.namespace("n").set("a", 1, { tags: ["t"] });
    const after = disk.crash({ keep: "none" });
    await using again = await DB.open("/d", { fileSystem: after });
    assert.deepEqual(await all(again.namespace("n").keys({ tag: "t" })), ["a"]);
    await db.close().catch(() => {});
  });

  it("deleteRange deletes start <= key < end, and what has a prefix", () =>
    withDb(async (db) => {
      await fill(db);
      await db.deleteRange({ start: "b", end: "d" });
      assert.deepEqual(await all(db.keys()), [..."adefgh"]);
      await db.deleteRange({ end: "b" });
      await db.deleteRange({ start: "g" });
      assert.deepEqual(await all(db.keys()), [..."def"]);
      await db.deleteRange({ prefix: "e" });
      assert.deepEqual(await all(db.keys()), [..."df"]);
      await db.deleteRange({ prefix: "d", start: "da" });
      assert.equal(await db.count(), 2);
    }));

  it("deleteRange refuses a range without bounds", () =>
    withDb(async (db) => {
      await fill(db);
      const message = "deleteRange: the range has no bounds; give { prefix } or { start, end }, or call clear()";
      for (const range of [{}, { prefix: undefined }, { prefix: "" }, { start: "" }]) {
        await assert.rejects(db.deleteRange(range), { name: "TypeError", message });
      }
      await assert.rejects(db.deleteRange(undefined as never), { name: "TypeError" });
      await assert.rejects(db.deleteRange({ perfix: "a" } as never), {
        name: "TypeError",
        message: /did you mean "prefix"/,
      });
      await assert.rejects(db.deleteRange({ prefix: 5 } as never), {
        name: "TypeError",
        message: /the prefix must be a string/,
      });
      assert.equal(await db.count(), 8);
    }));

  it("clear deletes everything, and it stays usable", () =>
    withDb(async (db) => {
      await fill(db);
      await db.set("t", 1, { tags: ["t"] });
      await db.clear();
      assert.deepEqual(await all(db.list()), []);
      assert.deepEqual(await all(db.list({ tag: "t" })), []);
      await db.set("t", 2, { tags: ["t"] });
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["t"]);
    }));
});

describe("list, keys and count", () => {
  it("walk a range in key order, or against it", () =>
    withDb(async (db) => {
      await fill(db);
      assert.deepEqual(await all(db.keys()), alphabet);
      assert.deepEqual(await all(db.keys({ start: "c", end: "f" })), [..."cde"]);
      assert.deepEqual(await all(db.keys({ start: "c", end: "f" }, { reverse: true })), [..."edc"]);
      assert.deepEqual(await all(db.keys({}, { reverse: true, limit: 2 })), [..."hg"]);
      assert.deepEqual([...db.keysSync({ start: "g" })], [..."gh"]);
      assert.deepEqual((await all(db.list({ end: "c" }))).map(({ key, value }) => [key, value]), [["a", 0], ["b", 1]]);
      assert.equal(await db.count({ start: "c" }), 6);
      assert.equal(await db.count({ start: "c" }, { limit: 4 }), 4);
      assert.deepEqual(await all(db.keys({ start: "f", end: "c" })), []);
    }));

  it("a prefix and bounds intersect", () =>
    withDb(async (db) => {
      await db.setMany(["a", "ab", "abc", "abd", "ac", "b"].map((key) => [key, 0] as const));
      assert.deepEqual(await all(db.keys({ prefix: "ab" })), ["ab", "abc", "abd"]);
      assert.deepEqual(await all(db.keys({ prefix: "ab", start: "abc" })), ["abc", "abd"]);
      assert.deepEqual(await all(db.keys({ prefix: "ab", end: "abd" })), ["ab", "abc"]);
      assert.deepEqual(await all(db.keys({ prefix: "ab", start: "b" })), []);
      assert.deepEqual(await all(db.keys({ prefix: "" })), ["a", "ab", "abc", "abd", "ac", "b"]);
    }));

  it("go over many entries in chunks, in memory and in tables", () =>
    withDb(async (db) => {
      const keys = Array.from({ length: 3000 }, (_, i) => `k${String(i).padStart(5, "0")}`);
      await db.setMany(keys.map((key) => [key, key] as const));
      assert.deepEqual(await all(db.keys()), keys);
      await db.compact();
      assert.deepEqual(await all(db.keys()), keys);
      assert.deepEqual(await all(db.keys({}, { reverse: true })), keys.toReversed());
      assert.equal(await db.count(), 3000);
    }));

  it("show one version, that of the first step", () =>
    withDb(async (db) => {
      await fill(db);
      const list = db.keys();
      await db.delete("a");
      assert.deepEqual((await list.next()).value, "b");
      await db.clear();
      assert.deepEqual(await all(list), alphabet.slice(2));
      const sync = db.keysSync();
      await db.set("x", 1);
      assert.deepEqual(sync.next().value, "x");
    }));

  it("may be changed while they are walked over", () =>
    withDb(async (db) => {
      await fill(db);
      for await (const { key } of db.list()) await db.set(`${key}${key}`, 1);
      assert.equal(await db.count(), 16);
    }));

  it("pin nothing before the first step, and nothing after the loop was left", () =>
    withDb(async (db) => {
      await fill(db);
      const before = db.stats().pins;
      const unstarted = [db.list(), db.list({ tag: "t" }), db.listSync(), db.keys(), db.watch()];
      assert.equal(db.stats().pins, before);
      for await (const _ of db.list()) break;
      for (const _ of db.listSync()) break;
      for await (const _ of db.list({ tag: "t" })) break;
      assert.equal(db.stats().pins, before);
      const held = db.list();
      await held.next();
      assert.equal(db.stats().pins, before + 1);
      await held.return?.();
      assert.equal(db.stats().pins, before);
      assert.deepEqual(await held.next(), { value: undefined, done: true });
      await assert.rejects(async () => {
        for await (const _ of db.list()) throw new Error("in the loop");
      }, /in the loop/);
      assert.equal(db.stats().pins, before);
      await all(db.list());
      assert.equal(db.stats().pins, before);
      assert.equal(unstarted.length, 5);
    }));

  it("answer steps that are asked for at once in order", () =>
    withDb(async (db) => {
      await fill(db);
      const list = db.keys();
      const steps = await Promise.all(Array.from({ length: 10 }, () => list.next()));
      assert.deepEqual(steps.map(({ value }) => value), [...alphabet, undefined, undefined]);
    }));

  it("end with the reason of their signal", () =>
    withDb(async (db) => {
      await fill(db);
      const controller = new AbortController();
      const reason = new Error("enough");
      const seen: string[] = [];
      await assert.rejects(async () => {
        for await (const key of db.keys({}, { signal: controller.signal })) {
          seen.push(key);
          controller.abort(reason);
        }
      }, reason);
      assert.deepEqual(seen, ["a"]);
      assert.throws(() => [...db.listSync({}, { signal: controller.signal })], reason);
      assert.equal(db.stats().pins, 0);
    }));

  it("take a limit of 0 and refuse what makes no sense", () =>
    withDb(async (db) => {
      await fill(db);
      assert.deepEqual(await all(db.list({}, { limit: 0 })), []);
      assert.deepEqual([...db.listSync({}, { limit: 0 })], []);
      assert.equal(await db.count({}, { limit: 0 }), 0);
      assert.equal((await all(db.list({}, { limit: Infinity }))).length, 8);
      assert.throws(() => db.list({}, { limit: -1 }), { name: "RangeError", message: /list: option "limit"/ });
      assert.throws(() => db.list({}, { limit: 1.5 }), RangeError);
      assert.throws(() => db.list({}, { limit: "1" } as never), { name: "TypeError" });
      assert.throws(() => db.list({}, { reversed: true } as never), {
        name: "TypeError",
        message: /did you mean "reverse"/,
      });
      const misplaced = 'list: option "limit" is no part of the range; give list(range, { limit })';
      assert.throws(() => db.list({ prefix: "a", limit: 1 } as never), { name: "TypeError", message: misplaced });
      for (
        const [call, name] of [
          [() => db.deleteRange({ prefix: "a", durability: "commit" } as never), "durability"],
          [() => db.compact({ prefix: "a", signal: undefined } as never), "signal"],
          [async () => await db.watch({ initial: true } as never).next(), "initial"],
        ] as const
      ) {
        const message = new RegExp(`: option "${name}" is no part of the range; give \\w+\\(range, { ${name} }\\)$`);
        await assert.rejects(call(), { name: "TypeError", message });
      }
      const alone = 'count: the range must be an object such as { prefix: "a" }, not "a"';
      await assert.rejects(db.count("a" as never), { name: "TypeError", message: alone });
      await assert.rejects(db.deleteRange("a" as never), {
        name: "TypeError",
        message: /deleteRange: the range must be/,
      });
      assert.throws(() => db.list({ from: "a" } as never), { name: "TypeError", message: /unknown option "from"/ });
      assert.throws(() => db.list({ tag: [] }), { name: "TypeError", message: /tag is an empty array/ });
      assert.throws(() => db.list({ tag: 5 } as never), { name: "TypeError", message: /a tag must be a string/ });
      assert.throws(() => db.keysSync({ start: 5 } as never), { name: "TypeError" });
      await assert.rejects(db.count({ start: "\ud800" }), { name: "TypeError", message: /lone surrogate/ });
    }));
});

describe("tags", () => {
  it("find entries in key order, one tag or all of several", () =>
    withDb(async (db) => {
      await db.set("c", 1, { tags: ["a", "b"] });
      await db.set("a", 1, { tags: ["a"] });
      await db.set("b", 1, { tags: ["b", "a", "c"] });
      await db.set("d", 1);
      assert.deepEqual(await all(db.keys({ tag: "a" })), ["a", "b", "c"]);
      assert.deepEqual(await all(db.keys({ tag: ["a", "b"] })), ["b", "c"]);
      assert.deepEqual(await all(db.keys({ tag: ["b", "a"] }, { reverse: true })), ["c", "b"]);
      assert.deepEqual(await all(db.keys({ tag: ["a", "b", "c"] })), ["b"]);
      assert.deepEqual(await all(db.keys({ tag: "x" })), []);
      assert.deepEqual(await all(db.keys({ tag: "a", start: "b" }, { limit: 1 })), ["b"]);
      assert.deepEqual(await all(db.keys({ tag: "a", prefix: "c" })), ["c"]);
      assert.deepEqual([...db.keysSync({ tag: "a", end: "c" })], ["a", "b"]);
      assert.equal(await db.count({ tag: "a" }), 3);
      assert.deepEqual((await all(db.list({ tag: "c" })))[0]?.tags, ["b", "a", "c"]);
    }));

  it("never disagree with the entries, whatever was written over them", () =>
    withDb(async (db) => {
      await db.set("a", 1, { tags: ["t"] });
      await db.set("b", 1, { tags: ["t"] });
      await db.set("c", 1, { tags: ["t"] });
      await db.set("d", 1, { tags: ["t"] });
      await db.set("a", 2);
      await db.delete("b");
      await db.deleteRange({ prefix: "c" });
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["d"]);
      await db.compact();
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["d"]);
      await db.set("a", 3, { tags: ["u"] });
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["d"]);
      assert.deepEqual(await all(db.keys({ tag: "u" })), ["a"]);
    }));

  it("of two sets in one commit, the last counts", () =>
    withDb(async (db) => {
      await db.atomic().set("a", 1, { tags: ["x"] }).set("a", 2, { tags: ["y"] }).commit();
      assert.deepEqual(await all(db.keys({ tag: "x" })), []);
      assert.deepEqual(await all(db.keys({ tag: "y" })), ["a"]);
    }));

  it("are seen by a list as of its first step, however long it takes", () =>
    withDb(async (db) => {
      const items = Array.from({ length: 600 }, (_, i) => ({ key: `k${1000 + i}`, value: i, tags: ["t"] }));
      await db.setMany(items);
      const list = db.keys({ tag: "t" });
      await list.next();
      await db.setMany(items.map(({ key }) => [key, 0] as const));
      await db.compact();
      assert.equal((await all(list)).length, 599);
      assert.deepEqual(await all(db.keys({ tag: "t" })), []);
      assert.equal(db.stats().pins, 0);
    }));

  it("do not mix up, nor do keys that look like them", () =>
    withDb(async (db) => {
      await db.set("b", 1, { tags: ["a"] });
      await db.set("", 1).catch(() => {});
      await db.set("x", 1, { tags: ["ab", "\u0001", "é"] });
      assert.deepEqual(await all(db.keys({ tag: "a" })), ["b"]);
      assert.deepEqual(await all(db.keys({ tag: "ab" })), ["x"]);
      assert.deepEqual(await all(db.keys({ tag: ["é", "\u0001"] })), ["x"]);
    }));
});

describe("snapshot", () => {
  it("shows one version through writes, compaction and reopening of nothing", () =>
    withDb(async (db) => {
      await fill(db);
      const users = db.namespace("users");
      await users.set("u", 1, { tags: ["t"] });
      using snapshot = db.snapshot();
      await db.clear();
      await db.set("new", 1);
      await db.compact();
      assert.equal(snapshot.version, 2);
      assert.equal(typeof snapshot.timestamp, "number");
      assert.deepEqual(await all(snapshot.keys()), alphabet);
      assert.equal(await snapshot.get("b"), 1);
      assert.equal(snapshot.getSync("b"), 1);
      assert.equal(await snapshot.has("new"), false);
      assert.deepEqual(await snapshot.getMany(["a", "new"]), [0, undefined]);
      assert.equal((await snapshot.getEntry("c"))?.version, 1);
      assert.deepEqual([...snapshot.listSync({ end: "b" })].map(({ key }) => key), ["a"]);
      assert.deepEqual(await all(snapshot.in(users).keys({ tag: "t" })), ["u"]);
      assert.equal(await users.get("u", { snapshot }), 1);
      assert.equal(await users.get("u"), undefined);
    }));

  it("is let go of by using, and refuses to be read then", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      const kept = db.snapshot();
      {
        using snapshot = kept;
        await snapshot.get("a");
        assert.equal(db.stats().pins, 1);
      }
      assert.equal(db.stats().pins, 0);
      kept.release();
      const released = {
        name: "ClosedError",
        message: "Cannot get: the snapshot was released; take a new one (CLOSED)",
      };
      await assert.rejects(kept.get("a"), released);
      await assert.rejects(db.get("a", { snapshot: kept }), released);
    }));
});

describe("reopening", () => {
  it("brings back ranges deleted, tags, expiry, namespaces and order", async () => {
    const disk = onOneDisk();
    for (const durability of ["commit", "buffered"] as const) {
      const options = { ...disk, durability };
      const db = await DB.open(`/${durability}`, options);
      await fill(db);
      await db.deleteRange({ start: "c", end: "g" });
      await db.namespace("n").namespace("m").set("k", "v", { tags: ["t"], expiresAt: 9e12 });
      await db.close();
      await using again = await DB.open(`/${durability}`, options);
      assert.deepEqual(await all(again.keys()), [..."abgh"]);
      const [entry] = await all(again.namespace("n").namespace("m").list({ tag: "t" }));
      assert.equal(entry?.expiresAt, 9e12);
      assert.equal(again.version, 3);
    }
  });
});
