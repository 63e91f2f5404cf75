/**
 * The memory of a memtable: rows written one behind the other into large chunks, so that a million rows are a few dozen
 * objects for the garbage collector.
 *
 * ```
 * address := chunk number << 20 | position in the chunk, a u32
 * row     := version f64 | timestamp f64 | key length u32 | cell length u32 | key | cell      begins at a multiple of 8
 * ```
 *
 * A cell above `INLINE_CELL_BYTES_MAX` lives in an array of its own, or in that of its commit, and the row holds bit 31 and
 * its number instead of the length. This is memory only, never written to disk, so numbers are in the machine's byte order.
 *
 * (1) A row never changes and never moves, so views on it and addresses of it stay good as long as the arena, or until it
 *     gives its memory back.
 *
 * @module
 */
import { copyBytes, copyRange } from "../../base/bytes.ts";
import { FoundRow } from "../cursor.ts";
import { prefixNumber } from "./key_prefix.ts";

const CHUNK_BITS = 20;
const CHUNK_BYTES_MAX = 1 << CHUNK_BITS;
const POSITION_MASK = CHUNK_BYTES_MAX - 1;
/** An address has 12 bits for the chunk. */
const CHUNKS_MAX = 1 << (32 - CHUNK_BITS);
/** The first chunk is small because every transaction has a memtable too; from there chunks grow fourfold. */
const FIRST_CHUNK_BYTES = 4096;
/** Larger cells would waste the rest of many a chunk; smaller ones are cheaper side by side than as objects. */
const INLINE_CELL_BYTES_MAX = 16 * 1024;
const HEAD_BYTES = 24;
const APART = 0x80000000;

/** Whole chunks that arenas have given back, for others to fill: fresh memory costs more than what is copied into it. */
export type SpareChunks = ArrayBuffer[];

/** Rows in chunks of memory, found by their address. */
export class Arena {
  readonly #bytes: Uint8Array[] = [];
  readonly #words: Uint32Array[] = [];
  readonly #numbers: Float64Array[] = [];
  readonly #large: Uint8Array[] = [];
  /** The chunk that is being filled, and the first free position in it. */
  #chunk = -1;
  #free = 0;
  #room = 0;
  /** Bytes of full chunks and of cells apart. */
  #kept = 0;
  readonly #spare: SpareChunks | undefined;

  /** With `spare`, memory is taken from there as far as it goes; see `giveBack`. */
  constructor(spare?: SpareChunks) {
    this.#spare = spare;
  }

  /** How much memory rows take; a chunk counts as far as it is filled. */
  get usedBytes(): number {
    return this.#kept + this.#free;
  }

