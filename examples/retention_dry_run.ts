/**
 * What would this policy delete? Ask before it does, change it, ask again.
 *
 *     node examples/retention_dry_run.ts
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BackupRepository, DB, type PruneReport, retention } from "@holdfast/db";
import { fact, promise, scratch, size, step, title } from "./show.ts";

const DAY = 24 * 3_600_000;

title("Retention, tried first", "A hundred days of snapshots, and three ways to keep fewer");
await using home = await scratch("retention");
let now = Date.UTC(2026, 7, 1, 3);
const clock = (): number => now;
await using db = await DB.open(join(home.path, "wiki"), { clock });
await using repo = await BackupRepository.open(join(home.path, "backups"), { clock, timeZone: "Europe/Berlin" });

step("A hundred days, a snapshot each");
for (let day = 0; day < 100; day++) {
  await db.set(`page/${day % 20}`, `Text of day ${day}. ${randomBytes(6000).toString("base64")}`);
  await repo.backup(db, { id: new Date(now).toISOString().slice(0, 10), type: "snapshot" });
  now += DAY;
}
await repo.pin("2026-08-15"); // the day of the audit: no policy takes it away
fact("backups", (await repo.list()).length);
fact("stored", size((await repo.stats()).storedBytes));

function tell(report: PruneReport): void {
  const kept = report.backups.filter(({ keep }) => keep);
  fact("would stay", `${kept.length} of ${report.backups.length}`);
  const counts = new Map<string, number>();
  for (const { reasons } of kept) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  for (const [reason, times] of [...counts].slice(0, 6)) fact(`  ${reason}`, times);
  fact("would become free", size(report.freedBytes));
}

step("The last ten");
const lastTen = await repo.prune({ keepLast: 10 }, { dryRun: true });
tell(lastTen);
promise(lastTen.dryRun && (await repo.list()).length === 100, "a dry run deletes nothing");
promise(lastTen.backups.some(({ id, keep }) => id === "2026-08-15" && keep), "what is pinned stays");

step("A week of days, four weeks, a year of months: the standard policy");
const standard = await repo.prune(retention.standard, { dryRun: true });
tell(standard);

step("The same, and every point in time of the last 30 days");
const careful = { ...retention.standard, keepWithin: "30d" } as const;
const planned = await repo.prune(careful, { dryRun: true });
tell(planned);
promise(planned.backups.filter(({ keep }) => keep).length > 30, "more stays");

step("That is the one. For real, and it is what was foretold");
const done = await repo.prune(careful);
const left = (await repo.list()).map(({ id }) => id);
fact("backups", left.length);
fact("removed", `${done.objects + done.logObjects} objects, ${size(done.freedBytes)}`);
const foretold = planned.backups.filter(({ keep }) => keep).map(({ id }) => id);
promise(left.sort().join() === foretold.sort().join(), "what stays is what the dry run said");

step("What stays restores");
await repo.restore(join(home.path, "august"), { backupId: "2026-08-15" });
await using august = await DB.open(join(home.path, "august"), { readOnly: true });
promise(
  (await august.get<string>("page/14"))?.startsWith("Text of day 14.") === true,
  "the day of the audit is as it was",
);
promise((await repo.verify()).ok, "and the repository is whole");
