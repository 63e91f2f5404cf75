/**
 * The filter of a table: tells for most keys that are not in it that they are not, without reading a block.
 *
 * ```
 * filter := probes u8 | line (64 bytes) *
 * ```
 *
 * A Bloom filter in lines of 512 bits: a key's hash `a` picks the line, its hash `b` picks `probes` bits in that line, so
 * a lookup touches one cache line. With `n` lines the line is `floor(a * n / 2^32)`; each probe takes the top nine bits
 * of `b` (byte `b >>> 26`, bit `(b >>> 23) & 7`) and multiplies `b` by 0x9e3779b1. The key is the internal key without
 * version. Ten bits a key with six probes let about 1 % of absent keys pass; a filter of no lines lets none pass, and
 * zero probes mean that there is no filter: all pass.
 *
 * Hash: `a` and `b` start as the length with two seeds, take four bytes (little-endian, zeros behind the end) at a time
 * by multiply, rotate and add as MurmurHash3 does, and are mixed at the end. Example: the key "abc" has `a` = 0x3adfbeb6
 * and `b` = 0x2879ecaa.
 *
 * @module
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";

/** Bits in one line. */
const LINE_BITS = 512;
const LINE_BYTES = LINE_BITS / 8;
/** More probes than this are never of use. */
const PROBES_MAX = 16;
const STEP = 0x9e3779b1;
/** Two a key, 20 to 40 ns a key. */
const STEP_HASHES = 65536;

/** The two hashes of the key given last to `hashKey`: fields of one object, since returning two numbers would cost an array. */
const hashed = { a: 0, b: 0 };

/** Computes both hashes of a key into one object, which the next call overwrites. */
export function hashKey(key: Uint8Array): { readonly a: number; readonly b: number } {
  const length = key.length;
  let a = 0x2f0b4c27 ^ length;
  let b = 0x71d67fff ^ length;
  let i = 0;
  for (const whole = length - 3; i < whole; i += 4) {
    const word = key[i]! | (key[i + 1]! << 8) | (key[i + 2]! << 16) | (key[i + 3]! << 24);
    const k = Math.imul(word, 0xcc9e2d51);
    a ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    a = Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64 | 0;
    b = Math.imul(b ^ word, 0x85ebca6b);
    b = (b ^ (b >>> 15)) + 0x38b34ae5 | 0;
  }
  if (i < length) {
    let word = key[i]!;
    if (i + 1 < length) word |= key[i + 1]! << 8;
    if (i + 2 < length) word |= key[i + 2]! << 16;
    const k = Math.imul(word, 0xcc9e2d51);
    a ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    b = Math.imul(b ^ word, 0x85ebca6b);
    b ^= b >>> 15;
  }
  a ^= a >>> 16;
  a = Math.imul(a, 0x85ebca6b);
  a ^= a >>> 13;
  a = Math.imul(a, 0xc2b2ae35);
  b ^= b >>> 16;
  b = Math.imul(b, 0x7feb352d);
  b ^= b >>> 15;
  b = Math.imul(b, 0x846ca68b);
  hashed.a = (a ^ (a >>> 16)) >>> 0;
  hashed.b = (b ^ (b >>> 16)) >>> 0;
  return hashed;
}

/** Collects the keys of a table: eight bytes each until the number of lines is known. */
export class FilterBuilder {
  readonly #bitsPerKey: number;
  #hashes: Uint32Array = new Uint32Array(1024);
  #length = 0;

  /** `bitsPerKey` 0 builds no filter. */
  constructor(bitsPerKey: number) {
    this.#bitsPerKey = bitsPerKey;
  }

  /** Adds a key; once is enough for all versions of it. */
  add(key: Uint8Array): void {
    if (this.#bitsPerKey === 0) return;
    if (this.#length === this.#hashes.length) {
      const grown = new Uint32Array(this.#length * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    const { a, b } = hashKey(key);
    this.#hashes[this.#length++] = a;
    this.#hashes[this.#length++] = b;
  }

  /** How long the filter will be. */
  get bytes(): number {
    return 1 + this.#lines() * LINE_BYTES;
  }

  /** The filter of all keys added. */
  finish(): Uint8Array {
    let filter: Uint8Array = EMPTY_BYTES;
    for (const step of this.build()) filter = step;
    return filter;
  }

  /**
   * Builds the filter of all keys added in steps of about a millisecond, so that the event loop can have its turn between
   * them. Each step gives the same bytes, which are complete after the last.
   */
  *build(): Generator<Uint8Array, void> {
    const lines = this.#lines();
    // Bits in one line crowd a little, so fewer probes than the ln 2 of a filter in one piece.
    const probes = this.#bitsPerKey === 0 ? 0 : Math.max(1, Math.min(PROBES_MAX, Math.round(this.#bitsPerKey * 0.6)));
    const out = new Uint8Array(1 + lines * LINE_BYTES);
    out[0] = probes;
    let done = 0;
    do {
      const from = done;
      done = Math.min(from + STEP_HASHES, this.#length);
      this.#fill(out, lines, probes, from, done);
      yield out;
    } while (done < this.#length);
  }

  #fill(out: Uint8Array, lines: number, probes: number, from: number, to: number): void {
    const hashes = this.#hashes;
    for (let i = from; i < to; i += 2) {
      const line = 1 + Math.floor(hashes[i]! * lines / 2 ** 32) * LINE_BYTES;
      let b = hashes[i + 1]!;
      for (let n = 0; n < probes; n++) {
        out[line + (b >>> 26)]! |= 1 << ((b >>> 23) & 7);
        b = Math.imul(b, STEP);
      }
    }
  }

  #lines(): number {
    return Math.ceil((this.#length / 2) * this.#bitsPerKey / LINE_BITS);
  }
}

/** A filter to ask. */
export class Filter {
  readonly #bytes: Uint8Array;
  readonly #lines: number;
  readonly #probes: number;

  /** Takes what `FilterBuilder.finish` gave; throws `RangeError` when it can't be that. */
  constructor(bytes: Uint8Array) {
    const probes = bytes[0];
    if (probes === undefined || probes > PROBES_MAX) throw new RangeError(`a filter with ${probes} probes`);
    if ((bytes.length - 1) % LINE_BYTES !== 0) throw new RangeError(`a filter of ${bytes.length} bytes`);
    this.#bytes = bytes;
    this.#lines = (bytes.length - 1) / LINE_BYTES;
    this.#probes = probes;
  }

  /** Memory it takes. */
  get bytes(): number {
    return this.#bytes.length;
  }

  /** False only for a key that was never added. */
  mayContain(key: Uint8Array): boolean {
    const { a, b } = hashKey(key);
    return this.mayContainHash(a, b);
  }

  /** As `mayContain`, by the key's two hashes. */
  mayContainHash(a: number, b: number): boolean {
    if (this.#probes === 0) return true;
    const bytes = this.#bytes;
    const line = 1 + Math.floor(a * this.#lines / 2 ** 32) * LINE_BYTES;
    for (let n = this.#probes; n > 0; n--) {
      // With no lines at all this reads behind the memory: undefined has no bit set.
      if ((bytes[line + (b >>> 26)]! & (1 << ((b >>> 23) & 7))) === 0) return false;
      b = Math.imul(b, STEP);
    }
    return true;
  }
}
