/**
 * Blocks as they are stored, packed, and checked when they were read: what a full cache holds of those that don't fit in
 * unpacked. Unpacking one takes a fraction of what reading it from the file does, and more of them fit.
 *
 * They lie one behind the other in chunks of one length. When all chunks are in use the oldest is written over: no block is
 * looked for that could go, no memory becomes garbage.
 *
 * @module
 */

/** Whose blocks they are. */
export interface PackedOwner {
  /** The block is there no more, unless it was given back before. */
  forget(index: number): void;
}

/** Memory for some blocks, and whose they are. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly owners: PackedOwner[];
  readonly indexes: number[];
  /** How much of it is taken. */
  used: number;
  /** How many of its blocks were not given back. */
  live: number;
}

/** A place that is none. */
export const NO_PLACE: number = -1;

/** Chunks of packed blocks. */
export class PackedBlocks {
  /** How long a chunk is. */
  readonly chunkBytes: number;
  /** How many chunks there may be; see `resize`. */
  limit = 0;
  // Chunks have numbers, of which places are made; #order has those in use, the oldest first.
  readonly #chunks: (Chunk | undefined)[] = [];
  readonly #order: number[] = [];

  /** Holds nothing until it is resized. */
  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes;
  }

  /** How many chunks there are. */
  get chunks(): number {
    return this.#order.length;
  }

  /** Memory they take. */
  get bytes(): number {
    return this.#order.length * this.chunkBytes;
  }

  /** Whether others would soon make room for one more block. */
  get isFull(): boolean {
    return this.#order.length >= this.limit;
  }

  /** Whether a block of so many bytes can be kept at all. */
  takes(bytes: number): boolean {
    return this.limit > 0 && bytes <= this.chunkBytes / 2;
  }

  /** Allows so many chunks; the oldest go where there are more. */
  resize(limit: number): void {
    this.limit = limit;
    while (this.#order.length > limit) this.#dropOldest();
  }

  /** Copies a block, which must be one that it takes; gives its place. */
  put(owner: PackedOwner, index: number, stored: Uint8Array): number {
    let number = this.#order.at(-1) ?? NO_PLACE;
    if (number === NO_PLACE || this.#chunks[number]!.used + stored.length > this.chunkBytes) number = this.#begin();
    const chunk = this.#chunks[number]!;
    const place = number * this.chunkBytes + chunk.used;
    chunk.bytes.set(stored, chunk.used);
    chunk.used += stored.length;
    chunk.live++;
    chunk.owners.push(owner);
    chunk.indexes.push(index);
    return place;
  }

  /** The block at a place: a view that is good until another block is put. */
  at(place: number, length: number): Uint8Array {
    const number = Math.floor(place / this.chunkBytes);
    const start = place - number * this.chunkBytes;
    return this.#chunks[number]!.bytes.subarray(start, start + length);
  }

  /** Its owner has no use for the block at a place any more. A chunk of nothing else goes. */
  giveBack(place: number): void {
    const number = Math.floor(place / this.chunkBytes);
    if (--this.#chunks[number]!.live > 0) return;
    this.#order.splice(this.#order.indexOf(number), 1);
    this.#chunks[number] = undefined;
  }

  /** The number of a chunk without blocks, which is the newest now. */
  #begin(): number {
    const bytes = this.isFull ? this.#dropOldest() : new Uint8Array(this.chunkBytes);
    const free = this.#chunks.indexOf(undefined);
    const number = free < 0 ? this.#chunks.length : free;
    this.#chunks[number] = { bytes, owners: [], indexes: [], used: 0, live: 0 };
    this.#order.push(number);
    return number;
  }

  /** Gives up the oldest chunk and its blocks; gives its memory. */
  #dropOldest(): Uint8Array {
    const number = this.#order.shift()!;
    const { bytes, owners, indexes } = this.#chunks[number]!;
    this.#chunks[number] = undefined;
    for (const [n, owner] of owners.entries()) owner.forget(indexes[n]!);
    return bytes;
  }
}
