/**
 * Decoded blocks kept in memory, so that reading them again costs no disk read, no checksum and no decompression.
 *
 * (1) The blocks together never take more than the capacity.
 * (2) A hit costs two array reads: each table has a slot for every block it has, so nothing is hashed.
 * (3) Which block goes is decided by CLOCK: a hand goes round all cached blocks, spares each that was used since it last
 *     came by, and takes the first that was not. Nearly as good as least recently used, and a hit writes one byte.
 *
 * (4) In a full cache a block that is missed takes the place of one that may be as good, and memory of its own costs more
 *     than reading it. So few are kept, picked by chance: what is asked often gets in soon, what is asked once mostly not at
 *     all, and a walk over more than fits leaves most of what is there for the next one.
 *
 * Blocks never change, so a block that was dropped stays good for those who still hold it.
 *
 * @module
 */
import type { DataBlock } from "../../format/table/data_block.ts";

/** What a block takes beside its bytes: the objects around them, and hints for its rows. */
const BLOCK_OVERHEAD_BYTES = 512;
/** A cache that is so full has no room: of the blocks that are missed then ... */
const FULL_SHARE = 15 / 16;
/** ... one in so many is kept. */
const KEPT_OF = 8;
/** A block larger than this share of the capacity is not kept: one huge value would sweep out everything else. */
const SHARE_MAX = 8;

/** A cache shared by all tables. */
export class BlockCache {
  /** How many bytes it may hold. */
  readonly capacityBytes: number;
  /** How many bytes it holds. */
  bytes = 0;
  /** How many blocks it holds. */
  blocks = 0;
  /** Lookups that found their block. */
  hits = 0;
  /** Lookups that had to read it. */
  misses = 0;
  // The clock's face: an entry is a table and a block number; free entries have no table and are listed in #free.
  readonly #tables: (CachedTable | undefined)[] = [];
  readonly #indexes: number[] = [];
  readonly #free: number[] = [];
  #hand = 0;
  #chance = 1;

  /** Holds up to `capacityBytes`; 0 keeps nothing. */
  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
  }

  /** Makes room for a table of so many blocks. */
  table(blocks: number): CachedTable {
    return new CachedTable(this, blocks);
  }

  /** Whether a block that was missed is to be kept. (4) */
  get keeps(): boolean {
    if (this.bytes < this.capacityBytes * FULL_SHARE) return true;
    // Xorshift: a row of lookups that comes again and again must not meet the same answers each time.
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    return (x >>> 0) % KEPT_OF === 0;
  }

  /** Makes room and gives a place on the clock; -1 when the block is too large to keep. */
  place(table: CachedTable, index: number, bytes: number): number {
    if (bytes > this.capacityBytes / SHARE_MAX) return -1;
    while (this.bytes + bytes > this.capacityBytes) this.#evict();
    this.bytes += bytes;
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
    this.bytes -= bytes;
    this.blocks--;
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
export class CachedTable {
  readonly #cache: BlockCache;
  #blocks: (DataBlock | undefined)[];
  #used: Uint8Array;
  #places: Int32Array;

  /** Made by `BlockCache.table`. */
  constructor(cache: BlockCache, blocks: number) {
    this.#cache = cache;
    this.#blocks = new Array<DataBlock | undefined>(blocks).fill(undefined);
    this.#used = new Uint8Array(blocks);
    this.#places = new Int32Array(blocks);
  }

  /** Whether a block that was missed is to be kept. */
  get keeps(): boolean {
    return this.#cache.keeps;
  }

  /** The block if it is cached; counts as a use. */
  get(index: number): DataBlock | undefined {
    const block = this.#blocks[index];
    if (block === undefined) {
      this.#cache.misses++;
      return undefined;
    }
    this.#used[index] = 1;
    this.#cache.hits++;
    return block;
  }

  /** The block if it is cached; counts as nothing, for those who read everything once. */
  peek(index: number): DataBlock | undefined {
    return this.#blocks[index];
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
    for (let index = 0; index < this.#blocks.length; index++) this.#drop(index);
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
