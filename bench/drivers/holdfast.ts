/** @module */
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Pair } from "../data.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Mode, type Visit } from "./driver.ts";

/** The variable that names the entry of the library to be measured; without it that is the sources of this checkout. */
export const LIBRARY = "HOLDFAST_BENCH_LIBRARY";

/** The library, with all of it that is loaded a second later: that belongs to the beginning of a program, and is not measured. */
let library: Promise<typeof import("@holdfast/db")> | undefined;

async function load(): Promise<typeof import("@holdfast/db")> {
  const path = process.env[LIBRARY];
  const loaded: typeof import("@holdfast/db") =
    await (path === undefined ? import("@holdfast/db") : import(pathToFileURL(path).href));
  // Nothing is there, but it takes the code for repositories to say so.
  const nowhere = join(process.cwd(), "no-repository");
  const { NotFoundError } = loaded;
  await loaded.BackupRepository.open(nowhere, { readOnly: true }).catch((error) => {
    if (!(error instanceof NotFoundError)) throw error;
  });
  return loaded;
}

/** This library. */
export const holdfast: DriverKind = {
  name: "holdfast",
  runtimes: ["node", "deno", "bun"],
  features: ["large values", "snapshots", "tags", "transactions"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { DB } = await (library ??= load());
    const db = await DB.open(join(directory, "holdfast"), {
      durability: mode === "durable" ? "commit" : "interval",
      cacheBytes: CACHE_BYTES,
      memtableBytes: CACHE_BYTES,
    });
    const visitAll = (entries: Iterable<{ key: string; value: Uint8Array }>, visit: Visit): number => {
      let seen = 0;
      for (const { key, value } of entries) {
        visit(key, value);
        seen++;
      }
      return seen;
    };
    return {
      putBatch: async (pairs: readonly Pair[]) => void await db.setMany(pairs),
      put: (key, value) => db.set(key, value),
      delete: (key) => db.delete(key),
      deleteBatch(keys) {
        const atomic = db.atomic();
        for (const key of keys) atomic.delete(key);
        return atomic.commit();
      },
      getSync: (key) => db.getSync<Uint8Array>(key),
      get: (key) => db.get<Uint8Array>(key),
      scan: (start, limit, visit) =>
        visitAll(db.listSync<Uint8Array>(start === undefined ? {} : { start }, { limit }), visit),
      transaction: (keys, change) =>
        db.transaction(async (tx) => {
          const [first, second] = change(tx.getSync<Uint8Array>(keys[0]), tx.getSync<Uint8Array>(keys[1]));
          tx.set(keys[0], first);
          tx.set(keys[1], second);
        }),
      snapshot() {
        const snapshot = db.snapshot();
        return { get: (key) => snapshot.getSync<Uint8Array>(key), release: () => snapshot[Symbol.dispose]() };
      },
      putTagged: (entries) => db.setMany(entries.map(([key, value, tag]) => ({ key, value, tags: [tag] }))),
      scanTag: (tag, limit, visit) => visitAll(db.listSync<Uint8Array>({ tag }, { limit }), visit),
      retag: (key, value, _from, to) => db.set(key, value, { tags: [to] }),
      settle: () => db.flush(),
      close: () => db.close(),
    };
  },
};
