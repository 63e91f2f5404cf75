/**
 * Ten million entries with default options: load, reopen, scan back complete and in order, within 1 GiB of memory.
 *
 *     node bench/size.ts [--entries 10000000] [--order random|sequential] [--limit-mib 1024] [--directory DIR]
 *     bun bench/size.ts
 *     deno run -A bench/size.ts
 *
 * Exits with 1 when an entry is missing, wrong or out of order, or when more memory was resident than the limit.
 *
 * @module
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { DB } from "@holdfast/db";
import { isExactly, isValueOf, keyOf, type Pair, scatter, valueOf } from "./data.ts";
import { mebibytes, short } from "./report.ts";
import { machine, peakMemory, runtimeVersion } from "./runtime.ts";

const { values: options } = parseArgs({
  options: {
    entries: { type: "string", default: "10000000" },
    order: { type: "string", default: "random" },
    "limit-mib": { type: "string", default: "1024" },
    directory: { type: "string", default: tmpdir() },
  },
});
const entries = Number(options.entries.replaceAll("_", ""));
const limit = Number(options["limit-mib"]) * 2 ** 20;
if (!Number.isSafeInteger(entries) || entries < 1) throw new RangeError(`--entries can't be ${options.entries}.`);
if (!["random", "sequential"].includes(options.order)) throw new TypeError(`--order can't be ${options.order}.`);

/** Entries as they are asked for: nothing is kept, so that all memory counted is the database's and the runtime's. */
function* pairs(): Iterable<Pair> {
  const place = options.order === "random" ? scatter(entries) : (i: number) => i;
  for (let at = 0; at < entries; at++) {
    const i = place(at);
    yield [keyOf(i), valueOf(i)];
  }
}

async function bytesOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size;
  return bytes;
}

function say(label: string, items: number, ms: number): void {
  const rate = `${short(items / ms * 1000)}/s`;
  console.log(
    `${label.padEnd(24)} ${`${(ms / 1000).toFixed(1)} s`.padStart(9)} ${rate.padStart(9)}   peak ${
      mebibytes(peakMemory())
    }`,
  );
}

const root = await mkdtemp(join(options.directory, "holdfast-size-"));
const path = join(root, "data");
try {
  console.log(`${machine()}; ${runtimeVersion()}; ${entries.toLocaleString("en-US")} entries, ${options.order} order`);
  console.log(`${"start".padEnd(46)}peak ${mebibytes(peakMemory())}`);

  let db = await DB.open(path);
  let start = performance.now();
  let told = start;
  const { count } = await db.setMany(pairs(), {
    onProgress({ doneItems }) {
      if (performance.now() - told < 10_000) return;
      told = performance.now();
      say(`  ${short(doneItems)} loaded`, doneItems, told - start);
    },
  });
  say("loaded and synced", count, performance.now() - start);
  start = performance.now();
  await db.close();
  say("closed", 1, performance.now() - start);
  console.log(`${"on disk".padEnd(46)}${mebibytes(await bytesOf(path))} of ${mebibytes(entries * 116)} raw`);

  start = performance.now();
  db = await DB.open(path);
  say("reopened", 1, performance.now() - start);

  start = performance.now();
  let seen = 0;
  for await (const { key, value } of db.list<Uint8Array>()) {
    const right = seen % 64 === 0 ? isExactly(seen, value) : isValueOf(seen, value);
    if (key !== keyOf(seen) || !right) throw new Error(`Entry ${seen} came back as ${key}, out of order or wrong.`);
    seen++;
  }
  say("scanned in order", seen, performance.now() - start);
  await db.close();

  const peak = peakMemory();
  const complete = seen === entries && count === entries;
  console.log(
    `${complete ? "complete" : `NOT COMPLETE: ${seen} of ${entries}`}; peak resident memory ${mebibytes(peak)}`,
  );
  if (!complete || peak > limit) process.exitCode = 1;
  if (peak > limit) console.log(`That is more than ${mebibytes(limit)}.`);
} finally {
  await rm(root, { recursive: true, force: true });
}
