/**
 * The index of a table: which keys each data block may hold and where it is stored.
 *
 * ```
 * index := count varint | count x (separator length varint | separator | stored length varint | rows varint)
 * ```
 *
 * The blocks lie one behind the other from the end of the file header on, so offsets follow from the lengths. The
 * separator of a block is at or after its last key and before the first key of the next block, and as short as that
 * allows; that of the last block is its last key. When the versions of one key straddle two blocks, the separator is
 * that key. Example: one block of 5 rows, 200 bytes with its trailer, last key "ab": `01 | 02 61 62 | c8 01 | 05`.
 *
 * In memory the separators stay where they are in the block; beside them typed arrays hold where each lies and its first
 * six bytes behind the bytes that all separators share, as a number, so that most steps of a search compare two numbers.
 *
 * @module
 */
import { ByteReader, ByteWriter, DecodeError, sharedPrefix } from "../../base/bytes.ts";

/** An entry is three varints at least. */
const ENTRY_BYTES_MIN = 3;
/** Each row takes a byte at least, and no block has as many bytes. */
const ROWS_MAX = 2 ** 32 - 1;
/** As many bytes as fit a number exactly. */
const PREFIX_BYTES = 6;

/** The shortest bytes `s` with `last <= s < next`: what tells a block from the one behind it. */
export function separatorOf(last: Uint8Array, next: Uint8Array): Uint8Array {
  const shared = sharedPrefix(last, next);
  // `last` is a prefix of `next`, or the same key: nothing shorter lies between.
  if (shared >= last.length) return last;
  // The shared bytes and one of `next` come after `last`, and before `next` if something follows.
  return shared + 1 < next.length && shared + 1 < last.length ? next.subarray(0, shared + 1) : last;
}

/** Builds the index while the blocks are written. */
export class IndexBuilder {
  readonly #out = new ByteWriter(1024);
  #count = 0;

  /** How long the index would be now. */
  get bytes(): number {
    return this.#out.length + 8;
  }

  /** Blocks so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds the next block. */
  add(separator: Uint8Array, storedLength: number, rows: number): void {
    this.#out.prefixed(separator);
    this.#out.varint(storedLength);
    this.#out.varint(rows);
    this.#count++;
  }

  /** The index block's raw bytes. */
  finish(): Uint8Array {
    const out = new ByteWriter(this.#out.length + 8);
    out.varint(this.#count);
    out.bytes(this.#out.view());
    return out.view();
  }
}

/** The index in memory. Block `i` has the keys after separator `i - 1` up to separator `i`. */
export class TableIndex {
  /** How many data blocks there are. */
  readonly count: number;
  /** Where block `i` is stored; one more for the end of the last. */
  readonly offsets: Float64Array;
  /** Rows in each block. */
  readonly rows: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #prefixes: Float64Array;
  /** How many leading bytes all separators share. */
  readonly #shared: number;

  /** Takes the raw index block of a table whose blocks begin at `firstOffset`; throws `DecodeError`. */
  constructor(bytes: Uint8Array, firstOffset: number) {
    const reader = new ByteReader(bytes);
    const count = reader.varint();
    if (count > reader.left / ENTRY_BYTES_MIN) throw new DecodeError(`an index of ${count} blocks does not fit`, 0);
    this.count = count;
    this.offsets = new Float64Array(count + 1);
    this.rows = new Uint32Array(count);
    this.#bytes = bytes;
    this.#starts = new Uint32Array(count);
    this.#lengths = new Uint32Array(count);
    this.#prefixes = new Float64Array(count);
    let offset = firstOffset;
    for (let i = 0; i < count; i++) {
      // As it was read: the arrays would cut a number to its lower 32 bits.
      const length = reader.varint();
      this.#lengths[i] = length;
      this.#starts[i] = reader.pass(length);
      this.offsets[i] = offset;
      offset += reader.varint();
      const rows = reader.varint();
      if (rows > ROWS_MAX) throw new DecodeError(`a block of ${rows} rows`, reader.at);
      this.rows[i] = rows;
    }
    this.offsets[count] = offset;
    if (reader.left > 0) throw new DecodeError("bytes behind the index", reader.at);
    for (let i = 1; i < count; i++) {
      if (this.#compareTo(i, bytes, this.#starts[i - 1]!, this.#lengths[i - 1]!) < 0) {
        throw new DecodeError("separators out of order", this.#starts[i]!);
      }
    }
    this.#shared = count === 0 ? 0 : sharedPrefix(this.separator(0), this.separator(count - 1));
    for (let i = 0; i < count; i++) {
      const start = this.#starts[i]!;
      this.#prefixes[i] = prefixNumber(bytes, start + this.#shared, start + this.#lengths[i]!);
    }
  }

  /** Memory it takes. */
  get bytes(): number {
    return this.#bytes.length + this.count * 36;
  }

  /** The separator of block `i`, a view. */
  separator(i: number): Uint8Array {
    const start = this.#starts[i]!;
    return this.#bytes.subarray(start, start + this.#lengths[i]!);
  }

  /** Whether the separator of block `i` is this key, so that further versions of it may lie in the next block. */
  endsWith(i: number, key: Uint8Array): boolean {
    return this.#compare(i, key) === 0;
  }

  /** The first block whose separator is at or after `key`: the only one that may begin with it; `count` when none is. */
  find(key: Uint8Array): number {
    const shared = this.#shared;
    const count = this.count;
    if (count === 0) return 0;
    if (shared > 0) {
      const start = this.#starts[0]!;
      const n = shared < key.length ? shared : key.length;
      for (let i = 0; i < n; i++) {
        const d = key[i]! - this.#bytes[start + i]!;
        if (d !== 0) return d < 0 ? 0 : count;
      }
      if (key.length < shared) return 0;
    }
    const wanted = prefixNumber(key, shared, key.length);
    const prefixes = this.#prefixes;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const prefix = prefixes[middle]!;
      if (prefix < wanted || (prefix === wanted && this.#compare(middle, key) < 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(i: number, key: Uint8Array): number {
    return this.#compareTo(i, key, 0, key.length);
  }

  /** Compares separator `i` with the `otherLength` bytes of `other` from `otherStart` on. */
  #compareTo(i: number, other: Uint8Array, otherStart: number, otherLength: number): number {
    const bytes = this.#bytes;
    const start = this.#starts[i]!;
    const length = this.#lengths[i]!;
    const n = length < otherLength ? length : otherLength;
    for (let at = 0; at < n; at++) {
      const d = bytes[start + at]! - other[otherStart + at]!;
      if (d !== 0) return d;
    }
    return length - otherLength;
  }
}

/** The first bytes of `bytes[start, end)` as a number that orders as they do, zeros behind the end. */
function prefixNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start >= PREFIX_BYTES) {
    return (bytes[start]! * 0x10000 + bytes[start + 1]! * 0x100 + bytes[start + 2]!) * 0x1000000 +
      ((bytes[start + 3]! << 16) | (bytes[start + 4]! << 8) | bytes[start + 5]!);
  }
  let value = 0;
  for (let i = 0; i < PREFIX_BYTES; i++) value = value * 256 + (start + i < end ? bytes[start + i]! : 0);
  return value;
}
