/**
 * Run by the kill test as a process of its own: `kill_writer.ts DIRECTORY FIRST` opens the database and writes numbers from
 * FIRST on, eight at a time, and says each one as soon as it is acknowledged. It never ends by itself.
 */
import process from "node:process";
import { DB } from "../../mod.ts";
import { OPTIONS, write } from "./kill_plan.ts";

const WRITERS = 8;

const db = await DB.open(process.argv[2] ?? "", OPTIONS);
let next = Number(process.argv[3]);
process.stdout.write("open\n");
await Promise.all(Array.from({ length: WRITERS }, async () => {
  while (true) {
    const n = next++;
    await write(db, n);
    process.stdout.write(`${n}\n`);
  }
}));
