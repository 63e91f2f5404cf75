/**
 * Back up before a risky migration, and go back when it goes wrong.
 *
 *     node examples/migration.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { fact, promise, scratch, size, sizeOnDisk, step, title } from "./show.ts";

type Old = { name: string };
type New = { given: string; family: string };

title("A risky migration", "Split every name into given name and family name");
await using home = await scratch("migration");
await using db = await DB.open(`${home.path}/people`);
const people = db.namespace("people");
const names = ["Ada Lovelace", "Grace Hopper", "Plato", "Ludwig van Beethoven", "Katherine Johnson"];
await people.setMany(names.map((name, i) => [`p${i + 1}`, { name }] as const));

async function show(): Promise<void> {
  for await (const { key, value } of people.list()) fact(key, JSON.stringify(value));
}

async function migrate(split: (name: string) => New): Promise<void> {
  for await (const { key, value } of people.list<Old>()) await people.set(key, split(value.name));
}

step("Before");
await show();

step("First a backup");
const backupPath = `${home.path}/before-migration.json`;
await db.backup(backupPath);
fact("before-migration.json", size(await sizeOnDisk(backupPath)));

step("The migration that looked fine in review");
try {
  await migrate((name) => {
    const [given, family] = name.split(" ");
    if (family === undefined) throw new Error(`"${name}" has no family name`);
    return { given: given!, family };
  });
} catch (error) {
  fact("it failed half-way", (error as Error).message);
}
await show();

step("Back to where we were");
await db.restore(backupPath);
await show();
const first = await people.get<Old>("p1");
promise(first?.name === "Ada Lovelace", "as if it had never run");

step("The better migration");
await migrate((name) => {
  const space = name.indexOf(" ");
  return space < 0 ? { given: name, family: "" } : { given: name.slice(0, space), family: name.slice(space + 1) };
});
await show();
const beethoven = await people.get<New>("p4");
promise(beethoven?.family === "van Beethoven", "five people, none harmed");
