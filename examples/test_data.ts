/**
 * Production data in a test: a backup of the part that matters, restored into memory for each test.
 *
 *     node examples/test_data.ts
 *
 * @module
 */
import { join } from "node:path";
import { DB } from "@holdfast/db";
import { count, fact, promise, scratch, size, sizeOnDisk, step, time, timed, title } from "./show.ts";

type Order = { customer: string; cents: number };

/** The code under test: what a customer owes. */
async function owes(db: DB, customer: string): Promise<number> {
  let cents = 0;
  for await (const { value } of db.list<Order>({ prefix: "order/" })) {
    if (value.customer === customer) cents += value.cents;
  }
  return cents;
}

title("Production data in a test");
await using home = await scratch("test-data");

step("Production: orders, and things that tests have no business with");
await using production = await DB.open(join(home.path, "production"));
await production.setMany(Array.from({ length: 1000 }, (_, i) => {
  return [`order/${String(i).padStart(6, "0")}`, { customer: `c${i % 10}`, cents: i }] as const;
}));
await production.set("secret/signing-key", "do not let this out");
fact("entries", count(await production.count()));
const expected = await owes(production, "c3");

step("Take only the orders, as lines of JSON that a repository can hold and a reviewer can read");
const fixture = join(home.path, "orders.jsonl");
await production.backup(fixture, { prefix: "order/" });
fact("orders.jsonl", size(await sizeOnDisk(fixture)));

/** A database of its own for each test: nothing on disk, nothing to clean up, no test disturbs another. */
async function withOrders(test: (db: DB) => Promise<void>): Promise<void> {
  await using db = await DB.open(":memory:");
  await db.restore(fixture);
  await test(db);
}

step("Three tests");
const tests: [string, (db: DB) => Promise<void>][] = [
  ["the sum agrees with production", async (db) => {
    promise(await owes(db, "c3") === expected, `c3 owes ${(expected / 100).toFixed(2)} euros`);
  }],
  ["a test may do damage", async (db) => {
    await db.deleteRange({ prefix: "order/" });
    promise(await owes(db, "c3") === 0, "c3 owes nothing when there are no orders");
  }],
  ["and the next one doesn't notice", async (db) => {
    promise(await db.count() === 1000, "1,000 orders again");
    promise(!await db.has("secret/signing-key"), "no secret came along");
  }],
];
for (const [name, test] of tests) {
  const { ms } = await timed(() => withOrders(test));
  fact(name, time(ms));
}
