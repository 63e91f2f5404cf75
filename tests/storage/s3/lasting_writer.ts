/**
 * Run as a process of its own: `lasting_writer.ts ADDRESS OPTIONS` (JSON) replicates a database into a repository for as long
 * as its standard input is open, and says `writes` once it does. Its timers are twenty times as fast as others.
 */
import process from "node:process";
import { BackupRepository, DB } from "../../../mod.ts";
import { s3 } from "../../../lib/adapters/s3.ts";
import { HASTY } from "./hasty_timers.ts";

const [address = "", options = "{}"] = process.argv.slice(2);
const db = await DB.open(":memory:");
const repo = await BackupRepository.open(s3(address, JSON.parse(options)), { timers: HASTY });
const replication = await repo.replicate(db, { interval: 20 });
let isOver = false;
process.stdin.once("end", () => isOver = true).resume();
for (let i = 0; !isOver; i++) {
  await db.set("i", i);
  await replication.flush();
  if (i === 3) process.stdout.write("writes\n");
}
await repo.close();
await db.close();
