/**
 * One dated backup a day, the last seven kept.
 *
 * Ten days go by in a second here: only the names of the files know about the calendar.
 *
 *     node examples/daily_backup.ts
 *
 * @module
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DB } from "@holdfast/db";
import { fact, promise, scratch, size, sizeOnDisk, step, title } from "./show.ts";

const keep = 7;

/**
 * Writes today's backup, then removes those beyond the newest `keep`.
 *
 * In this order: backup() resolves once the file is complete, synced and checked, so a day on which it fails removes
 * nothing. The names sort by date.
 */
async function backUp(db: DB, directory: string, today: Date): Promise<{ made: string; removed: string[] }> {
  const made = `shop-${today.toISOString().slice(0, 10)}.jsonl.zst`;
  await db.backup(join(directory, made), { overwrite: true });
  const all = (await readdir(directory)).filter((name) => /^shop-\d{4}-\d\d-\d\d\.jsonl\.zst$/.test(name)).sort();
  const removed = all.slice(0, -keep);
  for (const name of removed) await rm(join(directory, name));
  return { made, removed };
}

title("Daily backup", `A file a day, the newest ${keep} kept`);
await using home = await scratch("daily");
const backups = join(home.path, "backups");
await mkdir(backups);
await using db = await DB.open(join(home.path, "shop"));

step("Ten days of business");
for (let day = 1; day <= 10; day++) {
  const orders = Array.from({ length: 200 }, (_, i) => {
    return [`order/${String(day).padStart(2, "0")}/${String(i).padStart(4, "0")}`, {
      cents: 100 + i * 37 % 900,
    }] as const;
  });
  await db.setMany(orders);
  const { made, removed } = await backUp(db, backups, new Date(Date.UTC(2026, 10, day)));
  fact(made, `${size(await sizeOnDisk(join(backups, made)))}${removed.length > 0 ? `, removed ${removed}` : ""}`);
}

step("What is kept");
const kept = (await readdir(backups)).sort();
for (const name of kept) fact(name, size(await sizeOnDisk(join(backups, name))));
promise(kept.length === keep && kept[0] === "shop-2026-11-04.jsonl.zst", "the newest seven days");

step("What did the shop look like on the evening of 6 November?");
await DB.restore(join(backups, "shop-2026-11-06.jsonl.zst"), join(home.path, "as-of-the-6th"));
await using then = await DB.open(join(home.path, "as-of-the-6th"), { readOnly: true });
fact("orders then and now", `${await then.count()} and ${await db.count()}`);
promise(await then.count() === 6 * 200, "six days of orders");
