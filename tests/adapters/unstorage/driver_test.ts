/** The driver, used through `createStorage`: what unstorage asks of every driver, and what is this one's own. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate } from "node:timers";
import {
  createStorage,
  type Driver,
  prefixStorage,
  restoreSnapshot,
  snapshot,
  type Storage,
  type StorageValue,
} from "unstorage";
import { DB } from "../../../mod.ts";
import unstorageDriver, { type HoldfastDriver, holdfastDriver } from "../../../lib/adapters/unstorage.ts";
import { TextStore } from "../../../lib/adapters/stores/text_store.ts";
import { ItemWatch } from "../../../lib/adapters/unstorage/item_watch.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { all, settle, TestClock, unhandledDuring, withDb, withDirectory } from "../../db/helpers.ts";

/** Fails to be checked unless the first can stand for the second. */
type Fits<Given extends Wanted, Wanted> = Given;

/** It passes for one of unstorage's. */
export type Checked = Fits<HoldfastDriver, Driver>;

/** What can differ: where items lie. */
const PLACES: Record<string, (db: DB) => HoldfastDriver> = {
  "a database": (database) => holdfastDriver({ database }),
  "a part of one": (database) => holdfastDriver({ database, base: "app/cache:" }),
  "a namespace with byte keys": (db) => {
    return holdfastDriver({ database: db.namespace("items", { keyEncoding: "bytes" }) });
  },
};

