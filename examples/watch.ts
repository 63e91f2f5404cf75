/**
 * Watch: be told what changes, as it is committed.
 *
 *     node examples/watch.ts
 *
 * @module
 */
import { DB } from "@holdfast/db";
import { fact, promise, scratch, step, title } from "./show.ts";

title("Watch", "A shop looks at its stock");
await using home = await scratch("watch");
await using db = await DB.open(`${home.path}/shop`);
await db.set("stock/apples", 12);
await db.set("stock/pears", 3);

/** The newest change that the watcher has printed. */
let seenVersion = 0;

/** Prints every change below `stock/` until it is told to stop; returns how many there were. */
async function watchStock(signal: AbortSignal): Promise<number> {
  let seen = 0;
  try {
    for await (const changes of db.watch({ prefix: "stock/" }, { initial: true, signal })) {
      for (const change of changes) {
        seen++;
        const now = change.type === "set" ? `now ${change.entry?.value}` : `${change.type}`;
        fact(change.key ?? "", `${now} (version ${change.version})`);
        seenVersion = Math.max(seenVersion, change.version);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return seen;
}

/** Whoever changes a key faster than the watcher looks gives it the newest state only; here it is to see each one. */
async function printed(version: number): Promise<void> {
  while (seenVersion < version) await new Promise<void>((resolve) => setTimeout(resolve, 1));
}

step("What is there, then each change; prices are not our business");
const stop = new AbortController();
const watching = watchStock(stop.signal);
await printed(db.version);
await printed((await db.set("stock/apples", 11)).version);
await db.set("price/apples", 1.2);
await db.atomic().set("stock/apples", 10).set("stock/plums", 40).commit();
await printed(db.version);
await printed((await db.delete("stock/pears")).version);
stop.abort();
promise(await watching === 6, "2 at the start, 3 sets and 1 delete were seen");

step("The same from the log, later: changes since a version, in order");
const since = db.version;
await db.set("stock/plums", 39);
await db.set("stock/plums", 38);
for await (const commit of db.changes({ since })) fact(`version ${commit.version}`, describe(commit.changes));

function describe(changes: readonly { type: string; key?: string | Uint8Array }[]): string {
  return changes.map(({ type, key }) => `${type} ${key}`).join(", ");
}
