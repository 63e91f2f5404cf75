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

/** Where a column is in a row of the query. */
interface Place {
  cell: string;
  texts: string;
  bit: number;
}

/** So many columns say in one number which of them are texts. */
const BITS = 30;

/** The same columns of every row of a query. */
export class Cells {
  /** What to select. */
  readonly select: string;
  readonly #places = new Map<string, Place>();
  readonly #decode: (bytes: Uint8Array) => string | undefined;

  /** `columns` of `table`, each once. */
  constructor(file: SqliteFile, table: string, columns: readonly string[]) {
    this.#decode = decoderOf(String(file.first("pragma encoding")?.["encoding"]));
    const texts = new Map<string, string[]>();
    const cells = columns.map((name, i) => {
      const place = { cell: `cell ${i}`, texts: `texts ${Math.floor(i / BITS)}`, bit: 2 ** (i % BITS) };
      this.#places.set(name, place);
      const column = `${quoted(table)}.${quoted(name)}`;
      const bits = texts.get(place.texts) ?? [];
      texts.set(place.texts, [...bits, `(typeof(${column}) = 'text') * ${place.bit}`]);
      return `case typeof(${column}) when 'text' then cast(${column} as blob) else ${column} end as ${
        quoted(place.cell)
      }`;
    });
    const sums = [...texts].map(([name, bits]) => `${bits.join(" + ")} as ${quoted(name)}`);
    this.select = [...cells, ...sums].join(", ");
  }

  /** The cell of a column. */
  of(row: SqlRow, column: string): Cell {
    const { cell: name, texts, bit } = this.#places.get(column)!;
    const cell = row[name]!;
    if ((Number(row[texts]) & bit) === 0) return cell;
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
