/**
 * The process of one measurement; `run_job.ts` starts it and reads the line that it prints.
 *
 *     node bench/backup/measure.ts holdfast.exportTo '{"source":"...","target":"...", ...}'
 *
 * @module
 */
import process from "node:process";
import { runtimeVersion } from "../runtime.ts";
import { type Job, type Task, Unavailable } from "./jobs/job.ts";

const MODULES: Record<string, () => Promise<Record<string, Job>>> = {
  holdfast: () => import("./jobs/holdfast.ts"),
  level: () => import("./jobs/level.ts"),
  lmdb: () => import("./jobs/lmdb.ts"),
  sqlite: () => import("./jobs/sqlite.ts"),
  tools: () => import("./jobs/tools.ts"),
  writers: () => import("./jobs/writers.ts"),
};

const [name = "", task = "{}"] = process.argv.slice(2);
const [module = "", what = ""] = name.split(".");
const job = (await MODULES[module]?.())?.[what];
if (job === undefined) throw new TypeError(`There is no job "${name}".`);

let line: string;
try {
  line = `RESULT ${JSON.stringify({ runtime: runtimeVersion(), ...await job(JSON.parse(task) as Task) })}`;
} catch (error) {
  if (!(error instanceof Unavailable)) throw error;
  line = `UNAVAILABLE ${error.message}`;
}
process.stdout.write(`${line}\n`, () => {
  // Some native modules keep a thread or a timer that would hold the process.
  process.exit(0);
});
