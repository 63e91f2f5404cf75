/** What Keyv's suite does not ask of a store: its own methods, expiry, namespaces, errors, closing, what lies beneath. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import Keyv6, { type KeyvStorageAdapter } from "keyv";
import Keyv5, { type KeyvStoreAdapter } from "keyv5";
import { DB, LockedError } from "../../../mod.ts";
import { Keyv5Holdfast, KeyvHoldfast, type StoreLocation } from "../../../lib/adapters/keyv.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { all, settle, TestClock, unhandledDuring, withDb, withDirectory } from "../../db/helpers.ts";

/** Fails to be checked unless the first can stand for the second. */
type Fits<Given extends Wanted, Wanted> = Given;

/** Each store passes for one of its Keyv's. Keyv 5 hands on what `setMany` gives, and its type says that it gives nothing. */
export type Checked = [
  Fits<KeyvHoldfast, KeyvStorageAdapter>,
  Fits<Omit<Keyv5Holdfast, "setMany">, Omit<KeyvStoreAdapter, "setMany">>,
];

/** A listener that fails. */
function raise(): never {
  throw new Error("a listener's own");
}

const TIME = 1_700_000_000_000;

/** Both kinds of store, and what of it `set` is told so that an entry vanishes `ms` after `now`. */
const KINDS = [
  {
    name: "KeyvHoldfast",
    make: (at: StoreLocation) => new KeyvHoldfast(at),
    expiry: (now: number, ms: number) => now + ms,
  },
  { name: "Keyv5Holdfast", make: (at: StoreLocation) => new Keyv5Holdfast(at), expiry: (_: number, ms: number) => ms },
];

