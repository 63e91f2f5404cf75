import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Commit, DB } from "../../mod.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { settle, withDb } from "./helpers.ts";

/** A portable backup of a database with one entry, `a`, in the namespace `n`. */
async function dumpOfNamespace(): Promise<ReadableStream<Uint8Array>> {
  await using db = await DB.open(":memory:");
  await db.namespace("n").set("a", 1);
  return (await new Response(db.exportStream({ format: "jsonl" })).blob()).stream();
}

describe("a restore beside a watch of a namespace that gets another keyEncoding", () => {
  it("keeps no later write from being made", () =>
    withDb(async (db) => {
      const bytes = db.namespace("n", { keyEncoding: "bytes" });
      await bytes.set(new Uint8Array([0xc3, 0xff]), 0);
      const watch = bytes.watch({ prefix: new Uint8Array([0xc3]) });
      await db.restore(await dumpOfNamespace());
      assert.equal((await watch.next()).value?.[0]?.type, "reset");
      // Those behind the first one of a group were never answered.
      await Promise.all([db.namespace("n").set("é", 1), db.namespace("n").set("e", 2), db.set("r", 3)]);
      assert.deepEqual((await watch.next()).value?.map(({ key }): unknown => key), ["é"]);
    }));
});

describe("a restore beside a watch that still gives what was there first", () => {
  it("is a reset, and names no key that there never was", async () => {
    let isHeld = true;
    const { promise: goOn, resolve: letGo } = Promise.withResolvers<void>();
    const fileSystem = memoryFileSystem().fork({ keep: "all" }, {
      delay(name, path) {
        if (!isHeld || name !== "read" || !path.endsWith(".blob")) return undefined;
        isHeld = false;
        return goOn;
      },
    });
    await using db = await DB.open("/db", { fileSystem });
    const namespace = db.namespace("n");
    await namespace.setMany([["a", "large".repeat(20_000)], ["further", 1]]);
    await db.compact();
    const watch = namespace.watch({}, { initial: true });
    const first = watch.next();
    await settle();
    assert.equal(isHeld, false, "it waits for the value of a");
    // The second one gives it a key space whose number is longer.
    for (let i = 0; i < 2; i++) await db.restore(await dumpOfNamespace());
    letGo();
    assert.deepEqual((await first).value?.map(({ key }) => key), ["a"]);
    assert.deepEqual((await watch.next()).value?.map(({ type }) => type), ["reset"]);
  });
});

describe("a snapshot and a list from before a restore that gave the namespace another keyEncoding", () => {
  it("read its keys as they were", () =>
    withDb(async (db) => {
      const bytes = db.namespace("n", { keyEncoding: "bytes" });
      const keys = [new Uint8Array([0xc3, 0xfe]), new Uint8Array([0xc3, 0xff])];
      for (const key of keys) await bytes.set(key, key[1]!, { tags: ["t"] });
      using before = db.snapshot();
      const list = bytes.list();
      const first = await list.next();
      await db.restore(await dumpOfNamespace());
      assert.equal(db.namespace("n").keyEncoding, "utf8");
      const then = before.in(bytes);
      assert.deepEqual([...then.keysSync()], keys);
      assert.deepEqual([...then.keysSync({ prefix: new Uint8Array([0xc3]) })], keys);
      assert.deepEqual((await Array.fromAsync(then.list({ tag: "t" }))).map(({ key }) => key), keys);
      assert.deepEqual(await then.getMany(keys), [0xfe, 0xff]);
      assert.deepEqual((await then.getEntry(keys[1]!))?.key, keys[1]);
      assert.equal(await bytes.get(keys[0]!, { snapshot: before }), 0xfe);
      assert.deepEqual([first.value!, ...await Array.fromAsync(list)].map(({ key }) => key), keys);
    }));
});

