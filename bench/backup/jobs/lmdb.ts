/**
 * lmdb's own backup: a copy of its file at one moment.
 *
 * @module
 */
import { mkdir, open as openFile } from "node:fs/promises";
import { join } from "node:path";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { directoryBytes } from "../directory.ts";
import { loaded } from "../data.ts";
import { type Job, timed } from "./job.ts";

const BATCH = 1000;

function open(directory: string): RootDatabase<Uint8Array, string> {
  return openLmdb<Uint8Array, string>({ path: join(directory, "lmdb.mdb"), encoding: "binary" });
}

/** Loads all entries in key order. */
export const load: Job = async (task) => {
  await mkdir(task.source, { recursive: true });
  const db = open(task.source);
  const outcome = await timed(async () => {
    const pairs = loaded(task.entries);
    for (let left = task.entries; left > 0; left -= BATCH) {
      await db.batch(() => {
        for (let i = 0; i < Math.min(BATCH, left); i++) {
          const [key, value] = pairs.next().value!;
          void db.put(key, value);
        }
      });
    }
    await db.flushed;
  });
  await db.close();
  return outcome;
};

/** `backup()` into a file, synced. */
export const backup: Job = async (task) => {
  const db = open(task.source);
  const outcome = await timed(async () => {
    await db.backup(task.target, false);
    const file = await openFile(task.target, "r+");
    await file.sync();
    await file.close();
  });
  await db.close();
  return { ...outcome, figures: { added: await directoryBytes(task.target) } };
};
