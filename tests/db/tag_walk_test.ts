import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
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