for (const { name, make, expiry } of KINDS) {
  describe(`${name} by itself`, () => {
    it("sets, gets, has and deletes", () =>
      withDb(async (db) => {
        const store = make(db);
        assert.equal(await store.set("a", "1"), true);
        assert.equal(await store.get("a"), "1");
        assert.equal(await store.get("b"), undefined);
        assert.deepEqual([await store.has("a"), await store.has("b")], [true, false]);
        assert.deepEqual([await store.delete("a"), await store.delete("a")], [true, false]);
        assert.equal(await store.has("a"), false);
      }));

    it("does so with many, each in one commit", () =>
      withDb(async (db) => {
        const store = make(db);
        assert.deepEqual(await store.setMany([{ key: "a", value: "1" }, { key: "b", value: { deep: [2] } }]), [
          true,
          true,
        ]);
        assert.equal(db.version, 1);
        assert.deepEqual(await store.getMany(["b", "c", "a"]), [{ deep: [2] }, undefined, "1"]);
        assert.deepEqual(await store.hasMany(["b", "c", "a"]), [true, false, true]);
        const deleted = await store.deleteMany(["a", "c", "b"]);
        assert.deepEqual(deleted, name === "KeyvHoldfast" ? [true, false, true] : false);
        assert.equal(db.version, 2);
        assert.equal(await db.count(), 0);
      }));

    it("does nothing with none of them", () =>
      withDb(async (db) => {
        const store = make(db);
        assert.deepEqual([await store.setMany([]), await store.getMany([]), await store.hasMany([])], [[], [], []]);
        assert.deepEqual(await store.deleteMany([]), name === "KeyvHoldfast" ? [] : true);
        assert.equal(db.version, 0);
      }));

    it("keeps text, bytes and JSON as they are, and refuses the rest", () =>
      withDb(async (db) => {
        const store = make(db);
        for (const value of ["text", new Uint8Array([1, 2]), { a: [null, 1.5] }, true, 0, null]) {
          await store.set("v", value);
          assert.deepEqual(await store.get("v"), value);
        }
        await assert.rejects(store.set("v", undefined), TypeError);
        await assert.rejects(store.set("v", { big: 1n }), {
          name: "TypeError",
          message: /^set: value\.big is a bigint/,
        });
        const many = store.setMany([{ key: "w", value: "1" }, { key: "v", value: new Map() }]);
        await assert.rejects(many, { name: "TypeError", message: /^setMany: value is a Map/ });
        await assert.rejects(store.setMany([{ key: "w", value: "1" }, { key: "v", value: () => {} }]), TypeError);
        await assert.rejects(store.set("", "1"), { name: "RangeError", message: /^set: the key is empty/ });
        const keyless = store.setMany([{ key: "w", value: "1" }, { key: "", value: "1" }]);
        await assert.rejects(keyless, { name: "RangeError", message: /^setMany: the key is empty/ });
        assert.equal(await store.has("w"), false);
        assert.equal(await store.get("v"), null);
      }));

    it("has what expires vanish at its time, from every method", async () => {
      const clock = new TestClock();
      clock.ms = TIME;
      await withDb(async (db) => {
        const store = make(db);
        await store.set("a", "1", expiry(TIME, 100));
        await store.set("b", "2", expiry(TIME, 200));
        await store.set("c", "3");
        clock.ms = TIME + 99;
        assert.equal(await store.get("a"), "1");
        clock.ms = TIME + 100;
        assert.equal(await store.get("a"), undefined);
        assert.deepEqual(await store.getMany(["a", "b"]), [undefined, "2"]);
        assert.deepEqual([await store.has("a"), await store.hasMany(["a", "b"])], [false, [false, true]]);
        assert.deepEqual(await all(store.iterator()), [["b", "2"], ["c", "3"]]);
        assert.deepEqual([await store.delete("a"), await store.delete("b")], [false, true]);
        for (const over of [-100, 0]) {
          await store.set("c", "4");
          await store.set("c", "5", expiry(clock.ms, over));
          assert.equal(await store.get("c"), undefined);
        }
      }, { clock: clock.now });
    });

    it("takes a time without end for none, and refuses what is no number", () =>
      withDb(async (db) => {
        const store = make(db);
        for (const never of [undefined, null as never, NaN, Infinity, Number.MAX_VALUE]) {
          await store.set("a", "1", never);
          assert.equal(await store.get("a"), "1");
        }
        await assert.rejects(store.set("a", "1", "5" as never), {
          name: "TypeError",
          message: /must be a number, not "5"/,
        });
      }));

    it("keeps what it was given at the call", async () => {
      await using store = make(":memory:");
      const [bytes, object, keys] = [new Uint8Array([1]), { n: 1 }, ["bytes", "object"]];
      const calls = [store.set("bytes", bytes), store.setMany([{ key: "object", value: object }])];
      const asked = [store.getMany(keys), store.hasMany(keys)];
      bytes[0] = 2;
      object.n = 2;
      keys.pop();
      await Promise.all(calls);
      assert.deepEqual((await Promise.all(asked)).map(({ length }) => length), [2, 2]);
      assert.deepEqual(await store.getMany(["bytes", "object"]), [new Uint8Array([1]), { n: 1 }]);
      const going = ["bytes", "object"];
      const deleted = store.deleteMany(going);
      going.pop();
      await deleted;
      assert.deepEqual(await store.hasMany(["bytes", "object"]), [false, false]);
    });

    it("sees what was called before, awaited or not", () =>
      withDb(async (db) => {
        const store = make(db);
        const calls = [
          store.set("a", "1"),
          store.delete("a"),
          store.delete("a"),
          store.set("a", "2"),
          store.delete("a"),
        ];
        assert.deepEqual(await Promise.all(calls), [true, true, false, true, true]);
        assert.equal(await db.has("a"), false);
        const together = await Promise.all([store.set("b", "1"), store.delete("b"), store.delete("b")]);
        assert.deepEqual(together, [true, true, false]);
      }));

    it("clears its own namespace, and iterates over it, and no other", () =>
      withDb(async (db) => {
        await db.namespace("else").set("x", 1);
        const [store, other] = [make(db), make(db)];
        other.namespace = "other";
        await store.set("b", "1");
        await store.set("\0", "first");
        await other.set("a", "2");
        await other.set("c", "3");
        assert.deepEqual(await all(store.iterator()), [["\0", "first"], ["b", "1"]]);
        const early = other.iterator();
        other.namespace = undefined;
        const outside = other.iterator();
        other.namespace = "other";
        assert.deepEqual(await all(outside), [["\0", "first"], ["b", "1"]]);
        other.namespace = "";
        assert.equal(other.namespace, undefined);
        assert.equal(await other.get("b"), "1");
        assert.deepEqual(await all(early), [["a", "2"], ["c", "3"]]);
        await store.clear();
        other.namespace = "other";
        assert.deepEqual([await all(store.iterator()), await other.getMany(["a", "c"])], [[], ["2", "3"]]);
        await other.clear();
        assert.deepEqual(await all(other.iterator()), []);
        assert.equal(await db.namespace("else").get("x"), 1);
      }));

    it("lies in a database with byte keys and in a namespace just as well", () =>
      withDb(async (db) => {
        const pictures = db.namespace("pictures", { keyEncoding: "bytes" });
        await pictures.set(new Uint8Array([0xff]), "not text");
        const store = make(pictures);
        await store.setMany([{ key: "ä", value: "1" }, { key: "b", value: "2" }]);
        assert.deepEqual(await all(store.iterator()), [["b", "2"], ["ä", "1"]]);
        store.namespace = "inner";
        await store.set("c", "3");
        assert.equal(await pictures.namespace("inner").get(new TextEncoder().encode("c")), "3");
        await assert.rejects(store.database(), { name: "TypeError", message: /was given a namespace/ });
        assert.equal(make(pictures.namespace("inner")).location, "pictures/inner");
      }));

    it("opens a directory when it is needed, closes it, and has it opened again", () =>
      withDirectory(async (path) => {
        const store = make(`${path}/cache`);
        assert.equal(await DB.exists(`${path}/cache`), false);
        await store.set("a", "1");
        await (await store.database()).export(`${path}/copy`);
        await store.disconnect();
        await store.disconnect();
        await assert.rejects(store.get("a"), { code: "CLOSED" });
        await using copy = make(`${path}/copy`);
        {
          await using again = make(`${path}/cache`);
          assert.deepEqual([await copy.get("a"), await again.get("a")], ["1", "1"]);
        }
        await (await DB.open(`${path}/cache`)).close();
        const never = make(`${path}/never`);
        await never.disconnect();
        await assert.rejects(never.set("a", "1"), { code: "CLOSED" });
        assert.equal(await DB.exists(`${path}/never`), false);
      }));

    it("makes the calls that were made before it is disconnected", () =>
      withDirectory(async (path) => {
        for (const key of ["first", "second"]) {
          const store = make(path);
          // The second time the database is open already.
          if (key === "second") await store.get("first");
          const written = [store.set(key, "1"), store.set(`${key} too`, "1")];
          await store.disconnect();
          assert.deepEqual(await Promise.all(written), [true, true]);
        }
        await using db = await DB.open(path);
        assert.deepEqual(await Array.fromAsync(db.keys()), ["first", "first too", "second", "second too"]);
      }));

    it("leaves a database that was given open", () =>
      withDb(async (db) => {
        const store = make(db);
        await store.disconnect();
        await db.set("a", "1");
        assert.equal(await store.get("a"), "1");
      }));
  });
}