describe("a list that begins after a restore", () => {
  it("has the bounds of its call, whatever became of their memory and of the keyEncoding", () =>
    withDb(async (db) => {
      const bytes = db.namespace("n", { keyEncoding: "bytes" });
      await bytes.set(new Uint8Array([0xff]), 0);
      const [start, end] = [new Uint8Array([0x61]), new Uint8Array([0xff])];
      const [list, none] = [bytes.keys({ start, end }), bytes.keys({ start: end })];
      await db.restore(await dumpOfNamespace());
      start[0] = 0x7a;
      assert.deepEqual([await Array.fromAsync(list), await Array.fromAsync(none)] as unknown[], [["a"], []]);
    }));
});

describe("a restore beside a transaction", () => {
  it("makes it conflict when it brings the namespace in which nothing was found", () =>
    withDb(async (db) => {
      const namespace = db.namespace("n");
      const source = await dumpOfNamespace();
      const found: unknown[] = [];
      await db.transaction(async (tx) => {
        found.push(await tx.in(namespace).get("a"));
        if (found.length === 1) await db.restore(source, { mode: "merge" });
        tx.set("found", found.length);
      });
      assert.deepEqual(found, [undefined, 1]);
    }));

  it("shows it its own writes, or makes it conflict", () =>
    withDb(async (db) => {
      const namespace = db.namespace("n");
      const source = await dumpOfNamespace();
      const found: unknown[] = [];
      await db.transaction(async (tx) => {
        tx.in(namespace).set("b", 2);
        if (found.length === 0) await db.restore(source, { mode: "merge" });
        tx.in(namespace).set("c", 3);
        found.push(await tx.in(namespace).getMany(["b", "c"]));
      });
      assert.deepEqual(found.at(-1), [2, 3]);
      assert.deepEqual(await namespace.getMany(["a", "b", "c"]), [1, 2, 3]);
    }));
});

describe("restores between the calls of one atomic operation", () => {
  it("lose none of what it writes to a namespace, whichever call came before which restore", () =>
    withDb(async (db) => {
      const namespace = db.namespace("n");
      const operation = db.atomic();
      const inside = operation.in(namespace);
      const dump = await new Response(await dumpOfNamespace()).blob();
      inside.set("b", 2, { tags: ["t"] }).delete("a");
      await db.restore(dump.stream());
      inside.set("c", 3).deleteRange({ prefix: "x" });
      await db.restore(dump.stream());
      inside.delete("y").set("d", 4);
      await operation.commit();
      assert.deepEqual(await namespace.getMany(["a", "b", "c", "d"]), [undefined, 2, 3, 4]);
      assert.deepEqual(await Array.fromAsync(namespace.keys({ tag: "t" })), ["b"]);
    }));
});

describe("what was about to be written to a namespace that a restore gives another keyEncoding", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`is a TypeError where its keys are none there, and nothing is written, ${mode}`, async () => {
      const fileSystem = memoryFileSystem();
      const db = await DB.open("/db", { fileSystem });
      const namespace = db.namespace("n", { keyEncoding: "bytes" });
      const [noText, b] = [new Uint8Array([0xff]), new Uint8Array([0x62])];
      const [sets, deletes, fine] = Array.from({ length: 3 }, () => db.atomic());
      sets!.set("r", 1).in(namespace).set(noText, 1);
      deletes!.set("r", 1).in(namespace).delete(noText);
      fine!.in(namespace).set(b, 2).deleteRange({ start: noText });
      let beside: Promise<unknown> | undefined;
      await db.restore(await dumpOfNamespace(), {
        mode,
        onProgress({ phase }) {
          if (phase === "publish") beside ??= Promise.resolve().then(() => namespace.set(noText, 1)).catch(String);
        },
      });
      const message = /^(TypeError: )?A restore gave the namespace "n" text keys, and a key written to it is/;
      assert.match(await beside as string, message);
      for (const operation of [sets!, deletes!]) {
        await assert.rejects(operation.commit(), { name: "TypeError", message });
      }
      assert.ok((await fine!.commit()).ok);
      assert.deepEqual([db.hasSync("r"), ...db.namespace("n").keysSync()], [false, "a", "b"]);
      await db.close();
      await using again = await DB.open("/db", { fileSystem });
      assert.deepEqual([...again.namespace("n").keysSync()], ["a", "b"]);
      for await (const { version } of again.changes()) assert.ok(version <= 2);
    });
  }
});

