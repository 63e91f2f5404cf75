/**
 * Tables of SQLite as sources: a row is an entry.
 *
 * @module
 */
import { resolve } from "node:path";
import { checkOptions, choiceOption, describeValue, pathOf, stringOption } from "../../base/options.ts";
import { encodeText } from "../../base/bytes.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Storable } from "../../db/data/values.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { checkCodec, type Codec } from "../typed/codec.ts";
import { tuple, type TuplePart } from "../typed/tuple.ts";
import {
  itemOf,
  type MigrationSource,
  plainBytes,
  Unsupported,
  VALUE_FORMS,
  type ValueForm,
  valueOfBytes,
} from "./source.ts";
import { openSqliteFile, quoted, type SqliteFile, type SqlValue } from "./sqlite_file.ts";
import { rowOrder, tableColumns, uniqueKey } from "./sqlite_table.ts";
import { type Cell, Cells, NoText } from "./sqlite_text.ts";

/** How keys are made of columns, or of the keys of LMDB. */
export type KeyForm = "text" | "tuple";

/** Options of `fromSqlite`. */
export interface SqliteSourceOptions {
  /** The table. */
  table: string;
  /** The column that is the key, or several. No two rows may have the same. */
  key: string | readonly string[];
  /**
   * `"text"`: the key column's text, a whole number in decimal digits, or a blob's bytes. `"tuple"`: the columns as parts of
   * a `tuple` of `@holdfast/db/typed`, so that numbers keep their order. Default: `"tuple"` with several key columns, else
   * `"text"`.
   */
  keys?: KeyForm | undefined;
  /** The column that is the value. Default: the row as JSON, by the names of its columns. */
  value?: string | undefined;
  /** Of a row as JSON: these columns only. Default: all but the key's and that of `expiresAt`. */
  columns?: readonly string[] | undefined;
  /** What the texts and blobs of the column `value` are, as in `fromLevel`. Default: `"auto"`: text is text, blobs are bytes. */
  values?: ValueForm | undefined;
  /** The column that says when a row expires, ms since the Unix epoch; NULL: it doesn't. */
  expiresAt?: string | undefined;
  /**
   * How values are kept. Default: `json()` of `@holdfast/db/typed`, which refuses numbers beyond 2^53 and blobs within a row;
   * `await structured()` keeps them.
   */
  codec?: Codec<unknown> | undefined;
}

const NAMES = ["table", "key", "keys", "value", "columns", "values", "expiresAt", "codec"];

/**
 * A table of a SQLite file, each row as an entry, read in the order of its rows. Whole numbers, texts, blobs and NULL stay
 * what they are.
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { DB } from "@holdfast/db";
 * import { fromSqlite, migrate } from "@holdfast/db/migrate";
 *
 * const sqlite = new DatabaseSync("./shop.sqlite");
 * sqlite.exec("create table orders (id integer primary key, buyer text, total real)");
 * sqlite.exec("insert into orders values (7, 'Ada', 19.5), (10, 'Grace', 3)");
 * sqlite.close();
 *
 * await using db = await DB.open(":memory:");
 * const orders = db.namespace("orders");
 * await migrate(db, fromSqlite("./shop.sqlite", { table: "orders", key: "id" }), { into: orders });
 * console.log(await orders.get("7")); // { buyer: "Ada", total: 19.5 }
 * ```
 */
export function fromSqlite(path: string | URL, options: SqliteSourceOptions): MigrationSource {
  const place = resolve(pathOf("fromSqlite", path));
  const plan = planOf(options);
  const id = `sqlite ${place} ${plan.table}`;
  return {
    id,
    plan: planText(plan),
    async open() {
      const file = await openSqliteFile(place, id);
      try {
        return opened(file, plan, id);
      } catch (error) {
        file.close();
        throw error;
      }
    },
  };
}

interface Plan {
  table: string;
  key: readonly string[];
  keys: KeyForm;
  value: string | undefined;
  columns: readonly string[] | undefined;
  values: ValueForm;
  expiresAt: string | undefined;
  codec: Codec<unknown>;
}

function planOf(options: SqliteSourceOptions): Plan {
  const checked = checkOptions("fromSqlite", options, NAMES);
  const table = stringOption("fromSqlite", checked, "table", undefined);
  const given = checked["key"];
  const key = namesOf("key", typeof given === "string" ? [given] : given);
  if (table === undefined) throw new TypeError('fromSqlite: option "table" is missing');
  if (key === undefined || key.length === 0) throw new TypeError('fromSqlite: option "key" is missing');
  const keys = choiceOption(
    "fromSqlite",
    checked,
    "keys",
    key.length > 1 ? "tuple" : "text",
    ["text", "tuple"] as const,
  );
  if (keys === "text" && key.length > 1) {
    throw new TypeError('fromSqlite: several key columns need option "keys" to be "tuple"');
  }
  const value = stringOption("fromSqlite", checked, "value", undefined);
  const columns = namesOf("columns", checked["columns"]);
  if (value !== undefined && columns !== undefined) {
    throw new TypeError('fromSqlite: both "value" and "columns"; give one of them');
  }
  return {
    ...{ table, key, keys, value, columns },
    values: choiceOption("fromSqlite", checked, "values", "auto", VALUE_FORMS),
    expiresAt: stringOption("fromSqlite", checked, "expiresAt", undefined),
    codec: checkCodec("fromSqlite", checked["codec"]),
  };
}

function planText({ key, keys, value, columns, values, expiresAt }: Plan): string {
  return JSON.stringify({ key, keys, ...(value === undefined ? { columns } : { value, values }), expiresAt });
}

