/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Mode } from "./driver.ts";

/** This library. */
export const holdfast: DriverKind = {
  name: "holdfast",
  runtimes: ["node", "deno", "bun"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { DB } = await import("@holdfast/db");
    const db = await DB.open(join(directory, "holdfast"), {
      durability: mode === "durable" ? "commit" : "interval",
      cacheBytes: CACHE_BYTES,
      memtableBytes: CACHE_BYTES,
    });
    return {
      putBatch: async (pairs: readonly Pair[]) => void await db.setMany(pairs),
      put: (key, value) => db.set(key, value),
      getSync: (key) => db.getSync<Uint8Array>(key),
      get: (key) => db.get<Uint8Array>(key),
      scan(start, limit, visit) {
        let seen = 0;
        for (const { key, value } of db.listSync<Uint8Array>(start === undefined ? {} : { start }, { limit })) {
          visit(key, value);
          seen++;
        }
        return seen;
      },
      settle: () => db.flush(),
      close: () => db.close(),
    };
  },
};
