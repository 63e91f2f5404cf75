/**
 * A repository of backups: make one, lose the data, get it back. The file to begin with.
 *
 *     node examples/backup_and_restore.ts
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { BackupRepository, DB } from "@holdfast/db";
import { count, fact, promise, scratch, size, step, time, title } from "./show.ts";

title("Backup and restore", "A directory that holds backups, the first one whole, the next ones what has changed");
await using home = await scratch("backup");
const path = join(home.path, "library");
await using repo = await BackupRepository.open(join(home.path, "backups"));

step("A database, and its first backup");
const db = await DB.open(path);
await db.setMany(Array.from({ length: 20_000 }, (_, i) => {
  return [`book/${String(i).padStart(5, "0")}`, {
    title: `Volume ${i}`,
    isbn: 9780000000000 + i * 104729,
    shelf: i % 40,
  }] as const;
}));
const first = await repo.backup(db, { labels: { why: "before the fair" } });
fact("first backup", `${first.type}, version ${first.version}, ${size(first.addedBytes)}`);

step("The next one has only what is new");
await db.set("book/00007", { title: "Volume 7, second edition", isbn: 9780000733103, shelf: 7 });
const second = await repo.backup(db);
fact(
  "second backup",
  `${second.type} on ${second.parentId === first.id ? "the first" : second.parentId}, ` +
    `${size(second.addedBytes)}`,
);
promise(
  second.type === "incremental" && second.addedBytes < first.addedBytes / 100,
  "a hundredth of the first, or less",
);

step("What is in the repository?");
for (const { id, type, version, labels } of await repo.list()) {
  fact(id, `${type}, version ${version}${labels["why"] === undefined ? "" : `, ${labels["why"]}`}`);
}

step("Can it be restored? Ask before the day that it must be");
const check = await repo.verify();
fact("verify", `${check.objects + check.logObjects} objects read, ${check.problems.length} problems`);
const drill = await repo.drill();
fact(
  "drill",
  `version ${drill.version} restored for real in ${time(drill.durationMs)}, ${count(drill.entries)} entries`,
);
const estimate = await repo.estimate();
fact("estimate", `${size(estimate.baseBytes + estimate.logBytes)} to fetch, about ${time(estimate.durationMs)}`);
promise(check.ok && drill.ok, "every byte is as it was written, and the database comes back");

step("The disk with the database is gone");
await db.close();
await rm(path, { recursive: true });
const info = await repo.restore(path);
fact(
  "restored",
  `version ${info.achieved.version} from ${info.backups.length} backup, ` +
    `${info.recordsReplayed} commit of log replayed`,
);
await using back = await DB.open(path);
const seventh = await back.get<{ title: string }>("book/00007");
promise(await back.count() === 20_000, "20,000 books are back");
promise(seventh?.title === "Volume 7, second edition", "with what was written after the first backup");
