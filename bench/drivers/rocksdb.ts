/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import { type ChunkedIterator, visitAll } from "./chunked_iterator.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Mode } from "./driver.ts";

interface Batch {
  put(key: string, value: Uint8Array): Batch;
  del(key: string): Batch;
  write(options: { sync: boolean }): Promise<void>;
}

interface Rocks {
  open(options: object): Promise<void>;
  batch(): Batch;
  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]>;
  _getManySync(keys: string[]): (Uint8Array | undefined)[];
  iterator(options: { gte?: string; limit: number; highWaterMarkBytes: number }): ChunkedIterator;
  close(): Promise<void>;
}

/**
 * RocksDB, LevelDB's big sister, by @nxtedition/rocksdb. Its write buffer has RocksDB's default of 64 MiB. Every write
 * goes through a batch, as its `put` would do without passing on `sync`; and writes are made on the main thread.
 */
export const rocksdb: DriverKind = {
  name: "rocksdb",
  runtimes: ["node", "deno", "bun"],
  features: ["large values"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    // It comes without types, hence not as a literal.
    const name = "@nxtedition/rocksdb";
    const { RocksLevel } = await import(name) as { RocksLevel: new (path: string, options: object) => Rocks };
    const encodings = { keyEncoding: "utf8", valueEncoding: "buffer" };
    const db = new RocksLevel(join(directory, "rocks"), encodings);
    await db.open({ createIfMissing: true, cacheSize: CACHE_BYTES });
    const sync = mode === "durable";
    return {
      putBatch(pairs: readonly Pair[]) {
        const batch = db.batch();
        for (const [key, value] of pairs) batch.put(key, value);
        return batch.write({ sync: false });
      },
      put: (key, value) => db.batch().put(key, value).write({ sync }),
      delete: (key) => db.batch().del(key).write({ sync }),
      deleteBatch(keys) {
        const batch = db.batch();
        for (const key of keys) batch.del(key);
        return batch.write({ sync: false });
      },
      getSync: (key) => db._getManySync([key])[0],
      get: async (key) => (await db.getMany([key]))[0],
      async scan(start, limit, visit) {
        const iterator = db.iterator({
          ...start === undefined ? {} : { gte: start },
          limit: limit === Infinity ? -1 : limit,
          highWaterMarkBytes: 2 ** 18,
        });
        return await visitAll(iterator, limit, visit);
      },
      // As in LevelDB, a synced write makes all before it durable.
      settle: () => db.batch().del("~").write({ sync: true }),
      close: () => db.close(),
    };
  },
};