describe("KeyvHoldfast", () => {
  it("refuses the ttl of Keyv 5 by name, as it would be gone at once", () =>
    withDb(async (db) => {
      const store = new KeyvHoldfast(db);
      await assert.rejects(store.set("a", "1", 60_000), { name: "RangeError", message: /there is Keyv5Holdfast/ });
      await assert.rejects(store.setMany([{ key: "a", value: "1", expires: 1 }]), RangeError);
      await assert.rejects(store.set("a", "1", 1e12 - 1), RangeError);
      assert.equal(await store.has("a"), false);
    }));

  it("takes a time that is long over for what it is, and keeps no older value", () =>
    withDb(async (db) => {
      const store = new KeyvHoldfast(db);
      for (const over of [0, -5, 1e12]) {
        await store.set("a", "1");
        assert.equal(await store.set("a", "2", over), true);
        assert.equal(await store.get("a"), undefined);
      }
    }));

  it("sets each of many with its own time", async () => {
    const clock = new TestClock();
    clock.ms = TIME;
    await withDb(async (db) => {
      await new KeyvHoldfast(db).setMany([{ key: "a", value: "1", expires: TIME + 5 }, { key: "b", value: "2" }]);
      await new Keyv5Holdfast(db).setMany([{ key: "c", value: "3", ttl: 5 }, { key: "d", value: "4" }]);
      clock.ms += 5;
      assert.deepEqual(await all(db.keys()), ["b", "d"]);
    }, { clock: clock.now });
  });

  it("is used as it is by Keyv 6, with the namespace of either", () =>
    withDb(async (db) => {
      const store = new KeyvHoldfast(db, { namespace: "own" });
      const keyv = new Keyv6({ store });
      assert.equal(keyv.store, store);
      assert.equal(keyv.namespace, "own");
      await keyv.set("a", { at: 1 }, 60_000);
      assert.deepEqual(await keyv.getRaw("a").then((raw) => (raw as { value: unknown }).value), { at: 1 });
      const entry = await db.namespace("own").getEntry("a");
      assert.ok(Math.abs(entry!.expiresAt! - Date.now() - 60_000) < 30_000);
      keyv.namespace = "another";
      assert.equal(await keyv.get("a"), undefined);
      await keyv.setRaw("a", { value: "raw" });
      await keyv.setManyRaw([{ key: "b", value: { value: 2 } }]);
      assert.deepEqual(await keyv.getManyRaw(["a", "b", "c"]), [{ value: "raw" }, { value: 2 }, undefined]);
      assert.deepEqual(await keyv.delete(["a", "c"]), [true, false]);
      assert.deepEqual(await keyv.has(["a", "b"]), [false, true]);
      assert.deepEqual(db.namespaces(), ["another", "own"]);
    }));

  it("makes Keyv's calls that were made before it is disconnected", () =>
    withDirectory(async (path) => {
      const keyv = new Keyv6({ store: new KeyvHoldfast(path) });
      const written = keyv.set("a", 1);
      await keyv.disconnect();
      assert.equal(await written, true);
      await using again = new KeyvHoldfast(path);
      assert.equal(await new Keyv6({ store: again }).get("a"), 1);
    }));

  it("keeps values whole without Keyv's serialization", () =>
    withDb(async (db) => {
      const keyv = new Keyv6({ store: new KeyvHoldfast(db), serialization: false });
      await keyv.set("a", { deep: [1, "x"] });
      assert.deepEqual(await keyv.get("a"), { deep: [1, "x"] });
      assert.deepEqual(await db.get("a"), { value: { deep: [1, "x"] } });
      // Keyv hands over what it is given within an object.
      const told: unknown[] = [];
      keyv.on("error", (error) => told.push(error));
      assert.equal(await keyv.set("a", new Uint8Array(1)), false);
      assert.match(String(told[0]), /value\.value is bytes/);
    }));

  it("has what went wrong in a call told by Keyv's error event", () =>
    withDb(async (db) => {
      const keyv = new Keyv6({ store: new KeyvHoldfast(db) });
      const told: unknown[] = [];
      keyv.on("error", (error) => told.push(error));
      assert.equal(await keyv.set("k".repeat(70_000), "1"), false);
      assert.match(String(told[0]), /RangeError: .*the key has 70,000 bytes/);
    }));

  it("tells of a database that can't be opened, and opens it once it can be", () =>
    withDirectory(async (path) => {
      const holder = await DB.open(path);
      const store = new KeyvHoldfast(path);
      await assert.rejects(store.get("a"), LockedError);
      const told: unknown[] = [];
      store.on("error", (error) => told.push(error));
      const keyv = new Keyv5({ store: new Keyv5Holdfast(path) });
      keyv.on("error", (error) => told.push(error));
      assert.equal(await keyv.get("a"), undefined);
      await assert.rejects(store.get("a"), LockedError);
      assert.deepEqual(told.map((error) => error instanceof LockedError), [true, true]);
      await holder.close();
      assert.equal(await store.get("a"), undefined);
      await store.disconnect();
    }));

  it("tells of what fails in the background", async () => {
    let broken = false;
    const fileSystem = memoryFileSystem({
      beforeOperation(operation) {
        if (broken && operation.name === "sync") throw new Error("the disk is gone");
      },
    });
    const heard: string[] = [];
    const store = new KeyvHoldfast("/d", {
      ...{ fileSystem, durability: "interval", flushInterval: 1 },
      onEvent: ({ type }) => heard.push(type),
    });
    await store.set("a", "0");
    const told = new Promise((resolve) => store.once("error", resolve));
    broken = true;
    await store.set("a", "1");
    assert.match(String(await told), /the disk is gone|sync/);
    assert.ok(heard.includes("failure"));
    await assert.rejects(store.disconnect());
  });

  it("leaves what a listener throws or rejects with to the listener", async () => {
    for (const onEvent of [() => Promise.reject(new Error("onEvent")), raise]) {
      let [broken, heard] = [false, 0];
      const fileSystem = memoryFileSystem({
        beforeOperation(operation) {
          if (broken && operation.name === "sync") throw new Error("the disk is gone");
        },
      });
      const store = new KeyvHoldfast("/d", {
        ...{ fileSystem, durability: "interval", flushInterval: 1 },
        onEvent: ({ type }) => {
          if (type === "failure") heard++;
          return onEvent();
        },
      });
      // As that of a Keyv is to which nobody listens.
      store.on("error", raise);
      const unhandled = await unhandledDuring(async () => {
        await store.set("a", "0");
        broken = true;
        await store.set("a", "1");
        for (let turn = 0; heard === 0 && turn < 1000; turn++) await settle();
        await assert.rejects(store.disconnect(), /the disk is gone/);
      });
      assert.deepEqual([unhandled, heard > 0], [[], true]);
    }
  });

  it("says why it can't be opened, whatever a listener makes of that", () =>
    withDirectory(async (path) => {
      await using _holder = await DB.open(path);
      const store = new KeyvHoldfast(path);
      store.on("error", raise);
      await assert.rejects(store.get("a"), LockedError);
    }));

  it("is disconnected from what could not be opened", async () => {
    const fileSystem = memoryFileSystem();
    fileSystem.lock = async () => {
      for (let turn = 0; turn < 5; turn++) await settle();
      throw new LockedError("it is held elsewhere", { path: "/d" });
    };
    const store = new KeyvHoldfast("/d", { fileSystem });
    const refused = assert.rejects(store.get("a"), LockedError);
    await store.disconnect();
    await refused;
  });

  it("writes as durably as it is told", async () => {
    const fileSystem = memoryFileSystem();
    const db = await DB.open("/d", { fileSystem, durability: "buffered" });
    await new KeyvHoldfast(db, { durability: "commit" }).set("a", "1");
    await new KeyvHoldfast(db).set("b", "2");
    await using left = await DB.open("/d", { fileSystem: fileSystem.crash({ keep: "none" }) });
    assert.deepEqual(await all(left.keys()), ["a"]);
    await db.close().catch(() => {});
  });

  it("refuses what makes no sense", async () => {
    const make = (location: unknown, options?: unknown) => () =>
      new KeyvHoldfast(location as string, options as object);
    assert.throws(make(""), { name: "TypeError", message: /path must not be empty/ });
    assert.throws(make(undefined), { name: "TypeError", message: /expected a path, a file: URL, a database/ });
    assert.throws(make(new URL("redis://host")), { name: "TypeError", message: /not a redis: URL/ });
    assert.throws(make("d", { namespaces: "a" }), { name: "TypeError", message: /did you mean "namespace"/ });
    assert.throws(make("d", { namespace: 1 }), { name: "TypeError", message: /namespace must be a string, not 1/ });
    assert.throws(make("d", { keyEncoding: "bytes" }), { name: "TypeError", message: /unknown option "keyEncoding"/ });
    assert.throws(make("d", { durability: "soon" }), { name: "TypeError", message: /durability/ });
    await withDb(async (db) => {
      assert.throws(make(db, { cacheBytes: 1 }), { name: "TypeError", message: /give "cacheBytes" to DB.open/ });
      assert.throws(make(db, { durability: "soon" }), TypeError);
    });
  });
});