  /**
   * Copies a row in, with the key `keys[keyStart, keyEnd)` and the cell `cells[cellStart, cellEnd)`; answers its address. Where
   * `isLasting`, nobody writes to `cells` any more, and a long cell that is most of it stays where it is.
   */
  write(
    keys: Uint8Array,
    keyStart: number,
    keyEnd: number,
    version: number,
    timestamp: number,
    cells: Uint8Array,
    cellStart: number,
    cellEnd: number,
    isLasting = false,
  ): number {
    const keyLength = keyEnd - keyStart;
    const cellLength = cellEnd - cellStart;
    const inline = cellLength <= INLINE_CELL_BYTES_MAX;
    const length = HEAD_BYTES + keyLength + (inline ? cellLength : 0);
    if (length > this.#room - this.#free) this.#grow(length);
    const chunk = this.#chunk;
    const at = this.#free;
    const numbers = this.#numbers[chunk]!;
    const words = this.#words[chunk]!;
    const bytes = this.#bytes[chunk]!;
    numbers[at >>> 3] = version;
    numbers[(at >>> 3) + 1] = timestamp;
    words[(at >>> 2) + 4] = keyLength;
    copyRange(keys, keyStart, keyEnd, bytes, at + HEAD_BYTES);
    if (inline) {
      words[(at >>> 2) + 5] = cellLength;
      copyRange(cells, cellStart, cellEnd, bytes, at + HEAD_BYTES + keyLength);
    } else {
      words[(at >>> 2) + 5] = (APART | this.#large.length) >>> 0;
      const cell = cells.subarray(cellStart, cellEnd);
      this.#large.push(isLasting && 2 * cellLength >= cells.buffer.byteLength ? cell : copyBytes(cell));
      this.#kept += cellLength;
    }
    this.#free = (at + length + 7) & ~7;
    return ((chunk << CHUNK_BITS) | at) >>> 0;
  }

  #grow(length: number): void {
    if (this.#bytes.length === CHUNKS_MAX) {
      throw new RangeError("Cannot add to the memtable: its 4 GiB are full; write it to a table first");
    }
    const regular = Math.min(CHUNK_BYTES_MAX, Math.max(FIRST_CHUNK_BYTES, this.#room * 4));
    const size = (Math.max(regular, length) + 7) & ~7;
    const buffer = (size === CHUNK_BYTES_MAX ? this.#spare?.pop() : undefined) ?? new ArrayBuffer(size);
    this.#chunk = this.#bytes.length;
    this.#bytes.push(new Uint8Array(buffer));
    this.#words.push(new Uint32Array(buffer));
    this.#numbers.push(new Float64Array(buffer));
    this.#kept += this.#free;
    this.#free = 0;
    // A chunk above 1 MiB is exactly as long as its one row, so every position has 20 bits.
    this.#room = size;
  }

  /** Lets others fill its chunks, if it was made so. Nobody may look at a row, or at a view of one, from now on. */
  giveBack(): void {
    if (this.#spare === undefined) return;
    for (const { buffer, byteLength } of this.#bytes.splice(0)) {
      if (byteLength === CHUNK_BYTES_MAX) this.#spare.push(buffer as ArrayBuffer);
    }
    this.#words.length = this.#numbers.length = this.#large.length = 0;
  }

  /** The version of the row. */
  version(address: number): number {
    return this.#numbers[address >>> CHUNK_BITS]![(address & POSITION_MASK) >>> 3]!;
  }

  /** The commit time of the row, ms. */
  timestamp(address: number): number {
    return this.#numbers[address >>> CHUNK_BITS]![((address & POSITION_MASK) >>> 3) + 1]!;
  }

  /** The key, as a view. */
  key(address: number): Uint8Array {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    return this.#bytes[chunk]!.subarray(at + HEAD_BYTES, at + HEAD_BYTES + this.#words[chunk]![(at >>> 2) + 4]!);
  }

  /** The cell, as a view. */
  cell(address: number): Uint8Array {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const words = this.#words[chunk]!;
    const length = words[(at >>> 2) + 5]!;
    if (length >= APART) return this.#large[length - APART]!;
    const start = at + HEAD_BYTES + words[(at >>> 2) + 4]!;
    return this.#bytes[chunk]!.subarray(start, start + length);
  }

  /** The row. */
  row(address: number): FoundRow {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const words = this.#words[chunk]!;
    const numbers = this.#numbers[chunk]!;
    const length = words[(at >>> 2) + 5]!;
    const [version, timestamp] = [numbers[at >>> 3]!, numbers[(at >>> 3) + 1]!];
    if (length >= APART) {
      const cell = this.#large[length - APART]!;
      return new FoundRow(version, timestamp, cell, 0, cell.length);
    }
    const start = at + HEAD_BYTES + words[(at >>> 2) + 4]!;
    return new FoundRow(version, timestamp, this.#bytes[chunk]!, start, start + length);
  }

  /**
   * Negative, zero or positive as the row sorts before, with or after (`key`, `version`). The first `from` bytes of both
   * keys are known to be equal.
   */
  compare(address: number, key: Uint8Array, version: number, from: number): number {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const bytes = this.#bytes[chunk]!;
    const length = this.#words[chunk]![(at >>> 2) + 4]!;
    const shorter = length < key.length ? length : key.length;
    const start = at + HEAD_BYTES;
    for (let i = from; i < shorter; i++) {
      const d = bytes[start + i]! - key[i]!;
      if (d !== 0) return d;
    }
    if (length !== key.length) return length - key.length;
    return version - this.#numbers[chunk]![at >>> 3]!;
  }

  /** Whether the row's key is `key`. */
  hasKey(address: number, key: Uint8Array): boolean {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const length = key.length;
    if (this.#words[chunk]![(at >>> 2) + 4] !== length) return false;
    const bytes = this.#bytes[chunk]!;
    // From the end: neighbours differ there.
    const start = at + HEAD_BYTES;
    for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  /** How many leading bytes the row's key shares with `key`, counted up to `most`. */
  shared(address: number, key: Uint8Array, most: number): number {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const length = this.#words[chunk]![(at >>> 2) + 4]!;
    const bytes = this.#bytes[chunk]!;
    const n = Math.min(most, length, key.length);
    const start = at + HEAD_BYTES;
    let i = 0;
    while (i < n && bytes[start + i] === key[i]) i++;
    return i;
  }

  /** The numeric prefix of the row's key after its first `from` bytes. */
  prefix(address: number, from: number): number {
    const chunk = address >>> CHUNK_BITS;
    const at = address & POSITION_MASK;
    const start = at + HEAD_BYTES;
    return prefixNumber(this.#bytes[chunk]!, start + from, start + this.#words[chunk]![(at >>> 2) + 4]!);
  }
}
