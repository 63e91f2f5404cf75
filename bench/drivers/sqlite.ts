/**
 * SQLite as it comes built in: `node:sqlite` (in all three runtimes by now) and `bun:sqlite`.
 *
 * @module
 */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Mode } from "./driver.ts";

interface Statement {
  run(...values: (string | number | Uint8Array)[]): unknown;
  get(...values: (string | number)[]): unknown;
  iterate(...values: (string | number)[]): Iterable<unknown>;
}

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}

interface Row {
  k: string;
  v: Uint8Array;
}

/** The two differ in how they open, not in what they do then. */
function driver(db: Database, mode: Mode): Driver {
  // NORMAL hands each commit to the system and syncs at checkpoints; FULL syncs each commit.
  db.exec(`PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${mode === "durable" ? "FULL" : "NORMAL"};
    PRAGMA cache_size = ${-CACHE_BYTES / 1024};
    CREATE TABLE IF NOT EXISTS entries (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID`);
  const put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
  const get = db.prepare("SELECT v FROM entries WHERE k = ?");
  const from = db.prepare("SELECT k, v FROM entries WHERE k >= ? ORDER BY k LIMIT ?");
  return {
    putBatch(pairs: readonly Pair[]) {
      db.exec("BEGIN");
      for (const [key, value] of pairs) put.run(key, value);
      db.exec("COMMIT");
    },
    put: (key, value) => void put.run(key, value),
    getSync: (key) => (get.get(key) as Row | undefined | null)?.v,
    scan(start, limit, visit) {
      let seen = 0;
      for (const row of from.iterate(start ?? "", limit === Infinity ? -1 : limit)) {
        visit((row as Row).k, (row as Row).v);
        seen++;
      }
      return seen;
    },
    settle: () => void db.exec("PRAGMA wal_checkpoint(TRUNCATE)"),
    close: () => db.close(),
  };
}

/** The SQLite that Node brought, and Deno and Bun have too. */
export const nodeSqlite: DriverKind = {
  name: "node:sqlite",
  runtimes: ["node", "deno", "bun"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { DatabaseSync } = await import("node:sqlite");
    return driver(new DatabaseSync(join(directory, "node.sqlite")), mode);
  },
};

/** Bun's own SQLite. */
export const bunSqlite: DriverKind = {
  name: "bun:sqlite",
  runtimes: ["bun"],
  async open(directory: string, mode: Mode): Promise<Driver> {
    // The name is only known to Bun: a literal import would fail the type check of the other two.
    const name = "bun:sqlite";
    const { Database } = await import(name) as { Database: new (path: string) => Database };
    return driver(new Database(join(directory, "bun.sqlite")), mode);
  },
};
