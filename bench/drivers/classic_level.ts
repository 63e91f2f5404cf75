/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import { visitAll } from "./chunked_iterator.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Mode } from "./driver.ts";

/** classic-level: LevelDB, an LSM tree in C++. */
export const classicLevel: DriverKind = {
  name: "classic-level",
  runtimes: ["node", "deno", "bun"],
  features: ["large values", "snapshots"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { ClassicLevel } = await import("classic-level");
    const db = new ClassicLevel<string, Uint8Array>(join(directory, "level"), {
      valueEncoding: "view",
      cacheSize: CACHE_BYTES,
      writeBufferSize: CACHE_BYTES,
    });
    await db.open();
    const sync = mode === "durable";
    return {
      putBatch: (pairs: readonly Pair[]) => db.batch(pairs.map(([key, value]) => ({ type: "put", key, value }))),
      put: (key, value) => db.put(key, value, { sync }),
      delete: (key) => db.del(key, { sync }),
      deleteBatch: (keys) => db.batch(keys.map((key) => ({ type: "del", key }))),
      getSync: (key) => db.getSync(key),
      get: (key) => db.get(key),
      async scan(start, limit, visit) {
        // The default hands over 16 KiB at a time; each time costs a trip through the thread pool.
        const iterator = db.iterator({
          ...start === undefined ? {} : { gte: start },
          limit,
          highWaterMarkBytes: 2 ** 18,
        });
        return await visitAll(iterator, limit, visit);
      },
      snapshot() {
        const snapshot = db.snapshot();
        return { get: (key) => db.getSync(key, { snapshot }), release: () => snapshot.close() };
      },
      // There is no call for it, but a synced write makes all before it durable.
      settle: () => db.del("~", { sync: true }),
      close: () => db.close(),
    };
  },
};
