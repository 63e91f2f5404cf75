/**
 * Loads a database and waits to be killed; the row `open-killed` starts it. It ends by itself when nobody is left to
 * kill it.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { shuffled } from "./data.ts";
import { DRIVERS } from "./drivers/mod.ts";
import { batchesOf } from "./rows/loads.ts";
import { SHORT } from "./values.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { driver: text, directory: text, entries: text } });
const kind = DRIVERS.find(({ name }) => name === values.driver);
if (kind === undefined || values.directory === undefined) throw new TypeError(`There is no driver "${values.driver}".`);

const driver = await kind.open(values.directory, "load");
for (const batch of batchesOf(shuffled(Number(values.entries), 1), SHORT)) await driver.putBatch(batch);
process.stdin.on("end", () => process.exit(1)).resume();
process.stdout.write("LOADED\n");
