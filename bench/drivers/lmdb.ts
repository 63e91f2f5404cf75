/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import type { Driver, DriverKind, Mode } from "./driver.ts";

/** lmdb-js: a memory-mapped B+tree in C. Its cache is the system's, so it has no size to set. */
export const lmdb: DriverKind = {
  name: "lmdb",
  runtimes: ["node", "deno", "bun"],
  features: ["large values", "snapshots", "transactions"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { open } = await import("lmdb");
    const db = open<Uint8Array, string>({
      path: join(directory, "lmdb.mdb"),
      encoding: "binary",
      // With overlapping syncs a put resolves before it is on disk, which is what `load` allows and `durable` doesn't.
      overlappingSync: mode === "load",
    });
    return {
      putBatch: (pairs: readonly Pair[]) =>
        db.batch(() => {
          for (const [key, value] of pairs) void db.put(key, value);
        }).then(() => {}),
      put: (key, value) => db.put(key, value),
      delete: (key) => db.remove(key),
      deleteBatch: (keys) =>
        db.batch(() => {
          for (const key of keys) void db.remove(key);
        }),
      // getBinaryFast() would lend the same bytes again and again; a value that may be kept takes getBinary().
      getSync: (key) => db.getBinary(key),
      scan(start, limit, visit) {
        let seen = 0;
        for (const { key, value } of db.getRange({ ...start === undefined ? {} : { start }, limit })) {
          visit(key, value);
          seen++;
        }
        return seen;
      },
      transaction: (keys, change) =>
        db.transaction(() => {
          const [first, second] = change(db.getBinary(keys[0]), db.getBinary(keys[1]));
          void db.put(keys[0], first);
          void db.put(keys[1], second);
        }),
      snapshot() {
        const transaction = db.useReadTransaction();
        return { get: (key) => db.get(key, { transaction }), release: () => transaction.done() };
      },
      settle: () => db.flushed,
      close: () => db.close(),
    };
  },
};
