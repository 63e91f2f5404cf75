/**
 * classic-level (LevelDB): the directory that the tools for files back up.
 *
 * @module
 */
import process from "node:process";
import { ClassicLevel } from "classic-level";
import { keyOf, type Pair } from "../../data.ts";
import { changed, isEntryValue, loaded } from "../data.ts";
import { type Job, timed } from "./job.ts";

/** How many entries one batch of a load has. */
const BATCH = 1000;

/** The write buffer that this database has, so that as much stays in the log. */
const LONG_LOG = { writeBufferSize: 64 * 2 ** 20 };

async function open(path: string, options = {}): Promise<ClassicLevel<string, Uint8Array>> {
  const db = new ClassicLevel<string, Uint8Array>(path, { valueEncoding: "view", ...options });
  await db.open();
  return db;
}

async function write(path: string, pairs: Iterable<Pair>): Promise<void> {
  const db = await open(path);
  let batch: Pair[] = [];
  const put = async () => await db.batch(batch.map(([key, value]) => ({ type: "put", key, value })));
  for (const pair of pairs) {
    batch.push(pair);
    if (batch.length < BATCH) continue;
    await put();
    batch = [];
  }
  await put();
  await db.del("~", { sync: true });
  await db.close();
}

/** Loads all entries in key order with the options that users have unless they give others, synced and closed. */
export const load: Job = (task) => timed(() => write(task.source, loaded(task.entries)));

/** Changes `count` entries. */
export const change: Job = (task) =>
  timed(() => write(task.source, changed(task.entries, task.count, task.generation)));

/** Writes `count` entries, one at a time, that stay in the log, and dies without closing. */
export const fillLogAndDie: Job = async (task) => {
  const db = await open(task.source, LONG_LOG);
  for (const [key, value] of changed(task.count, task.count, 0)) await db.put(key, value);
  process.kill(process.pid, "SIGKILL");
  return { ms: 0 };
};

/** Opening until the first read is answered. */
export const reopen: Job = async (task) => {
  let db: ClassicLevel<string, Uint8Array> | undefined;
  const outcome = await timed(async () => {
    db = await open(task.source, LONG_LOG);
    if (!isEntryValue(0, db.getSync(keyOf(0)))) throw new Error("The first entry is wrong.");
  });
  for (let i = 0; i < task.count; i++) {
    if (db!.getSync(keyOf(i)) === undefined) throw new Error(`Entry ${i} of the log did not come back.`);
  }
  await db!.close();
  return outcome;
};
