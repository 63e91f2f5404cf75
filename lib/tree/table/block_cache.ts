/**
 * Blocks kept in memory: unpacked, so that reading them again costs no disk read, no checksum and no decompression, and
 * where those don't fit in, others packed as they are in their files, which costs only the last.
 *
 * (1) The blocks together never take more than the capacity.
 * (2) A hit costs two array reads: each table has a slot for every block it has, so nothing is hashed.
 * (3) Which block goes is decided by CLOCK: a hand goes round all cached blocks, spares each that was used since it last
 *     came by, and takes the first that was not. Nearly as good as least recently used, and a hit writes one byte.
 *
 * (4) In a full cache a block that is missed takes the place of one that may be as good, and memory of its own costs more
 *     than reading it. So few are kept, picked by chance: what is asked often gets in soon, what is asked once mostly not at
 *     all, and a walk over more than fits leaves most of what is there for the next one.
 * (5) What lookups miss in a full cache is kept packed, what is found packed is unpacked for good, both by (4). How much of
 *     the capacity packed blocks have follows from what is asked for: more while many find nothing, less while nearly all
 *     find something but not unpacked. Walks take what is there and pack nothing: they go over all rows of a block.
 *
 * Blocks never change, so a block that was dropped stays good for those who still hold it.
 *
 * @module
 */
import type { DataBlock } from "../../format/table/data_block.ts";
import { NO_PLACE, PackedBlocks, type PackedOwner } from "./packed_blocks.ts";

/** What a block takes beside its bytes: the objects around them, and hints for its rows. */
const BLOCK_OVERHEAD_BYTES = 512;
/** A cache that is so full has no room: of the blocks that are missed then ... */
const FULL_SHARE = 15 / 16;
/** ... one in so many is kept, ... */
const KEPT_OF = 8;
/** ... and unpacked one in so many of those that are found packed: that saves less, for more memory. */
const UNPACKED_OF = 64;
/** A block larger than this share of the capacity is not kept: one huge value would sweep out everything else. */
const SHARE_MAX = 8;
/** Packed blocks lie in chunks of this share of the capacity, ... */
const CHUNKS = 16;
/** ... which are no longer than this, ... */
const CHUNK_BYTES_MAX = 2 ** 20;
/** ... and have no more of it than this: of what is asked for most each hit costs more than it would unpacked. */
const PACKED_SHARE = 1 / 4;
/** After so many lookups that found no unpacked block their share is looked at again. (5) */
const WINDOW = 1024;
/** It grows, with what is missed, where more than one in so many finds nothing, and else shrinks, ... */
const MISSES_OF = 32;
/** ... each time by such a part of what it may be. */
const STEPS = 64;

/** A cache shared by all tables. */
export class BlockCache {
  /** How many bytes it may hold. */
  readonly capacityBytes: number;
  /** How many blocks it holds unpacked. */
  blocks = 0;
  /** Lookups that found their block, unpacked or packed. */
  hits = 0;
  /** Lookups that had to read it. */
  misses = 0;
  // The clock's face: an entry is a table and a block number; free entries have no table and are listed in #free.
  readonly #tables: (CachedTable | undefined)[] = [];
  readonly #indexes: number[] = [];
  readonly #free: number[] = [];
  #hand = 0;
  #chance = 1;
  /** Those that are kept packed. */
  readonly packed: PackedBlocks;
  #unpackedBytes = 0;
  // What was counted in the window before this one. (5)
  #lookupsBefore = 0;
  #missesBefore = 0;
  #slow = 0;

