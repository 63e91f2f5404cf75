/**
 * A short sorted list of rows in an arena: a leaf of the memtable, and the directory of its leaves.
 *
 * (1) All keys here share their first `#shared` bytes.
 * (2) `#prefixes[i]` is the numeric prefix of key i after those bytes.
 * (3) All keys that are ever looked for here share the first `#known` bytes with them.
 *
 * A search compares numbers and touches the rows themselves, which are seldom in the processor's cache, only where
 * numbers are equal.
 *
 * @module
 */
import type { Arena } from "./arena.ts";
import { prefixNumber } from "./key_prefix.ts";

/** Addresses of rows, ordered by key, then from new to old. */
export class SortedRows {
  /** How many there are. */
  count = 0;
  /** Only `[0, count)` is meaningful. */
  addresses: Uint32Array;
  readonly #arena: Arena;
  #prefixes: Float64Array;
  #shared = 0;
  #known = 0;
  /** After `find`: whether the row at the index it answered may have that key; false is certain. */
  isNear = false;

  /** An empty list with room for `capacity` rows; it grows. */
  constructor(arena: Arena, capacity: number) {
    this.#arena = arena;
    this.addresses = new Uint32Array(capacity);
    this.#prefixes = new Float64Array(capacity);
  }

  /**
   * How many rows sort before (`key`, `version`): the index where it stands or belongs. With `after`, how many sort
   * before or with it.
   */
  find(key: Uint8Array, version: number, after: boolean): number {
    const shared = this.#shared;
    const arena = this.#arena;
    const addresses = this.addresses;
    let low = 0;
    let high = this.count;
    this.isNear = false;
    if (high === 0) return 0;
    if (shared > this.#known && arena.shared(addresses[0]!, key, shared) < shared) {
      // Shares less than they share among themselves (1): before all or after all.
      return arena.compare(addresses[0]!, key, version, 0) < 0 ? high : 0;
    }
    const prefixes = this.#prefixes;
    const prefix = prefixNumber(key, shared, key.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = prefixes[middle]!;
      if (there < prefix) low = middle + 1;
      else if (there > prefix) high = middle;
      else {
        const order = arena.compare(addresses[middle]!, key, version, shared);
        if (order < 0 || (after && order === 0)) low = middle + 1;
        else high = middle;
      }
    }
    this.isNear = low < this.count && prefixes[low] === prefix;
    return low;
  }

  /** Puts a row at `index`, where `find` said that it belongs. */
  insert(index: number, address: number, key: Uint8Array): void {
    const count = this.count;
    if (count === this.addresses.length) this.#grow(count * 4);
    if (count === 0) this.#shared = this.#known > 0 ? this.#known : key.length;
    else if (this.#shared > this.#known) {
      const shared = this.#arena.shared(this.addresses[0]!, key, this.#shared);
      if (shared < this.#shared) this.#share(shared);
    }
    if (index < count) {
      this.addresses.copyWithin(index + 1, index, count);
      this.#prefixes.copyWithin(index + 1, index, count);
    }
    this.addresses[index] = address;
    this.#prefixes[index] = prefixNumber(key, this.#shared, key.length);
    this.count = count + 1;
  }

  /** Replaces the row at `index` by one that has the same key. */
  replace(index: number, address: number): void {
    this.addresses[index] = address;
  }

  /** Takes out the row at `index`. */
  remove(index: number): void {
    this.addresses.copyWithin(index, index + 1, this.count);
    this.#prefixes.copyWithin(index, index + 1, this.count);
    this.count--;
  }

  /** Another with the same rows, which changes without this one. */
  copy(): SortedRows {
    const other = new SortedRows(this.#arena, this.addresses.length);
    other.addresses.set(this.addresses.subarray(0, this.count));
    other.#prefixes.set(this.#prefixes.subarray(0, this.count));
    other.count = this.count;
    other.#shared = this.#shared;
    other.#known = this.#known;
    return other;
  }

  /** Moves the rows from `index` on into a list of their own, which has as much room as this one. */
  split(index: number): SortedRows {
    const other = new SortedRows(this.#arena, this.addresses.length);
    other.addresses.set(this.addresses.subarray(index, this.count));
    other.#prefixes.set(this.#prefixes.subarray(index, this.count));
    other.count = this.count - index;
    other.#shared = this.#shared;
    this.count = index;
    return other;
  }

  /**
   * Says between which rows all that is ever looked for here lies (3); without both, nothing is known. Then prefixes
   * begin where the keys of today begin to differ, and every search checks what comes before.
   */
  bound(lower: number | undefined, upper: number | undefined): void {
    let shared = 0;
    if (lower !== undefined && upper !== undefined) {
      const key = this.#arena.key(upper);
      shared = this.#known = this.#arena.shared(lower, key, key.length);
    } else {
      this.#known = 0;
      if (this.count === 0) return;
      const last = this.#arena.key(this.addresses[this.count - 1]!);
      shared = this.#arena.shared(this.addresses[0]!, last, last.length);
    }
    if (shared !== this.#shared) this.#share(shared);
  }

  #share(shared: number): void {
    this.#shared = shared;
    for (let i = 0; i < this.count; i++) this.#prefixes[i] = this.#arena.prefix(this.addresses[i]!, shared);
  }

  #grow(capacity: number): void {
    const addresses = new Uint32Array(capacity);
    addresses.set(this.addresses);
    this.addresses = addresses;
    const prefixes = new Float64Array(capacity);
    prefixes.set(this.#prefixes);
    this.#prefixes = prefixes;
  }
}
