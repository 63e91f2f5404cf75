/** @module */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import type { Driver, DriverKind, Mode } from "./driver.ts";

/** lmdb-js: a memory-mapped B+tree in C. Its cache is the system's, so it has no size to set. */
export const lmdb: DriverKind = {
  name: "lmdb",
  runtimes: ["node", "deno", "bun"],
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
      settle: () => db.flushed,
      close: () => db.close(),
    };
  },
};
