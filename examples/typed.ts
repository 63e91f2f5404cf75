/**
 * Values of known types: a schema refuses what doesn't match, and TypeScript knows what comes out. Keys of several parts.
 *
 *     node examples/typed.ts
 *
 * The schema is one of zod; valibot, arktype and others do as well.
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { InvalidValueError, structured, tuple, typed } from "@holdfast/db/typed";
import * as z from "zod";
import { fact, promise, scratch, step, title } from "./show.ts";

title("Typed", "Nothing gets in that doesn't belong there");
await using home = await scratch("typed");
await using db = await DB.open(`${home.path}/library`);

step("A namespace with a schema");
const book = z.object({
  title: z.string().min(1),
  year: z.number().int(),
  shelf: z.string().default("unsorted"),
});
const books = typed(db.namespace("books"), { schema: book });
await books.set("1843", { title: "A Christmas Carol", year: 1843 }, { tags: ["novel"] });
const carol = await books.get("1843"); // { title: string; year: number; shelf: string } | undefined
fact("on the shelf", carol?.shelf ?? "nothing");
promise(carol?.shelf === "unsorted", "what was left out has its default");

step("What doesn't match is refused, in words");
try {
  await books.set("1818", JSON.parse('{"title":"Frankenstein","year":"1818"}'));
} catch (error) {
  if (!(error instanceof InvalidValueError)) throw error;
  fact("refused", error.message);
}
promise(!await books.has("1818"), "and nothing was written");

step("Dates and sets stay what they are, with another codec");
const loans = typed(db.namespace("loans"), {
  schema: z.object({ by: z.string(), books: z.set(z.string()), until: z.date() }),
  codec: await structured<{ by: string; books: Set<string>; until: Date }>(),
});
const lent = loans.atomic().set("17", { by: "Ada", books: new Set(["1843"]), until: new Date("2026-12-24") });
lent.in(books).set("1843", { title: "A Christmas Carol", year: 1843, shelf: "lent" });
await lent.commit();
const loan = await loans.get("17");
fact("to be back", loan?.until.toDateString() ?? "never");
promise(loan?.books.has("1843") === true, "a set came back, and the book is marked in the same commit");

step("Keys of several parts, in order");
const visits = typed<string>(db.namespace("visits"));
for (const [year, who] of [[1999, "Cy"], [2026, "Ada"], [800, "Bo"]] as const) {
  await visits.set(tuple.encode(["reading room", year]), who);
}
const order = await Array.fromAsync(visits.list(tuple.range(["reading room"])), ({ key, value }) => {
  return `${value} (${tuple.decode(key)[1]})`;
});
fact("in the reading room", order.join(", "));
promise(order[0] === "Bo (800)", "800 is before 1999, with no padding");
