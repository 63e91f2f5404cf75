/**
 * SQLite's own online backup, as `node:sqlite` has it.
 *
 * @module
 */
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { directoryBytes } from "../directory.ts";
import { loaded } from "../data.ts";
import { type Job, timed, Unavailable } from "./job.ts";

const BATCH = 1000;

async function module(): Promise<typeof import("node:sqlite")> {
  try {
    return await import("node:sqlite");
  } catch {
    throw new Unavailable("node:sqlite is not in this runtime; run it with --runtime node");
  }
}

const fileOf = (directory: string): string => join(directory, "data.sqlite");

/** Loads all entries in key order; rows of 1 KiB are too long for `WITHOUT ROWID`. */
export const load: Job = async (task) => {
  const { DatabaseSync } = await module();
  await mkdir(task.source, { recursive: true });
  const db = new DatabaseSync(fileOf(task.source));
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE entries (k TEXT PRIMARY KEY, v BLOB)`);
  const put = db.prepare("INSERT INTO entries VALUES (?, ?)");
  const outcome = await timed(() => {
    let written = 0;
    for (const [key, value] of loaded(task.entries)) {
      if (written++ % BATCH === 0) db.exec(written === 1 ? "BEGIN" : "COMMIT; BEGIN");
      put.run(key, value);
    }
    db.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  });
  db.close();
  return outcome;
};

/** `backup()` into a file, synced. */
export const backup: Job = async (task) => {
  const sqlite = await module();
  if (typeof sqlite.backup !== "function") {
    throw new Unavailable("node:sqlite has no backup() in this runtime; run it with --runtime node");
  }
  const db = new sqlite.DatabaseSync(fileOf(task.source));
  // All pages at a time, as nobody writes meanwhile: the fastest there is.
  const outcome = await timed(async () => {
    await sqlite.backup(db, task.target, { rate: 2 ** 30 });
    const file = await open(task.target, "r+");
    await file.sync();
    await file.close();
  });
  db.close();
  return { ...outcome, figures: { added: await directoryBytes(task.target) } };
};
