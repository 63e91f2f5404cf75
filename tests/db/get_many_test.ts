/** Many keys at once: read in slices, and all of one version. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { DB, type Transaction } from "../../mod.ts";
import { IOError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { withDb } from "./helpers.ts";

const KEYS = Array.from({ length: 3000 }, (_, n) => `k${n}`);

/** Each look at the time is the end of a slice. */
function sliced(): { tuning: { monotonic: () => number } } {
  let ms = 0;
  return { tuning: { monotonic: () => ms += 10 } };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => resolve()));

describe("getMany of many keys", () => {
  const READERS: Record<string, (db: DB, read: (from: Pick<DB, "getMany">) => Promise<void>) => Promise<void>> = {
    "the database": (db, read) => read(db),
    "a snapshot": async (db, read) => {
      const snapshot = db.snapshot();
      await read(snapshot);
      snapshot.release();
    },
    "a transaction": (db, read) => db.transaction((tx) => read(tx)),
  };
  for (const [name, reader] of Object.entries(READERS)) {
    it(`lets the event loop go round, and sees nothing that is written meanwhile: ${name}`, () =>
      withDb(async (db) => {
        await db.setMany(KEYS.map((key) => [key, 1]));
        await reader(db, async (from) => {
          let isDone = false;
          const reading = from.getMany<number>([...KEYS, "missing"]).finally(() => isDone = true);
          await turn();
          assert.equal(isDone, false);
          await db.setMany(KEYS.map((key) => [key, 2]), { durability: "buffered" });
          await db.compact();
          assert.deepEqual(await reading, [...KEYS.map(() => 1), undefined]);
        });
        assert.equal(db.stats().pins, 0);
      }, sliced()));
  }

  it("makes the bytes of keys that are text as they are needed", () =>
    withDb(async (db) => {
      let isDone = false;
      const reading = db.getMany([...KEYS, "\ud800"]).finally(() => isDone = true);
      const refused = assert.rejects(reading, { name: "TypeError", message: /lone surrogate/ });
      await turn();
      assert.equal(isDone, false);
      await refused;
      assert.equal(db.stats().pins, 0);
    }, sliced()));

  it("keeps bytes as they were at the call", () =>
    withDb(async (db) => {
      const key = new Uint8Array([107, 48]);
      const keys = KEYS.map(() => key);
      await db.set("k0", 1);
      const reading = db.getMany<number>(keys as Iterable<Uint8Array> as Iterable<never>);
      key[1] = 49;
      assert.deepEqual(new Set(await reading), new Set([1]));
    }, sliced()));

  it("shows a transaction what it had written by then", () =>
    withDb(async (db) => {
      await db.setMany(KEYS.map((key) => [key, 1]));
      const last = KEYS.at(-1)!;
      await db.transaction(async (tx) => {
        tx.set(last, 2);
        const reading = tx.getMany<number>(KEYS);
        tx.set(last, 3);
        tx.delete(KEYS.at(-2)!);
        assert.deepEqual((await reading).slice(-3), [1, 1, 2]);
        assert.deepEqual(await tx.getMany(KEYS.slice(-3)), [1, undefined, 3]);
      });
    }, sliced()));

  it("says so when the database is closed, the snapshot released or the transaction over meanwhile", () =>
    withDb(async (db) => {
      await db.setMany(KEYS.map((key) => [key, 1]));
      const snapshot = db.snapshot();
      const reading = snapshot.getMany(KEYS);
      const released = assert.rejects(reading, { name: "ClosedError", message: /released/ });
      await turn();
      snapshot.release();
      await released;
      let kept!: Transaction;
      let late!: Promise<unknown>;
      await db.transaction((tx) => {
        kept = tx;
        late = assert.rejects(kept.getMany(KEYS), { name: "TypeError", message: /the transaction has ended/ });
      });
      await late;
      const open = assert.rejects(db.getMany(KEYS), { name: "ClosedError" });
      await turn();
      await db.close();
      await open;
    }, sliced()));

  it("is of one version in a reader that is refreshed meanwhile", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await writer.setMany(KEYS.map((key) => [key, 1]));
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true, ...sliced() });
    await writer.setMany(KEYS.map((key) => [key, 2]));
    await writer.compact();
    const reading = reader.getMany(KEYS);
    await reader.refresh();
    assert.deepEqual(await reading, KEYS.map(() => 1));
    assert.deepEqual(await reader.getMany(KEYS), KEYS.map(() => 2));
  });

  it("leaves nothing behind when it fails on the way, large values that are being read included", async () => {
    const disk = memoryFileSystem();
    const value = new Uint8Array(200_000).map((_, i) => i * i >> 3);
    const first = await DB.open("/db", { fileSystem: disk });
    await first.setMany(KEYS.map((key, n) => [key, n % 1000 === 0 ? value : n]));
    await first.compact();
    await first.close();
    let reads = Infinity;
    const fileSystem = disk.fork({ keep: "all" }, {
      beforeOperation({ name, path, mutates }) {
        if (!mutates && --reads < 0) throw new IOError(`Cannot ${name} ${path}: injected (EIO)`);
      },
    });
    // The first fails that is read beside the main thread, or one on it behind others beside, whose failure nobody awaits.
    for (let n = 0; n < 12; n++) {
      reads = Infinity;
      await using db = await DB.open("/db", { fileSystem, cacheBytes: 0, ...sliced() });
      reads = n;
      await assert.rejects(db.getMany(KEYS.toSorted()), { name: "IOError" });
      await turn();
      assert.equal(db.stats().pins, 0);
      reads = Infinity;
      assert.deepEqual((await db.getMany(KEYS.slice(0, 3))).slice(1), [1, 2]);
    }
  });

  it("tells of a large value that can't be read once, however much is left to read behind it", async () => {
    const disk = memoryFileSystem();
    const first = await DB.open("/db", { fileSystem: disk });
    await first.setMany(KEYS.map((key, n) => [key, n === 0 ? new Uint8Array(200_000) : n]));
    await first.compact();
    await first.close();
    let fails = false;
    const fileSystem = disk.fork({ keep: "all" }, {
      beforeOperation({ path }) {
        if (fails && path.endsWith(".blob")) throw new IOError(`Cannot read ${path}: injected (EIO)`);
      },
    });
    await using db = await DB.open("/db", { fileSystem, ...sliced() });
    const unheard: unknown[] = [];
    const hear = (error: unknown): void => void unheard.push(error);
    process.on("unhandledRejection", hear);
    fails = true;
    await assert.rejects(db.getMany(KEYS), { name: "IOError", message: /injected/ });
    await turn();
    process.off("unhandledRejection", hear);
    fails = false;
    assert.deepEqual(unheard, []);
  });
});