describe("a restore that is refused", () => {
  it("leaves none of its files, least of all on a full disk", async () => {
    const disk = memoryFileSystem({ capacityBytes: 8 * 2 ** 20 });
    await using db = await DB.open("/db", {
      fileSystem: disk,
      archive: { maxBytes: 0, onFull: "stop" },
      history: { maxBytes: 0 },
    });
    await db.set("a", 1);
    await db.backup("/repo/");
    await db.set("a", 2);
    await db.compact();
    await assert.rejects(db.set("a", 3), { name: "NoSpaceError" });
    const before = await disk.list("/db");
    await assert.rejects(db.restore(await dumpOfNamespace()), { name: "NoSpaceError" });
    assert.deepEqual(await disk.list("/db"), before);
  });
});

describe("a restore beside close", () => {
  it("makes no file any more once the database is closed", async () => {
    const fileSystem = memoryFileSystem();
    const made: string[] = [];
    let isClosed = false;
    const closed = await DB.open("/db", {
      fileSystem: new Proxy<FileSystem>(fileSystem, {
        get(target, name) {
          const value = Reflect.get(target, name) as unknown;
          if (typeof value !== "function") return value;
          if (name !== "openSync") return value.bind(target);
          return (...args: Parameters<FileSystem["openSync"]>) => {
            if (isClosed && args[1] === "create" && args[0].endsWith(".sst")) made.push(args[0]);
            return target.openSync(...args);
          };
        },
      }),
    });
    await closed.set("a", 1);
    const source = await DB.open(":memory:");
    // Longer than what is looked at to see what it is.
    await source.set("b", "x".repeat(10_000));
    const { promise: reopened, resolve: goOn } = Promise.withResolvers<void>();
    const pieces = source.exportStream({ format: "jsonl" }).pipeThrough(
      new TransformStream({ flush: () => reopened }),
    );
    const restored = closed.restore(pieces).catch((error) => error);
    while (!(await fileSystem.list("/db")).some((name) => name.startsWith(".stage"))) await settle();
    await closed.close();
    isClosed = true;
    const db = await DB.open("/db", { fileSystem });
    const before = await fileSystem.list("/db");
    goOn();
    assert.equal((await restored).name, "ClosedError");
    assert.deepEqual(await fileSystem.list("/db"), before);
    assert.deepEqual(made, [], "under numbers that the one who has it open now may give to files of its own");
    await db.close();
    await source.close();
  });

  it("has come to its end before the database lets go of the directory", async () => {
    const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: reached, resolve: isReached } = Promise.withResolvers<void>();
    let isHolding = false;
    const fileSystem = memoryFileSystem({
      delay(name, path) {
        if (!isHolding || name !== "sync" || !path.endsWith(".sst")) return undefined;
        isReached();
        return held;
      },
    });
    const db = await DB.open("/db", { fileSystem });
    await db.set("a", 1);
    await db.backup("/b.jsonl");
    isHolding = true;
    const restored = db.restore("/b.jsonl").catch((error) => error);
    await reached;
    let isClosed = false;
    const closing = db.close().then(() => isClosed = true);
    for (let i = 0; i < 20; i++) await settle();
    assert.equal(isClosed, false);
    await assert.rejects(DB.open("/db", { fileSystem }), { name: "LockedError" });
    goOn();
    await closing;
    await restored;
    await using again = await DB.open("/db", { fileSystem });
    assert.equal(await again.get("a"), 1);
  });
});

