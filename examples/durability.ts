/**
 * When is a write safe? You choose, for the database or for a single write.
 *
 *     node examples/durability.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { count, fact, promise, rate, scratch, step, time, timed, title } from "./show.ts";

const modes = [
  { durability: "commit", survives: "a killed process and a power cut" },
  { durability: "interval", survives: "a killed process; a power cut takes at most the last second" },
  { durability: "buffered", survives: "neither for up to a second; the fastest" },
] as const;

title("Durability", "What an awaited set() promises, and what that costs");
await using home = await scratch("durability");

for (const { durability, survives } of modes) {
  step(`durability: "${durability}"`);
  fact("survives", survives);
  await using db = await DB.open(`${home.path}/${durability}`, { durability });

  const one = 500;
  const alone = await timed(async () => {
    for (let i = 0; i < one; i++) await db.set(`one/${i}`, "a value");
  });
  fact("1 writer", rate(one, alone.ms, "writes"));

  // Writes that wait together share one sync: many writers cost hardly more than one.
  const [writers, each] = [64, 50];
  const together = await timed(() =>
    Promise.all(Array.from({ length: writers }, async (_, writer) => {
      for (let i = 0; i < each; i++) await db.set(`many/${writer}/${i}`, "a value");
    }))
  );
  fact(`${writers} writers`, rate(writers * each, together.ms, "writes"));
  promise(await db.count() === one + writers * each, `all ${count(one + writers * each)} writes can be read`);
}

step("One important write in a database that is otherwise relaxed");
await using db = await DB.open(`${home.path}/buffered`, { durability: "buffered" });
await db.set("clicks/1", "nobody will miss it");
const payment = await timed(() => db.set("payment/1", { euros: 120 }, { durability: "commit" }));
fact("payment synced", `in ${time(payment.ms)}, and all that was written before it as well`);
await db.set("clicks/2", "again relaxed");
const flush = await timed(() => db.flush());
fact("flush()", `makes everything so far durable: ${time(flush.ms)}`);
promise(await db.has("payment/1"), "the payment is there");
