/**
 * SQLite files, read by the runtime's own `node:sqlite`.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { HoldfastError } from "../../base/errors.ts";
import { noSource, unreadable } from "./errors.ts";

/** SQLITE_CANTOPEN. */
const CANT_OPEN = 14;

/** What a column of a row holds. Whole numbers are bigints, so that none is rounded. */
export type SqlValue = null | bigint | number | string | Uint8Array;

/** A row, by the names of its columns. */
export type SqlRow = Record<string, SqlValue>;

/** An open file. */
export interface SqliteFile {
  /** The rows of a query, one after the other: all of one state of the file. */
  rows(sql: string, ...values: SqlValue[]): Iterable<SqlRow>;
  /** The first of them. */
  first(sql: string, ...values: SqlValue[]): SqlRow | undefined;
  /** Ends it. */
  close(): void;
}

/** Opens a file for reading; `NotFoundError` where there is none, `MigrationError` where it is no SQLite. */
export async function openSqliteFile(path: string, source: string): Promise<SqliteFile> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) throw noSource(path);
  if (info.isDirectory()) throw unreadable(source, new Error("it is a directory, and SQLite keeps a file"));
  const { DatabaseSync } = await import("node:sqlite").catch((cause) => {
    throw new HoldfastError(
      "NOT_INSTALLED",
      `Cannot read ${source}: this runtime has no node:sqlite (Node 22.15, Deno 2.2 and Bun 1.4 have it) (NOT_INSTALLED)`,
      { cause },
    );
  });
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw unreadable(source, cause);
    }
  };
  const from = (place: string | URL): SqliteFile => {
    const database = guarded(() => new DatabaseSync(place, { readOnly: true }));
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    };
    const file: SqliteFile = {
      *rows(sql, ...values) {
        const rows = guarded(() => prepare(sql).iterate(...values)[Symbol.iterator]());
        for (;;) {
          const { done, value } = guarded(() => rows.next());
          if (done) return;
          yield value as SqlRow;
        }
      },
      first(sql, ...values) {
        return guarded(() => prepare(sql).get(...values)) as SqlRow | undefined;
      },
      close: () => database.close(),
    };
    try {
      // Only now the file is looked at.
      file.first("select count(*) from sqlite_master");
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  };
  try {
    return from(path);
  } catch (error) {
    // A file in mode WAL wants files beside it. Where none can be made, nobody else has it open, and all is in the file
    // itself unless there is a log.
    const log = await stat(`${path}-wal`).catch(() => undefined);
    if (codeOf(error) !== CANT_OPEN || (log !== undefined && log.size > 0)) throw error;
    const still = pathToFileURL(path);
    still.search = "?immutable=1";
    return from(still);
  }
}

/** SQLite's own number for what went wrong. */
function codeOf(error: unknown): unknown {
  return ((error as { cause?: unknown }).cause as { errcode?: unknown } | undefined)?.errcode;
}

/** A name of a table or column as SQL has it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
