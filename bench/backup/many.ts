/**
 * What it costs to open and list a repository of thousands of backups, with the index of backups and without it: in memory,
 * where each request takes a while more as if it went over a network, or on a server of object storage on this machine.
 *
 * The repository is always made in memory, of a database for each thousand backups, and put onto a server object by object.
 *
 * @module
 */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { BackupRepository, DB } from "@holdfast/db";
import { runPool } from "../../lib/backup/repository/core/pool.ts";
import { MemoryStore } from "../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../lib/storage/object_store.ts";
import { table } from "../report.ts";
import { machine } from "../runtime.ts";
import { CountingStore } from "./counting_store.ts";
import { type Common, inTemporary } from "./options.ts";
import { startServer } from "./remote.ts";
import { progress, record } from "./run_job.ts";

/** Options of this bench. */
export interface ManyOptions extends Common {
  /** How many backups. */
  count: number;
  /** How long the store takes for each request, ms. */
  latencyMs: number;
  /** The server that it lies on; in memory unless given. */
  server: string | undefined;
}

/** Backups of one database. */
const BATCH = 1000;

/** Requests at once that put a repository onto a server. */
const PUTS_AT_ONCE = 8;

const INDEX = "index/backups";

/** Runs it and prints its table. It works in this process. */
export async function many(options: ManyOptions): Promise<void> {
  const { runtime, count, out, server: name } = options;
  const latencyMs = name === undefined ? options.latencyMs : 0;
  const where = name === undefined ? `in memory; each request takes ${latencyMs} ms more` : `on ${name}`;
  console.log(`${machine()}; ${runtime}; ${count} backups, ${where}`);
  const prefix = name === undefined ? "many" : `many.${name}`;
  const rows: string[][] = [];
  await inTemporary(options, async (root) => {
    const store = await made(root, count);
    progress("");
    await using server = await placed(store, name);
    for (const withIndex of [true, false]) {
      if (!withIndex) await server.store.delete(INDEX);
      const counting = new CountingStore(name === undefined ? slow(server.store, latencyMs) : server.store);
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
        const step = `${name}${withIndex ? "" : ", no index"}`;
        rows.push([step, `${(ms / 1000).toFixed(3)} s`, `${figures.get}`, `${figures.list}`]);
        await record(out, [{
          row: `${prefix}.${step}`,
          round: 1,
          runtime,
          ms,
          figures: { ...figures, count, latencyMs },
        }]);
      }
    }
  });
  console.log(`\n${table(["", "time", "get", "list"], rows)}\n`);
}

/** A repository with so many backups, in memory. */
async function made(root: string, count: number): Promise<ObjectStore> {
  const store = new MemoryStore();
  await using whole = await BackupRepository.open(store);
  for (let done = 0; done < count; done += BATCH) {
    await using db = await DB.open(join(root, `data-${done}`), { durability: "interval" });
    // In one repository, each backup would look at all that came before.
    await using repository = await BackupRepository.open(new MemoryStore());
    for (let i = done; i < Math.min(count, done + BATCH); i++) {
      if (i % 100 === 0) progress(`backup ${i} of ${count}`);
      await db.set("key", `${i}`);
      await db.backup(repository);
    }
    await repository.copyTo(whole);
  }
  return store;
}

/** Puts a repository onto a server, started for it; without a name it stays where it is. */
async function placed(store: ObjectStore, name: string | undefined): Promise<{ store: ObjectStore } & AsyncDisposable> {
  if (name === undefined) return { store, [Symbol.asyncDispose]: () => Promise.resolve() };
  const server = await startServer(name);
  try {
    let done = 0;
    let after: string | undefined;
    do {
      const page = await store.list({ after });
      await runPool(page.objects, PUTS_AT_ONCE, async ({ key }) => {
        if (done++ % 1000 === 0) progress(`object ${done} onto ${name}`);
        await server.store.put(key, (await store.get(key))!.body);
      });
      after = page.next;
    } while (after !== undefined);
    progress("");
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { store: server.store, [Symbol.asyncDispose]: () => server.stop() };
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
