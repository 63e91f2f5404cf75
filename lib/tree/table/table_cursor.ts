/**
 * A cursor over the rows of one table, both ways. A move reads at most one block, except past many versions of one key.
 *
 * @module
 */
import { BlockCursor } from "../../format/table/block_cursor.ts";
import type { DataBlock } from "../../format/table/data_block.ts";
import type { TableIndex } from "../../format/table/index_block.ts";
import { type Cursor, FoundRow, NEWEST } from "../cursor.ts";

/** What a cursor needs of an open table. */
export interface BlockSource {
  /** Where the blocks are. */
  readonly index: TableIndex;
  /** The version of every row, where the table has one for all. */
  readonly globalVersion: number | undefined;
  /** The time that goes with it, ms. */
  readonly globalTimestamp: number;
  /**
   * Data block `i`, from the cache or the file. One that a full cache does not keep may lie in `room`, and is good until the
   * second next one does.
   */
  block(i: number, room?: BlockRoom): DataBlock;
  /** The same for who reads all blocks once: the cache is left as it is, and those that follow are read with it. */
  passing(i: number, room: BlockRoom): DataBlock;
}

/** Memory for one block after the other. Two take turns: a block that can't be read leaves the one before as it was. */
export class BlockRoom {
  /** The newest block's. */
  held: Uint8Array | undefined;
  /** The next one's. */
  free: Uint8Array | undefined;
  /** What was read of the file at once: ... */
  ahead: Uint8Array | undefined;
  /** ... from here in the file ... */
  aheadStart = 0;
  /** ... up to here. */
  aheadEnd = 0;
}

/** How a cursor reads. */
export interface TableCursorOptions {
  /** Whether blocks it reads go into the cache (the default). Who reads everything once, as compaction, says false. */
  fill?: boolean;
}

/** Moves over a table's rows. The table must stay open while it moves. */
export class TableCursor implements Cursor {
  readonly #table: BlockSource;
  readonly #fill: boolean;
  readonly #globalVersion: number | undefined;
  readonly #rows = new BlockCursor();
  readonly #room = new BlockRoom();
  #block = -1;

  /** Made by `TableReader.cursor`. */
  constructor(table: BlockSource, options: TableCursorOptions = {}) {
    this.#table = table;
    this.#fill = options.fill ?? true;
    this.#globalVersion = table.globalVersion;
  }

  get valid(): boolean {
    return this.#rows.valid;
  }

  get key(): Uint8Array {
    return this.#rows.key;
  }

  get version(): number {
    return this.#globalVersion ?? this.#rows.version;
  }

  get timestamp(): number {
    return this.#globalVersion === undefined ? this.#rows.timestamp : this.#table.globalTimestamp;
  }

  get cell(): Uint8Array {
    return this.#rows.cell;
  }

  row(): FoundRow {
    const rows = this.#rows;
    return new FoundRow(this.version, this.timestamp, rows.block!.bytes, rows.cellStart, rows.cellEnd);
  }

  seek(key: Uint8Array, version: number): void {
    // Below the one version that every row has, no row of the key itself is meant.
    if (this.#globalVersion !== undefined) version = version >= this.#globalVersion ? NEWEST : -1;
    this.#seek(key, version);
  }

  seekBefore(key: Uint8Array): void {
    this.#seek(key, NEWEST);
    if (this.valid) this.previous();
    else this.seekLast();
  }

  seekFirst(): void {
    if (this.#enter(0)) this.#rows.first();
  }

  seekLast(): void {
    if (this.#enter(this.#table.index.count - 1)) this.#rows.last();
  }

  next(): void {
    if (!this.#rows.next() && this.#enter(this.#block + 1)) this.#rows.first();
  }

  previous(): void {
    if (!this.#rows.previous() && this.#enter(this.#block - 1)) this.#rows.last();
  }

  #seek(key: Uint8Array, version: number): void {
    const index = this.#table.index;
    // Beyond a block that ends with this key, the next may hold more of its versions, all of them too new again.
    for (let i = index.find(key); this.#enter(i); i++) {
      if (this.#rows.seek(key, version)) return;
    }
  }

  /** Goes to block `i`, standing nowhere in it; false, and nowhere at all, when there is none. */
  #enter(i: number): boolean {
    const rows = this.#rows;
    rows.valid = false;
    if (i < 0 || i >= this.#table.index.count) return false;
    if (i !== this.#block || rows.block === undefined) {
      rows.attach(this.#fill ? this.#table.block(i, this.#room) : this.#table.passing(i, this.#room));
      this.#block = i;
    }
    return true;
  }
}
