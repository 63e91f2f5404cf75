/**
 * The rows of the newest commits, in memory and sorted.
 *
 * ```
 * directory   [ a ........ k ........ t ]      first row of each leaf, a sorted list like the leaves themselves
 *               │          │          │
 * leaves      [a c e g]  [k m n]   [t u x y]   up to 256 addresses with numeric prefixes (`sorted_rows.ts`)
 *               │ │ ...
 * arena       key, version, time, cell          (`arena.ts`)
 * ```
 *
 * (1) A row of leaf i sorts at or after entry i of the directory (i > 0) and before entry i + 1.
 * (2) There is always a leaf, and only the sole leaf may be empty.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import { KeptBytes } from "../../base/kept_bytes.ts";
import { Arena, type SpareChunks } from "./arena.ts";
import { type Cursor, type FoundRow, NEWEST, type RangeTombstone } from "../cursor.ts";
import { MemtableCursor, type MemtableRows } from "./memtable_cursor.ts";
import { RangeTombstones } from "../range_tombstones.ts";
import { SortedRows } from "./sorted_rows.ts";

/** What a row takes in its leaf: 12 bytes, in leaves that are three quarters full. */
const ROW_BYTES = 16;

/** Measured: 128 to 256 insert fastest; smaller makes the directory long, larger makes every insert move more. */
const LEAF_ROWS_MAX = 256;
/** Small, because every transaction has a memtable too. */
const LEAF_ROWS_FIRST = 16;

/** The key whose place is looked for. */
const sought = new KeptBytes();

/** Rows of several versions, sorted by key, then from new to old. */
export class Memtable {
  /** The deleted ranges. */
  readonly tombstones: RangeTombstones;
  readonly #arena: Arena;
  readonly #directory: SortedRows;
  readonly #leaves: SortedRows[];
  /** The leaves that no other memtable has; undefined: all of them. See `copy`. */
  #owned: Set<SortedRows> | undefined;
  readonly #view: MemtableRows;
  #rows = 0;
  #minVersion = Infinity;
  #maxVersion = 0;
  /** The commit added last, and the addresses of all its rows for `addRange`; from #commitRows on they are stale. */
  #commitVersion = -1;
  #commitRows = 0;
  #commit: number[] = [];

