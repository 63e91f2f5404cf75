/**
 * What programs wait for while `compact()` rewrites the whole database beside them.
 *
 *     node bench/compact.ts [--entries 300000] [--directory DIR]
 *     bun bench/compact.ts
 *     deno run -A bench/compact.ts
 *
 * A database of entries of 1 KiB, loaded in random order and half of it overwritten, is compacted with nobody beside, beside
 * one who writes and rests, 16 who write without pause, a bulk load, and beside a restore of one entry into it. The same
 * writers are then measured for as long without a compaction, over what it has left.
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DB } from "@holdfast/db";
import { keyOf, type Pair, random, scatter } from "./data.ts";
import { Delays } from "./delays.ts";
import { table } from "./report.ts";
import { machine, runtimeVersion } from "./runtime.ts";
import { KIB } from "./values.ts";

const { values: options } = parseArgs({
  options: { entries: { type: "string", default: "300000" }, directory: { type: "string", default: tmpdir() } },
});
const entries = Number(options.entries);

/** Values are made before and reused: making them must not be what takes the time. */
const VALUES = Array.from({ length: 1024 }, (_, i) => KIB.of(i));
const scattered = scatter(entries);
const pair = (i: number): Pair => [keyOf(scattered(i)), VALUES[i % VALUES.length]!];

/** Who is beside: does one thing, again and again, as long as `running` says. */
type Beside = (db: DB, running: () => boolean, waits: Delays) => Promise<void>;

/** Notes how long a call takes. */
async function timed(waits: Delays, call: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await call();
  waits.add(performance.now() - started);
}

function writer(seed: number, restMs: number): Beside {
  return async (db, running, waits) => {
    for (const next = random(seed); running();) {
      await timed(waits, () => db.set(...pair(next() % entries)));
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  };
}

const BESIDE: Record<string, Beside> = {
  "nobody": () => Promise.resolve(),
  "a write, and a rest of 10 ms": writer(1, 10),
  "16 writers without a rest": async (...all) => {
    await Promise.all(Array.from({ length: 16 }, (_, i) => writer(i + 2, 0)(...all)));
  },
  "batches of 100, without a rest": async (db, running, waits) => {
    for (const next = random(99); running();) {
      const batch = Array.from({ length: 100 }, () => pair(next() % entries));
      await timed(waits, () => db.setMany(batch));
    }
  },
  "restores of one entry": async (db, running, waits) => {
    const one = join(root, "one.json");
    await db.backup(one, { prefix: keyOf(0), overwrite: true });
    while (running()) await timed(waits, () => db.restore(one, { mode: "merge" }));
  },
};

async function loaded(path: string): Promise<DB> {
  const db = await DB.open(path);
  await db.setMany(function* () {
    for (let i = 0; i < entries * 1.5; i++) yield pair(i % entries);
  }());
  await db.flush();
  return db;
}

const root = await mkdtemp(join(options.directory, "holdfast-compact-"));
try {
  console.log(`${machine()}; ${runtimeVersion()}; ${entries} entries of 1 KiB\n`);
  const rows: string[][] = [];
  for (const [name, beside] of Object.entries(BESIDE)) {
    const path = join(root, "data");
    const db = await loaded(path);
    const [with_, without] = [new Delays(), new Delays()];
    let running = true;
    const started = performance.now();
    const work = beside(db, () => running, with_);
    await db.compact();
    running = false;
    const took = performance.now() - started;
    await work;
    const until = performance.now() + took;
    await beside(db, () => performance.now() < until, without);
    await db.close();
    await rm(path, { recursive: true });
    const shown = (waits: Delays): string[] =>
      [waits.percentile(0.5), waits.percentile(0.99), waits.max].map((ms) => waits.max === 0 ? "-" : ms.toFixed(1));
    rows.push([name, (took / 1000).toFixed(1), ...shown(with_), ...shown(without)]);
  }
  const head = ["beside", "compact() (s)", "p50 (ms)", "p99", "most", "alone: p50 (ms)", "p99", "most"];
  console.log(table(head, rows));
} finally {
  await rm(root, { recursive: true, force: true });
}
