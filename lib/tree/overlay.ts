/**
 * What a transaction has written, laid over what it reads.
 *
 * @module
 */
import { behindKey, compareBytes, copyBytes } from "../base/bytes.ts";
import { DELETE_CELL } from "../format/cell.ts";
import { NEWEST } from "./cursor.ts";
import { Memtable } from "./memtable/memtable.ts";
import { isBelow } from "./range_tombstones.ts";
import { type UnseenRange, UnseenRanges } from "./unseen_ranges.ts";

/** The version of its rows among themselves: each key has one row at most. */
const OWN_VERSION = 1;

/** A transaction's own rows and deleted ranges. */
export class Overlay {
  /** They. */
  readonly rows: Memtable;
  /** Where the transaction sees no row, its own deletes being the reason or not. */
  readonly unseen: UnseenRanges;
  /** Lists under way, which must not see what is written from now on; see `copy`. */
  readers = 0;

  /** Holds nothing yet. */
  constructor(rows: Memtable = new Memtable(), unseen: UnseenRanges = new UnseenRanges()) {
    this.rows = rows;
    this.unseen = unseen;
  }

  /** Whether nothing was written. */
  get isEmpty(): boolean {
    return this.rows.isEmpty && this.rows.tombstones.isEmpty;
  }

  /** A row is set. */
  put(key: Uint8Array, timestamp: number, cell: Uint8Array): void {
    this.unseen.touch(key);
    this.rows.add(key, OWN_VERSION, timestamp, cell);
  }

  /** A row is deleted, there or not. */
  delete(key: Uint8Array): void {
    this.rows.add(key, OWN_VERSION, 0, DELETE_CELL);
  }

  /** What was written before between the bounds is deleted, and what lies beneath. */
  deleteRange(start: Uint8Array, end: Uint8Array | undefined): void {
    this.rows.addRange({ start, end, version: OWN_VERSION, timestamp: 0 });
  }

  /** Another with the same rows, for who goes on to write where there are readers. */
  copy(): Overlay {
    return new Overlay(this.rows.copy(), this.unseen.copy());
  }

  /** What holds with these rows of a range around `key` in which none beneath is seen. */
  clip(range: UnseenRange, key: Uint8Array): UnseenRange | undefined {
    const rows = this.rows.cursor();
    rows.seek(key, NEWEST);
    if (rows.valid && compareBytes(rows.key, key) === 0) return undefined;
    const end = rows.valid && isBelow(rows.key, range.end) ? copyBytes(rows.key) : range.end;
    rows.seekBefore(key);
    const start = rows.valid && compareBytes(rows.key, range.start) >= 0 ? behindKey(rows.key) : range.start;
    return { ...range, start, end };
  }

  /** Whether nothing was written from `start` on and below `end`. */
  isClear(start: Uint8Array, end: Uint8Array | undefined): boolean {
    const rows = this.rows.cursor();
    rows.seek(start, NEWEST);
    return !(rows.valid && isBelow(rows.key, end)) && this.rows.tombstones.newestIn(start, end) === 0;
  }
}
