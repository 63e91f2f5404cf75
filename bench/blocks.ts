/**
 * What the size of a table's blocks costs and gains: documents in JSON, of which a full block cache holds a part, written in
 * random order, looked up at random and walked over, with blocks of each size in turn.
 *
 *     node bench/blocks.ts [--entries 200000] [--bytes 1000] [--kib 4,8,16] [--rounds 3] [--seconds 1] [--directory DIR]
 *     bun bench/blocks.ts
 *     deno run -A bench/blocks.ts
 *
 * @module
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DB } from "@holdfast/db";
import { keyOf, random, shuffled } from "./data.ts";
import { positive } from "./options.ts";
import { median, short, table } from "./report.ts";
import { machine, runtimeVersion } from "./runtime.ts";

const text = { type: "string" } as const;
const { values: options } = parseArgs({
  options: { entries: text, bytes: text, kib: text, rounds: text, seconds: text, directory: text },
});
const entries = positive(options.entries, 200_000, "entries");
const bytes = positive(options.bytes, 1000, "bytes");
const rounds = positive(options.rounds, 3, "rounds");
const seconds = positive(options.seconds, 1, "seconds");
const sizes = (options.kib ?? "4,8,16").split(",").map((size) => positive(size, 0, "kib") * 1024);

const WORDS =
  ("the quick brown fox jumps over a lazy dog order customer invoice street berlin paris london shipped pending " +
    "cancelled returned gold silver bronze premium basic mobile desktop tablet").split(" ");

interface Document {
  id: number;
  token: string;
  name: string;
  email: string;
  at: number;
  items: { sku: string; quantity: number; price: number; note: string }[];
}

/** A document of about so many bytes: names that repeat, numbers that don't. */
function documentOf(id: number): Document {
  const next = random(id + 1);
  const word = () => WORDS[next() % WORDS.length]!;
  const token = Array.from({ length: 3 }, () => next().toString(16)).join("-");
  const items: Document["items"] = [];
  const made = { id, token, name: `${word()} ${word()}`, email: `u${next()}@example.com`, at: 1.6e12 + next(), items };
  for (let length = JSON.stringify(made).length; length < bytes;) {
    const note = [word(), word(), word(), word()].join(" ");
    const item = { sku: `SKU-${next() % 1e6}`, quantity: next() % 10, price: next() % 1e5 / 100, note };
    items.push(item);
    length += JSON.stringify(item).length + 1;
  }
  return made;
}

interface Measured {
  load: number;
  gets: number;
  scan: number;
  bytes: number;
}

async function measure(directory: string, blockBytes: number): Promise<Measured> {
  const order = shuffled(entries, 1);
  let db = await DB.open(directory, { tuning: { blockBytes } });
  const load = await rate(entries, async () => {
    await db.setMany(function* () {
      for (const i of order) yield [keyOf(i), documentOf(i)] as const;
    }());
    await db.compact();
  });
  await db.close();
  db = await DB.open(directory);
  let scanned = 0;
  const scan = await rate(entries, () => {
    for (const _ of db.listSync({})) scanned++;
  });
  if (scanned !== entries) throw new Error(`${scanned} entries of ${entries} were found.`);
  const next = random(2);
  const get = (): void => {
    const i = next() % entries;
    if (db.getSync<{ id: number }>(keyOf(i))?.id !== i) throw new Error(`${keyOf(i)} is not what was written.`);
  };
  for (let i = 0; i < entries; i++) get();
  let gets = 0;
  const start = performance.now();
  for (; performance.now() - start < seconds * 1000; gets += 100) for (let i = 0; i < 100; i++) get();
  gets *= 1000 / (performance.now() - start);
  await db.close();
  return { load, gets, scan, bytes: await bytesOfTables(directory) };
}

async function rate(items: number, work: () => void | Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return items * 1000 / (performance.now() - start);
}

async function bytesOfTables(directory: string): Promise<number> {
  const tables = (await readdir(directory)).filter((name) => name.endsWith(".sst"));
  const found = await Promise.all(tables.map((name) => stat(join(directory, name))));
  return found.reduce((sum, { size }) => sum + size, 0);
}

console.log(`${machine()}; ${runtimeVersion()}; ${short(entries)} documents of ${bytes} bytes, medians of ${rounds}\n`);
const root = await mkdtemp(join(options.directory ?? tmpdir(), "holdfast-blocks-"));
try {
  const measured = new Map(sizes.map((size) => [size, [] as Measured[]]));
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      const directory = join(root, "data");
      measured.get(size)!.push(await measure(directory, size));
      await rm(directory, { recursive: true });
    }
  }
  const rows = sizes.map((size) => {
    const middle = (field: keyof Measured) => median(measured.get(size)!.map((one) => one[field]));
    const [load, gets, scan] = [middle("load"), middle("gets"), middle("scan")].map(short);
    return [`${size / 1024} KiB`, load!, gets!, scan!, `${(middle("bytes") / 1e6).toFixed(1)} MB`];
  });
  console.log(table(["blocks of", "load (/s)", "random gets (/s)", "scan (/s)", "tables"], rows));
} finally {
  await rm(root, { recursive: true, force: true });
}
