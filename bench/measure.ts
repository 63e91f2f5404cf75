/**
 * The process of one measurement; `run_row.ts` starts it and reads the line that it prints.
 *
 *     node bench/measure.ts --row get --driver holdfast --entries 200000 --large 900 --seconds 2 --directory DIR
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { DRIVERS } from "./drivers/mod.ts";
import { prepare } from "./rows/loads.ts";
import { ROWS } from "./rows/mod.ts";
import { bytesOnDisk, bytesWritten, peakMemory, runtimeVersion } from "./runtime.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { row: text, driver: text, entries: text, large: text, seconds: text, directory: text },
});

const kind = DRIVERS.find(({ name }) => name === values.driver);
const measure = values.row === "prepare" ? prepare : ROWS.find(({ id }) => id === values.row)?.measure;
if (kind === undefined || measure === undefined || values.directory === undefined) {
  throw new TypeError(`Cannot measure row "${values.row}" with driver "${values.driver}".`);
}
const before = bytesWritten();
const measured = await measure({
  kind,
  directory: values.directory,
  entries: Number(values.entries),
  large: Number(values.large),
  seconds: Number(values.seconds),
});
const after = bytesWritten();
const line = {
  peakMemory: peakMemory(),
  ...measured,
  runtime: runtimeVersion(),
  diskBytes: bytesOnDisk(values.directory),
  ...before === undefined || after === undefined ? {} : { writtenBytes: after - before },
};
process.stdout.write(`RESULT ${JSON.stringify(line)}\n`, () => {
  // Some native modules keep a thread or a timer that would hold the process.
  process.exit(0);
});
