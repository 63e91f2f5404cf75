import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { all, onOneDisk, TestClock, withDb } from "./helpers.ts";

describe("expiry", () => {
  it("hides an entry from the moment it expires, everywhere", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 10, tags: ["t"] });
      clock.ms += 9;
      assert.equal(await db.get("k"), 1);
      clock.ms += 1;
      assert.equal(await db.get("k"), undefined);
      assert.equal(db.hasSync("k"), false);
      assert.equal(await db.getEntry("k"), undefined);
      assert.deepEqual(await all(db.list()), []);
      assert.deepEqual(await all(db.list({ tag: "t" })), []);
      assert.equal(await db.count(), 0);
      assert.deepEqual(await db.getMany(["k"]), [undefined]);
    }, { clock: clock.now });
  });

  it("is judged by a snapshot's own moment", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 10 });
      using snapshot = db.snapshot();
      clock.ms += 100;
      await db.compact();
      assert.equal(await snapshot.get("k"), 1);
      assert.equal(await db.get("k"), undefined);
    }, { clock: clock.now });
  });

  it("never comes back when the clock runs backward", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 10 });
      clock.ms += 10;
      assert.equal(await db.get("k"), undefined);
      clock.ms -= 10;
      assert.equal(await db.get("k"), undefined);
    }, { clock: clock.now });
  });

  it("is not early because older commits were made under a clock that was ahead", async () => {
    const clock = new TestClock();
    const options = { ...onOneDisk(), clock: clock.now };
    clock.ms += 3_600_000;
    const ahead = await DB.open("/data", options);
    await ahead.set("a", 1);
    await ahead.close();
    clock.ms -= 3_600_000;
    await using db = await DB.open("/data", options);
    await db.set("before", 1, { expireIn: 10 });
    await db.backup("/backups/");
    assert.equal(await db.get("before"), 1);
    await db.set("after", 1, { expireIn: 10 });
    assert.equal((await db.getEntry("after"))?.expiresAt, clock.ms + 10);
    clock.ms += 10;
    assert.equal(await db.count(), 1);
  });

  it("does not bring back the value before", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", "old");
      await db.set("k", "new", { expireIn: 10 });
      clock.ms += 10;
      assert.equal(await db.get("k"), undefined);
      await db.compact();
      assert.equal(await db.get("k"), undefined);
    }, { clock: clock.now });
  });

  it("is cleared by a write without it", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 10, tags: ["t"] });
      await db.set("k", 2);
      clock.ms += 10;
      assert.deepEqual(await db.getEntry("k"), { key: "k", value: 2, version: 2, timestamp: 1_000_000, tags: [] });
    }, { clock: clock.now });
  });

  it("may be given as a time", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("d", 1, { expiresAt: new Date(clock.ms + 5) });
      await db.set("n", 1, { expiresAt: clock.ms + 5.5 });
      await db.set("p", 1, { expiresAt: clock.ms - 5 });
      assert.equal((await db.getEntry("d"))?.expiresAt, clock.ms + 5);
      assert.equal((await db.getEntry("n"))?.expiresAt, clock.ms + 6);
      assert.equal(await db.has("p"), false);
    }, { clock: clock.now });
  });

  it("refuses what is no time", () =>
    withDb(async (db) => {
      const cases: [object, string, RegExp][] = [
        [
          { expireIn: 0 },
          "RangeError",
          /set: option "expireIn" must be a number above 0, up to 9007199254740991, not 0/,
        ],
        [{ expireIn: -1 }, "RangeError", /expireIn/],
        [{ expireIn: NaN }, "RangeError", /expireIn/],
        [{ expireIn: Infinity }, "RangeError", /expireIn/],
        [{ expireIn: "1" }, "TypeError", /option "expireIn" must be a number, not "1"/],
        [{ expiresAt: "tomorrow" }, "TypeError", /option "expiresAt" must be a Date or milliseconds/],
        [{ expiresAt: new Date(NaN) }, "RangeError", /expiresAt/],
        [{ expireIn: 1, expiresAt: 1 }, "TypeError", /both expireIn and expiresAt/],
      ];
      for (const [options, name, message] of cases) await assert.rejects(db.set("k", 1, options), { name, message });
      assert.equal(db.version, 0);
    }));

  it("raises no event", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 10 });
      const watch = db.watch();
      clock.ms += 10;
      await db.set("other", 1);
      const { value } = await watch.next();
      assert.deepEqual(value?.map(({ key }) => key), ["other"]);
    }, { clock: clock.now });
  });
});
