/**
 * Reads a whole table from its file, past the cache, and checks all that can be checked: every block's checksum, every
 * row's place in the order, the bounds in the index, the filter, the counts, the parts read at opening, and the hash of
 * the file where it is known.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { compareBytes, copyBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import type { Slicer } from "../../base/yield.ts";
import { openBlock } from "../../format/table/block.ts";
import { BlockCursor } from "../../format/table/block_cursor.ts";
import { cellOp, OP_DELETE } from "../../format/cell.ts";
import type { DataBlock } from "../../format/table/data_block.ts";
import { checksumSeed, FILE_HEADER_BYTES, type FileHeader, readFileHeader } from "../../format/identity.ts";
import type { TableIndex } from "../../format/table/index_block.ts";
import { readTableFooter, TABLE_FOOTER_BYTES, type TableFooter } from "../../format/table/table.ts";
import type { TableProperties } from "../../format/table/table_properties.ts";
import { type Damage, damageOf } from "./damage.ts";

/** What the check needs of an open table. */
export interface CheckedTable {
  /** Where it lies. */
  readonly path: string;
  /** Its length. */
  readonly size: number;
  /** As read at opening. */
  readonly header: FileHeader;
  /** As read at opening. */
  readonly footer: TableFooter;
  /** As read at opening. */
  readonly index: TableIndex;
  /** As read at opening. */
  readonly properties: TableProperties;
  /** Fills `into` from the file. */
  read(into: Uint8Array, offset: number): Promise<void>;
  /** Checks and decodes the data block stored at `offset`. */
  decode(stored: Uint8Array, offset: number): DataBlock;
  /** What the filter says. */
  mayContain(key: Uint8Array): boolean;
}

/** Read at once: long enough to stream, short enough that many checks at a time stay small. */
const READ_BYTES = 2 ** 20;

/** Gives all damage found. `sha256`: what the whole file should hash to, where that is known. */
export async function* checkTable(
  table: CheckedTable,
  slicer: Slicer,
  sha256: string | undefined,
): AsyncGenerator<Damage, void> {
  const hash = createHash("sha256");
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    await table.read(bytes, offset);
    hash.update(bytes);
    return bytes;
  };
  const { offsets, count } = table.index;
  const rows = new RowCheck(table);
  try {
    readFileHeader("table", await read(0, FILE_HEADER_BYTES), table.path);
    let end = 0;
    while (end < count) {
      const i = end++;
      while (end < count && offsets[end + 1]! - offsets[i]! <= READ_BYTES) end++;
      const bytes = await read(offsets[i]!, offsets[end]! - offsets[i]!);
      for (let block = i; block < end; block++) {
        const stored = bytes.subarray(offsets[block]! - offsets[i]!, offsets[block + 1]! - offsets[i]!);
        try {
          yield* rows.check(table.decode(stored, offsets[block]!), block);
        } catch (error) {
          yield damageOf(error);
          rows.lost();
        }
        await slicer.tick();
      }
    }
    yield* checkTail(table, await read(table.footer.filter.offset, table.size - table.footer.filter.offset));
  } catch (error) {
    yield damageOf(error);
    return;
  }
  yield* rows.end();
  if (sha256 !== undefined && hash.digest("hex") !== sha256) {
    yield { file: table.path, offset: 0, detail: "the file's SHA-256 is not what was written" };
  }
}

/** The blocks that were read at opening, and the footer, may have been damaged since. */
function* checkTail(table: CheckedTable, tail: Uint8Array): Generator<Damage, void> {
  const seed = checksumSeed(table.header);
  const start = table.footer.filter.offset;
  const { filter, tombstones, index, properties } = table.footer;
  for (const { offset, length } of [filter, tombstones, index, properties]) {
    try {
      openBlock(tail.subarray(offset - start, offset - start + length), seed, table.path, offset);
    } catch (error) {
      yield damageOf(error);
    }
  }
  readTableFooter(tail.subarray(tail.length - TABLE_FOOTER_BYTES), seed, table.path, table.size);
}

/** Walks over rows and remembers what came before. */
class RowCheck {
  readonly #table: CheckedTable;
  readonly #cursor = new BlockCursor();
  #last: Uint8Array | undefined;
  #lastVersion = 0;
  #rows = 0;
  #deletes = 0;
  #complete = true;

  constructor(table: CheckedTable) {
    this.#table = table;
  }

  *check(block: DataBlock, i: number): Generator<Damage, void> {
    const { path, index, properties } = this.#table;
    const damage = (detail: string): Damage => ({ file: path, offset: block.offset, detail });
    const cursor = this.#cursor;
    const below = i === 0 ? undefined : index.separator(i - 1);
    let rows = 0;
    cursor.attach(block);
    cursor.first();
    for (let more = true; more; more = cursor.next()) {
      const { key, version } = cursor;
      rows++;
      if (cellOp(cursor.cell[0]!) === OP_DELETE) this.#deletes++;
      const order = this.#last === undefined ? 1 : compareBytes(key, this.#last);
      if (order < 0 || (order === 0 && version >= this.#lastVersion)) yield damage(`row ${rows} is out of order`);
      // Rows of one key may go over the end of a block; then the separator is the key.
      if (below !== undefined && rows === 1 && compareBytes(key, below) < 0) {
        yield damage("a key below the index bound");
      }
      if (order !== 0 && !this.#table.mayContain(key)) yield damage(`the filter does not know row ${rows}`);
      if (version < properties.minVersion || version > properties.maxVersion) {
        yield damage(`row ${rows} has version ${version}, outside of those of the table`);
      }
      this.#last = order === 0 ? this.#last : copyBytes(key);
      this.#lastVersion = version;
    }
    if (compareBytes(this.#last ?? EMPTY_BYTES, index.separator(i)) > 0) yield damage("a key above the index bound");
    if (rows !== index.rows[i]) yield damage(`${rows} rows where the index says ${index.rows[i]}`);
    this.#rows += rows;
  }

  /** A block could not be read: what was counted is not all. */
  lost(): void {
    this.#complete = false;
  }

  *end(): Generator<Damage, void> {
    if (!this.#complete) return;
    const { path, footer, properties } = this.#table;
    if (this.#rows !== properties.rows) {
      yield {
        file: path,
        offset: footer.properties.offset,
        detail: `${this.#rows} rows where ${properties.rows} were written`,
      };
    }
    if (this.#deletes !== properties.deletes) {
      yield {
        file: path,
        offset: footer.properties.offset,
        detail: `${this.#deletes} deletes where ${properties.deletes} were written`,
      };
    }
  }
}
