import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { IOError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { withDb } from "./helpers.ts";

const KEYS = [..."abcdefghijklmnopqrst"];

async function setAll(db: DB, value: number): Promise<void> {
  await db.setMany(KEYS.map((key) => ({ key, value, tags: ["t"] })));
}

describe("a list by tag", () => {
  it("says so when its snapshot is released on the way, and leaves nothing out", () =>
    withDb(async (db) => {
      await setAll(db, 0);
      const snapshot = db.snapshot();
      const list = snapshot.listSync({ tag: "t" });
      assert.equal(list.next().value?.key, "a");
      snapshot.release();
      await setAll(db, 1);
      await db.compact();
      assert.throws(() => list.next(), { name: "ClosedError" });
      assert.equal(db.stats().pins, 0);
    }));

  it("holds nothing when it can't begin", async () => {
    const disk = memoryFileSystem();
    const first = await DB.open("/db", { fileSystem: disk });
    await setAll(first, 0);
    const snapshot = first.snapshot();
    await first.clear();
    await setAll(first, 1);
    await first.compact(); // With the snapshot held the table keeps what was deleted, and what deletes it.
    snapshot.release();
    await first.close();
    let fails = false;
    const fileSystem = disk.fork({ keep: "all" }, {
      beforeOperation({ name, path, mutates }) {
        if (fails && !mutates && path.endsWith(".sst")) throw new IOError(`Cannot ${name} ${path}: injected (EIO)`);
      },
    });
    await using db = await DB.open("/db", { fileSystem });
    fails = true;
    assert.throws(() => [...db.listSync({ tag: "t" })], IOError);
    await assert.rejects(db.count({ tag: "t" }), IOError);
    assert.equal(db.stats().pins, 0);
    fails = false;
    assert.equal(await db.count({ tag: "t" }), KEYS.length);
  });

  it("holds nothing when it was left, whichever tags it looked at", () =>
    withDb(async (db) => {
      const entries = Array.from({ length: 50 }, (_, n) => ({
        key: `k${n + 10}`,
        value: n,
        tags: n % 20 === 19 ? ["many", "few"] : ["many"],
      }));
      await db.setMany(entries);
      await db.flush();
      for (const reverse of [false, true]) {
        const list = db.listSync({ tag: ["many", "few"] }, { reverse });
        assert.equal(list.next().value?.key, reverse ? "k49" : "k29");
        assert.notEqual(db.stats().pins, 0);
        list.return?.();
        assert.equal(db.stats().pins, 0);
        const keys = [...db.listSync({ tag: ["many", "few"] }, { reverse })].map(({ key }) => key);
        assert.deepEqual(keys, reverse ? ["k49", "k29"] : ["k29", "k49"]);
        assert.equal(db.stats().pins, 0);
      }
    }));

  it("says so when a refresh moves on, and leaves nothing out", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await setAll(writer, 0);
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    const list = reader.listSync({ tag: "t" });
    assert.equal(list.next().value?.key, "a");
    await reader.refresh();
    assert.equal(list.next().value?.key, "b");
    await setAll(writer, 1);
    await writer.compact();
    await reader.refresh();
    assert.throws(() => list.next(), { name: "ClosedError" });
    assert.equal([...reader.listSync({ tag: "t" })].length, KEYS.length);
  });
});
