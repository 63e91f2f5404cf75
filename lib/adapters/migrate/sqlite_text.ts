/**
 * Columns of SQLite whose texts are read as their bytes. Asked for a text, one runtime ends it at its first zero, and all of
 * them put U+FFFD where it is none: two rows could become one, and nobody would be told.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { decodeText } from "../../base/bytes.ts";
import { plainBytes } from "./source.ts";
import { quoted, type SqliteFile, type SqlRow, type SqlValue } from "./sqlite_file.ts";

/** A TEXT that is none in the encoding of its file. */
export class NoText {
  /** What is there. */
  readonly bytes: Uint8Array;

  /** Keeps the bytes. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** What a column of a row holds. */
export type Cell = SqlValue | NoText;

/** The same columns of every row of a query. */
export class Cells {
  /** What to select. */
  readonly select: string;
  readonly #columns: readonly string[];
  readonly #decode: (bytes: Uint8Array) => string | undefined;

  /** `columns` of `table`, each once. */
  constructor(file: SqliteFile, table: string, columns: readonly string[]) {
    this.#columns = columns;
    this.#decode = decoderOf(String(file.first("pragma encoding")?.["encoding"]));
    this.select = columns.map((name, i) => {
      const column = `${quoted(table)}.${quoted(name)}`;
      const cell = `case typeof(${column}) when 'text' then cast(${column} as blob) else ${column} end`;
      return `typeof(${column}) = 'text' as ${quoted(`is text ${i}`)}, ${cell} as ${quoted(`cell ${i}`)}`;
    }).join(", ");
  }

  /** The cell of a column. */
  of(row: SqlRow, column: string): Cell {
    const i = this.#columns.indexOf(column);
    const cell = row[`cell ${i}`]!;
    if (row[`is text ${i}`] !== 1n) return cell;
    // Bytes of no length may come as NULL.
    const bytes = cell instanceof Uint8Array ? plainBytes(cell) : new Uint8Array();
    return this.#decode(bytes) ?? new NoText(bytes);
  }
}

function decoderOf(encoding: string): (bytes: Uint8Array) => string | undefined {
  if (!encoding.startsWith("UTF-16")) {
    return (bytes) => {
      try {
        return decodeText(bytes);
      } catch {
        return undefined;
      }
    };
  }
  return (bytes) => {
    const units = Buffer.from(bytes);
    if (units.length % 2 === 1) return undefined;
    const text = (encoding === "UTF-16be" ? units.swap16() : units).toString("utf16le");
    return text.isWellFormed() ? text : undefined;
  };
}