/** The same bytes in memory that threads may share. */
function sharedCopy(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

for (const [place, make] of Object.entries(PLACES)) {
  describe(`a storage in ${place}`, () => {
    let db: DB;
    let driver: HoldfastDriver;
    let storage: Storage;
    beforeEach(async () => {
      db = await DB.open(":memory:");
      driver = make(db);
      storage = createStorage({ driver });
      await db.set("beside", "it");
      await db.namespace("beside").set("it", 1);
    });
    afterEach(async () => {
      await storage.clear();
      assert.deepEqual(await storage.getKeys(), []);
      // What others keep in the database stays, unless it lies among the items.
      if (place !== "a database") assert.equal(await db.get("beside"), "it");
      assert.equal(await db.namespace("beside").get("it"), 1);
      await storage.dispose();
      await storage.dispose();
      await db.close();
    });
    const keys = async (base?: string, maxDepth?: number): Promise<string[]> => {
      const found = await storage.getKeys(base, maxDepth === undefined ? {} : { maxDepth });
      return found.filter((key) => key !== "beside");
    };

    it("has nothing to begin with, and can be cleared then", async () => {
      assert.equal(await storage.hasItem("s1:a"), false);
      assert.equal(await storage.getItem("s2:a"), null);
      assert.equal(await storage.getItemRaw("s2:a"), null);
      assert.deepEqual(await keys(), []);
      await storage.clear();
      await storage.clear("s1");
    });

    it("takes and gives a snapshot", async () => {
      await restoreSnapshot(storage, { "a:b": "works", c: 1 }, "base");
      assert.deepEqual(await snapshot(storage, "base"), { "a:b": "works", c: 1 });
      assert.equal(await prefixStorage(storage, "base").getItem("c"), 1);
    });

    it("sets, has, gets and removes", async () => {
      await storage.setItem("s1:a", "one");
      await storage.setItem("/s2/b?query=1", "two");
      assert.deepEqual([await storage.hasItem("s1:a"), await storage.hasItem("s1:b")], [true, false]);
      assert.deepEqual([await storage.getItem("s1/a"), await storage.getItem("s2:b?query=2")], ["one", "two"]);
      await storage.setItem("s1:a", "again");
      assert.equal(await storage.getItem("s1:a"), "again");
      await storage.removeItem("s1:a");
      await storage.removeItem("s1:a");
      await storage.setItem("s2:b", undefined as never);
      assert.deepEqual([await storage.hasItem("s1:a"), await storage.getItem("s2:b")], [false, null]);
    });

    it("gives values back as they were", async () => {
      const values = [0, 1.5, true, false, null, { deep: { list: [1, "two", null] } }, [1, 2], "text", "äöü 🌍"];
      for (const value of values) {
        await storage.setItem("value", value);
        assert.deepEqual(await storage.getItem("value"), value);
      }
      class Dated {
        toJSON(): object {
          return { serialized: "works" };
        }
      }
      await storage.setItem("value", new Dated());
      assert.deepEqual(await storage.getItem("value"), { serialized: "works" });
      class Other {}
      await assert.rejects(storage.setItem("value", new Other()), /Cannot stringify value/);
      assert.deepEqual(await storage.getItem("value"), { serialized: "works" });
    });

    it("keeps bytes, text and JSON raw", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      for (
        const raw of [
          bytes,
          bytes.buffer,
          new DataView(bytes.buffer),
          Buffer.from(bytes),
          new Uint16Array(bytes.buffer),
          sharedCopy(bytes),
        ]
      ) {
        await storage.setItemRaw("raw.bin", raw);
        assert.deepEqual(await storage.getItemRaw("raw.bin"), bytes);
      }
      for (const raw of [bytes.subarray(65, 68), new DataView(bytes.buffer, 65, 3)]) {
        await storage.setItemRaw("raw.bin", raw);
        assert.deepEqual(await storage.getItemRaw("raw.bin"), new Uint8Array([65, 66, 67]));
      }
      assert.equal(await storage.getItem("raw.bin"), "ABC");
      await storage.setItemRaw("raw.bin", new Uint8Array([0xef, 0xbb, 0xbf, 65]));
      assert.equal(await storage.getItem("raw.bin"), "\ufeffA");
      await storage.setItemRaw("raw.txt", "text");
      assert.equal(await storage.getItemRaw("raw.txt"), "text");
      await storage.setItemRaw("raw.json", { a: [1] });
      assert.deepEqual([await storage.getItemRaw("raw.json"), await storage.getItem("raw.json")], [{ a: [1] }, {
        a: [1],
      }]);
      await assert.rejects(storage.setItemRaw("raw.map", new Map()), TypeError);
      const long = "k".repeat(70_000);
      const tooLong = (call: string) => ({
        name: "RangeError",
        message: new RegExp(`^${call}: the key has 70,\\d{3} bytes`),
      });
      await assert.rejects(async () => await storage.setItem(long, "1"), tooLong("setItem"));
      await assert.rejects(async () => await storage.setItemRaw(long, "1"), tooLong("setItemRaw"));
      await assert.rejects(async () => await storage.setItems([{ key: long, value: "1" }]), tooLong("setItems"));
    });

    it("sets and gets several, in the order asked for", async () => {
      const given: [string, StorageValue][] = [["t:1", "one"], ["t:2", { n: 2 }], ["t/3?q", 3]];
      await storage.setItems(given.map(([key, value]) => ({ key, value })));
      const found = await storage.getItems(["t:3", { key: "t:1" }, "t:4", "t:2?q=1"]);
      assert.deepEqual(found, [
        ...[{ key: "t:3", value: 3 }, { key: "t:1", value: "one" }, { key: "t:4", value: null }],
        { key: "t:2", value: { n: 2 } },
      ]);
      await storage.setItems([]);
      assert.deepEqual(await storage.getItems([]), []);
    });

    it("lists keys below a base, in order", async () => {
      for (const key of ["s2:a", "s1:a", "s1:b:c", "s10:a", "s1"]) await storage.setItem(key, "x");
      assert.deepEqual(await keys(), ["s1", "s10:a", "s1:a", "s1:b:c", "s2:a"]);
      assert.deepEqual(await keys("s1"), ["s1:a", "s1:b:c"]);
      assert.deepEqual(await keys("s1:"), ["s1:a", "s1:b:c"]);
      assert.deepEqual(await keys("s3"), []);
      assert.deepEqual(await driver.getKeys("s1/b"), ["s1:b:c"]);
    });

    it("lists keys down to a depth", async () => {
      for (const key of ["d0", "a:d1", "a:e1", "a:b:d2", "a:b:c:d3"]) await storage.setItem(key, "x");
      assert.deepEqual(await keys(undefined, 0), ["d0"]);
      assert.deepEqual(await keys(undefined, 1), ["a:d1", "a:e1", "d0"]);
      assert.deepEqual(await keys(undefined, 2), ["a:b:d2", "a:d1", "a:e1", "d0"]);
      assert.deepEqual(await keys("a:b", 2), ["a:b:d2"]);
    });

    it("clears below a base, and leaves the rest", async () => {
      for (const key of ["s1:a", "s1:b:c", "s10:a", "s2:a"]) await storage.setItem(key, "x");
      // unstorage itself clears whole mounts only.
      await driver.clear("s1");
      assert.deepEqual(await keys(), ["s10:a", "s2:a"]);
    });

    it("tells when an item was written, how large it is and when it goes", async () => {
      const before = Date.now();
      await storage.setItem("a", "äb", { ttl: 100 });
      const meta = await storage.getMeta("a") as { mtime: Date; size: number; ttl: number; version: number };
      assert.ok(meta.mtime.getTime() >= before && meta.mtime.getTime() <= Date.now());
      assert.deepEqual([meta.size, meta.version], [3, db.version]);
      assert.ok(meta.ttl > 90 && meta.ttl <= 100);
      await storage.setItemRaw("a", new Uint8Array(7));
      assert.deepEqual(Object.keys(await storage.getMeta("a")).sort(), ["mtime", "size", "version"]);
      assert.equal((await storage.getMeta("a"))["size"], 7);
      await storage.setItemRaw("a", { n: 1 });
      assert.equal((await storage.getMeta("a"))["size"], 7);
      assert.equal(await driver.getMeta("none"), null);
      assert.deepEqual({ ...await storage.getMeta("none") }, {});
    });

    it("keeps unstorage's own metadata beside an item", async () => {
      await storage.setItem("a", "1");
      await storage.setMeta("a", { owner: "ada", mtime: new Date(0) });
      assert.deepEqual(await keys(), ["a"]);
      const meta = await storage.getMeta("a");
      assert.deepEqual([meta["owner"], meta.mtime], ["ada", new Date(0)]);
      await storage.removeItem("a", { removeMeta: true });
      assert.deepEqual({ ...await storage.getMeta("a") }, {});
    });

    it("tells who watches of every item that changes, whoever changes it", async () => {
      await storage.setItem("old:1", "x");
      await storage.setItem("old:2", "x");
      const told: string[] = [];
      const unwatch = await storage.watch((event, key) => told.push(`${event} ${key}`));
      const expect = async (...wanted: string[]): Promise<void> => {
        for (let turn = 0; turn < 1000 && told.length < wanted.length; turn++) await settle();
        assert.deepEqual(told.splice(0), wanted);
      };
      await storage.setItem("a", "1");
      await expect("update a");
      await storage.setItems([{ key: "b", value: "1" }, { key: "c:d", value: "1" }]);
      await expect("update b", "update c:d");
      await storage.removeItem("a");
      await storage.removeItem("never");
      await expect("remove a");
      await make(db).setItemRaw!("e", new Uint8Array(1));
      await expect("update e");
      await driver.clear("old");
      await expect("remove old:1", "remove old:2");
      await storage.clear();
      // A database that is shared as a whole has this one among the items.
      if (place === "a database") await expect("remove beside", "remove b", "remove c:d", "remove e");
      else await expect("remove b", "remove c:d", "remove e");
      await unwatch();
      await storage.setItem("late", "1");
      await settle();
      assert.deepEqual(told, []);
    });
  });
}

