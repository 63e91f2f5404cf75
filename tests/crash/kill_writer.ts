/**
 * Run by the kill tests as a process of its own: `kill_writer.ts DIRECTORY FIRST` opens the database and writes numbers from
 * FIRST on, eight at a time, and says each one as soon as it is acknowledged. It never ends by itself, unless a write fails:
 * then it says what still works.
 */
import process from "node:process";
import { DB } from "../../mod.ts";
import { entryKey, OPTIONS, write } from "./kill_plan.ts";

const WRITERS = 8;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

const db = await DB.open(process.argv[2] ?? "", OPTIONS);
let next = Number(process.argv[3]);
say("open");
const outcomes = await Promise.allSettled(
  Array.from({ length: WRITERS }, async () => {
    while (true) {
      const n = next++;
      await write(db, n);
      say(`${n}`);
    }
  }),
);
say(`failed ${outcomes.map((outcome) => outcome.status === "rejected" ? codeOf(outcome.reason) : "").join(" ")}`);
const newest = await db.get<number>("newest");
const entry = newest === undefined ? undefined : await db.get<{ n: number }>(entryKey(newest));
say(`reads ${newest} ${entry?.n}`);
say(await write(db, next).then(() => "writes", (error) => `refuses ${codeOf(error)}`));
await db.close().catch((error) => say(`close ${codeOf(error)}`));
process.exit(7);