  /** Holds up to `capacityBytes`; 0 keeps nothing. */
  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
    this.packed = new PackedBlocks(Math.min(Math.floor(capacityBytes / CHUNKS), CHUNK_BYTES_MAX));
  }

  /** How many bytes it holds. */
  get bytes(): number {
    return this.#unpackedBytes + this.packed.bytes;
  }

  /** Makes room for a table of so many blocks. */
  table(blocks: number): CachedTable {
    return new CachedTable(this, blocks);
  }

  /** Whether there is no room for more blocks. */
  get isFull(): boolean {
    return this.bytes >= this.capacityBytes * FULL_SHARE;
  }

  /** Whether a block is to be kept where there is no room for it, of which one in `of` is. (4) */
  keepsOne(of: number): boolean {
    // Xorshift: a row of lookups that comes again and again must not meet the same answers each time.
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    return (x >>> 0) % of === 0;
  }

  /** Makes room and gives a place on the clock; -1 when the block is too large to keep. */
  place(table: CachedTable, index: number, bytes: number): number {
    if (bytes > this.capacityBytes / SHARE_MAX) return -1;
    this.#makeRoom(bytes);
    this.#unpackedBytes += bytes;
    this.blocks++;
    const place = this.#free.pop() ?? this.#tables.length;
    this.#tables[place] = table;
    this.#indexes[place] = index;
    return place;
  }

  /** Takes a block off the clock. */
  remove(place: number, bytes: number): void {
    this.#tables[place] = undefined;
    this.#free.push(place);
    this.#unpackedBytes -= bytes;
    this.blocks--;
  }

  /** To be called for each lookup that found no unpacked block, once it was counted as what it is. (5) */
  weigh(): void {
    if (++this.#slow < WINDOW) return;
    const lookups = this.hits + this.misses;
    const lately = lookups - this.#lookupsBefore;
    const missed = this.misses - this.#missesBefore;
    this.#lookupsBefore = lookups;
    this.#missesBefore = this.misses;
    this.#slow = 0;
    const { chunkBytes, chunks } = this.packed;
    const most = chunkBytes === 0 ? 0 : Math.floor(this.capacityBytes * PACKED_SHARE / chunkBytes);
    const fewer = Math.max(0, chunks - Math.ceil(most / STEPS));
    this.packed.resize(missed * MISSES_OF > lately ? most : fewer);
  }

  /** Keeps a block packed; gives its place. */
  pack(table: CachedTable, index: number, stored: Uint8Array): number {
    const { packed } = this;
    if (!this.isFull || !packed.takes(stored.length) || (packed.isFull && !this.keepsOne(KEPT_OF))) return NO_PLACE;
    const place = packed.put(table, index, stored);
    // Of the memory that it may have taken.
    this.#makeRoom(0);
    return place;
  }

  #makeRoom(bytes: number): void {
    while (this.bytes + bytes > this.capacityBytes) this.#evict();
  }

  /** Drops the first block under the hand that was not used since it last came by. */
  #evict(): void {
    for (;;) {
      if (this.#hand >= this.#tables.length) this.#hand = 0;
      const place = this.#hand++;
      const table = this.#tables[place];
      if (table !== undefined && !table.spare(this.#indexes[place]!)) return;
    }
  }
}

/** What a block costs in the cache. */
function costOf(block: DataBlock): number {
  // A view costs the memory it is a view of.
  return block.bytes.buffer.byteLength + BLOCK_OVERHEAD_BYTES;
}

/** The cached blocks of one table. */
export class CachedTable implements PackedOwner {
  readonly #cache: BlockCache;
  #blocks: (DataBlock | undefined)[];
  /** Where they lie packed; undefined: none ever did. */
  #packed: Float64Array | undefined;
  #used: Uint8Array;
  #places: Int32Array;

  /** Made by `BlockCache.table`. */
  constructor(cache: BlockCache, blocks: number) {
    this.#cache = cache;
    this.#blocks = new Array<DataBlock | undefined>(blocks).fill(undefined);
    this.#used = new Uint8Array(blocks);
    this.#places = new Int32Array(blocks);
  }

  /** Whether a block that a lookup does not find unpacked, and is so long where it is stored, is to be kept so. (4), (5) */
  keeps(index: number, length: number): boolean {
    const cache = this.#cache;
    if (!cache.isFull) return true;
    if (this.isPacked(index)) return cache.keepsOne(UNPACKED_OF);
    return !cache.packed.takes(length) && cache.keepsOne(KEPT_OF);
  }

  /** The same of a block that a walk comes to: what it misses is not packed. (5) */
  keepsWalked(index: number): boolean {
    const cache = this.#cache;
    return !cache.isFull || cache.keepsOne(this.isPacked(index) ? UNPACKED_OF : KEPT_OF);
  }

  /** The block if it is there unpacked, which counts as a use; else ask `packed`. */
  get(index: number): DataBlock | undefined {
    const block = this.#blocks[index];
    if (block === undefined) return undefined;
    this.#used[index] = 1;
    this.#cache.hits++;
    return block;
  }

  /** The block if it is there unpacked; counts as nothing, for those who read everything once. */
  peek(index: number): DataBlock | undefined {
    return this.#blocks[index];
  }

  /** Whether the block is there packed. */
  isPacked(index: number): boolean {
    return this.#packed !== undefined && this.#packed[index]! >= 0;
  }

  /** The block as it is stored, of that length, if it is there packed: good until another one is kept. */
  packed(index: number, length: number): Uint8Array | undefined {
    const cache = this.#cache;
    const found = this.isPacked(index) ? cache.packed.at(this.#packed![index]!, length) : undefined;
    if (found === undefined) cache.misses++;
    else cache.hits++;
    cache.weigh();
    return found;
  }

  /** Keeps a block that was just read as it is stored, and checked. */
  pack(index: number, stored: Uint8Array): void {
    const place = this.#cache.pack(this, index, stored);
    if (place !== NO_PLACE) (this.#packed ??= new Float64Array(this.#used.length).fill(NO_PLACE))[index] = place;
  }

  forget(index: number): void {
    if (this.#packed !== undefined) this.#packed[index] = NO_PLACE;
  }

  /** Keeps a block that was just read. */
  put(index: number, block: DataBlock): void {
    if (index >= this.#used.length || this.#blocks[index] !== undefined) return;
    const place = this.#cache.place(this, index, costOf(block));
    if (place < 0) return;
    this.#blocks[index] = block;
    this.#used[index] = 0;
    this.#places[index] = place;
  }

  /** The clock's question: true spares the block for once, false means it was dropped. */
  spare(index: number): boolean {
    if (this.#used[index] === 1) {
      this.#used[index] = 0;
      return true;
    }
    this.#drop(index);
    return false;
  }

  /** Drops all blocks of this table; nothing is kept from now on. */
  close(): void {
    for (let index = 0; index < this.#blocks.length; index++) {
      this.#drop(index);
      if (this.isPacked(index)) this.#cache.packed.giveBack(this.#packed![index]!);
    }
    this.#packed = undefined;
    this.#blocks = [];
    this.#used = new Uint8Array(0);
    this.#places = new Int32Array(0);
  }

  #drop(index: number): void {
    const block = this.#blocks[index];
    if (block === undefined) return;
    this.#blocks[index] = undefined;
    this.#cache.remove(this.#places[index]!, costOf(block));
  }
}
