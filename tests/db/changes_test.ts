import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CommitRecord, DB } from "../../mod.ts";
import { encodeText } from "../../lib/base/bytes.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, onOneDisk, settle, withDb } from "./helpers.ts";
import { turnsOf } from "../base/turns_of.ts";

/** `3: set a, delete users/b` */
function told({ version, changes }: CommitRecord): string {
  return `${version}: ${
    changes.map(({ type, key, namespace }) => [type, [...namespace ?? [], key].join("/")].join(" ").trim()).join(", ")
  }`;
}

describe("changes", () => {
  it("lets the event loop go round between commits, of the log as well as of those that wait", async () => {
    let ms = 0;
    // Each look at the time is the end of a slice.
    await withDb(async (db) => {
      const commit = () => Promise.all(Array.from({ length: 200 }, (_, n) => db.set(`k${n}`, n)));
      await db.set("first", 0);
      const live = db.changes({ live: true });
      await live.next();
      const waiting = live.next();
      await commit();
      await waiting;
      for (const records of [live, db.changes({ since: 2 })]) {
        const turns = await turnsOf(async () => {
          for await (const { version } of records) if (version === 201) break;
        });
        assert.ok(turns >= 150, `${turns} turns`);
      }
    }, { tuning: { monotonic: () => ms += 10 } });
  });

  it("gives every commit after a version, in order, with its entries", () =>
    withDb(async (db) => {
      const first = await db.set("a", 1, { tags: ["t"] });
      const users = db.namespace("users");
      await users.set("u", { n: 1 }, { expireIn: 100_000 });
      await users.namespace("in").set("x", 3);
      await db.atomic().set("b", 2).delete("a").deleteRange({ start: "m", end: "n" }).commit();
      const records = await all(db.changes());
      assert.deepEqual(records.map(told), [
        "1: set a",
        "2: set users/u",
        "3: set users/in/x",
        "4: set b, delete a, deleteRange",
      ]);
      const entry = { key: "a", value: 1, version: 1, timestamp: first.timestamp, tags: ["t"] };
      assert.deepEqual(records[0], { ...first, changes: [{ type: "set", key: "a", version: 1, entry }] });
      assert.deepEqual(records[1]!.changes[0]!.namespace, ["users"]);
      assert.equal(typeof records[1]!.changes[0]!.entry?.expiresAt, "number");
      assert.deepEqual(records[3]!.changes[2], { type: "deleteRange", start: "m", end: "n", version: 4 });
      assert.deepEqual((await all(db.changes({ since: 3 }))).map(({ version }) => version), [4]);
      assert.deepEqual(await all(db.changes({ since: 4 })), []);
    }));

  it("says nothing of deletes in a namespace that isn't there, whose key space another one may get later", async () => {
    const place = onOneDisk();
    const first = await DB.open("/db", place);
    await first.namespace("never written to", { keyEncoding: "bytes" }).delete(new Uint8Array([0xff]));
    await first.clear();
    await first.close();
    await using second = await DB.open("/db", place);
    await second.namespace("another").set("x", 1);
    assert.deepEqual((await all(second.changes())).map(told), ["1: ", "2: deleteRange", "3: set another/x"]);
  });

  it("says nothing of them either where the namespace was about to come and its commit was refused", async () => {
    const place = onOneDisk();
    const first = await DB.open("/db", place);
    const refused = first.namespace("refused");
    const brings = () => first.atomic().in(refused).check({ key: "x", version: 9 }).set("x", 1).commit();
    const results = await Promise.all([brings(), refused.delete("secret"), brings(), first.clear()]);
    assert.deepEqual(results.map((one) => "version" in one && one.version), [false, 1, false, 2]);
    // Of one that did come it does.
    const kept = first.namespace("kept");
    await Promise.all([kept.set("a", 1), kept.delete("b")]);
    await first.close();
    const second = await DB.open("/db", place);
    await second.namespace("another").set("x", 1);
    await second.close();
    await using third = await DB.open("/db", place);
    assert.deepEqual((await all(third.changes())).map(told), [
      "1: ",
      "2: deleteRange",
      "3: set kept/a",
      "4: delete kept/b",
      "5: set another/x",
    ]);
  });

  it("carries large values in full", () =>
    withDb(async (db) => {
      const large = new Uint8Array(3 * 2 ** 20).map((_, i) => i);
      await db.set("l", large);
      await db.compact();
      const [record] = await all(db.changes());
      assert.deepEqual(record?.changes[0]?.entry?.value, large);
    }));

  it("reaches back over a reopening, and over flushes", async () => {
    const disk = onOneDisk();
    const db = await DB.open("/d", disk);
    await db.set("a", 1);
    await db.compact();
    await db.namespace("n").set("b", 2);
    await db.close();
    await using again = await DB.open("/d", disk);
    await again.set("c", 3);
    assert.deepEqual((await all(again.changes())).map(told), ["1: set a", "2: set n/b", "3: set c"]);
  });

  it("sees what is only buffered", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      assert.deepEqual((await all(db.changes())).map(told), ["1: set a"]);
    }, { durability: "buffered" }));

  it("leaves no file open when nobody asks for the rest", async () => {
    const fileSystem = memoryFileSystem();
    const openSync = fileSystem.openSync.bind(fileSystem);
    let open = 0;
    fileSystem.openSync = (path, mode) => {
      const handle = openSync(path, mode);
      if (mode !== "read" || !path.endsWith(".log")) return handle;
      open++;
      const closeSync = handle.closeSync.bind(handle);
      handle.closeSync = () => {
        open--;
        closeSync();
      };
      return handle;
    };
    await using db = await DB.open("/db", { fileSystem });
    for (let i = 1; i < 600; i++) db.set("a", i);
    await db.set("a", "x".repeat(2 ** 20));
    await db.set("a", "last");
    const versions = (await all(db.changes())).map(({ version }) => version);
    assert.deepEqual(versions, Array.from({ length: 601 }, (_, i) => i + 1));
    assert.equal((await db.changes().next()).value?.version, 1);
    assert.equal((await db.changes({ since: 300, live: true }).next()).value?.version, 301);
    assert.equal(open, 0);
  });

  it("gives what stands before damage, and then says where it is", async () => {
    const fileSystem = memoryFileSystem();
    await using db = await DB.open("/db", { fileSystem });
    await db.set("a", 1);
    await db.set("b", "damaged");
    const [log = ""] = (await fileSystem.list("/db")).filter((name) => name.endsWith(".log"));
    const text = encodeText("damaged");
    fileSystem.damage(`/db/${log}`, (bytes) => bytes.fill(0, Buffer.from(bytes.buffer).lastIndexOf(text)));
    const records = db.changes();
    assert.equal((await records.next()).value?.version, 1);
    await assert.rejects(records.next(), { code: "CORRUPTION", file: log });
  });

  it("is a HistoryGoneError once the log no longer reaches back that far", () =>
    withDb(async (db) => {
      const value = "v".repeat(1000);
      for (let i = 0; i < 20; i++) {
        await db.setMany(Array.from({ length: 20 }, (_, j) => [`k${i}-${j}`, value] as const));
        await db.compact();
      }
      await assert.rejects(all(db.changes({ since: 0 })), { name: "HistoryGoneError", code: "HISTORY_GONE" });
      await db.set("new", 1);
      assert.deepEqual((await all(db.changes({ since: db.version - 1 }))).map(told), [`${db.version}: set new`]);
    }, { history: { maxBytes: 1000 } }));

  it("goes on live, without a gap and without a repetition", () =>
    withDb(async (db) => {
      await db.set("k0", 0);
      const versions: number[] = [];
      const following = (async () => {
        for await (const { version } of db.changes({ live: true })) {
          versions.push(version);
          if (version === 200) break;
        }
      })();
      for (let i = 1; i < 200; i++) {
        const write = db.set(`k${i}`, i, { durability: i % 3 === 0 ? "commit" : "interval" });
        if (i % 7 === 0) await write;
      }
      await following;
      assert.deepEqual(versions, Array.from({ length: 200 }, (_, i) => i + 1));
    }));

  it("reads what is new, over and over, and not each time all that was there before", async () => {
    const fileSystem = memoryFileSystem();
    await using db = await DB.open("/db", { fileSystem, durability: "buffered" });
    for (let i = 0; i < 3000; i++) await db.set(`k${i}`, "x".repeat(200));
    let read = 0;
    const { openSync } = fileSystem;
    fileSystem.openSync = (path, mode) => {
      const handle = openSync.call(fileSystem, path, mode);
      const { readAtSync } = handle;
      handle.readAtSync = (into, position) => {
        const got = readAtSync.call(handle, into, position);
        read += got;
        return got;
      };
      return handle;
    };
    let since = db.version;
    for (let i = 0; i < 50; i++) {
      await db.set("new", i);
      const records = await all(db.changes({ since }));
      assert.deepEqual(records.map(told), [`${since + 1}: set new`]);
      since = db.version;
    }
    assert.ok(read < 2 * 3000 * 300, `${read} bytes`);
  });

  it("lets the event loop go round while it passes what was asked for before", async () => {
    await using db = await DB.open(":memory:", { durability: "buffered" });
    for (let i = 0; i < 12; i++) await db.set(`k${i}`, "x".repeat(2 ** 20));
    const since = db.version;
    await db.set("new", 1);
    let changes: string[] = [];
    const turns = await turnsOf(async () => changes = (await all(db.changes({ since }))).map(told));
    assert.deepEqual(changes, [`${since + 1}: set new`]);
    assert.ok(turns > 8, `${turns} turns`);
  });

  it("reads the log again when a slow consumer let too much gather", () =>
    withDb(async (db) => {
      const live = db.changes({ live: true, since: 0 });
      await db.set("first", 1);
      assert.equal(told((await live.next()).value!), "1: set first");
      const waiting = live.next();
      await settle();
      for (let i = 0; i < 30; i++) await db.set(`k${i}`, "x".repeat(100_000), { durability: "buffered" });
      assert.equal((await waiting).value?.version, 2);
      for (let version = 3; version <= 31; version++) assert.equal((await live.next()).value?.version, version);
      await live.return?.();
    }));

  it("keeps what waits for one that was slow once and is not any more", () =>
    withDb(async (db) => {
      const changes = db.changes({ live: true });
      await db.set("a", 0);
      await changes.next();
      const large = "x".repeat(700_000);
      for (let i = 0; i < 3; i++) await db.set("slow", large);
      for (let i = 0; i < 3; i++) await changes.next();
      const last = changes.next();
      await db.set("b", 0);
      await last;
      await db.set("waits", large);
      await db.compact();
      assert.equal((await changes.next()).value?.changes[0]?.key, "waits");
      await changes.return?.();
    }, { history: { maxBytes: 0 } }));

  it("ends live when the database closes, and rejects when its signal fires", async () => {
    const db = await DB.open(":memory:");
    const controller = new AbortController();
    const reason = new Error("enough");
    const closing = db.changes({ live: true }).next();
    const aborting = db.changes({ live: true, signal: controller.signal }).next();
    await settle();
    controller.abort(reason);
    await assert.rejects(aborting, reason);
    await db.close();
    assert.deepEqual(await closing, { value: undefined, done: true });
  });

  it("is a reset where a restore took the namespace away, also when another one has its key space now", async () => {
    const place = onOneDisk();
    const first = await DB.open("/db", place);
    await first.set("a", 1);
    await first.backup("/dump.json");
    const gone = first.namespace("gone");
    await gone.set("x", 1);
    await first.atomic().set("b", 1).in(gone).set("x", 2).delete("x").in(first).set("b", 2).commit();
    await gone.deleteRange({ prefix: "x" });
    await first.restore("/dump.json");
    await first.set("c", 1);
    const before = ["1: set a", "2: set gone/x", "3: set b, set gone/x, delete gone/x, set b", "4: deleteRange gone/"];
    assert.deepEqual((await all(first.changes())).map(told), [...before, "5: reset", "6: set c"]);
    await first.close();
    await using second = await DB.open("/db", place);
    const after = ["1: set a", "2: reset", "3: set b, reset, set b", "4: reset", "5: reset", "6: set c"];
    assert.deepEqual((await all(second.changes())).map(told), after);
    await second.namespace("another").set("x", 1);
    const last = [...after, "7: set another/x"];
    assert.deepEqual((await all(second.changes())).map(told), last);
    await second.close();
    await using third = await DB.open("/db", place);
    assert.deepEqual((await all(third.changes())).map(told), last);
  });

  it("still tells of a namespace that a restore left in place", async () => {
    const place = onOneDisk();
    const first = await DB.open("/db", place);
    await Promise.all([first.namespace("n").set("x", 1), first.namespace("n").set("y", 1)]);
    await first.backup("/dump.json");
    await first.restore("/dump.json", { mode: "merge" });
    await first.namespace("n").set("z", 1);
    await first.close();
    await using again = await DB.open("/db", place);
    assert.deepEqual((await all(again.changes())).map(told), ["1: set n/x", "2: set n/y", "3: reset", "4: set n/z"]);
  });

  it("goes on live in a reader beside a writer, with each commit that refresh brings", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await writer.set("a", 1);
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    const live = reader.changes({ live: true });
    assert.equal(told((await live.next()).value!), "1: set a");
    const waiting = live.next();
    await writer.namespace("n").set("b", 1);
    await writer.set("c", 1);
    await reader.refresh();
    await reader.refresh();
    assert.equal(told((await waiting).value!), "2: set n/b");
    assert.equal(told((await live.next()).value!), "3: set c");
  });

  it("reads no further in a database that was closed", async () => {
    const db = await DB.open(":memory:");
    await db.setMany(Array.from({ length: 3 }, (_, i) => [`k${i}`, "x".repeat(2 ** 17)] as const));
    const [past, live] = [db.changes(), db.changes({ live: true })];
    assert.equal((await past.next()).value?.version, 1);
    assert.equal((await live.next()).value?.version, 1);
    await db.close();
    await assert.rejects(past.next(), { name: "ClosedError" });
    assert.deepEqual(await live.next(), { value: undefined, done: true });
  });

  it("ends live when it is left while it waits for a commit", () =>
    withDb(async (db) => {
      const live = db.changes({ live: true });
      const waiting = live.next();
      await settle();
      await live.return!();
      assert.deepEqual(await waiting, { value: undefined, done: true });
      const stream = ReadableStream.from(db.changes({ live: true }));
      const reader = stream.getReader();
      const reading = reader.read();
      await settle();
      await reader.cancel();
      assert.deepEqual(await reading, { value: undefined, done: true });
    }));

  it("ends live with an error that is thrown into it while it waits for a commit", () =>
    withDb(async (db) => {
      const live = db.changes({ live: true });
      const waiting = live.next();
      await settle();
      const waits = settle().then(() => assert.fail("it still waits"));
      await assert.rejects(Promise.race([live.throw!(new Error("left")), waits]), { message: "left" });
      await assert.rejects(waits);
      assert.deepEqual(await waiting, { value: undefined, done: true });
    }));

  it("refuses what makes no sense", () =>
    withDb(async (db) => {
      assert.throws(() => db.changes({ since: 1 }), {
        name: "RangeError",
        message: /"since" is 1, but the newest version is 0/,
      });
      assert.throws(() => db.changes({ since: -1 }), RangeError);
      assert.throws(() => db.changes({ since: "1" } as never), TypeError);
      assert.throws(() => db.changes({ form: 1 } as never), { name: "TypeError", message: /unknown option "form"/ });
    }));
});
