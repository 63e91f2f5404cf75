/** Reading over many rows that nobody sees: deleted ones and deleted ranges, which no compaction has removed yet. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DB } from "../../mod.ts";
import { all, withDb } from "./helpers.ts";
import { turnsOf } from "../base/turns_of.ts";

const ROWS = 20_000;
const keyOf = (n: number): string => `k${String(n).padStart(6, "0")}`;

/** Runs with a database of one entry between many that were deleted; each look at the time is the end of a slice. */
async function withUnseen(deleted: "keys" | "ranges", run: (db: DB) => Promise<void>): Promise<void> {
  let ms = 0;
  await withDb(async (db) => {
    const middle = keyOf(ROWS / 2);
    const entries = Array.from({ length: ROWS }, (_, n) => ({ key: keyOf(n), value: 1, tags: ["t"] }));
    await db.setMany(entries);
    // Otherwise a compaction may remove them.
    const snapshot = db.snapshot();
    const others = entries.map(({ key }) => key).filter((key) => key !== middle);
    const deletes = others.map((key) => {
      return deleted === "keys" ? db.delete(key) : db.deleteRange({ start: key, end: `${key}x` });
    });
    await Promise.all(deletes);
    await run(db);
    snapshot.release();
  }, { durability: "buffered", tuning: { monotonic: () => ms += 10 } });
}

/** Writes here and there, so that what is known of unseen stretches is of little use to the next who reads. */
async function forget(db: DB): Promise<void> {
  const touched = Array.from({ length: ROWS / 100 }, (_, n) => keyOf(100 * n + 1));
  await db.setMany(touched.map((key) => ({ key, value: 1, tags: ["t"] })));
  await Promise.all(touched.map((key) => db.delete(key)));
}

const READS: Record<string, (db: DB) => Promise<unknown>> = {
  "list()": async (db) => (await all(db.list())).map(({ key }) => key),
  "list(), reversed": async (db) => (await all(db.list({}, { reverse: true }))).map(({ key }) => key),
  "list() by tag": async (db) => (await all(db.list({ tag: "t" }))).map(({ key }) => key),
  "keys()": (db) => all(db.keys()),
  "count()": (db) => db.count({}),
  "transaction()": (db) => db.transaction(async (tx) => (await all(tx.list({}))).map(({ key }) => key)),
  "watch()": async (db) => {
    const watch = db.watch({ prefix: "k" }, { initial: true })[Symbol.asyncIterator]();
    const { value } = await watch.next();
    await watch.return?.();
    return (value as { key: string }[]).map(({ key }) => key);
  },
  "exportStream()": async (db) => {
    const text = await new Response(db.exportStream({ format: "jsonl" })).text();
    return text.split("\n").flatMap((line) => /"key":"(k\d+)"/.exec(line)?.[1] ?? []);
  },
};

describe("over rows that nobody sees", () => {
  for (const deleted of ["keys", "ranges"] as const) {
    it(`lets the event loop go round: deleted ${deleted}`, () =>
      withUnseen(deleted, async (db) => {
        await turnsOf(() => all(db.exportStream({ format: "jsonl" }))); // loads what it needs
        for (const [name, read] of Object.entries(READS)) {
          await forget(db);
          let found: unknown;
          const turns = await turnsOf(async () => found = await read(db));
          assert.deepEqual(found, name === "count()" ? 1 : [keyOf(ROWS / 2)], name);
          // Some thousand rows are looked at between two looks at the time.
          assert.ok(turns >= 12, `${name}: ${turns} turns`);
        }
      }));
  }
});
