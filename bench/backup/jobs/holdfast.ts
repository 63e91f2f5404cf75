/**
 * What this database does: load, change, export, backup, restore.
 *
 * @module
 */
import process from "node:process";
import { DB, type OpenOptions } from "@holdfast/db";
import { keyOf } from "../../data.ts";
import { changed, isEntryValue, loaded } from "../data.ts";
import { directoryStore } from "../../../lib/storage/directory_store.ts";
import { CountingStore } from "../counting_store.ts";
import { directoryBytes } from "../directory.ts";
import { type Job, type Outcome, type Task, timed } from "./job.ts";

/** The code of backups. A database that is open for a second has it; what that takes is a row of its own. */
function code(): Promise<unknown> {
  return import("../../../lib/db/repository/work.ts");
}

/** Loads the code of backups, which a process whose first call is a backup waits for. */
export const loadCode: Job = () => timed(code);

async function opened(task: Task, options: OpenOptions, work: (db: DB) => Promise<Outcome>): Promise<Outcome> {
  await code();
  await using db = await DB.open(task.source, options);
  return await work(db);
}

/** Loads all entries in key order, synced and closed. */
export const load: Job = (task) =>
  timed(async () => {
    await using db = await DB.open(task.source, { durability: "interval" });
    await db.setMany(loaded(task.entries));
  });

/** Merges all tables. */
export const compact: Job = (task) => opened(task, {}, (db) => timed(() => db.compact()));

/** Changes `count` entries. */
export const change: Job = (task) =>
  opened(
    task,
    { durability: "interval" },
    (db) => timed(() => db.setMany(changed(task.entries, task.count, task.generation))),
  );

/** `db.export` with the options given. */
export const exportTo: Job = (task) =>
  opened(task, {}, async (db) => {
    let info = { bytes: 0, sharedBytes: 0 };
    const outcome = await timed(async () => info = await db.export(task.target, task.options));
    return { ...outcome, figures: { bytes: info.bytes, added: info.bytes - info.sharedBytes } };
  });

/** `db.backup` into a repository with the options given. */
export const backup: Job = (task) =>
  opened(task, {}, async (db) => {
    const before = await directoryBytes(task.target);
    const outcome = await timed(() => db.backup(`${task.target}/`, task.options));
    return { ...outcome, figures: { added: await directoryBytes(task.target) - before } };
  });

/** As `backup`, with all calls to the store counted. */
export const backupCounted: Job = (task) =>
  opened(task, {}, async (db) => {
    const store = new CountingStore(directoryStore(task.target));
    // The parameter of this overload is not typed as a store in every build that is measured.
    const outcome = await timed(() =>
      (db.backup as (target: unknown, options: unknown) => Promise<unknown>).call(db, store, task.options)
    );
    return { ...outcome, figures: store.counts };
  });

/** `DB.restore` with the options given, into a directory that is not there yet. */
export const restore: Job = async (task) => {
  await code();
  let info = { recordsReplayed: 0 };
  const outcome = await timed(async () => info = await DB.restore(task.source, task.target, task.options));
  return { ...outcome, figures: { recordsReplayed: info.recordsReplayed } };
};

/** Opens what a restore or an export made and compares every entry, byte for byte. */
export const check: Job = (task) =>
  opened(task, { readOnly: true }, (db) =>
    timed(async () => {
      let seen = 0;
      for await (const { key, value } of db.list<Uint8Array>()) {
        if (key !== keyOf(seen) || !isEntryValue(seen, value)) throw new Error(`Entry ${seen} is wrong: ${key}.`);
        seen++;
      }
      if (seen !== task.entries) throw new Error(`${seen} entries where ${task.entries} were backed up.`);
    }));

/** Writes `count` entries, a commit each, that stay in the log, and dies without closing. */
export const fillLogAndDie: Job = async (task) => {
  const db = await DB.open(task.source, { durability: "interval" });
  for (const [key, value] of changed(task.count, task.count, 0)) await db.set(key, value);
  process.kill(process.pid, "SIGKILL");
  return { ms: 0 };
};

/** Writes `count` entries, a commit each. */
export const commits: Job = (task) =>
  opened(task, { durability: "interval" }, (db) =>
    timed(async () => {
      for (const [key, value] of changed(task.count, task.count, task.generation)) await db.set(key, value);
    }));

/** Opening until the first read is answered. */
export const reopen: Job = async (task) => {
  let db: DB | undefined;
  const outcome = await timed(async () => {
    db = await DB.open(task.source);
    if (!isEntryValue(0, db.getSync<Uint8Array>(keyOf(0)))) throw new Error("The first entry is wrong.");
  });
  for (let i = 0; i < task.count; i++) {
    if (!db!.hasSync(keyOf(i))) throw new Error(`Entry ${i} of the log did not come back.`);
  }
  await db!.close();
  return outcome;
};
