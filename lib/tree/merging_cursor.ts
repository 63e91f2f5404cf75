/**
 * Several cursors as one.
 *
 * (1) No two sources hold the same (key, version), so no two ever stand on equal rows.
 * (2) `#heads[0, #live)` are the sources that stand on a row, sorted by where they stand: ascending while moving forward,
 *     descending while moving back. The first is where the merge stands.
 * (3) All others stand beyond that row, in the direction of movement.
 *
 * Sorted and not a heap: rows tend to come in runs from one source, and then a step costs one comparison.
 *
 * @module
 */
import { compareBytes, EMPTY_BYTES } from "../base/bytes.ts";
import { type Cursor, type FoundRow, NEWEST } from "./cursor.ts";
import type { DeletedRanges } from "./range_tombstones.ts";

/** A source, and where it stands. */
interface Head {
  readonly cursor: Cursor;
  /** Its place in the list of sources: 0 is the newest. */
  readonly rank: number;
  key: Uint8Array;
  version: number;
}

/** A cursor over the rows of all sources. */
export class MergingCursor implements Cursor {
  readonly #all: readonly Head[];
  readonly #tombstones: readonly (DeletedRanges | undefined)[];
  readonly #heads: Head[];
  #live = 0;
  #backward = false;

  /**
   * Merges `sources`, the newest first. `tombstones[i]` are the deleted ranges of source i; they are used only by
   * `skipCovered`.
   */
  constructor(sources: readonly Cursor[], tombstones: readonly (DeletedRanges | undefined)[] = []) {
    this.#all = sources.map((cursor, rank) => ({ cursor, rank, key: EMPTY_BYTES, version: 0 }));
    this.#heads = this.#all.slice();
    this.#tombstones = tombstones;
  }

  /** A cursor over all of them; a single source needs no merging and is returned itself. */
  static of(sources: readonly Cursor[], tombstones: readonly (DeletedRanges | undefined)[] = []): Cursor {
    return sources.length === 1 ? sources[0]! : new MergingCursor(sources, tombstones);
  }

  /** Whether it stands on a row. */
  get valid(): boolean {
    return this.#live > 0;
  }

  /** The key of the row. */
  get key(): Uint8Array {
    return this.#live > 0 ? this.#heads[0]!.key : EMPTY_BYTES;
  }

  /** The version of the row. */
  get version(): number {
    return this.#live > 0 ? this.#heads[0]!.version : 0;
  }

  /** The time of the commit, ms. */
  get timestamp(): number {
    return this.#live > 0 ? this.#heads[0]!.cursor.timestamp : 0;
  }

  /** The row's cell. */
  get cell(): Uint8Array {
    return this.#live > 0 ? this.#heads[0]!.cursor.cell : EMPTY_BYTES;
  }

  /** The row. */
  row(): FoundRow {
    return this.#heads[0]!.cursor.row();
  }

  /** Stands on the first row at or after (`key`, `version`). */
  seek(key: Uint8Array, version: number): void {
    for (const head of this.#all) head.cursor.seek(key, version);
    this.#sort(false);
  }

  /** Stands on the last row whose key is below `key`. */
  seekBefore(key: Uint8Array): void {
    for (const head of this.#all) head.cursor.seekBefore(key);
    this.#sort(true);
  }

  /** Stands on the first row. */
  seekFirst(): void {
    for (const head of this.#all) head.cursor.seekFirst();
    this.#sort(false);
  }

  /** Stands on the last row. */
  seekLast(): void {
    for (const head of this.#all) head.cursor.seekLast();
    this.#sort(true);
  }

  /** One row on. */
  next(): void {
    if (this.#live === 0) return;
    if (this.#backward) this.#turn(false);
    const cursor = this.#heads[0]!.cursor;
    cursor.next();
    this.#resort(cursor);
  }

  /** One row back. */
  previous(): void {
    if (this.#live === 0) return;
    if (!this.#backward) this.#turn(true);
    const cursor = this.#heads[0]!.cursor;
    cursor.previous();
    this.#resort(cursor);
  }

  /**
   * When a tombstone of a *newer source* deletes the row for readers at `atVersion`: moves its own and all older sources
   * past what that tombstone deletes, in the direction of movement, and answers true. Of one key a newer source never
   * has the older row or tombstone, so whatever is passed is older than the tombstone.
   */
  skipCovered(atVersion: number): boolean {
    if (this.#live === 0) return false;
    const { key, version, rank } = this.#heads[0]!;
    for (let newer = 0; newer < rank; newer++) {
      const tombstones = this.#tombstones[newer];
      if (tombstones === undefined || tombstones.coveringVersion(key, atVersion) <= version) continue;
      const start = tombstones.coveringStart(key, atVersion)!;
      const end = tombstones.coveringEnd(key, atVersion);
      for (const { cursor, rank } of this.#all) {
        if (rank <= newer || !cursor.valid) continue;
        if (this.#backward) {
          if (compareBytes(cursor.key, start) >= 0) cursor.seekBefore(start);
        } else if (end === undefined) {
          // Nothing is left of it.
          cursor.seekLast();
          cursor.next();
        } else if (compareBytes(cursor.key, end) < 0) cursor.seek(end, NEWEST);
      }
      this.#sort(this.#backward);
      return true;
    }
    return false;
  }

  /** Establishes (2) anew. */
  #sort(backward: boolean): void {
    this.#backward = backward;
    this.#live = 0;
    for (const head of this.#all) {
      if (!head.cursor.valid) continue;
      head.key = head.cursor.key;
      head.version = head.cursor.version;
      this.#live++;
      this.#sink(head, this.#live - 1);
    }
  }

  /** Puts `head` where it belongs among the `count` heads that are sorted already. */
  #sink(head: Head, count: number): void {
    const heads = this.#heads;
    let i = count;
    for (; i > 0 && this.#before(head, heads[i - 1]!); i--) heads[i] = heads[i - 1]!;
    heads[i] = head;
  }

  /** Establishes (2) after the first source has moved. */
  #resort(cursor: Cursor): void {
    const heads = this.#heads;
    const head = heads[0]!;
    let low = 1;
    let high = this.#live;
    if (cursor.valid) {
      head.key = cursor.key;
      head.version = cursor.version;
      if (high === 1 || this.#before(head, heads[1]!)) return;
      for (low = 2; low < high;) {
        const middle = (low + high) >>> 1;
        if (this.#before(head, heads[middle]!)) high = middle;
        else low = middle + 1;
      }
    } else {
      low = high;
      this.#live--;
    }
    for (let i = 1; i < low; i++) heads[i - 1] = heads[i]!;
    heads[low - 1] = head;
  }

  /** Whether `a` comes before `b` in the direction of movement. */
  #before(a: Head, b: Head): boolean {
    const order = compareBytes(a.key, b.key) || b.version - a.version;
    return this.#backward ? order > 0 : order < 0;
  }

  /** Turns round on the row it stands on: establishes (3) for the other direction. */
  #turn(backward: boolean): void {
    const { cursor: current, key, version } = this.#heads[0]!;
    for (const { cursor } of this.#all) {
      if (cursor === current) continue;
      cursor.seek(key, version);
      if (!backward) continue;
      if (cursor.valid) cursor.previous();
      else cursor.seekLast();
    }
    this.#sort(backward);
    // The current one still stands on the row: in the new direction it comes before all others.
  }
}
