/** Very many keys asked for at once through the faces for other libraries: in slices, and all of one version. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { HoldfastLevel } from "../../lib/adapters/level.ts";
import { KeyvHoldfast } from "../../lib/adapters/keyv.ts";
import { openKv } from "../../lib/adapters/kv.ts";
import { typed } from "../../lib/adapters/typed.ts";
import { holdfastDriver } from "../../lib/adapters/unstorage.ts";
import { turnsOf } from "../base/turns_of.ts";
import { withDb } from "../db/helpers.ts";

const KEYS = Array.from({ length: 3000 }, (_, n) => `k${n}`);
const ASKED = [...KEYS, "missing"];

/** Each look at the time is the end of a slice. */
function sliced(): { tuning: { monotonic: () => number } } {
  let ms = 0;
  return { tuning: { monotonic: () => ms += 10 } };
}

/** Lets `write` change the entries once `read` was called; gives what was read, in several turns of the event loop. */
async function readBeside<T>(read: () => Promise<T>, write: () => Promise<unknown>): Promise<T> {
  let found!: T;
  const turns = await turnsOf(async () => {
    const reading = read();
    const [value] = await Promise.all([reading, write()]);
    found = value;
  });
  // A slice has 256 keys.
  assert.ok(turns >= 10, `${turns} turns`);
  return found;
}

describe("many keys at once", () => {
  it("are read in slices by Level, the empty key among them", async () => {
    await using level = new HoldfastLevel<string, string>(":memory:", sliced());
    const put = (value: string) => level.batch(["", ...KEYS].map((key) => ({ type: "put", key, value }) as const));
    const remove = () => level.batch(["", ...KEYS].map((key) => ({ type: "del", key }) as const));
    await put("old");
    const asked = [...ASKED, ""];
    const values = await readBeside(() => level.getMany(asked), () => put("new"));
    assert.deepEqual(values, [...KEYS.map(() => "old"), undefined, "old"]);
    assert.deepEqual(await readBeside(() => level.hasMany(asked), remove), [...KEYS.map(() => true), false, true]);
    assert.deepEqual(await level.hasMany(asked), asked.map(() => false));
  });

  it("are read to the end by Level where it is closed meanwhile", async () => {
    const level = new HoldfastLevel<string, string>(":memory:", sliced());
    await level.batch(KEYS.map((key) => ({ type: "put", key, value: "1" }) as const));
    const reading = level.getMany(ASKED);
    await level.close();
    assert.deepEqual(await reading, [...KEYS.map(() => "1"), undefined]);
  });

  it("are named by Level where one can be none", async () => {
    await using level = new HoldfastLevel<string, string>(":memory:", sliced());
    const asked = [...ASKED, "x".repeat(65_536)];
    await assert.rejects(level.getMany(asked), { code: "LEVEL_INVALID_KEY", message: /65,536 bytes/ });
    await assert.rejects(level.hasMany(asked), { code: "LEVEL_INVALID_KEY", message: /65,536 bytes/ });
  });

  it("are read in slices by Keyv's store", () =>
    withDb(async (db) => {
      const store = new KeyvHoldfast(db);
      await db.setMany(KEYS.map((key) => [key, 1]));
      const there = await readBeside(() => store.hasMany(ASKED), () => db.deleteRange({ prefix: "k" }));
      assert.deepEqual(there, [...KEYS.map(() => true), false]);
    }, sliced()));

  it("are read in slices by a KV", async () => {
    await using kv = await openKv(":memory:", sliced());
    const set = (value: unknown) =>
      kv.database.setMany([...kv.database.keysSync()].map((key) => [key, value as number]));
    for (const key of KEYS) void kv.set([key], 1);
    await kv.set(["bytes", new Uint8Array([1])], 1);
    const part = new Uint8Array([1]);
    const found = await readBeside(() => {
      const reading = kv.getMany([...ASKED.map((key) => [key]), [], ["bytes", part]]);
      part[0] = 2;
      return reading;
    }, () => set(2));
    assert.deepEqual(found.map(({ value }) => value), [...KEYS.map(() => 1), null, null, 1]);
    assert.deepEqual(found.slice(-3).map(({ key }) => key), [["missing"], [], ["bytes", new Uint8Array([1])]]);
    assert.equal((await kv.get([KEYS[0]!])).value, 2);
    const absent = ["\ud800"];
    assert.equal((await kv.getMany([absent]))[0].key, absent, "as it was given, where nothing is");
  });

  it("are read in slices by a KV that watches them, all of one moment, and more than a call takes arguments", async () => {
    await using kv = await openKv(":memory:", sliced());
    const set = (value: unknown) => Promise.all(KEYS.map((key) => kv.set([key], value)));
    await set(1);
    const found = await readBeside(async () => {
      const reader = kv.watch([...ASKED.map((key) => [key]), []]).getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return value!;
    }, () => set(2));
    assert.deepEqual(found.map(({ value }) => value), [...KEYS.map(() => 1), null, null]);
    await using other = await openKv(":memory:");
    const reader = other.watch(new Array<[string]>(130_000).fill(["a"])).getReader();
    assert.equal((await reader.read()).value?.length, 130_000);
    await reader.cancel();
  });

  it("are read in slices by typed spaces, and made values of there", () =>
    withDb(async (db) => {
      let [turn, mostInTurn] = [0, 0];
      const inTurns: number[] = [];
      const numbers = typed<bigint>(db, {
        codec: {
          encode: String,
          decode(stored) {
            inTurns[turn] = (inTurns[turn] ?? 0) + 1;
            mostInTurn = Math.max(mostInTurn, inTurns[turn]!);
            return BigInt(stored as string);
          },
        },
      });
      await numbers.setMany(KEYS.map((key, n) => [key, BigInt(n)]));
      let isReading = true;
      const next = (): void => {
        turn++;
        if (isReading) setImmediate(next);
      };
      next();
      const found = await readBeside(() => numbers.getMany(ASKED), () => db.deleteRange({ prefix: "k" }));
      isReading = false;
      assert.deepEqual(found, [...KEYS.map((_, n) => BigInt(n)), undefined]);
      assert.ok(mostInTurn > 0 && mostInTurn <= 256, `${mostInTurn} in one turn`);
    }, sliced()));

  it("are read in slices by unstorage's driver", () =>
    withDb(async (db) => {
      const driver = holdfastDriver({ database: db });
      await db.setMany(KEYS.map((key) => [key, "1"]));
      const items = () => driver.getItems(ASKED.map((key) => ({ key })));
      const found = await readBeside(items, () => db.deleteRange({ prefix: "k" }));
      assert.deepEqual(found, [...KEYS.map((key) => ({ key, value: "1" })), { key: "missing", value: null }]);
    }, sliced()));
});
