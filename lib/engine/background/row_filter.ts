/**
 * What flush and compaction keep: a pure decision per row.
 *
 * A row may go when no reader can see it: a newer row of its key, or a range tombstone over it, lies in the same stripe
 * (see `snapshots.ts`). A delete may go once nothing older can lie below it. An entry that has expired for every reader
 * becomes a delete, because it must go on hiding what is older.
 *
 * @module
 */
import { cellExpiry, cellOp, OP_DELETE } from "../../format/cell.ts";
import type { DeletedRanges } from "../../tree/range_tombstones.ts";
import type { Stripes } from "../version/snapshots.ts";

/** The deleted ranges over the rows, asked in key order. */
export type CoveringRanges = Pick<DeletedRanges, "coveringVersion">;

/** What becomes of a row. */
export type RowFate = "keep" | "drop" | "delete";

/** Decides row by row, in key order, newest version first. */
export class RowFilter {
  readonly #stripes: Stripes;
  readonly #tombstones: CoveringRanges;
  readonly #isBottom: (key: Uint8Array) => boolean;
  readonly #isStale: ((key: Uint8Array, version: number, stripeEnd: number) => boolean) | undefined;
  /** The key of the row before, in memory that serves all rows: a copy for each would be garbage at once. */
  #key: Uint8Array = new Uint8Array(128);
  #keyLength = -1;
  /** Undefined until it matters: to find out takes longer than all the rest, and most rows stay anyway. */
  #bottom: boolean | undefined;
  #stripe = -1;

  /**
   * `isBottom`: nothing older than these rows can lie elsewhere for that key. `isStale`: a tag row whose entry has
   * another version for every reader of the stripe; asked only at the bottom.
   */
  constructor(
    stripes: Stripes,
    tombstones: CoveringRanges,
    isBottom: (key: Uint8Array) => boolean,
    isStale?: (key: Uint8Array, version: number, stripeEnd: number) => boolean,
  ) {
    this.#stripes = stripes;
    this.#tombstones = tombstones;
    this.#isBottom = isBottom;
    this.#isStale = isStale;
  }

  /** Whether `key` is another key than that of the row before. */
  isNewKey(key: Uint8Array): boolean {
    if (key.length !== this.#keyLength) return true;
    const last = this.#key;
    // From the end: neighbours in key order differ there.
    for (let i = key.length - 1; i >= 0; i--) if (key[i] !== last[i]) return true;
    return false;
  }

  /** What becomes of the next row. */
  decide(key: Uint8Array, version: number, cell: Uint8Array): RowFate {
    if (this.isNewKey(key)) {
      if (key.length > this.#key.length) this.#key = new Uint8Array(2 * key.length);
      this.#key.set(key);
      this.#keyLength = key.length;
      this.#stripe = -1;
      this.#bottom = undefined;
    }
    const stripe = this.#stripes.of(version);
    if (stripe === this.#stripe) return "drop";
    this.#stripe = stripe;
    const stripeEnd = this.#stripes.end(stripe);
    if (this.#tombstones.coveringVersion(key, stripeEnd) > version) return "drop";
    const gone = (): boolean => stripe === 0 && this.#atBottom(key);
    if (cellOp(cell[0]!) === OP_DELETE) return gone() ? "drop" : "keep";
    const expiresAt = cellExpiry(cell);
    if (expiresAt !== undefined && expiresAt <= this.#stripes.moment) return gone() ? "drop" : "delete";
    if (this.#isStale !== undefined && this.#atBottom(key) && this.#isStale(key, version, stripeEnd)) {
      return gone() ? "drop" : "delete";
    }
    return "keep";
  }

  #atBottom(key: Uint8Array): boolean {
    return this.#bottom ??= this.#isBottom(key);
  }
}
