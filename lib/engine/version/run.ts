/**
 * A run: tables in key order that don't overlap. Level 0 is a list of runs, newest first; every deeper level is one.
 *
 * @module
 */
import { compareBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import type { TableMeta } from "../../format/table/table_meta.ts";
import type { Cursor, FoundRow } from "../../tree/cursor.ts";
import type { DeletedRanges, RangeTombstones } from "../../tree/range_tombstones.ts";
import type { LiveTable } from "./live_file.ts";

/** Negative, zero or positive as the table lies wholly before `key`, holds it in its range, or lies wholly after it. */
export function comparePlace(table: TableMeta, key: Uint8Array): number {
  if (compareBytes(table.smallest, key) > 0) return 1;
  if (table.largest === undefined) return 0;
  const c = compareBytes(table.largest, key);
  return c < 0 || (c === 0 && table.largestExclusive) ? -1 : 0;
}

/** Whether the table's range meets `start <= key < end`; an undefined bound is open. */
export function meetsRange(table: TableMeta, start: Uint8Array | undefined, end: Uint8Array | undefined): boolean {
  if (end !== undefined && compareBytes(table.smallest, end) >= 0) return false;
  return start === undefined || comparePlace(table, start) >= 0;
}

/** Whether the ranges of two tables meet. */
export function tablesMeet(a: TableMeta, b: TableMeta): boolean {
  return comparePlace(a, b.smallest) >= 0 && comparePlace(b, a.smallest) >= 0;
}

/** Tables in key order without overlap. */
export class Run {
  /** In key order. */
  readonly tables: readonly LiveTable[];
  /** The newest version in any of them. */
  readonly maxVersion: number;
  /** Bytes on disk. */
  readonly bytes: number;

  /** The tables must be in order and disjoint. */
  constructor(tables: readonly LiveTable[]) {
    this.tables = tables;
    let maxVersion = 0;
    let bytes = 0;
    for (const table of tables) {
      maxVersion = Math.max(maxVersion, table.maxVersion);
      bytes += table.meta.size;
    }
    this.maxVersion = maxVersion;
    this.bytes = bytes;
  }

  /** The index of the first table that ends at or after `key`. */
  indexOf(key: Uint8Array): number {
    const tables = this.tables;
    let low = 0;
    let high = tables.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePlace(tables[middle]!.meta, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The table whose range holds `key`, if any. */
  tableAt(key: Uint8Array): LiveTable | undefined {
    const table = this.tables[this.indexOf(key)];
    return table !== undefined && comparePlace(table.meta, key) === 0 ? table : undefined;
  }

  /** Whether any table's range meets the keys from `start` to `end`, both included; no `end`: to the last key. */
  meets(start: Uint8Array, end: Uint8Array | undefined): boolean {
    const table = this.tables[this.indexOf(start)];
    return table !== undefined && (end === undefined || compareBytes(table.meta.smallest, end) <= 0);
  }

  /** The tables whose ranges meet `start <= key < end`. */
  between(start: Uint8Array | undefined, end: Uint8Array | undefined): LiveTable[] {
    const out: LiveTable[] = [];
    for (let i = start === undefined ? 0 : this.indexOf(start); i < this.tables.length; i++) {
      const table = this.tables[i]!;
      if (!meetsRange(table.meta, start, end)) break;
      out.push(table);
    }
    return out;
  }
}

/** The deleted ranges of a run, each asked of its own table: there may be any number of them, and a list meets few. */
export class RunTombstones implements DeletedRanges {
  readonly isEmpty = false;
  readonly #run: Run;

  /** `run`: the tables that have any. */
  constructor(run: Run) {
    this.#run = run;
  }

  /** See `DeletedRanges`. */
  coveringVersion(key: Uint8Array, atVersion: number): number {
    return this.#at(key)?.coveringVersion(key, atVersion) ?? 0;
  }

  /** See `DeletedRanges`. */
  coveringEnd(key: Uint8Array, atVersion: number): Uint8Array | undefined {
    return this.#at(key)?.coveringEnd(key, atVersion);
  }

  /** See `DeletedRanges`. */
  coveringStart(key: Uint8Array, atVersion: number): Uint8Array | undefined {
    return this.#at(key)?.coveringStart(key, atVersion);
  }

  #at(key: Uint8Array): RangeTombstones | undefined {
    return this.#run.tableAt(key)?.reader().tombstones;
  }
}

/** Walks over a run's rows, with one table open at a time. */
export class RunCursor implements Cursor {
  readonly #run: Run;
  readonly #fill: boolean;
  #at = -1;
  #cursor: Cursor | undefined;

  /** `fill`: whether blocks read go into the cache. */
  constructor(run: Run, fill = true) {
    this.#run = run;
    this.#fill = fill;
  }

  get valid(): boolean {
    return this.#cursor !== undefined && this.#cursor.valid;
  }
  get key(): Uint8Array {
    return this.#cursor === undefined ? EMPTY_BYTES : this.#cursor.key;
  }
  get version(): number {
    return this.#cursor === undefined ? 0 : this.#cursor.version;
  }
  get timestamp(): number {
    return this.#cursor === undefined ? 0 : this.#cursor.timestamp;
  }
  get cell(): Uint8Array {
    return this.#cursor === undefined ? EMPTY_BYTES : this.#cursor.cell;
  }

  row(): FoundRow {
    return this.#cursor!.row();
  }

  seek(key: Uint8Array, version: number): void {
    if (this.#enter(this.#run.indexOf(key))) {
      this.#cursor!.seek(key, version);
      this.#skipForward();
    }
  }

  seekBefore(key: Uint8Array): void {
    const found = this.#run.indexOf(key);
    if (this.#enter(Math.min(found, this.#run.tables.length - 1))) {
      this.#cursor!.seekBefore(key);
      this.#skipBackward();
    }
  }

  seekFirst(): void {
    if (this.#enter(0)) {
      this.#cursor!.seekFirst();
      this.#skipForward();
    }
  }

  seekLast(): void {
    if (this.#enter(this.#run.tables.length - 1)) {
      this.#cursor!.seekLast();
      this.#skipBackward();
    }
  }

  next(): void {
    this.#cursor!.next();
    if (!this.#cursor!.valid) this.#skipForward();
  }

  previous(): void {
    this.#cursor!.previous();
    if (!this.#cursor!.valid) this.#skipBackward();
  }

  #enter(index: number): boolean {
    const table = this.#run.tables[index];
    if (table === undefined) {
      this.#cursor = undefined;
      return false;
    }
    if (index !== this.#at || this.#cursor === undefined) {
      this.#at = index;
      this.#cursor = table.reader().cursor({ fill: this.#fill });
    }
    return true;
  }

  #skipForward(): void {
    while (this.#cursor !== undefined && !this.#cursor.valid) {
      if (this.#enter(this.#at + 1)) this.#cursor.seekFirst();
    }
  }

  #skipBackward(): void {
    while (this.#cursor !== undefined && !this.#cursor.valid) {
      if (this.#enter(this.#at - 1)) this.#cursor.seekLast();
    }
  }
}
