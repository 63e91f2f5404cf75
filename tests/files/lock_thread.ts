/**
 * A thread that takes a lock and keeps it; told by a message.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";

await nodeFileSystem().lock(String(workerData));
parentPort!.postMessage("held");
setInterval(() => {}, 1000);
