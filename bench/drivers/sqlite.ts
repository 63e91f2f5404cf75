/**
 * SQLite as it comes built in, `node:sqlite` (in all three runtimes by now) and `bun:sqlite`, and as `better-sqlite3`.
 *
 * @module
 */
import { join } from "node:path";
import type { Pair } from "../data.ts";
import { CACHE_BYTES, type Driver, type DriverKind, type Feature, type Mode, type Visit } from "./driver.ts";

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

const GET = "SELECT v FROM entries WHERE k = ?";

const FEATURES: readonly Feature[] = ["large values", "snapshots", "tags", "transactions"];

/** They differ in how they open, not in what they do then. */
function driver(connect: () => Database, mode: Mode): Driver {
  const db = connect();
  // NORMAL hands each commit to the system and syncs at checkpoints; FULL syncs each commit.
  db.exec(`PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${mode === "durable" ? "FULL" : "NORMAL"};
    PRAGMA cache_size = ${-CACHE_BYTES / 1024};
    CREATE TABLE IF NOT EXISTS entries (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tags (t TEXT, k TEXT, PRIMARY KEY (t, k)) WITHOUT ROWID`);
  const put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
  const remove = db.prepare("DELETE FROM entries WHERE k = ?");
  const get = db.prepare(GET);
  const from = db.prepare("SELECT k, v FROM entries WHERE k >= ? ORDER BY k LIMIT ?");
  const tag = db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?)");
  const tagged = db.prepare("SELECT k, v FROM tags JOIN entries USING (k) WHERE t = ? ORDER BY k LIMIT ?");
  const retag = db.prepare("UPDATE tags SET t = ? WHERE t = ? AND k = ?");
  const valueOf = (row: unknown) => (row as Row | undefined | null)?.v;
  const together = (work: () => void) => {
    db.exec("BEGIN IMMEDIATE");
    work();
    db.exec("COMMIT");
  };
  const visitAll = (rows: Iterable<unknown>, visit: Visit): number => {
    let seen = 0;
    for (const row of rows) {
      visit((row as Row).k, (row as Row).v);
      seen++;
    }
    return seen;
  };
  return {
    putBatch: (pairs: readonly Pair[]) =>
      together(() => {
        for (const [key, value] of pairs) put.run(key, value);
      }),
    put: (key, value) => void put.run(key, value),
    delete: (key) => void remove.run(key),
    deleteBatch: (keys) =>
      together(() => {
        for (const key of keys) remove.run(key);
      }),
    getSync: (key) => valueOf(get.get(key)),
    scan: (start, limit, visit) => visitAll(from.iterate(start ?? "", limit === Infinity ? -1 : limit), visit),
    transaction: (keys, change) =>
      together(() => {
        const [first, second] = change(valueOf(get.get(keys[0])), valueOf(get.get(keys[1])));
        put.run(keys[0], first);
        put.run(keys[1], second);
      }),
    snapshot() {
      // A read transaction of another connection sees what was there at its first read.
      const other = connect();
      other.exec(`PRAGMA cache_size = ${-CACHE_BYTES / 1024}`);
      other.exec("BEGIN");
      const past = other.prepare(GET);
      past.get("");
      return { get: (key) => valueOf(past.get(key)), release: () => other.close() };
    },
    putTagged: (entries) =>
      together(() => {
        for (const [key, value, name] of entries) {
          put.run(key, value);
          tag.run(name, key);
        }
      }),
    scanTag: (name, limit, visit) => visitAll(tagged.iterate(name, limit === Infinity ? -1 : limit), visit),
    retag: (key, _value, from, to) => void retag.run(to, from, key),
    settle: () => void db.exec("PRAGMA wal_checkpoint(TRUNCATE)"),
    close: () => db.close(),
  };
}

/** The SQLite that Node brought, and Deno and Bun have too. */
export const nodeSqlite: DriverKind = {
  name: "node:sqlite",
  runtimes: ["node", "deno", "bun"],
  features: FEATURES,
  async open(directory: string, mode: Mode): Promise<Driver> {
    const { DatabaseSync } = await import("node:sqlite");
    return driver(() => new DatabaseSync(join(directory, "node.sqlite")), mode);
  },
};

/** Bun's own SQLite. */
export const bunSqlite: DriverKind = {
  name: "bun:sqlite",
  runtimes: ["bun"],
  features: FEATURES,
  async open(directory: string, mode: Mode): Promise<Driver> {
    // The name is only known to Bun: a literal import would fail the type check of the other two.
    const name = "bun:sqlite";
    const { Database } = await import(name) as { Database: new (path: string) => Database };
    return driver(() => new Database(join(directory, "bun.sqlite")), mode);
  },
};

/** better-sqlite3, with the SQLite that it brings. */
export const betterSqlite: DriverKind = {
  name: "better-sqlite3",
  runtimes: ["node", "deno", "bun"],
  features: FEATURES,
  async open(directory: string, mode: Mode): Promise<Driver> {
    // It comes without types, hence not as a literal.
    const name = "better-sqlite3";
    const { default: Database } = await import(name) as { default: new (path: string) => Database };
    return driver(() => new Database(join(directory, "better.sqlite")), mode);
  },
};
