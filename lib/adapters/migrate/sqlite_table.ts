/**
 * What has to be known of a table before its rows are read.
 *
 * @module
 */
import { MigrationError } from "./errors.ts";
import { quoted, type SqliteFile } from "./sqlite_file.ts";

/** The names of a table's columns; `TypeError` where there is no such table. */
export function tableColumns(file: SqliteFile, table: string): string[] {
  // A trigger may have the name of a table.
  const found = file.first("select type from sqlite_master where name = ? order by type = 'trigger'", table);
  if (found?.["type"] !== "table") {
    const names = [...file.rows("select name from sqlite_master where type = 'table' order by name")].map((row) =>
      row["name"]
    );
    const what = found === undefined ? `there is no table "${table}"` : `"${table}" is a ${String(found["type"])}`;
    const others = names.length === 0 ? "the file has no tables" : `the tables are ${names.join(", ")}`;
    throw new TypeError(`fromSqlite: ${what}; ${others}`);
  }
  // The extended form has generated columns as well.
  return [...file.rows("select name from pragma_table_xinfo(?) where hidden <> 1 order by cid", table)]
    .map((row) => String(row["name"]));
}

/**
 * What puts the rows of a table in an order: the row's own number, or the primary key of a table without one, or where a
 * table has neither, `key`: rows in which that is the same are refused.
 */
export function rowOrder(file: SqliteFile, table: string, key: readonly string[]): readonly string[] {
  const columns = tableColumns(file, table).map((name) => name.toLowerCase());
  const primary = [...file.rows("select name from pragma_table_info(?) where pk > 0 order by pk", table)]
    .map((row) => String(row["name"]));
  const withoutRow = file.first("select wr from pragma_table_list where schema = 'main' and name = ?", table)?.["wr"];
  if (withoutRow === 1n) return primary;
  // A column may have taken one of these names.
  const rowid = ["rowid", "_rowid_", "oid"].find((name) => !columns.includes(name));
  if (rowid !== undefined) return [rowid];
  return primary.length > 0 ? primary : key;
}

/** Refuses key columns by which two rows would be one entry. */
export function uniqueKey(
  file: SqliteFile,
  table: string,
  key: readonly string[],
  asText: boolean,
  source: string,
): void {
  const names = key.map(quoted).join(", ");
  // As bytes, whatever the column thinks of letters that differ in case: keys are bytes here.
  const by = key.map((name) => `${quoted(name)} collate binary`).join(", ");
  // A key with NULL in it is none: such rows become no entries, and each is told by itself.
  const whole = key.map((name) => `${quoted(name)} is not null`).join(" and ");
  const rows = `from ${quoted(table)} where ${whole} group by ${by} having count(*) > 1`;
  const twice = file.first(`select ${names}, count(*) as "how many" ${rows} limit 1`);
  if (twice !== undefined) {
    const which = key.map((name) => `${name} = ${String(twice[name])}`).join(", ");
    throw new MigrationError(
      `Cannot read ${source}: ${
        String(twice["how many"])
      } rows have ${which}, and would be one entry; add columns to the key ` +
        "(MIGRATION)",
      { source },
    );
  }
  if (!asText) return;
  const kinds = file.first(
    `select count(distinct typeof(${names})) as "n" from ${quoted(table)} where ${names} is not null`,
  );
  if (Number(kinds?.["n"] ?? 0n) <= 1) return;
  throw new MigrationError(
    `Cannot read ${source}: column ${
      key[0]
    } holds values of several types, whose text may be the same; use keys: "tuple" ` +
      "(MIGRATION)",
    { source },
  );
}