describe("holdfastDriver()", () => {
  it("opens a directory when it is needed, closes it, and has it opened again", () =>
    withDirectory(async (path) => {
      const storage = createStorage({ driver: unstorageDriver({ path: `${path}/items` }) });
      assert.equal(await DB.exists(`${path}/items`), false);
      await storage.setItem("a", { n: 1 });
      const { driver } = storage.getMount();
      await (await driver.getInstance!() as DB).export(`${path}/copy`);
      await storage.dispose();
      await assert.rejects(storage.getItem("a"), { code: "CLOSED" });
      for (const again of ["items", "copy"]) {
        const storage = createStorage({ driver: holdfastDriver({ path: `${path}/${again}` }) });
        assert.deepEqual(await storage.getItem("a"), { n: 1 });
        await storage.dispose();
      }
    }));

  it("makes the calls that were made before it is disposed of", () =>
    withDirectory(async (path) => {
      for (const key of ["first", "second"]) {
        const storage = createStorage({ driver: holdfastDriver({ path }) });
        // The second time the database is open already.
        if (key === "second") await storage.getItem("first");
        const written = storage.setItem(key, "1");
        await storage.dispose();
        await written;
      }
      await using db = await DB.open(path);
      assert.deepEqual(await Array.fromAsync(db.keys()), ["first", "second"]);
    }));

  it("keeps what it was given at the call", async () => {
    const driver = holdfastDriver({ path: ":memory:" });
    const bytes = new Uint8Array([1]);
    const written = driver.setItemRaw("a", bytes);
    bytes[0] = 2;
    await written;
    assert.deepEqual(await driver.getItemRaw("a"), new Uint8Array([1]));
    await driver.dispose();
  });

  it("takes its options as Nitro gives them, with the driver's own name", async () => {
    const driver = unstorageDriver({ driver: "@holdfast/db/unstorage", path: ":memory:" });
    await driver.setItem("a", "1");
    assert.equal(await driver.getItem("a"), "1");
    await driver.dispose();
  });

  it("leaves a database that was given open, and ends what watches", () =>
    withDb(async (db) => {
      const told: string[] = [];
      const storage = createStorage({ driver: holdfastDriver({ database: db }) });
      const tell = (event: string, key: string) => void told.push(`${event} ${key}`);
      await storage.watch(tell);
      await storage.dispose();
      await db.set("a", "1");
      const driver = holdfastDriver({ database: db });
      const starting = driver.watch(tell);
      await driver.dispose();
      await starting;
      await db.set("a", "2");
      await settle();
      assert.deepEqual(told, []);
    }));

  it("has items vanish after their ttl, or the driver's, in seconds", async () => {
    const clock = new TestClock();
    await withDb(async (database) => {
      const storage = createStorage({ driver: holdfastDriver({ database, ttl: 10 }) });
      await storage.setItem("a", "driver's");
      await storage.setItem("b", "own", { ttl: 0.5 });
      await storage.setItemRaw("c", "never", { ttl: 0 });
      await storage.setItems([{ key: "d", value: "common" }, { key: "e", value: "own", options: { ttl: 3 } }], {
        ttl: 5,
      });
      assert.equal((await storage.getMeta("b")).ttl, 0.5);
      const left: string[] = [];
      for (const ms of [499, 1, 2499, 1, 1999, 1, 4999, 1]) {
        clock.ms += ms;
        left.push((await storage.getKeys()).join(""));
      }
      assert.deepEqual(left, ["abcde", "acde", "acde", "acd", "acd", "ac", "ac", "c"]);
      assert.deepEqual([await storage.hasItem("a"), await storage.getItem("a")], [false, null]);
      await storage.setItem("c", "never", { ttl: Infinity });
      assert.equal("ttl" in await storage.getMeta("c"), false);
      await storage.setItem("c", "long", { ttl: 1e300 });
      assert.ok((await storage.getMeta("c")).ttl! > 1e9);
      for (const ttl of [-1, NaN]) {
        const refused = { name: "RangeError", message: `setItem: ttl must be a number of seconds above 0, not ${ttl}` };
        await assert.rejects(storage.setItem("a", "1", { ttl }), refused);
      }
      await assert.rejects(storage.setItem("a", "1", { ttl: "5" }), { name: "TypeError", message: /not "5"/ });
    }, { clock: clock.now });
  });

  it("stands beside others under a mount", () =>
    withDb(async (database) => {
      const storage = createStorage();
      storage.mount("cache", holdfastDriver({ database, base: "c" }));
      await storage.setItem("cache:a", "1");
      await storage.setItem("memory", "2");
      assert.deepEqual((await storage.getKeys()).sort(), ["cache:a", "memory"]);
      assert.deepEqual(await all(database.keys()), ["c:a"]);
      const told: string[] = [];
      await storage.watch((event, key) => told.push(`${event} ${key}`));
      await database.set("c:b", "by other means");
      await database.set("d", "elsewhere");
      for (let turn = 0; turn < 1000 && told.length === 0; turn++) await settle();
      assert.deepEqual(told, ["update cache:b"]);
      await storage.unmount("cache");
    }));

  it("has its base with colons between the parts, and none around it, however it is written", () =>
    withDb(async (database) => {
      for (const base of ["app:cache", "/app/cache/", "app\\cache", ":app::cache:"]) {
        await holdfastDriver({ database, base }).setItem(base, "1");
        assert.deepEqual(await all(database.keys()), [`app:cache:${base}`]);
        await database.deleteRange({ prefix: "app" });
      }
    }));

  it("has all keys where its base is left open", () =>
    withDb(async (database) => {
      for (const base of [undefined, "", ":"]) {
        const driver = holdfastDriver({ database, base });
        await driver.setItem("a", String(base));
        assert.equal(await database.get("a"), String(base));
      }
    }));

  it("tells of a range that was deleted and of a restore, key by key", () =>
    withDb(async (database) => {
      for (const key of ["a", "b", "c"]) await database.set(key, key);
      const copy = await new Response(database.exportStream({ format: "jsonl" })).bytes();
      await database.set("d", "d");
      const told: string[] = [];
      const driver = holdfastDriver({ database });
      const unwatch = await driver.watch((event, key) => told.push(`${event} ${key}`));
      const expect = async (...wanted: string[]): Promise<void> => {
        for (let turn = 0; turn < 1000 && told.length < wanted.length; turn++) await settle();
        assert.deepEqual(told.splice(0), wanted);
      };
      await database.deleteRange({ start: "b", end: "c" });
      await expect("remove b");
      await database.restore(new Response(copy).body!);
      await expect("remove d", "update a", "update b", "update c");
      await database.delete("b");
      await expect("remove b");
      await unwatch();
    }));

  it("lets the event loop go round while it tells of many items at once", async () => {
    let [ms, turn, isRunning] = [0, 0, true];
    // Each look at the time is the end of a slice.
    await withDb(async (database) => {
      await database.setMany(Array.from({ length: 1000 }, (_, n): [string, string] => [`k${n}`, "v"]));
      const copy = await new Response(database.exportStream({ format: "jsonl" })).bytes();
      const told: number[] = [];
      const unwatch = await holdfastDriver({ database }).watch(() => void told.push(turn));
      const next = (): void => {
        turn++;
        if (isRunning) setImmediate(next);
      };
      next();
      await database.deleteRange({ prefix: "k" });
      while (told.length < 1000) await settle();
      await database.restore(new Response(copy).body!);
      while (told.length < 2000) await settle();
      isRunning = false;
      for (let i = 16; i < told.length; i++) assert.ok(told[i - 16]! < told[i]!, `${i} in turn ${told[i]}`);
      await unwatch();
    }, { tuning: { monotonic: () => ms += 10 } });
  });

  it("tells nothing more once a listener has ended it, and nothing of what had expired", async () => {
    let now = 1_800_000_000_000;
    await using db = await DB.open(":memory:", { clock: () => now });
    const driver = holdfastDriver({ database: db });
    const told: string[] = [];
    const unwatch = await driver.watch((event, key) => told.push(`${event} ${key}`));
    await driver.setItem("a", "1", { ttl: 1 });
    await driver.setItem("b", "1");
    const heard = async (count: number): Promise<void> => {
      for (let turn = 0; turn < 1000 && told.length < count; turn++) await settle();
    };
    await heard(2);
    now += 1000;
    await driver.clear();
    await heard(3);
    assert.deepEqual(told, ["update a", "update b", "remove b"]);
    await unwatch();
    const once = await driver.watch((_event, key) => {
      told.push(key);
      void once();
    });
    await driver.setItems(["x", "y", "z"].map((key) => ({ key, value: "1" })));
    await heard(4);
    await settle();
    assert.deepEqual(told.slice(3), ["x"]);
  });

  it("takes nothing for removed that had expired, also of what was there before the watch", async () => {
    let now = 1_800_000_000_000;
    await using db = await DB.open(":memory:", { clock: () => now });
    const driver = holdfastDriver({ database: db, base: "of" });
    const copy = await new Response(db.exportStream({ format: "jsonl" })).bytes();
    await db.set("other", "beside");
    for (const key of ["a", "b", "c"]) await driver.setItem(key, "1", { ttl: key === "b" ? 1000 : 1 });
    const told: string[] = [];
    const unwatch = await driver.watch((event, key) => told.push(`${event} ${key}`));
    await driver.setItem("d", "1", { ttl: 1 });
    await driver.setItem("e", "1");
    const expect = async (...wanted: string[]): Promise<void> => {
      for (let turn = 0; turn < 1000 && told.length < wanted.length; turn++) await settle();
      assert.deepEqual(told.splice(0), wanted);
    };
    await expect("update d", "update e");
    now += 2000;
    await db.deleteRange({ start: "of:a", end: "of:c" });
    await expect("remove b");
    await db.restore(new Response(copy).body!);
    await expect("remove e");
    await unwatch();
  });

  it("keeps no names of items that have expired", async () => {
    let now = 1_800_000_000_000;
    await using db = await DB.open(":memory:", { clock: () => now });
    await db.set("old", "1");
    let updates = 0;
    const watch = await ItemWatch.start(new TextStore("test", db, undefined), "", () => updates++);
    for (let round = 0; round < 8; round++) {
      const operation = db.atomic();
      for (let n = 0; n < 600; n++) operation.set(`${round}/${n}`, "1", { expireIn: 1000 });
      await operation.commit();
      while (updates < 600 * (round + 1)) await settle();
      now += 5000;
      assert.ok(watch.size <= 3000, `${watch.size} names in round ${round}`);
    }
    await watch.stop();
  });

  it("holds no version while it watches", async () => {
    await using db = await DB.open(":memory:");
    await db.set("a", "1");
    const unwatch = await holdfastDriver({ database: db }).watch(() => {});
    assert.equal(db.stats().pins, 0);
    await unwatch();
  });

  it("passes over keys that are no text, which somebody else has written", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    await db.set(new Uint8Array([0xff]), "1");
    const driver = holdfastDriver({ database: db });
    const told: string[] = [];
    const unwatch = await driver.watch((event, key) => told.push(`${event} ${key}`));
    await db.set(new Uint8Array([0xfe]), "1");
    await driver.setItem("a", "1");
    for (let turn = 0; turn < 1000 && told.length === 0; turn++) await settle();
    assert.deepEqual(await driver.getKeys(), ["a"]);
    await driver.clear();
    for (let turn = 0; turn < 1000 && told.length < 2; turn++) await settle();
    assert.deepEqual(told, ["update a", "remove a"]);
    await unwatch();
  });

  it("throws what a listener throws where the program hears of it, and goes on", async () => {
    await using db = await DB.open(":memory:");
    const driver = holdfastDriver({ database: db });
    const told: string[] = [];
    const unwatch = await driver.watch((_event, key) => {
      told.push(key);
      if (key === "a") throw new Error("a listener's own");
    });
    const thrown: unknown[] = [];
    const { queueMicrotask } = globalThis;
    // In place of the program's end.
    globalThis.queueMicrotask = (run) =>
      queueMicrotask(() => {
        try {
          run();
        } catch (error) {
          thrown.push(error);
        }
      });
    await driver.setItems([{ key: "a", value: "1" }, { key: "b", value: "1" }]);
    for (let turn = 0; turn < 1000 && told.length < 2; turn++) await settle();
    await settle();
    globalThis.queueMicrotask = queueMicrotask;
    assert.deepEqual([told, thrown.map(String)], [["a", "b"], ["Error: a listener's own"]]);
    await unwatch();
  });

  it("tells who ends a watch what had ended it before, and is disposed of all the same", async () => {
    await using db = await DB.open(":memory:");
    const watch = db.watch.bind(db);
    db.watch = (...given) => {
      const changes = watch(...given);
      changes.next = () => Promise.reject(new Error("the disk is gone"));
      return changes;
    };
    const driver = holdfastDriver({ database: db });
    const unhandled = await unhandledDuring(async () => {
      const [unwatch] = [await driver.watch(() => {}), await driver.watch(() => {})];
      await settle();
      await assert.rejects(unwatch(), /the disk is gone/);
      await driver.dispose();
    });
    assert.deepEqual(unhandled, []);
  });

  it("ends watching with the database", async () => {
    await using db = await DB.open(":memory:");
    const driver = holdfastDriver({ database: db });
    const unwatch = await driver.watch(() => {});
    await db.close();
    await unwatch();
    await assert.rejects(driver.watch(() => {}), { code: "CLOSED" });
  });

  it("leaves what a listener throws or rejects with to the listener", async () => {
    for (const fail of [() => Promise.reject(new Error("listener")), () => assert.fail("listener")]) {
      const heard: string[] = [];
      const onEvent = ({ type }: { type: string }) => {
        heard.push(type);
        return fail();
      };
      const driver = holdfastDriver({ path: "/d", fileSystem: memoryFileSystem(), onEvent });
      const unhandled = await unhandledDuring(async () => {
        await driver.setItem("a", "1");
        assert.equal(await driver.getItem("a"), "1");
        await driver.dispose();
      });
      assert.deepEqual(unhandled, []);
      assert.ok(heard.includes("sync"), String(heard));
    }
  });

  it("writes as durably as it is told", async () => {
    const fileSystem = memoryFileSystem();
    const database = await DB.open("/d", { fileSystem, durability: "buffered" });
    await holdfastDriver({ database, durability: "commit" }).setItem("a", "1");
    await holdfastDriver({ database }).setItem("b", "2");
    const kept = async (): Promise<string[]> => {
      await using left = await DB.open("/d", { fileSystem: fileSystem.fork({ keep: "none" }) });
      return await all(left.keys());
    };
    assert.deepEqual(await kept(), ["a"]);
    await holdfastDriver({ database, durability: "commit" }).removeItem("a");
    assert.deepEqual(await kept(), ["b"]);
    await holdfastDriver({ database, durability: "commit" }).clear();
    assert.deepEqual(await kept(), []);
    await database.close();
  });

  it("refuses what makes no sense", () =>
    withDb(async (database) => {
      const make = (options: unknown) => () => holdfastDriver(options as { path: string });
      assert.throws(make(undefined), { name: "TypeError", message: /give path, the directory of the database/ });
      assert.throws(make({}), TypeError);
      assert.throws(make({ path: "d", database }), { name: "TypeError", message: /both path and database/ });
      assert.throws(make({ path: "" }), { name: "TypeError", message: /path must not be empty/ });
      assert.throws(make({ path: "d", bases: "a" }), { name: "TypeError", message: /did you mean "base"/ });
      assert.throws(make({ path: "d", base: 1 }), { name: "TypeError", message: /"base" must be a string, not 1/ });
      assert.throws(make({ path: "d", ttl: -1 }), { name: "RangeError", message: /seconds above 0, not -1/ });
      assert.throws(make({ database: "d", ttl: 1 }), {
        name: "TypeError",
        message: /must be an open database or a namespace, not "d"/,
      });
      assert.throws(make({ path: database }), { name: "TypeError", message: /path must be a string/ });
      assert.throws(make({ database, cacheBytes: 1 }), { name: "TypeError", message: /give "cacheBytes" to DB.open/ });
    }));
});
