/**
 * The one way to walk over rows, whatever holds them: memtable, table, a merge of both.
 *
 * Rows are ordered by key (unsigned bytes), then by version from new to old. A cursor stands on one row or is not
 * `valid`. Every move is synchronous and reads at most one block from disk.
 *
 * @module
 */

/** A place among rows that moves both ways. */
export interface Cursor {
  /** Whether it stands on a row; the fields below mean something only then. */
  readonly valid: boolean;
  /** The row's internal key: a view that the next move may overwrite. */
  readonly key: Uint8Array;
  /** The version of the commit that wrote the row. */
  readonly version: number;
  /** The time of that commit, ms. */
  readonly timestamp: number;
  /** The row's cell (see `format/cell.ts`): a view that the next move may overwrite. */
  readonly cell: Uint8Array;
  /** The row, whose cell the next move may overwrite; only where it stands on one. Cheaper than the view of its cell. */
  row(): FoundRow;
  /** Stands on the first row at or after (`key`, `version`): that key with a version <= `version`, else a later key. */
  seek(key: Uint8Array, version: number): void;
  /** Stands on the last row whose key is below `key`. */
  seekBefore(key: Uint8Array): void;
  /** Stands on the first row. */
  seekFirst(): void;
  /** Stands on the last row. */
  seekLast(): void;
  /** One row on. */
  next(): void;
  /** One row back. */
  previous(): void;
}

/** The highest version there is: `seek(key, NEWEST)` finds a key's newest row. */
export const NEWEST: number = Number.MAX_SAFE_INTEGER;

/** A row; `cell` is a view that stays valid (its block or arena is not overwritten). */
export interface Row {
  /** The version of the commit that wrote it. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** See `format/cell.ts`; a delete is a row too. */
  cell: Uint8Array;
}

/** A row that was found, by a lookup or a cursor. Views cost as much as finding it, so there is one of the cell only when asked for. */
export class FoundRow implements Row {
  readonly version: number;
  readonly timestamp: number;
  /** Memory that holds the cell from `start` to `end`; a lookup's is not overwritten. */
  readonly bytes: Uint8Array;
  /** Where the cell begins. */
  readonly start: number;
  /** Where the cell ends. */
  readonly end: number;

  /** The cell is `bytes[start, end)`. */
  constructor(version: number, timestamp: number, bytes: Uint8Array, start: number, end: number) {
    this.version = version;
    this.timestamp = timestamp;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get cell(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** The cell's first byte. */
  get flags(): number {
    return this.bytes[this.start]!;
  }
}

/** A deleted range: `start <= key < end`, all rows of older versions. No `end`: up to the last key there is. */
export interface RangeTombstone {
  /** First key deleted. */
  start: Uint8Array;
  /** First key not deleted; undefined: none is spared. */
  end: Uint8Array | undefined;
  /** The version of the commit that deleted. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
}
