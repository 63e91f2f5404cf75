/**
 * Other stores as sources of an import: which one a place is, and the options that they take. What reads them is loaded when
 * one is named, and not before.
 *
 * @module
 */
import { readRange } from "../../files/read.ts";
import type { MigrationSource, ValueForm } from "../../adapters/migrate/source.ts";
import type { KeyForm } from "../../adapters/migrate/sqlite.ts";
import type { Call } from "./command.ts";
import { CommandFailure, UsageError } from "./exit_code.ts";
import { type OptionSpec, under } from "./option_spec.ts";
import { PROGRAM_NAME } from "../version.ts";
import { kindAt, shellWord, shown } from "./places.ts";
import { isAddress } from "./store.ts";

/** The stores that entries can come from. */
export const STORES = ["deno-kv", "level", "lmdb", "redis", "sqlite"] as const;

/** One of them. */
export type Store = (typeof STORES)[number];

/** What is said of a source. */
export const STORE_OPTIONS: readonly OptionSpec[] = under("Other stores", [
  {
    name: "values",
    kind: "choice",
    choices: ["text", "json", "bytes", "auto"],
    help: "what values of level and redis are (text unless given), or texts of a column",
  },
  { name: "keys", kind: "choice", choices: ["text", "tuple"], help: "what becomes of keys of sqlite and lmdb" },
  { name: "structured", kind: "flag", help: "keep dates, sets, bigints and the like of sqlite and lmdb as such" },
  { name: "table", kind: "text", value: "NAME", help: "the table of a SQLite file" },
  { name: "key", kind: "text", value: "COLUMN", many: true, help: "the column that is the key, or several" },
  { name: "value", kind: "text", value: "COLUMN", help: "the column that is the value: the row as JSON unless given" },
  { name: "column", kind: "text", value: "COLUMN", many: true, help: "only this column of the row" },
  { name: "expires-column", kind: "text", value: "COLUMN", help: "the column that says when a row expires, in ms" },
  { name: "database", kind: "text", value: "NAME", help: "the named database of an LMDB" },
  { name: "match", kind: "text", value: "PATTERN", help: "only keys of redis that fit this" },
]);

/** Which options each store takes. */
const TAKES: Readonly<Record<Store, readonly string[]>> = {
  "deno-kv": [],
  level: ["values"],
  lmdb: ["keys", "structured", "database"],
  redis: ["values", "match"],
  sqlite: ["values", "keys", "structured", "table", "key", "value", "column", "expires-column"],
};

/** Refuses options that are for a store, or for another one. */
export function refuseStoreOptions({ given }: Call, store: Store | undefined, what: string): void {
  const takes = store === undefined ? [] : TAKES[store];
  const wrong = STORE_OPTIONS.filter(({ name }) => given.isGiven(name)).find(({ name }) => !takes.includes(name));
  if (wrong !== undefined) throw new UsageError(`--${wrong.name} is not for ${what}`);
}

/** Which store a place is; what is a database or repository of ours is refused. Undefined when it is a file of entries, or standard input. */
export async function storeAt(call: Call, from: string): Promise<Store | undefined> {
  const { given, io } = call;
  const format = given.choice("format");
  if (format !== undefined) return STORES.find((store) => store === format);
  if (/^rediss?:\/\//i.test(from)) return "redis";
  if (from === "-") return undefined;
  const info = await io.fileSystem.stat(from);
  if (info?.kind === "directory") {
    const names = await io.fileSystem.list(from);
    if (names.includes("data.mdb")) return "lmdb";
    // A database of ours has a file CURRENT as well, and no LOG.
    if (names.includes("CURRENT") && names.includes("LOG")) return "level";
  }
  if (info?.kind === "directory" || isAddress(from)) {
    const kind = await kindAt(io, from);
    if (kind === undefined) throw new CommandFailure(`${from} is a directory of no store that is known; give --format`);
    const line = `restore ${shellWord(shown(from))} ${shellWord(call.words[0] ?? "")} --mode merge`;
    throw new UsageError(`${shown(from)} is ${kind}; its entries come in by\n  ${PROGRAM_NAME} ${line}`);
  }
  if (info === undefined || info.size < SQLITE_MARK.length) return undefined;
  const handle = await io.fileSystem.open(from, "read");
  try {
    const start = new TextDecoder().decode(await readRange(handle, 0, SQLITE_MARK.length));
    if (start !== SQLITE_MARK) return undefined;
  } finally {
    await handle.close();
  }
  return given.isGiven("table") ? "sqlite" : "deno-kv";
}

/** How a file of SQLite begins. */
const SQLITE_MARK = "SQLite format 3\0";

/** The source that the words of the command line name. */
export async function sourceOf(call: Call, store: Store, from: string): Promise<MigrationSource> {
  const { given, io } = call;
  refuseStoreOptions(call, store, store);
  const migration = await import("../../adapters/migrate.ts");
  const values = given.choice<ValueForm>("values");
  switch (store) {
    case "deno-kv":
      return migration.fromDenoKv(from);
    case "level":
      return migration.fromLevel(from, { values });
    case "redis":
      return migration.fromRedis(withPassword(from, io.env("HOLDFAST_REDIS_PASSWORD")), {
        values,
        match: given.text("match"),
      });
  }
  const keys = given.choice<KeyForm>("keys");
  const codec = given.flag("structured")
    ? await (await import("../../adapters/typed.ts")).structured<unknown>()
    : undefined;
  if (store === "lmdb") return migration.fromLmdb(from, { keys, codec, database: given.text("database") });
  const [table, key, columns] = [given.text("table"), given.list("key"), given.list("column")];
  if (table === undefined || key.length === 0) throw new UsageError("a table of SQLite needs --table and --key");
  return migration.fromSqlite(from, {
    ...{ table, key, keys, codec, values },
    value: given.text("value"),
    columns: columns.length === 0 ? undefined : columns,
    expiresAt: given.text("expires-column"),
  });
}

function withPassword(address: string, password: string | undefined): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    // It may hold a password, which is what makes it none where that has a slash in it.
    throw new UsageError("FROM is no address such as redis://localhost:6379/0");
  }
  if (url.password !== "") {
    throw new UsageError(
      "a password would be seen in the list of processes; set HOLDFAST_REDIS_PASSWORD to it instead",
    );
  }
  if (password !== undefined && password !== "") url.password = encodeURIComponent(password);
  return url.href;
}
