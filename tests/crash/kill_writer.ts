/**
 * Run by the kill tests as a process of its own: `kill_writer.ts DIRECTORY FIRST WRITERS` opens the database and writes
 * numbers from FIRST on, WRITERS at a time, and says each one as soon as it is acknowledged, or `refused N CODE`. A full disk it outlasts for
 * a while. It never ends by itself, unless a write fails: then it says what still works.
 */
import process from "node:process";
import { DB } from "../../mod.ts";
import { entryKey, OPTIONS, write } from "./kill_plan.ts";

/** So many refusals of a full disk make it believe that there will be no space. */
const REFUSALS_MAX = 40;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

const db = await DB.open(process.argv[2] ?? "", OPTIONS);
let next = Number(process.argv[3]);
let refusals = 0;
say("open");
const outcomes = await Promise.allSettled(
  Array.from({ length: Number(process.argv[4]) }, async () => {
    while (true) {
      const n = next++;
      const failure = await write(db, n).then(() => undefined, (error) => ({ error }));
      if (failure === undefined) {
        say(`${n}`);
        continue;
      }
      const code = codeOf(failure.error);
      say(`refused ${n} ${code}`);
      if (code !== "NO_SPACE" || ++refusals > REFUSALS_MAX) throw failure.error;
      await new Promise((resolve) => setTimeout(resolve, 1));
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
