/** What goes wrong within the process between a commit's version and its place in log and memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { Memtable } from "../../lib/tree/memtable/memtable.ts";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { onOneDisk, TestClock } from "./helpers.ts";

const noMemory = new RangeError("Array buffer allocation failed");

/** Has memory run out in the calls of a method that `fails` says, while `run` is under way. */
async function withoutMemory(
  on: { prototype: object },
  method: string,
  fails: (...args: unknown[]) => boolean,
  run: () => Promise<void>,
): Promise<void> {
  const original = Reflect.get(on.prototype, method) as (...args: unknown[]) => unknown;
  Reflect.set(on.prototype, method, function (this: unknown, ...args: unknown[]) {
    if (fails(...args)) throw noMemory;
    return original.apply(this, args);
  });
  try {
    await run();
  } finally {
    Reflect.set(on.prototype, method, original);
  }
}

describe("a commit that fails before it is in the log", () => {
  it("is refused, and its version is the next one's", async () => {
    const place = onOneDisk();
    const clock = new TestClock();
    let isBroken = false;
    const now = (): number => {
      if (isBroken) throw new Error("no time");
      return clock.ms;
    };
    for (const durability of ["commit", "interval", "buffered"] as const) {
      const db = await DB.open("/db", { ...place, clock: now, durability });
      const { version } = await db.set("a", 1);
      isBroken = true;
      await assert.rejects(db.set("b", 2), { message: "no time" });
      isBroken = false;
      assert.equal((await db.set("c", 3)).version, version + 1);
      await db.close();
    }
    await using db = await DB.open("/db", place);
    assert.deepEqual([...db.keysSync()], ["a", "c"]);
    assert.equal(db.version, 6);
  });

  it("leaves nothing in the log's buffer where memory ran out", async () => {
    const place = onOneDisk();
    const db = await DB.open("/db", place);
    await db.set("a", 1);
    const long = "x".repeat(200_000);
    const refused = db.set("b", long);
    await withoutMemory(ByteWriter, "reserve", (count) => Number(count) >= long.length, async () => {
      await assert.rejects(refused, noMemory);
    });
    await db.set("c", long);
    await db.close();
    await using again = await DB.open("/db", place);
    assert.deepEqual([...again.keysSync()], ["a", "c"]);
  });
});

describe("a commit that is in the log and can't be taken into memory", () => {
  it("turns the database read-only, and is there when it is opened again", async () => {
    const place = onOneDisk();
    const db = await DB.open("/db", place);
    await db.set("a", 1);
    await withoutMemory(Memtable, "addRow", () => true, async () => {
      await assert.rejects(db.set("b", 2), noMemory);
    });
    await assert.rejects(db.set("c", 3), { name: "ReadOnlyError", cause: noMemory });
    assert.deepEqual([...db.keysSync()], ["a"]);
    await assert.rejects(db.close(), { name: "ReadOnlyError" });
    await using again = await DB.open("/db", place);
    assert.deepEqual([...again.keysSync()], ["a", "b"]);
  });
});
