/**
 * Run by the tests as a process of its own with as few permissions as can be: `permitted_program.ts DIR` does all that a
 * program does with a database inside DIR, and says `done`.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { DB } from "../../mod.ts";

const directory = process.argv[2] ?? "";
const at = (name: string): string => `${directory}/${name}`;

{
  await using db = await DB.open(at("data"));
  await db.set("a", { n: 1 }, { tags: ["t"] });
  await db.namespace("users").set("ada", new Uint8Array(100_000));
  await db.setMany(Array.from({ length: 100 }, (_, i) => [`k${i}`, i] as const));
  assert.deepEqual(await db.get("a"), { n: 1 });
  assert.equal((await Array.fromAsync(db.list({ prefix: "k" }))).length, 100);
  await db.compact();
  await db.export(at("copy"));
  await db.export(at("copy.tar"));
  await db.export(at("copy.tar.zst"));
  await db.backup(at("all.json"));
  await db.backup(at("all.jsonl.gz"));
  await db.clear();
  await db.restore(at("all.json"));
  assert.equal(await db.count(), 101);
  await db.restore(at("copy.tar"), { mode: "merge" });
  assert.equal((await db.verify()).ok, true);
}
{
  await using db = await DB.open(at("data"), { readOnly: true });
  assert.deepEqual(await db.get("a"), { n: 1 });
  assert.equal((await db.namespace("users").get<Uint8Array>("ada"))?.length, 100_000);
}
for (const source of ["copy", "copy.tar", "copy.tar.zst", "all.json", "all.jsonl.gz"]) {
  await DB.restore(at(source), at(`from ${source}`));
  await using db = await DB.open(at(`from ${source}`));
  assert.deepEqual(await Array.fromAsync(db.keys({ tag: "t" })), ["a"]);
}
await DB.repair(at("copy"), { dryRun: true });
await DB.destroy(at("copy"));
assert.equal(await DB.exists(at("copy")), false);
// What lies outside is refused, by name.
await assert.rejects(DB.open(`${directory}-beside`), { name: "PermissionError" });
await using db = await DB.open(at("data"));
await assert.rejects(db.export(`${directory}-beside`), { name: "PermissionError" });
await assert.rejects(db.backup(`${directory}-beside.json`), { name: "PermissionError" });
process.stdout.write("done\n");
