/** Run as a process of its own: `write_and_close.ts PATH` writes one entry to the database there. */
import process from "node:process";
import { DB } from "../../mod.ts";

await using db = await DB.open(process.argv[2]!);
await db.set("theirs", 1);
