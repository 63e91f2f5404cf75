/**
 * Loads a database and waits to be killed; the rows about kills start it. With `--again` it opens one that was loaded, stays
 * for a second, and overwrites an entry with what it has. It ends by itself when nobody is left to kill it.
 *
 * @module
 */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { keyOf, shuffled } from "./data.ts";
import { DRIVERS } from "./drivers/mod.ts";
import { batchesOf } from "./rows/loads.ts";
import { SHORT } from "./values.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { driver: text, directory: text, entries: text, again: { type: "boolean" } } });
const kind = DRIVERS.find(({ name }) => name === values.driver);
if (kind === undefined || values.directory === undefined) throw new TypeError(`There is no driver "${values.driver}".`);

const driver = await kind.open(values.directory, "load");
if (values.again) {
  await setTimeout(1000);
  await driver.putBatch([[keyOf(0), SHORT.of(0)]]);
} else {
  for (const batch of batchesOf(shuffled(Number(values.entries), 1), SHORT)) await driver.putBatch(batch);
}
process.stdin.on("end", () => process.exit(1)).resume();
process.stdout.write("LOADED\n");