describe("a restore beside compaction that was asked for", () => {
  it("hears its signal while it waits for that, changes nothing, and leaves no file", async () => {
    const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
    const { promise: reached, resolve: isReached } = Promise.withResolvers<void>();
    let isHolding = false;
    const fileSystem = memoryFileSystem({
      delay(name, path) {
        // The first that compaction makes; those of the restore are written meanwhile.
        if (!isHolding || name !== "sync" || !path.endsWith(".sst")) return undefined;
        isHolding = false;
        isReached();
        return held;
      },
    });
    await using db = await DB.open("/db", { fileSystem });
    await db.set("a", 1);
    await db.compact();
    isHolding = true;
    const compacting = db.compact();
    await reached;
    const controller = new AbortController();
    const abort = async (): Promise<void> => {
      await settle();
      controller.abort(new Error("enough"));
      for (let i = 0; i < 20; i++) await settle();
      goOn();
    };
    const onProgress = ({ phase }: { phase: string }): void => {
      if (phase === "publish") void abort();
    };
    await assert.rejects(db.restore(await dumpOfNamespace(), { signal: controller.signal, onProgress }), /enough/);
    assert.deepEqual([await db.get("a"), await db.namespace("n").get("a")], [1, undefined]);
    await compacting;
    const tables = (await fileSystem.list("/db")).filter((name) => name.endsWith(".sst"));
    assert.equal(tables.length, db.stats().levels.reduce((sum, { tables }) => sum + tables, 0));
  });
});

describe("a restore beside the first write to a namespace", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`keeps what is written meanwhile to one that it brings too, unless it replaces it, ${mode}`, async () => {
      const fileSystem = memoryFileSystem();
      const db = await DB.open("/db", { fileSystem });
      const namespace = db.namespace("n");
      let written: Promise<unknown> | undefined;
      await db.restore(await dumpOfNamespace(), {
        mode,
        onProgress: ({ phase }) => void (phase === "write" && (written ??= namespace.set("b", 2))),
      });
      await written;
      const expected = [1, mode === "merge" ? 2 : undefined];
      assert.deepEqual(await namespace.getMany(["a", "b"]), expected);
      await db.close();
      await using again = await DB.open("/db", { fileSystem });
      assert.deepEqual(await again.namespace("n").getMany(["a", "b"]), expected);
    });
  }

  for (const mode of ["replace", "merge"] as const) {
    it(`keeps one that comes right behind it, ${mode}`, async () => {
      const fileSystem = memoryFileSystem();
      const db = await DB.open("/db", { fileSystem });
      const other = db.namespace("other");
      let written: Promise<unknown> | undefined;
      await db.restore(await dumpOfNamespace(), {
        mode,
        onProgress({ phase }) {
          if (phase === "publish" && written === undefined) {
            written = Promise.resolve().then(() => other.set("b", 1));
          }
        },
      });
      await written;
      assert.equal(await other.get("b"), 1);
      await other.set("c", 2);
      await db.close();
      await using again = await DB.open("/db", { fileSystem });
      assert.deepEqual(await again.namespace("other").getMany(["b", "c"]), [1, 2]);
    });
  }
});

describe("calls before and behind a restore that gives the namespace another key space", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`take effect in their order, ${mode}`, () =>
      withDb(async (db) => {
        const [namespace, absent] = [db.namespace("n"), db.namespace("absent")];
        await namespace.set("k", 0);
        const dump = await dumpOfNamespace();
        const behind = namespace.watch().next().then(() => namespace.set("k", "behind"));
        let before: Promise<unknown> | undefined;
        await db.restore(dump, {
          mode,
          onProgress({ phase }) {
            if (phase !== "publish") return;
            before ??= Promise.resolve().then(() => Promise.all([namespace.set("k", "before"), absent.delete("k")]));
          },
        });
        await Promise.all([before, behind]);
        assert.equal(await namespace.get("k"), "behind");
        const told: unknown[] = [];
        for await (const { changes } of db.changes({ since: 1 })) {
          told.push(...changes.map(({ type, entry }) => entry?.value ?? type));
        }
        assert.deepEqual(told, ["reset", "before", "behind"]);
      }));
  }
});

describe("clear, called just before a restore takes effect", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`deletes what the restore brings too, as it comes behind it, ${mode}`, () =>
      withDb(async (db) => {
        await db.set("r", 1);
        let cleared: Promise<Commit> | undefined;
        await db.restore(await dumpOfNamespace(), {
          mode,
          onProgress({ phase }) {
            if (phase === "publish") cleared ??= Promise.resolve().then(() => db.clear());
          },
        });
        assert.deepEqual([(await cleared)?.version, db.version], [3, 3]);
        assert.deepEqual([await db.count(), await db.namespace("n").count()], [0, 0]);
      }));
  }
});
