import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Change, DB } from "../../mod.ts";
import { IOError } from "../../lib/base/errors.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { turnsOf } from "../base/turns_of.ts";
import { settle, TestClock, withDb } from "./helpers.ts";

/** `set a=1@3`, `delete b@4`, `range [a, c)@5`, `reset@6`. */
function told(changes: Change[] | undefined): string[] {
  return (changes ?? []).map(({ type, key, start, end, entry, version }) => {
    if (type === "set") return `set ${key}=${entry?.value}@${version}`;
    if (type === "delete") return `delete ${key}@${version}`;
    if (type === "deleteRange") return `range [${start ?? ""}, ${end ?? ""})@${version}`;
    return `reset@${version}`;
  });
}

async function next(watch: AsyncIterator<Change[]>): Promise<string[]> {
  return told((await watch.next()).value);
}

describe("watch", () => {
  it("gives changes as they are committed, with their entries", () =>
    withDb(async (db) => {
      const watch = db.watch();
      const first = watch.next();
      await db.set("a", 1, { tags: ["t"] });
      const { value } = await first;
      assert.deepEqual(value, [{ type: "set", key: "a", entry: db.getEntrySync("a"), version: 1 }]);
      await db.delete("a");
      assert.deepEqual(await next(watch), ["delete a@2"]);
      await db.deleteRange({ start: "b", end: "d" });
      assert.deepEqual(await next(watch), ["range [b, d)@3"]);
      await db.clear();
      assert.deepEqual(await next(watch), ["range [, )@4"]);
    }));

  it("gathers what happens while the consumer is away, of each key the newest, in the order of versions", () =>
    withDb(async (db) => {
      const watch = db.watch();
      await db.set("a", 1);
      await db.set("b", 2);
      await db.set("a", 3);
      await db.set("c", 4);
      await db.delete("b");
      await db.atomic().set("x", 5).set("y", 5).commit();
      assert.deepEqual(await next(watch), ["set a=3@3", "set c=4@4", "delete b@5", "set x=5@6", "set y=5@6"]);
    }));

  it("lets a range that was deleted swallow what waits below it, but not what came after", () =>
    withDb(async (db) => {
      const watch = db.watch();
      await db.set("a", 1);
      await db.set("z", 1);
      await db.deleteRange({ start: "a", end: "c" });
      await db.set("b", 2);
      assert.deepEqual(await next(watch), ["set z=1@2", "range [a, c)@3", "set b=2@4"]);
    }));

  it("may be limited to a prefix or to certain keys", () =>
    withDb(async (db) => {
      const prefix = db.watch({ prefix: "b" });
      const keys = db.watch({ keys: ["a", "bb"] });
      await db.setMany(["a", "b", "bb", "c"].map((key) => [key, 0] as const));
      assert.deepEqual(await next(prefix), ["set b=0@1", "set bb=0@1"]);
      assert.deepEqual(await next(keys), ["set a=0@1", "set bb=0@1"]);
      await db.deleteRange({ start: "a", end: "ba" });
      assert.deepEqual(await next(prefix), ["range [b, ba)@2"]);
      assert.deepEqual(await next(keys), ["delete a@2"]);
      await db.set("c", 1);
      await db.deleteRange({ prefix: "c" });
      await db.set("bb", 1);
      assert.deepEqual(await next(prefix), ["set bb=1@5"]);
    }));

  it("leaves out other namespaces, and a namespace's watch the root", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      const root = db.watch();
      const inside = users.watch();
      await users.set("u", 1, { tags: ["t"] });
      await users.namespace("in").set("k", 1);
      await db.set("r", 1);
      assert.deepEqual(await next(root), ["set r=1@3"]);
      assert.deepEqual(await next(inside), ["set u=1@1"]);
      await db.clear();
      assert.deepEqual(await next(inside), ["range [, )@4"]);
    }));

  it("gives the present first when asked to, and then what changed since", () =>
    withDb(async (db) => {
      await db.setMany(Array.from({ length: 1500 }, (_, i) => [`k${10_000 + i}`, i] as const));
      const watch = db.watch({}, { initial: true });
      await db.set("k10000", "before the first step");
      const first = await next(watch);
      assert.equal(first[0], "set k10000=before the first step@2");
      await db.set("k11499", "changed meanwhile");
      const rest = await next(watch);
      assert.equal(first.length + rest.length, 1500);
      assert.match(rest.at(-1)!, /^set k11499=1499@1$/);
      assert.deepEqual(await next(watch), ["set k11499=changed meanwhile@3"]);
      const keys = db.watch({ keys: ["k10001", "none"] }, { initial: true });
      assert.deepEqual(await next(keys), ["set k10001=1@1"]);
      const nothing = db.watch({ prefix: "none" }, { initial: true });
      assert.deepEqual((await nothing.next()).value, []);
      await watch.return?.();
      assert.equal(db.stats().pins, 0);
    }));

  it("gives certain keys first, also when their blob file goes while the first value is read", async () => {
    const disk = memoryFileSystem();
    const { promise: gone, resolve: goOn } = Promise.withResolvers<void>();
    const slow = new Proxy<FileSystem>(disk, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        if (name !== "openSync") return value.bind(target);
        return (...args: Parameters<FileSystem["openSync"]>) => {
          const handle = target.openSync(...args);
          if (!args[0].endsWith(".blob") || args[1] !== "read") return handle;
          const { readAt } = handle;
          handle.readAt = (into, position) => gone.then(() => readAt.call(handle, into, position));
          return handle;
        };
      },
    });
    await using db = await DB.open("/db", { fileSystem: slow });
    const large = (mark: string): string => mark.repeat(100_000);
    await db.setMany([["a", large("a")], ["b", large("b")]]);
    await db.compact();
    const watch = db.watch({ keys: ["a", "b"] }, { initial: true });
    const first = watch.next();
    await settle();
    await db.setMany([["a", 1], ["b", 1]]);
    await db.compact();
    goOn();
    assert.deepEqual((await first).value?.map(({ entry }) => entry?.value), [large("a"), large("b")]);
  });

  it("hands out large values a few at a time, wherever they lie", () =>
    withDb(async (db) => {
      const items = ["a", "b", "c", "d"].map((key) => [key, new Uint8Array(600_000)] as const);
      const later = db.watch();
      await db.setMany(items);
      await db.compact();
      const first = db.watch(undefined, { initial: true });
      for (const watch of [later, first]) {
        for (const step of [["a", "b"], ["c", "d"]]) {
          assert.deepEqual((await watch.next()).value?.map(({ key }) => key), step);
        }
        await watch.return!();
      }
    }));

  it("ends with what it could not read, and does not go on without it", async () => {
    let fails = true;
    const disk = memoryFileSystem().fork({ keep: "all" }, {
      beforeOperation({ name, path, mutates }) {
        if (fails && !mutates && path.endsWith(".blob")) throw new IOError(`Cannot ${name} ${path}: injected (EIO)`);
      },
    });
    await using db = await DB.open("/db", { fileSystem: disk });
    const watch = db.watch();
    await db.set("a", "x".repeat(100_000));
    await db.set("b", 1);
    await db.compact();
    await assert.rejects(watch.next(), { name: "IOError" });
    fails = false;
    assert.equal((await watch.next()).done, true);
  });

  it("gives a reset when more than 10,000 keys wait", () =>
    withDb(async (db) => {
      const watch = db.watch();
      await db.setMany(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i] as const));
      await db.set("k0", "again");
      await db.set("one more", 1);
      await db.set("and more", 1);
      assert.deepEqual(await next(watch), [`reset@${db.version}`]);
      await db.set("a", 1);
      assert.deepEqual(await next(watch), [`set a=1@${db.version}`]);
    }));

  it("tells of what has expired before it was handed out", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      const watch = db.watch();
      await db.set("a", 1, { expireIn: 1 });
      clock.ms += 10;
      const { value } = await watch.next();
      assert.equal(value?.[0]?.entry?.expiresAt, 1_000_001);
    }, { clock: clock.now });
  });

  it("ends when the database closes, and when it is left", async () => {
    const db = await DB.open(":memory:");
    const watch = db.watch();
    const waiting = watch.next();
    const left = db.watch();
    const alsoWaiting = left.next();
    await left.return?.();
    assert.deepEqual(await alsoWaiting, { value: undefined, done: true });
    await db.close();
    assert.deepEqual(await waiting, { value: undefined, done: true });
    assert.deepEqual(await watch.next(), { value: undefined, done: true });
  });

  it("lets the event loop go round while it gives what is there, and what has gathered", async () => {
    let ms = 0;
    // Each look at the time is the end of a slice.
    await withDb(async (db) => {
      const items = Array.from({ length: 2000 }, (_, n): [string, number] => [`k${n}`, n]);
      const gathered = db.watch();
      await db.setMany(items);
      for (const watch of [db.watch({}, { initial: true }), gathered]) {
        let given = 0;
        const turns = await turnsOf(async () => {
          for await (const changes of watch) {
            given += changes.length;
            if (given >= items.length) break;
          }
        });
        assert.equal(given, items.length);
        assert.ok(turns >= 100, `${turns} turns`);
      }
    }, { tuning: { monotonic: () => ms += 10 } });
  });

  it("hears on when another one is left twice", () =>
    withDb(async (db) => {
      const left = db.watch();
      await left.return!();
      const watch = db.watch();
      await left.return!();
      let heard: string[] = [];
      void next(watch).then((changes) => heard = changes);
      await db.set("a", 1);
      await settle();
      assert.deepEqual(heard, ["set a=1@1"]);
    }));

  it("rejects with the reason of its signal", () =>
    withDb(async (db) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const watch = db.watch({}, { signal: controller.signal });
      const waiting = watch.next();
      await settle();
      controller.abort(reason);
      await assert.rejects(waiting, reason);
      assert.deepEqual(await watch.next(), { value: undefined, done: true });
      await assert.rejects(db.watch({}, { signal: AbortSignal.abort(reason) }).next(), reason);
    }));

  it("refuses what makes no sense", () =>
    withDb(async (db) => {
      assert.throws(() => db.watch({ prefix: "a", keys: ["b"] }), {
        name: "TypeError",
        message: /both prefix and keys/,
      });
      assert.throws(() => db.watch({ keys: "b" } as never), { name: "TypeError", message: /keys must be an array/ });
      assert.throws(() => db.watch({ keys: [""] }), { name: "RangeError" });
      assert.throws(() => db.watch({ start: "b" } as never), { name: "TypeError", message: /unknown option "start"/ });
      for (const [range, words] of [["a", '{ prefix: "a" }, not "a"'], [["a"], "{ keys }, not an array"]] as const) {
        assert.throws(() => db.watch(range as never), {
          name: "TypeError",
          message: `watch: the range must be an object such as ${words}`,
        });
      }
      assert.throws(() => db.watch({}, { inital: true } as never), {
        name: "TypeError",
        message: /did you mean "initial"/,
      });
    }));
});
