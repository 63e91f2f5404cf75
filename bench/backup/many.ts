/**
 * What it costs to open and list a repository of thousands of backups, whose store takes a while to answer: with the index of
 * backups, and without it.
 *
 * @module
 */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { BackupRepository, DB } from "@holdfast/db";
import { MemoryStore } from "../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../lib/storage/object_store.ts";
import { table } from "../report.ts";
import { machine } from "../runtime.ts";
import { CountingStore } from "./counting_store.ts";
import { type Common, inTemporary } from "./options.ts";
import { progress, record } from "./run_job.ts";

/** Options of this bench. */
export interface ManyOptions extends Common {
  /** How many backups. */
  count: number;
  /** How long the store takes for each request, ms. */
  latencyMs: number;
}

const INDEX = "index/backups";

/** Runs it and prints its table. It works in this process. */
export async function many(options: ManyOptions): Promise<void> {
  const { runtime, count, latencyMs, out } = options;
  console.log(`${machine()}; ${runtime}; ${count} backups, in memory; each request takes ${latencyMs} ms more`);
  const rows: string[][] = [];
  await inTemporary(options, async (root) => {
    const store = new MemoryStore();
    await using db = await DB.open(join(root, "data"), { durability: "interval" });
    {
      await using repository = await BackupRepository.open(store);
      for (let i = 0; i < count; i++) {
        if (i % 100 === 0) progress(`backup ${i} of ${count}`);
        await db.set("key", `${i}`);
        await db.backup(repository);
      }
    }
    progress("");
    for (const withIndex of [true, false]) {
      if (!withIndex) await store.delete(INDEX);
      const counting = new CountingStore(slow(store, latencyMs));
      const steps: [string, number, Record<string, number>][] = [];
      const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
        const before = { ...counting.counts };
        const start = performance.now();
        const result = await work();
        const ms = performance.now() - start;
        steps.push([
          name,
          ms,
          Object.fromEntries(Object.entries(counting.counts).map(([k, n]) => [k, n - before[k]!])),
        ]);
        return result;
      };
      await using repository = await timed("open", () => BackupRepository.open(counting));
      for (const name of ["list", "list again"]) {
        const listed = await timed(name, () => repository.list());
        if (listed.length !== count) throw new Error(`${listed.length} backups are listed where ${count} were made.`);
      }
      for (const [name, ms, figures] of steps) {
        const row = `many.${name}${withIndex ? "" : ", no index"}`;
        rows.push([row.slice("many.".length), `${(ms / 1000).toFixed(3)} s`, `${figures.get}`, `${figures.list}`]);
        await record(out, [{ row, round: 1, runtime, ms, figures: { ...figures, count, latencyMs } }]);
      }
    }
  });
  console.log(`\n${table(["", "time", "get", "list"], rows)}\n`);
}

/** As a store on the other side of a network. */
function slow(store: ObjectStore, latencyMs: number): ObjectStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...args: unknown[]): Promise<unknown> => {
        await pause(latencyMs);
        return value.apply(target, args);
      };
    },
  });
}