function namesOf(option: string, names: unknown): readonly string[] | undefined {
  if (names === undefined) return undefined;
  if (Array.isArray(names) && names.every((name) => typeof name === "string" && name !== "")) return [...names];
  throw new TypeError(`fromSqlite: option "${option}" must be names of columns, not ${describeValue(names)}`);
}

function opened(file: SqliteFile, plan: Plan, id: string) {
  const { table, key, expiresAt } = plan;
  const all = tableColumns(file, table);
  for (const name of [...key, plan.value, expiresAt, ...plan.columns ?? []]) {
    if (name === undefined || all.includes(name)) continue;
    throw new TypeError(`fromSqlite: the table "${table}" has no column "${name}"; it has ${all.join(", ")}`);
  }
  uniqueKey(file, table, key, plan.keys === "text", id);
  const columns = plan.columns ?? all.filter((name) => !key.includes(name) && name !== expiresAt);
  const order = rowOrder(file, table, key);
  // With the table's name before them these are its columns, and nothing that is selected. As bytes: where a column takes
  // large letters for small ones a row could be behind none of the two.
  const by = order.map((name) => `${quoted(table)}.${quoted(name)} collate binary`);
  const cells = new Cells(file, table, [
    ...new Set([
      ...order,
      ...key,
      ...plan.value === undefined ? columns : [plan.value],
      ...expiresAt === undefined ? [] : [expiresAt],
    ]),
  ]);
  const sql = `select ${cells.select} from ${quoted(table)}`;
  return {
    total: Number(file.first(`select count(*) as n from ${quoted(table)}`)?.["n"] ?? 0n),
    async *entries(encoding: KeyEncoding, after: string | undefined) {
      const from = after === undefined ? [] : tuple.decode(after) as SqlValue[];
      const where = after === undefined ? "" : ` where (${by.join(", ")}) > (${by.map(() => "?").join(", ")})`;
      for (const row of file.rows(`${sql}${where} order by ${by.join(", ")}`, ...from)) {
        const cell = (name: string): Cell => cells.of(row, name);
        const shown = key.length === 1 ? shownPart(cell(key[0]!)) : key.map((name) => shownPart(cell(name)));
        yield itemOf(positionOf(order.map(cell)), shown, () => ({
          key: keyOf(plan, cell, encoding),
          value: plan.value === undefined ? ofRow(plan, columns, cell) : ofColumn(plan, cell(plan.value)),
          ...expiryOf(expiresAt === undefined ? null : cell(expiresAt)),
        }));
      }
    },
    close: async () => file.close(),
  };
}

type Row = (column: string) => Cell;

/** Where to go on; a text that might come back as another one when it is asked for is no such place. */
function positionOf(cells: readonly Cell[]): string | undefined {
  const isSafe = (cell: Cell): boolean => {
    return cell !== null && !(cell instanceof NoText) && !(typeof cell === "string" && cell.includes("\0"));
  };
  return cells.every(isSafe) ? tuple.encode(cells as TuplePart[]) : undefined;
}

function shownPart(cell: Cell): unknown {
  return cell instanceof NoText ? cell.bytes : plain(cell);
}

/** Refuses a text that is none. */
function read(what: string, cell: Cell): SqlValue {
  if (cell instanceof NoText) throw new Unsupported(`${what} is TEXT, and no text in the encoding of its file`);
  return cell;
}

function keyOf({ key, keys }: Plan, cell: Row, encoding: KeyEncoding): Key {
  if (keys === "tuple") {
    const parts = key.map((name) => partOf(name, cell(name)));
    return encoding === "bytes" ? tuple.bytes.encode(parts) : tuple.encode(parts);
  }
  const [name = ""] = key;
  const value = read(`its key, column ${name},`, cell(name));
  if (typeof value === "number") throw new Unsupported(`its key, column ${name}, is a fraction; use keys: "tuple"`);
  if (value === null) throw new Unsupported(`its key, column ${name}, is NULL`);
  if (value instanceof Uint8Array) return plainBytes(value);
  return encoding === "bytes" ? encodeText(String(value)) : String(value);
}

function partOf(name: string, cell: Cell): TuplePart {
  const value = read(`part of its key, column ${name},`, cell);
  if (value === null) throw new Unsupported(`part of its key, column ${name}, is NULL`);
  if (typeof value !== "bigint") return value instanceof Uint8Array ? plainBytes(value) : value;
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw new Unsupported(`part of its key, column ${name}, is ${value}, beyond what a number holds`);
}

/** Whole numbers as numbers, where these hold them. */
function plain(value: SqlValue): unknown {
  if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
  return value instanceof Uint8Array ? plainBytes(value) : value;
}

function ofRow({ codec }: Plan, columns: readonly string[], cell: Row): Storable {
  return codec.encode(Object.fromEntries(columns.map((name) => [name, plain(read(`column ${name}`, cell(name)))])));
}

function ofColumn({ codec, values }: Plan, cell: Cell): Storable {
  if (values !== "auto") {
    if (typeof cell === "string") return valueOfBytes(encodeText(cell), values);
    if (cell instanceof Uint8Array || cell instanceof NoText) {
      return valueOfBytes(cell instanceof NoText ? cell.bytes : cell, values);
    }
  }
  return codec.encode(plain(read("its value", cell)));
}

function expiryOf(cell: Cell): { expiresAt?: number } {
  if (cell === null) return {};
  const time = typeof cell === "bigint" || typeof cell === "number" ? Number(cell) : NaN;
  if (!Number.isFinite(time)) throw new Unsupported("its time of expiry is no number of ms");
  return { expiresAt: time };
}