  /**
   * Holds nothing yet, or what another `of` holds, see `copy`. With `spare`, memory of others is used again; see `giveBack`.
   */
  constructor(spare?: SpareChunks, of?: Memtable) {
    if (of === undefined) {
      this.tombstones = new RangeTombstones();
      this.#arena = new Arena(spare);
      this.#directory = new SortedRows(this.#arena, LEAF_ROWS_FIRST);
      this.#leaves = [new SortedRows(this.#arena, LEAF_ROWS_FIRST)];
    } else {
      this.tombstones = of.tombstones.clip(undefined, undefined);
      this.#arena = of.#arena;
      this.#directory = of.#directory.copy();
      this.#leaves = of.#leaves.slice();
      this.#owned = new Set();
      this.#rows = of.#rows;
      this.#minVersion = of.#minVersion;
      this.#maxVersion = of.#maxVersion;
    }
    this.#view = {
      arena: this.#arena,
      leaves: this.#leaves,
      generation: 0,
      leafOf: (key, version) => this.#leafOf(key, version),
    };
  }

  /** How many rows it holds; tombstones don't count. */
  get rows(): number {
    return this.#rows;
  }

  /** Whether it holds neither row nor tombstone. */
  get isEmpty(): boolean {
    return this.#rows === 0 && this.tombstones.isEmpty;
  }

  /** How much memory its contents take; what is allocated in advance comes on top, a MiB at most. */
  get bytes(): number {
    return this.#arena.usedBytes + this.#rows * ROW_BYTES + this.tombstones.bytes;
  }

  /** The lowest version of what was added; 0 when nothing was. */
  get minVersion(): number {
    return this.#maxVersion === 0 ? 0 : this.#minVersion;
  }

  /** The highest version of what was added; 0 when nothing was. */
  get maxVersion(): number {
    return this.#maxVersion;
  }

  /** Adds a row, of which it keeps a copy. A row of the same key and version is replaced. */
  add(key: Uint8Array, version: number, timestamp: number, cell: Uint8Array): void {
    this.addRow(key, 0, key.length, version, timestamp, cell, 0, cell.length);
  }

  /**
   * As `add`, with the key `keys[keyStart, keyEnd)` and the cell `cells[cellStart, cellEnd)`: nobody needs views of them. Where
   * `isLasting`, nobody writes to `cells` any more, and the row may keep them.
   */
  addRow(
    keys: Uint8Array,
    keyStart: number,
    keyEnd: number,
    version: number,
    timestamp: number,
    cells: Uint8Array,
    cellStart: number,
    cellEnd: number,
    isLasting = false,
  ): void {
    const arena = this.#arena;
    const address = arena.write(keys, keyStart, keyEnd, version, timestamp, cells, cellStart, cellEnd, isLasting);
    const key = sought.take(keys, keyStart, keyEnd);
    this.#enterCommit(version);
    this.#commit[this.#commitRows++] = address;
    this.#view.generation++;
    const number = this.#leafOf(key, version);
    const leaf = this.#ownLeaf(number);
    const index = leaf.find(key, version, false);
    if (leaf.isNear && arena.compare(leaf.addresses[index]!, key, version, 0) === 0) {
      leaf.replace(index, address);
      return;
    }
    this.#rows++;
    if (leaf.count < LEAF_ROWS_MAX) leaf.insert(index, address, key);
    else this.#insertFull(number, index, address, key);
  }

  /** Deletes a range as the commit of that version does: also what the commit itself wrote there before. */
  addRange(tombstone: RangeTombstone): void {
    const { version } = tombstone;
    this.#enterCommit(version);
    for (const key of this.#ownRows(tombstone)) this.#remove(key, version);
    this.tombstones.add(tombstone);
  }

  /** The newest row of `key` whose version is at most `version`. Tombstones are not looked at. */
  get(key: Uint8Array, version: number): FoundRow | undefined {
    if (this.#rows === 0) return undefined;
    let number = this.#leafOf(key, version);
    let leaf = this.#leaves[number]!;
    let index = leaf.find(key, version, false);
    if (index === leaf.count) {
      // The first row at or after may be the first one of the next leaf.
      if (++number === this.#leaves.length) return undefined;
      leaf = this.#leaves[number]!;
      index = 0;
    } else if (!leaf.isNear) return undefined;
    const address = leaf.addresses[index]!;
    const arena = this.#arena;
    if (!arena.hasKey(address, key)) return undefined;
    return arena.row(address);
  }

  /** A cursor over all rows that stays right while rows are added. */
  cursor(): Cursor {
    return new MemtableCursor(this.#view);
  }

  /**
   * Another one with the same contents. The rows are shared, and each leaf until one of the two changes it: transactions that
   * list and write in turn take a copy for each list.
   */
  copy(): Memtable {
    this.#owned = new Set();
    return new Memtable(undefined, this);
  }

  /** Lets others use its memory, if it was made so: nobody may read it, or hold on to what was read, from now on. */
  giveBack(): void {
    this.#arena.giveBack();
  }

  #enterCommit(version: number): void {
    if (version === this.#commitVersion) return;
    // A version that was there before may have rows that are not in the list.
    this.#commitVersion = version > this.#maxVersion ? version : -1;
    this.#commitRows = 0;
    if (version < this.#minVersion) this.#minVersion = version;
    if (version > this.#maxVersion) this.#maxVersion = version;
  }

  #leafOf(key: Uint8Array, version: number): number {
    if (this.#leaves.length === 1) return 0;
    const number = this.#directory.find(key, version, true) - 1;
    return number < 0 ? 0 : number;
  }

  /** A leaf that no other memtable has. */
  #ownLeaf(number: number): SortedRows {
    const leaf = this.#leaves[number]!;
    if (this.#owned === undefined || this.#owned.has(leaf)) return leaf;
    const own = this.#leaves[number] = leaf.copy();
    this.#owned.add(own);
    return own;
  }

  #insertFull(number: number, index: number, address: number, key: Uint8Array): void {
    const leaf = this.#leaves[number]!;
    if (index === leaf.count) {
      // Keys that come in order fill leaf after leaf: leave the full one full.
      const next = new SortedRows(this.#arena, LEAF_ROWS_MAX);
      next.insert(0, address, key);
      this.#addLeaf(number + 1, next);
      return;
    }
    const right = leaf.split(leaf.count >>> 1);
    this.#addLeaf(number + 1, right);
    if (index <= leaf.count) leaf.insert(index, address, key);
    else right.insert(index - leaf.count, address, key);
  }

  #addLeaf(number: number, leaf: SortedRows): void {
    const directory = this.#directory;
    if (directory.count === 0) {
      // Any row will do: a search that comes down to entry 0 has seen entry 1 already, and by (1) no bound is in entry 0.
      const first = this.#leaves[0]!.addresses[0]!;
      directory.insert(0, first, this.#arena.key(first));
    }
    directory.insert(number, leaf.addresses[0]!, this.#arena.key(leaf.addresses[0]!));
    this.#leaves.splice(number, 0, leaf);
    this.#owned?.add(leaf);
    this.#bound(number - 1);
    this.#bound(number);
  }

  /** Tells a leaf, if there is one of that number, what (1) says of its rows. */
  #bound(number: number): void {
    if (this.#leaves[number] === undefined) return;
    const { addresses, count } = this.#directory;
    this.#ownLeaf(number).bound(
      number > 0 ? addresses[number] : undefined,
      number + 1 < count ? addresses[number + 1] : undefined,
    );
  }

  /** The keys in the range that have a row of just that version. */
  #ownRows({ start, end, version }: RangeTombstone): Uint8Array[] {
    const found: Uint8Array[] = [];
    // Through the rows of the range or those of the commit, whichever are fewer.
    let steps = version === this.#commitVersion ? this.#commitRows : Infinity;
    const cursor = this.cursor();
    for (cursor.seek(start, NEWEST); cursor.valid && steps-- > 0; cursor.next()) {
      if (end !== undefined && compareBytes(cursor.key, end) >= 0) return found;
      if (cursor.version === version) found.push(cursor.key);
    }
    if (!cursor.valid) return found;
    found.length = 0;
    for (let i = 0; i < this.#commitRows; i++) {
      const key = this.#arena.key(this.#commit[i]!);
      if (compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0)) found.push(key);
    }
    return found;
  }

  #remove(key: Uint8Array, version: number): void {
    const number = this.#leafOf(key, version);
    const leaf = this.#ownLeaf(number);
    const index = leaf.find(key, version, false);
    if (!leaf.isNear || this.#arena.compare(leaf.addresses[index]!, key, version, 0) !== 0) return;
    leaf.remove(index);
    this.#rows--;
    this.#view.generation++;
    if (leaf.count === 0 && this.#leaves.length > 1) {
      this.#leaves.splice(number, 1);
      this.#directory.remove(number);
      this.#bound(number - 1);
      this.#bound(number);
    }
  }
}
