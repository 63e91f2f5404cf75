/**
 * Walks over a memtable that may be added to meanwhile.
 *
 * The cursor remembers the address of its row, which never changes. Where the row stands among the leaves may have
 * changed since: then it is looked up again before the next step.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Arena } from "./arena.ts";
import { type Cursor, type FoundRow, NEWEST } from "../cursor.ts";
import type { SortedRows } from "./sorted_rows.ts";

/** What a cursor sees of a memtable. */
export interface MemtableRows {
  /** Where the rows are. */
  readonly arena: Arena;
  /** Never empty. */
  readonly leaves: SortedRows[];
  /** Changes with every change of the leaves. */
  generation: number;
  /** The number of the leaf in which (`key`, `version`) stands or belongs. */
  leafOf(key: Uint8Array, version: number): number;
}

/** A place among the rows of a memtable. */
export class MemtableCursor implements Cursor {
  readonly #rows: MemtableRows;
  #valid = false;
  #generation = 0;
  #leaf = 0;
  #index = 0;
  #address = 0;
  /** Made when first asked for. */
  #key: Uint8Array | undefined;

  /** Stands nowhere yet. */
  constructor(rows: MemtableRows) {
    this.#rows = rows;
  }

  /** Whether it stands on a row. */
  get valid(): boolean {
    return this.#valid;
  }

  /** The key, a view that stays good. */
  get key(): Uint8Array {
    return this.#valid ? this.#key ??= this.#rows.arena.key(this.#address) : EMPTY_BYTES;
  }

  /** The version of the row. */
  get version(): number {
    return this.#valid ? this.#rows.arena.version(this.#address) : 0;
  }

  /** The time of the commit, ms. */
  get timestamp(): number {
    return this.#valid ? this.#rows.arena.timestamp(this.#address) : 0;
  }

  /** The cell, a view that stays good. */
  get cell(): Uint8Array {
    return this.#valid ? this.#rows.arena.cell(this.#address) : EMPTY_BYTES;
  }

  /** The row. */
  row(): FoundRow {
    return this.#rows.arena.row(this.#address);
  }

  /** Stands on the first row at or after (`key`, `version`). */
  seek(key: Uint8Array, version: number): void {
    this.#place(key, version);
    this.#settle();
  }

  /** Stands on the last row whose key is below `key`. */
  seekBefore(key: Uint8Array): void {
    this.#place(key, NEWEST);
    this.#settleBefore();
  }

  /** Stands on the first row. */
  seekFirst(): void {
    this.#generation = this.#rows.generation;
    this.#leaf = 0;
    this.#index = 0;
    this.#settle();
  }

  /** Stands on the last row. */
  seekLast(): void {
    this.#generation = this.#rows.generation;
    this.#leaf = this.#rows.leaves.length - 1;
    this.#index = this.#rows.leaves[this.#leaf]!.count;
    this.#settleBefore();
  }

  /** One row on. */
  next(): void {
    if (!this.#valid) return;
    if (this.#generation === this.#rows.generation || this.#placeAgain()) this.#index++;
    this.#settle();
  }

  /** One row back. */
  previous(): void {
    if (!this.#valid) return;
    if (this.#generation !== this.#rows.generation) this.#placeAgain();
    this.#settleBefore();
  }

  /** Goes where (`key`, `version`) stands or belongs. */
  #place(key: Uint8Array, version: number): void {
    const rows = this.#rows;
    this.#generation = rows.generation;
    this.#leaf = rows.leafOf(key, version);
    this.#index = rows.leaves[this.#leaf]!.find(key, version, false);
  }

  /** Finds the current row again; false when it has been taken out and the place is that of the row behind it. */
  #placeAgain(): boolean {
    const { arena, leaves } = this.#rows;
    const key = this.key;
    const version = arena.version(this.#address);
    this.#place(key, version);
    const leaf = leaves[this.#leaf]!;
    return this.#index < leaf.count && arena.compare(leaf.addresses[this.#index]!, key, version, 0) === 0;
  }

  /** Stands on the row at the place, or on the first one behind. */
  #settle(): void {
    const leaves = this.#rows.leaves;
    let leaf = leaves[this.#leaf]!;
    if (this.#index >= leaf.count) {
      if (this.#leaf + 1 === leaves.length) {
        this.#valid = false;
        return;
      }
      leaf = leaves[++this.#leaf]!;
      this.#index = 0;
    }
    this.#stand(leaf.addresses[this.#index]!);
  }

  /** Stands on the row before the place. */
  #settleBefore(): void {
    const leaves = this.#rows.leaves;
    if (this.#index === 0) {
      if (this.#leaf === 0) {
        this.#valid = false;
        return;
      }
      this.#index = leaves[--this.#leaf]!.count;
    }
    this.#stand(leaves[this.#leaf]!.addresses[--this.#index]!);
  }

  #stand(address: number): void {
    this.#valid = true;
    this.#address = address;
    this.#key = undefined;
  }
}
