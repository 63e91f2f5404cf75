/**
 * Tags: find entries by what they are about, without an index of your own to keep in step.
 *
 *     node examples/tags.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { fact, promise, scratch, step, title } from "./show.ts";

title("Tags", "An index that never disagrees with the entries");
await using home = await scratch("tags");
await using db = await DB.open(`${home.path}/recipes`);

await db.setMany([
  { key: "borscht", value: { minutes: 90 }, tags: ["soup", "vegetarian", "winter"] },
  { key: "caldo verde", value: { minutes: 40 }, tags: ["soup", "portuguese"] },
  { key: "gazpacho", value: { minutes: 15 }, tags: ["soup", "vegetarian", "summer"] },
  { key: "goulash", value: { minutes: 150 }, tags: ["stew", "winter"] },
  { key: "ratatouille", value: { minutes: 60 }, tags: ["stew", "vegetarian", "summer"] },
]);

async function tagged(...tag: string[]): Promise<string> {
  const keys: string[] = [];
  for await (const { key } of db.list({ tag })) keys.push(key);
  return keys.join(", ");
}

step("One tag");
fact("soup", await tagged("soup"));
fact("vegetarian", await tagged("vegetarian"));

step("All of several tags");
fact("soup + vegetarian", await tagged("soup", "vegetarian"));
fact("stew + winter", await tagged("stew", "winter"));
promise(await tagged("soup", "vegetarian") === "borscht, gazpacho", "in key order, like every list");

step("Change an entry, and the index follows in the same commit");
await db.set("borscht", { minutes: 90 }, { tags: ["soup", "summer"] }); // svekolnik: cold, with kefir
fact("soup + summer", await tagged("soup", "summer"));
fact("winter", await tagged("winter"));
await db.delete("gazpacho");
promise(await tagged("soup", "summer") === "borscht", "deleted entries leave every tag at once");

step("Tags combine with ranges and limits");
const [first] = await Array.fromAsync(db.list({ tag: "soup", start: "c" }, { limit: 1 }));
fact("first soup from c on", `${first?.key}, tagged ${first?.tags.join(" and ")}`);
fact("how many soups", await db.count({ tag: "soup" }));
