/**
 * Writes the golden database of this release's format: `node tests/golden/make.ts DIRECTORY`. Run once for each release that
 * changes a format; what earlier releases wrote stays as it is and must always open.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DB } from "../../mod.ts";
import { contentsOf } from "./contents.ts";

const directory = process.argv[2];
if (directory === undefined) throw new TypeError("say where to");

let time = Date.UTC(2026, 10, 21);
let ids = 0;
const db = await DB.open(join(directory, "database"), {
  clock: () => time += 1000,
  memtableBytes: 4096,
  blobBytes: 1024,
  history: { maxBytes: 16 * 1024 },
  tuning: {
    blockBytes: 512,
    tableBytes: 2048,
    levelBytes: 8192,
    level0Tables: 2,
    reserve: false,
    randomId: () => new Uint8Array(16).fill(++ids),
  },
});
for (let i = 0; i < 300; i++) await db.set(`key/${String(i).padStart(4, "0")}`, { i, text: "value ".repeat(i % 7) });
await db.deleteRange({ start: "key/0100", end: "key/0150" });
for (let i = 0; i < 40; i++) {
  await db.set(`tagged/${i}`, `text ${i}`, { tags: i % 2 === 0 ? ["even", "all"] : ["all"] });
}
for (let i = 0; i < 6; i++) await db.set(`large/${i}`, new Uint8Array(3000 + i).fill(i));
await db.set("expires", "in the year 2100", { expiresAt: new Date(Date.UTC(2100, 0, 1)) });
const users = db.namespace("users");
await users.set("ada", { name: "Ada" }, { tags: ["admin"] });
await users.namespace("sessions", { keyEncoding: "bytes" }).set(new Uint8Array([0, 255]), new Uint8Array([1, 2, 3]));
await db.compact();
for (let i = 0; i < 30; i++) await db.set(`key/${String(i).padStart(4, "0")}`, "again");
await db.delete("key/0299");
await db.set("ünïcödé 🗝", "💾");
writeFileSync(join(directory, "contents.json"), `${JSON.stringify(await contentsOf(db), null, 1)}\n`);
await db.close();
