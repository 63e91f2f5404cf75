import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Key } from "../../lib/db/data/keys.ts";
import type { Reader } from "../../lib/db/reading/reader.ts";
import { deletePresent } from "../../lib/db/writing/delete_present.ts";
import type { DB, Namespace } from "../../mod.ts";
import { all, TestClock, withDb } from "./helpers.ts";

const remove = (space: DB | Namespace, ...keys: string[]): Promise<boolean[]> =>
  deletePresent("delete", space as Reader<Key>, keys);

describe("deletePresent()", () => {
  it("says of each key whether it was there, and makes one commit or none", () =>
    withDb(async (db) => {
      await db.setMany([["a", 1], ["b", 2], ["c", 3]]);
      const { version } = db;
      assert.deepEqual(await remove(db, "a", "x", "c", "a"), [true, false, true, false]);
      assert.equal(db.version, version + 1);
      assert.deepEqual(await remove(db, "a", "x"), [false, false]);
      assert.deepEqual(await remove(db), []);
      assert.equal(db.version, version + 1);
      assert.deepEqual(await all(db.keys()), ["b"]);
    }));

  it("finds what was written just before, in a namespace that is about to be, too", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      const calls = [users.set("ada", 1), remove(users, "ada"), remove(users, "ada"), users.set("ada", 2)];
      assert.deepEqual((await Promise.all(calls)).slice(1, 3), [[true], [false]]);
      assert.equal(await users.get("ada"), 2);
      assert.deepEqual(await remove(db.namespace("nobody"), "ada"), [false]);
    }));

  it("takes what has expired for gone", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("a", 1, { expireIn: 10 });
      clock.ms += 10;
      assert.deepEqual(await remove(db, "a"), [false]);
    }, { clock: clock.now });
  });

  it("comes after a restore that is under way, in the namespace as that has it", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      await users.set("ada", 1);
      const copy = await new Response(db.exportStream({ format: "jsonl" })).bytes();
      await users.clear();
      const restoring = db.restore(new Response(copy).body!);
      const removing = remove(users, "ada");
      await restoring;
      const [removed] = await removing;
      assert.equal(await users.has("ada"), !removed);
    }));

  it("refuses what makes no sense", () =>
    withDb(async (db) => {
      await assert.rejects(remove(db, ""), { name: "RangeError", message: /delete: the key is empty/ });
      await assert.rejects(remove({} as DB, "a"), TypeError);
      await db.close();
      await assert.rejects(remove(db, "a"), { code: "CLOSED" });
    }));
});
