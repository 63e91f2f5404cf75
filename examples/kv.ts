/**
 * KV: the interface of Deno KV, in every runtime, with a queue whose messages outlive the program, and with backups.
 *
 *     node examples/kv.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { type KvU64, openKv } from "@holdfast/db/kv";
import { fact, promise, scratch, step, title } from "./show.ts";

title("KV", "A library lends books");
await using home = await scratch("kv");
const place = `${home.path}/library`;

interface Book {
  title: string;
  authors: Set<string>;
  printed: Date;
}

step("Keys are tuples, values are anything that can be cloned");
{
  await using kv = await openKv(place);
  const sicp: Book = {
    title: "Structure and Interpretation",
    authors: new Set(["Abelson", "Sussman"]),
    printed: new Date("1985-01-01"),
  };
  await kv.set(["books", 1n], sicp);
  await kv.set(["books", 2n], { title: "Notes", authors: new Set(["Lovelace"]), printed: new Date("1843-09-01") });
  for await (const { key, value } of kv.list<Book>({ prefix: ["books"] })) {
    fact(String(key[1]), `${value.title}, ${[...value.authors].join(" and ")}, ${value.printed.getUTCFullYear()}`);
  }

  step("Two readers want the same book");
  const free = await kv.get(["lent", 1n]);
  const lend = (reader: string) =>
    kv.atomic().check(free).set(["lent", 1n], reader).sum(["loans"], 1n)
      .enqueue({ remind: reader }, { backoffSchedule: [10, 10] }).commit();
  const results = await Promise.all([lend("Ada"), lend("Grace")]);
  promise(results.filter(({ ok }) => ok).length === 1, "one of them has it");
  promise((await kv.get<KvU64>(["loans"])).value?.value === 1n, "and it was counted once");
}

step("The program ends before anybody has listened; the next one is told");
const kv = await openKv(place);
let attempts = 0;
const reminded = Promise.withResolvers<string>();
const listening = kv.listenQueue(({ remind }: { remind: string }) => {
  if (++attempts < 3) throw new Error("the post is closed");
  reminded.resolve(remind);
});
fact("reminded", await reminded.promise);
promise(attempts === 3, "at the third attempt");

step("Beneath it is a database, with all that a database here can do");
await kv.database.export(`${home.path}/copy`);
await kv.close();
await listening;
const { ok } = await DB.open(`${home.path}/copy`).then(async (db) => {
  await using copy = db;
  return await copy.verify();
});
await using copy = await openKv(`${home.path}/copy`);
promise(ok && (await copy.get<Book>(["books", 1n])).value?.authors.has("Sussman") === true, "the copy has the books");
