/**
 * A thread beside the writer of its own process: it tells what comes of opening the same database, and then reads.
 */
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { DB } from "../../mod.ts";

const directory = String(workerData);
parentPort!.postMessage(await DB.open(directory).then(() => "opened", (error) => error.message));
const db = await DB.open(directory, { readOnly: true });
parentPort!.postMessage(await db.get("k"));
await once(parentPort!, "message");
await db.refresh();
const found = await db.get("k");
await db.close();
parentPort!.postMessage(found);
