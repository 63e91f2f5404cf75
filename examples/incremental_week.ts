/**
 * A week as backups are often planned: a full one on Sunday, increments on the other days, old ones removed by rules.
 *
 * Three weeks go by in a second here, by a clock of ours. Leave the option out, and it is the real one.
 *
 *     node examples/incremental_week.ts
 *
 * @module
 */
import { join } from "node:path";
import { BackupRepository, DB, type RetentionPolicy } from "@holdfast/db";
import { fact, promise, scratch, size, step, title } from "./show.ts";

const DAY = 24 * 3_600_000;
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** The last seven days, and of those before the last two weeks one each. */
const policy: RetentionPolicy = { keepDaily: 7, keepWeekly: 2 };

title("A week of backups", "Full on Sunday, incremental from Monday to Saturday, kept by rules");
await using home = await scratch("week");
let now = Date.UTC(2026, 10, 1, 2); // a Sunday, 2:00
const clock = (): number => now;
await using db = await DB.open(join(home.path, "shop"), { clock });
await using repo = await BackupRepository.open(join(home.path, "backups"), { clock, timeZone: "UTC" });

/** The night's work. With a fixed id a backup is made once, even if the job runs twice. */
async function nightly(): Promise<string> {
  const today = new Date(now);
  const type = today.getUTCDay() === 0 ? "full" : "incremental";
  const id = `${today.toISOString().slice(0, 10)}-${type}`;
  const backup = await repo.backup(db, { id, type });
  // After the backup: on a night when it fails nothing is removed.
  const { backups } = await repo.prune(policy);
  const removed = backups.filter(({ keep }) => !keep).map(({ id }) => id);
  return `${backup.type}, ${size(backup.addedBytes)}${removed.length === 0 ? "" : `, removed ${removed.join(" ")}`}`;
}

step("Three weeks");
const noons: { at: number; orders: number }[] = [];
for (let day = 0; day < 21; day++) {
  const date = new Date(now);
  fact(`${days[date.getUTCDay()]} ${date.toISOString().slice(0, 10)}`, await nightly());
  now += DAY / 2;
  await db.setMany(
    Array.from({ length: 100 }, (_, i) => [`order/${day}/${i}`, { cents: 100 + i * 37 % 900 }] as const),
  );
  noons.push({ at: now, orders: await db.count() });
  now += DAY / 2;
}
await nightly();

step("What is left, and why");
const { backups } = await repo.prune(policy, { dryRun: true });
for (const { id, reasons } of backups) fact(id, reasons.join("; "));
const kept = await repo.list();
const recent = kept.filter(({ createdAt }) => createdAt > now - 7 * DAY);
promise(recent.length === 7, "the last seven nights");
promise(
  kept.every(({ parentId }) => parentId === null || parentId === undefined || kept.some(({ id }) => id === parentId)),
  "and of every increment what it builds on",
);
promise(kept.length < 22, "but not all 22 of them");

step("What it takes");
const stats = await repo.stats();
fact("backups", `${stats.backups.full} full, ${stats.backups.incremental} incremental`);
fact("takes", `${size(stats.storedBytes)} in ${stats.objects + stats.logObjects} objects`);

step("Last Thursday, noon");
const thursday = noons.at(-3)!;
fact("when", new Date(thursday.at).toISOString());
await repo.restore(join(home.path, "thursday"), { at: thursday.at });
await using then = await DB.open(join(home.path, "thursday"), { readOnly: true });
promise(await then.count() === thursday.orders, `${thursday.orders} orders, as there were then`);
