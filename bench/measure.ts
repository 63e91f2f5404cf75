/**
 * The process of one measurement; `compare.ts` starts it and reads the line that it prints.
 *
 *     node bench/measure.ts --row get --driver holdfast --entries 200000 --seconds 2 --directory DIR
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { DRIVERS } from "./drivers/mod.ts";
import { prepare, ROWS } from "./rows.ts";
import { peakMemory, runtimeVersion } from "./runtime.ts";

const { values } = parseArgs({
  options: {
    row: { type: "string" },
    driver: { type: "string" },
    entries: { type: "string" },
    seconds: { type: "string" },
    directory: { type: "string" },
  },
});

const kind = DRIVERS.find(({ name }) => name === values.driver);
const measure = values.row === "prepare" ? prepare : ROWS.find(({ id }) => id === values.row)?.measure;
if (kind === undefined || measure === undefined || values.directory === undefined) {
  throw new TypeError(`Cannot measure row "${values.row}" with driver "${values.driver}".`);
}
const measured = await measure({
  kind,
  directory: values.directory,
  entries: Number(values.entries),
  seconds: Number(values.seconds),
});
const line = { ...measured, runtime: runtimeVersion(), peakMemory: peakMemory() };
process.stdout.write(`RESULT ${JSON.stringify(line)}\n`, () => {
  // Some native modules keep a thread or a timer that would hold the process.
  process.exit(0);
});
