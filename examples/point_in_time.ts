/**
 * After an accident: find out when it happened, look at what would be restored, go back to just before.
 *
 *     node examples/point_in_time.ts
 *
 * @module
 */
import { join } from "node:path";
import { BackupRepository, DB, GapError } from "@holdfast/db";
import { fact, promise, scratch, step, time, title } from "./show.ts";

const MINUTE = 60_000;
const clockTime = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

title("Point in time", "Someone deleted all customers, at some time this morning");
await using home = await scratch("point");
let now = Date.UTC(2026, 10, 21, 8);
const clock = (): number => now;
await using db = await DB.open(join(home.path, "crm"), { clock });
await using repo = await BackupRepository.open(join(home.path, "backups"), { clock });
const customers = db.namespace("customers");

step("A morning");
await customers.setMany(
  Array.from({ length: 500 }, (_, i) => [`c${i}`, { name: `Customer ${i}`, visits: 0 }] as const),
);
await repo.backup(db, { id: "night" });
for (let minute = 1; minute <= 60; minute++) {
  now += MINUTE;
  if (minute === 38) await customers.clear(); // the accident, at 8:38
  else await customers.set(`c${minute}`, { name: `Customer ${minute}`, visits: minute });
}
await repo.backup(db, { id: "nine-o-clock" });
fact("customers at 9:00", await customers.count());

step("When was it? What the repository has is exact for every commit in these ranges");
const [range] = await repo.recoveryPoints();
fact("from", `version ${range!.from.version}, ${clockTime(range!.from.timestamp)}`);
fact("to", `version ${range!.to.version}, ${clockTime(range!.to.timestamp)}`);

// Restored states are databases like any other: halve the versions in between until the accident is found.
let [good, bad] = [range!.from.version, range!.to.version];
let accidentAt = range!.to.timestamp;
let looks = 0;
while (bad - good > 1) {
  const version = Math.floor((good + bad) / 2);
  const path = join(home.path, `look-${++looks}`);
  const { achieved } = await repo.restore(path, { at: { version } });
  await using then = await DB.open(path, { readOnly: true });
  const left = await then.namespace("customers").count();
  fact(`version ${version}, ${clockTime(achieved.timestamp)}`, `${left} customers`);
  if (left >= 500) good = version;
  else [bad, accidentAt] = [version, achieved.timestamp];
}
promise(
  clockTime(accidentAt) === "08:38:00",
  `it was version ${bad}, at ${clockTime(accidentAt)}; found in ${looks} looks`,
);

step("A dry run says what a restore would do, and changes nothing");
const at = accidentAt - 1; // a time will do: the last commit before it
const planned = await repo.restore(db, { at, dryRun: true });
fact("it would give", `version ${planned.achieved.version} of ${clockTime(planned.achieved.timestamp)}`);
fact("from", `backup ${planned.backups.join(", ")} and ${planned.recordsReplayed} commits of log`);
fact("in about", time((await repo.estimate({ at })).durationMs));
promise(
  planned.achieved.version === good && await customers.count() < 500,
  "the last good version, and nothing was changed",
);

step("Before going back: a copy of how it is now, or the way back is lost");
await repo.backup(db, { id: "before-going-back", type: "snapshot" });
await repo.pin("before-going-back");

step("Back");
const info = await repo.restore(db, { at });
fact("restored", `${info.entries} entries in ${time(info.durationMs)}`);
promise(await customers.count() === 500, "all customers are there");
promise((await customers.get<{ visits: number }>("c37"))?.visits === 37, "with the last visit before 8:38");

step("And the visits after 8:38? Compare with the state that was saved, and take over what is worth it");
await repo.restore(join(home.path, "after"), { backupId: "before-going-back" });
await using after = await DB.open(join(home.path, "after"), { readOnly: true });
let taken = 0;
for await (const { key, value, timestamp } of after.namespace("customers").list<{ name: string; visits: number }>()) {
  if (timestamp <= accidentAt) continue;
  await customers.set(key, value);
  taken++;
}
fact("taken over", `${taken} visits`);
promise(
  (await customers.get<{ visits: number }>("c60"))?.visits === 60,
  "nothing of the morning is lost but the accident",
);

step("What is not known is never guessed");
const tomorrow = now + 24 * 60 * MINUTE;
const refused = await repo.restore(join(home.path, "tomorrow"), { at: tomorrow }).catch((error) => error);
fact(
  "restore at tomorrow",
  refused instanceof GapError ? refused.message.split("; ")[0]!.slice(0, 100) : String(refused),
);
promise(refused instanceof GapError, "a time beyond what is archived is refused");
