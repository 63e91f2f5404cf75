/** Run by the tests as a process of its own: `opening_program.ts DIR` says how DIR opens with `readOnly`, and without. */
import process from "node:process";
import { DB } from "../../mod.ts";

const directory = process.argv[2] ?? "";
for (const readOnly of [true, false]) {
  let said: string;
  try {
    await using db = await DB.open(directory, { readOnly });
    said = String(await db.get("k"));
  } catch (error) {
    said = String(error);
  }
  process.stdout.write(`${readOnly ? "readOnly" : "writing"}: ${said}\n`);
}
