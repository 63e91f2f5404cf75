/** Sentences of the contract that no other test of this folder holds: limits, options by name, aborts, progress. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, it } from "node:test";
import { BackupRepository, DB, HoldfastError, MemoryStore, type Progress, type Snapshot } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, onOneDisk, TestClock, unhandledDuring, withDb, withDirectory } from "./helpers.ts";

// deno-lint-ignore no-explicit-any
type Anything = any;

describe("limits", () => {
  it("take a key of 65,535 bytes and a value of 0 bytes of each kind, through tables and reopening", () =>
    withDirectory(async (path) => {
      const longest = "k".repeat(65_535);
      {
        await using db = await DB.open(path);
        await db.setMany([[longest, ""], ["bytes", new Uint8Array(0)], ["text", ""], ["zero", [] as number[]]]);
        await db.set("blob", new Uint8Array(100_000));
        await db.compact();
        await assert.rejects(db.set(`${longest}k`, 1), {
          name: "RangeError",
          message: "set: the key has 65,536 bytes; a key has 1 to 65,535 bytes",
        });
        await assert.rejects(db.set("", 1), { name: "RangeError", message: /^set: the key is empty/ });
        await assert.rejects(db.set("é".repeat(32_768), 1), { name: "RangeError", message: /65,536 bytes/ });
      }
      await using db = await DB.open(path);
      assert.deepEqual(await db.getMany([longest, "bytes", "text", "zero"]), ["", new Uint8Array(0), "", []]);
      assert.deepEqual(await all(db.keys({ prefix: "k".repeat(65_534) })), [longest]);
      assert.deepEqual(await all(db.keys({ start: longest })), [longest, "text", "zero"]);
    }));

  it("take 64 tags of 1 to 255 bytes, and refuse one more or one longer by name", () =>
    withDb(async (db) => {
      const exact = Array.from({ length: 64 }, (_, i) => String(i).padEnd(255, "x"));
      await db.set("k", 1, { tags: [...exact.slice(1), "t"] });
      assert.deepEqual((await db.getEntry("k"))?.tags, [...exact.slice(1), "t"]);
      assert.deepEqual(await all(db.keys({ tag: exact[63]! })), ["k"]);
      const refused: [unknown, string, RegExp][] = [
        [[...exact, "t"], "RangeError", /^set: 65 tags; an entry has at most 64/],
        [["x".repeat(256)], "RangeError", /^set: the tag "x.*" has 256 bytes; a tag has 1 to 255 bytes/],
        [["é".repeat(128)], "RangeError", /has 256 bytes/],
        [[""], "RangeError", /^set: a tag is empty/],
        [[1], "TypeError", /^set: a tag must be a string, not 1/],
        ["t", "TypeError", /^set: tags must be an array of strings, not "t"/],
      ];
      for (const [bad, name, message] of refused) {
        await assert.rejects(db.set("other", 1, { tags: bad as string[] }), { name, message });
      }
      assert.deepEqual([await db.has("other"), db.version], [false, 1]);
    }));
});

describe("options", () => {
  it("that are not known are refused by name in every call that takes options", () =>
    withDb(async (db) => {
      await db.set("k", 1);
      const namespace = db.namespace("n");
      using snapshot = db.snapshot();
      const odd = { oddity: 1 } as Anything;
      const calls: Record<string, () => unknown> = {
        "DB.open": () => DB.open(":memory:", odd),
        "DB.exists": () => DB.exists("x", odd),
        "DB.destroy": () => DB.destroy("x", odd),
        "DB.repair": () => DB.repair("x", odd),
        "DB.restore": () => DB.restore("x", "y", odd),
        get: () => db.get("k", odd),
        getSync: () => db.getSync("k", odd),
        getMany: () => db.getMany(["k"], odd),
        getManySync: () => db.getManySync(["k"], odd),
        has: () => db.has("k", odd),
        hasSync: () => db.hasSync("k", odd),
        getEntry: () => db.getEntry("k", odd),
        getEntrySync: () => db.getEntrySync("k", odd),
        set: () => db.set("k", 1, odd),
        delete: () => db.delete("k", odd),
        deleteRange: () => db.deleteRange({ prefix: "k" }, odd),
        "deleteRange ": () => db.deleteRange({ prefix: "k", oddity: 1 } as Anything),
        clear: () => db.clear(odd),
        setMany: () => db.setMany([], odd),
        "setMany ": () => db.setMany([{ key: "k", value: 1, oddity: 1 } as Anything]),
        "atomic.check": () => db.atomic().check({ key: "k", version: 1, oddity: 1 } as Anything),
        "atomic.set": () => db.atomic().set("k", 1, odd),
        "atomic.commit": () => db.atomic().commit(odd),
        transaction: () => db.transaction(() => 1, odd),
        "tx.set": () => db.transaction((tx) => tx.set("k", 1, odd)),
        list: () => db.list({}, odd),
        "list ": () => db.list(odd),
        listSync: () => db.listSync({}, odd).next(),
        keys: () => db.keys({}, odd),
        count: () => db.count({}, odd),
        sizeOf: () => db.sizeOf(odd),
        namespace: () => db.namespace("m", odd),
        "namespace.set": () => namespace.set("k", 1, odd),
        "snapshot.get": () => snapshot.get("k", odd),
        watch: () => db.watch({}, odd),
        "watch ": () => db.watch(odd),
        changes: () => db.changes(odd),
        compact: () => db.compact({}, odd),
        verify: () => db.verify(odd),
        "db.export": () => db.export("x", odd),
        "db.exportStream": () => db.exportStream(odd),
        "db.backup": () => db.backup("x.json", odd),
        "db.restore": () => db.restore("x.json", odd),
      };
      for (const [name, call] of Object.entries(calls)) {
        await assert.rejects(async () => await call(), { name: "TypeError", message: /unknown option "oddity"/ }, name);
      }
      for (const [name, call] of Object.entries(calls)) {
        const message = await Promise.resolve().then(call).then(() => "", (error: Error) => error.message);
        const last = name.trim().split(".").at(-1)!;
        assert.ok(message.split(":")[0]!.endsWith(last), `${name}: ${message}`);
      }
      assert.equal(db.version, 1);
      assert.equal(existsSync("x"), false);
    }));

  it("that are no object are refused, null too", () =>
    withDb(async (db) => {
      const message = /options must be an object, not/;
      for (const bad of [null, 5, "x", []] as Anything[]) {
        await assert.rejects(DB.open(":memory:", bad), { name: "TypeError", message });
        await assert.rejects(DB.restore("x", "y", bad), { name: "TypeError", message });
        await assert.rejects(db.set("k", 1, bad), { name: "TypeError", message });
        await assert.rejects(db.export("x", bad), { name: "TypeError", message });
        await assert.rejects(db.backup("x.json", bad), { name: "TypeError", message });
        await assert.rejects(db.verify(bad), { name: "TypeError", message });
      }
      await assert.rejects(DB.restore("x", "y", { fileSystem: {} } as Anything), {
        name: "TypeError",
        message: /^DB.restore: option "fileSystem" must be a FileSystem/,
      });
    }));

  it("are no snapshot, signal or time by itself: it is refused, and never ignored", () =>
    withDb(async (db) => {
      await db.set("k", 1);
      using snapshot = db.snapshot();
      await db.set("k", 2);
      const signal = AbortSignal.abort() as Anything;
      const message = /options must be an object, not an? (Snapshot|AbortSignal|Date|Promise)$/;
      await assert.rejects(db.get("k", snapshot as Anything), { name: "TypeError", message });
      await assert.rejects(async () => await Array.fromAsync(db.list({}, snapshot as Anything)), {
        name: "TypeError",
        message,
      });
      await assert.rejects(db.verify(signal), { name: "TypeError", message });
      await assert.rejects(db.set("k", 3, Promise.resolve({ tags: ["t"] }) as Anything), {
        name: "TypeError",
        message,
      });
      await using repo = await BackupRepository.open(new MemoryStore());
      await repo.backup(db);
      await assert.rejects(repo.estimate(new Date(0) as Anything), { name: "TypeError", message });
      const overwrite = Promise.resolve({ overwrite: true }) as Anything;
      await assert.rejects(DB.restore(repo, "x", overwrite), { name: "TypeError", message });
      assert.equal(db.version, 2);
    }));

  it("that are records are none where they are a Map", () =>
    withDb(async (db) => {
      const labels = new Map([["env", "production"]]) as Anything;
      const message = /option "labels" must be a record of strings, not a Map$/;
      await using repo = await BackupRepository.open(new MemoryStore());
      await assert.rejects(repo.backup(db, { labels }), { name: "TypeError", message });
      await assert.rejects(repo.list({ labels }), { name: "TypeError", message });
      assert.deepEqual(await repo.list(), []);
    }));

  it("with a wrong value are refused by call, name and value, and nothing is written", () =>
    withDb(async (db) => {
      const refused: [() => unknown, string, RegExp][] = [
        [
          () => db.set("k", 1, { durability: "sync" } as Anything),
          "TypeError",
          /^set: option "durability" must be one of/,
        ],
        [() => db.set("k", 1, { expireIn: 0 }), "RangeError", /^set: option "expireIn" must be .*, not 0/],
        [() => db.set("k", 1, { expireIn: "1h" } as Anything), "TypeError", /^set: option "expireIn" must be a number/],
        [
          () => db.set("k", 1, { expiresAt: "soon" } as Anything),
          "TypeError",
          /^set: option "expiresAt" must be a Date/,
        ],
        [() => db.set("k", 1, { expireIn: 1, expiresAt: 1 }), "TypeError", /both expireIn and expiresAt/],
        [() => db.set("k", undefined as Anything), "TypeError", /^set: undefined is no value/],
        [() => db.set(5 as Anything, 1), "TypeError", /^set: the key must be a string, not the number 5/],
        [() => db.deleteRange({}), "TypeError", /^deleteRange: the range has no bounds/],
        [
          () => db.deleteRange({ prefix: null } as Anything),
          "TypeError",
          /^deleteRange: the prefix must be a string, not null/,
        ],
        [() => db.list({}, { limit: -1 }), "RangeError", /^list: option "limit" must be a whole number/],
        [() => db.list({}, { reverse: 1 } as Anything), "TypeError", /^list: option "reverse" must be true or false/],
        [() => db.transaction(() => 1, { retries: -1 }), "RangeError", /^transaction: option "retries"/],
        [() => db.changes({ since: 0.5 }), "RangeError", /^changes: option "since"/],
        [() => db.watch({}, { initial: "yes" } as Anything), "TypeError", /^watch: option "initial"/],
        [
          () => db.verify({ onProgress: true } as Anything),
          "TypeError",
          /^verify: option "onProgress" must be a function/,
        ],
        [
          () => db.compact({}, { signal: true } as Anything),
          "TypeError",
          /^compact: option "signal" must be an AbortSignal/,
        ],
        [() => db.namespace("n", { keyEncoding: "x" } as Anything), "TypeError", /^namespace: option "keyEncoding"/],
        [() => DB.exists(""), "TypeError", /^DB.exists: path must not be empty/],
        [() => DB.destroy(5 as Anything), "TypeError", /^DB.destroy: path must be a string or a file: URL, not 5/],
        [() => db.export("x", { verify: 1 } as Anything), "TypeError", /^db.export: option "verify"/],
      ];
      for (const [call, name, message] of refused) await assert.rejects(async () => await call(), { name, message });
      assert.equal(db.version, 0);
    }));
});

describe("signal and onProgress", () => {
  const entries = Array.from({ length: 5000 }, (_, i) => [`k${i}`, "v".repeat(500)] as const);
  const reason = new Error("enough");

  it("are taken by all long work: aborted before, it rejects with the reason and does nothing", () =>
    withDirectory(async (path) => {
      await using db = await DB.open(join(path, "data"));
      await db.set("k", 1);
      await db.backup(join(path, "all.json"));
      const before = readdirSync(path, { recursive: true }).sort();
      const signal = AbortSignal.abort(reason);
      const long: (() => unknown)[] = [
        () => DB.open(join(path, "new"), { signal }),
        () => db.setMany(entries, { signal }),
        () => all(db.list({}, { signal })),
        () => [...db.listSync({}, { signal })],
        () => all(db.list({}, { signal, limit: 0 })),
        () => [...db.listSync({}, { signal, limit: 0 })],
        () => db.count({}, { signal }),
        () => all(db.watch({}, { signal })),
        () => all(db.changes({ signal })),
        () => db.compact({}, { signal }),
        () => db.verify({ signal }),
        () => db.export(join(path, "copy"), { signal }),
        () => db.export(join(path, "copy.tar"), { signal }),
        () => db.exportStream({ signal }).getReader().read(),
        () => db.backup(join(path, "x.json"), { signal }),
        () => db.restore(join(path, "all.json"), { signal }),
        () => DB.restore(join(path, "all.json"), join(path, "new"), { signal }),
        () => DB.repair(join(path, "data"), { signal }),
      ];
      for (const [i, call] of long.entries()) {
        await assert.rejects(async () => await call(), (error) => error === reason, `call ${i}`);
      }
      assert.deepEqual(readdirSync(path, { recursive: true }).sort(), before);
      assert.deepEqual(await all(db.list()).then((found) => found.map(({ key }) => key)), ["k"]);
    }));

  it("report phases whose counts only grow, and end at their totals", () =>
    withDirectory(async (path) => {
      const at = (name: string): string => join(path, name);
      const db = await DB.open(at("data"));
      await db.setMany(entries);
      const works: Record<string, (onProgress: (p: Progress) => void) => Promise<unknown>> = {
        setMany: (onProgress) => db.setMany(entries, { onProgress }),
        compact: (onProgress) => db.compact(undefined, { onProgress }),
        verify: (onProgress) => db.verify({ onProgress }),
        export: (onProgress) => db.export(at("copy"), { onProgress }),
        tar: (onProgress) => db.export(at("copy.tar"), { onProgress }),
        stream: (onProgress) => all(db.exportStream({ onProgress }) as unknown as AsyncIterable<Uint8Array>),
        backup: (onProgress) => db.backup(at("all.json"), { onProgress }),
        restore: (onProgress) => db.restore(at("all.json"), { onProgress }),
        "DB.restore": (onProgress) => DB.restore(at("copy.tar"), at("restored"), { onProgress }),
        "DB.repair": (onProgress) => DB.repair(at("copy"), { onProgress }),
      };
      for (const [name, work] of Object.entries(works)) {
        const seen: Progress[] = [];
        await work((progress) => seen.push(progress));
        assert.ok(seen.length > 0, name);
        let last: Progress | undefined;
        for (const progress of seen) {
          assert.equal(typeof progress.phase, "string");
          if (last?.phase === progress.phase) {
            assert.ok(progress.doneBytes >= last.doneBytes && progress.doneItems >= last.doneItems, name);
          }
          for (const [done, total] of [["doneBytes", "totalBytes"], ["doneItems", "totalItems"]] as const) {
            if (progress[total] !== undefined) assert.ok(progress[done] <= progress[total], `${name} ${done}`);
          }
          last = progress;
        }
        assert.ok(
          seen.some(({ doneBytes, doneItems }) => doneBytes + doneItems > 0),
          `${name}: ${JSON.stringify(seen)}`,
        );
      }
      await db.close();
    }));

  it("ends compaction and checks that are under way, and the database works on", () =>
    withDb(async (db) => {
      for (let round = 0; round < 4; round++) {
        await db.setMany(entries);
        await db.flush();
      }
      for (const work of ["compact", "verify"] as const) {
        const controller = new AbortController();
        const { signal } = controller;
        const onProgress = ({ doneBytes }: Progress): void => {
          if (doneBytes > 0) controller.abort(reason);
        };
        const running = work === "compact" ? db.compact({}, { signal, onProgress }) : db.verify({ signal, onProgress });
        await running.catch((error) => assert.equal(error, reason));
      }
      assert.equal(await db.count(), entries.length);
      await db.set("after", 1);
      assert.equal((await db.verify()).ok, true);
    }, { memtableBytes: 2 ** 18, tuning: { tableBytes: 2 ** 16 } }));
});

describe("handles", () => {
  it("are let go of by using and await using", async () => {
    const disk = onOneDisk();
    let kept: DB | undefined;
    let released: Snapshot | undefined;
    {
      await using db = await DB.open("/d", disk);
      await db.set("k", 1);
      {
        using snapshot = db.snapshot();
        assert.equal(snapshot.getSync("k"), 1);
        await using list = db.list() as AsyncIterableIterator<Anything> & AsyncDisposable;
        await list.next();
        assert.equal(db.stats().pins, 1);
        released = snapshot;
      }
      assert.equal(db.stats().pins, 0);
      assert.throws(() => released!.getSync("k"), { name: "ClosedError" });
      kept = db;
    }
    assert.equal(kept.closed, true);
    await using again = await DB.open("/d", disk);
    assert.equal(await again.get("k"), 1);
  });

  it("take paths as strings and file: URLs everywhere", () =>
    withDirectory(async (path) => {
      const url = pathToFileURL(join(path, "data"));
      await (await DB.open(url)).close();
      assert.equal(await DB.exists(url), true);
      await DB.repair(url, { dryRun: true });
      await DB.destroy(url);
      assert.equal(await DB.exists(join(path, "data")), false);
      for (const call of [() => DB.open(new URL("https://x/y")), () => DB.exists(new URL("https://x/y"))]) {
        await assert.rejects(call(), { name: "TypeError", message: /not a https: URL/ });
      }
    }));
});

describe("errors", () => {
  it("are HoldfastErrors with a stable code, and carry their cause", async () => {
    const error = await DB.open("/nothing", { ...onOneDisk(), createIfMissing: false }).catch((e) => e);
    assert.ok(error instanceof HoldfastError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.path], ["NotFoundError", "NOT_FOUND", "/nothing"]);
    const failing = memoryFileSystem();
    const db = await DB.open("/d", { fileSystem: failing });
    await db.set("k", 1);
    failing.cutPowerAt(failing.operations);
    const cause = await db.set("k", 2).catch((e) => e);
    assert.ok(cause instanceof HoldfastError);
    const later = await db.set("k", 3).catch((e) => e);
    assert.equal(later.code, "READ_ONLY");
    assert.ok(later.cause instanceof HoldfastError && later.cause.code === cause.code);
    await assert.rejects(db.flush());
    await assert.rejects(db.close());
  });

  it("of what a listener throws stay with the listener, and the console stays empty", async () => {
    const clock = new TestClock();
    const heard: string[] = [];
    const db = await DB.open(":memory:", {
      clock: clock.now,
      onEvent: (event) => {
        heard.push(event.type);
        throw new Error("listener");
      },
    });
    await db.set("k", 1);
    await db.compact();
    await db.close();
    assert.ok(heard.includes("sync") && heard.includes("flush"), String(heard));
  });

  it("of what an asynchronous listener rejects with end nothing", async () => {
    const unhandled = await unhandledDuring(async () => {
      const db = await DB.open(":memory:", { onEvent: () => Promise.reject(new Error("listener")) });
      await db.set("k", 1);
      await db.close();
    });
    assert.deepEqual(unhandled, []);
  });
});
