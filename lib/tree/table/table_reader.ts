/**
 * Reads a sorted table (see `format/table/table.ts`). Index and deleted ranges are in memory from the opening on, a long filter
 * from the second lookup on (a cursor needs none, and one lookup is done before a long filter is read), data blocks come from the cache or by one read from the file; each is checked before a byte of it is believed.
 *
 * @module
 */
import { ClosedError, CorruptionError } from "../../base/errors.ts";
import { copyOut } from "../../base/small_copies.ts";
import type { Slicer } from "../../base/yield.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { checkBlock, openBlock, unpackBlock } from "../../format/table/block.ts";
import { ABSENT, BlockCursor, FOUND } from "../../format/table/block_cursor.ts";
import { DataBlock } from "../../format/table/data_block.ts";
import { type Filter, hashKey } from "../../format/table/filter.ts";
import { checksumSeed, type FileHeader, type FileIdentity } from "../../format/identity.ts";
import type { TableIndex } from "../../format/table/index_block.ts";
import { rowHints, tagOf } from "../../format/table/row_hints.ts";
import type { TableFooter } from "../../format/table/table.ts";
import type { TableMeta } from "../../format/table/table_meta.ts";
import type { TableProperties } from "../../format/table/table_properties.ts";
import type { BlockCache, CachedTable } from "./block_cache.ts";
import { FoundRow, NEWEST } from "../cursor.ts";
import type { Damage } from "./damage.ts";
import type { RangeTombstones } from "../range_tombstones.ts";
import { checkTable } from "./table_check.ts";
import { type BlockRoom, TableCursor, type TableCursorOptions } from "./table_cursor.ts";
import { readTableFilter, readTableParts, salvageTableParts, type TableParts } from "./table_parts.ts";

/** A block may share its memory with so much else before it is copied out of it. */
const POOL_BYTES_MAX = 1024;

/** An open table. All reads are synchronous; any damage found is `CorruptionError`. */
export class TableReader {
  /** Where it lies. */
  readonly path: string;
  /** Its first 64 bytes. */
  readonly header: FileHeader;
  /** What the file says of itself. */
  readonly properties: TableProperties;
  /** Deleted ranges; they delete older rows of other tables, never rows of this one with the same or a newer version. */
  readonly tombstones: RangeTombstones;
  /** Where the data blocks are. */
  readonly index: TableIndex;
  /** Where the other blocks are. */
  readonly footer: TableFooter;
  /** The file's length. */
  readonly size: number;
  /** Every row reads as of this version, where the table was written before its commit. */
  readonly globalVersion: number | undefined;
  /** The time that goes with `globalVersion`, ms. */
  readonly globalTimestamp: number;
  #filter: Filter | undefined;
  #wasAsked = false;
  readonly #seed: number;
  readonly #cached: CachedTable;
  readonly #lookup = new BlockCursor();
  #handle: FileHandle | undefined;

  private constructor(
    handle: FileHandle,
    size: number,
    open: TableParts,
    meta: TableMeta | undefined,
    cache: BlockCache,
  ) {
    this.path = handle.path;
    this.header = open.header;
    this.properties = open.properties;
    this.tombstones = open.tombstones;
    this.index = open.index;
    this.footer = open.footer;
    this.size = size;
    this.globalVersion = meta?.globalVersion;
    this.globalTimestamp = meta?.globalTimestamp ?? 0;
    this.#filter = open.filter;
    this.#seed = checksumSeed(open.header);
    this.#cached = cache.table(open.index.count);
    this.#handle = handle;
  }

  /**
   * Opens a table, which must be the one expected: a swapped, foreign or cut file is `CorruptionError`. `meta`, where it
   * is known, must agree with the file; its `globalVersion` overrides the versions in the file.
   */
  static open(
    fs: FileSystem,
    path: string,
    expected: Partial<FileIdentity>,
    meta: TableMeta | undefined,
    cache: BlockCache,
  ): TableReader {
    return TableReader.#openWith(fs, path, meta, cache, (handle, size) => {
      if (meta !== undefined && meta.size !== size) {
        throw new CorruptionError(
          path,
          Math.min(size, meta.size),
          `${size} bytes long where ${meta.size} were written`,
        );
      }
      return readTableParts(handle, size, expected, meta);
    });
  }

  /** As `open`, for repair: reports what is damaged beside the data blocks and makes do without it; see `table_parts.ts`. */
  static salvage(
    fs: FileSystem,
    path: string,
    expected: Partial<FileIdentity>,
    meta: TableMeta | undefined,
    cache: BlockCache,
    onDamage: (damage: Damage) => void,
  ): TableReader {
    return TableReader.#openWith(
      fs,
      path,
      meta,
      cache,
      (handle, size) => salvageTableParts(handle, size, expected, meta, onDamage),
    );
  }

  static #openWith(
    fs: FileSystem,
    path: string,
    meta: TableMeta | undefined,
    cache: BlockCache,
    read: (handle: FileHandle, size: number) => TableParts,
  ): TableReader {
    const handle = fs.openSync(path, "read");
    try {
      const size = handle.sizeSync();
      return new TableReader(handle, size, read(handle, size), meta, cache);
    } catch (error) {
      handle.closeSync();
      throw error;
    }
  }

  /** Memory it takes beside cached blocks. */
  get memoryBytes(): number {
    return (this.#filter?.bytes ?? 0) + this.index.bytes + this.tombstones.bytes;
  }

  /** The newest row of a key with a version up to `version`; undefined when there is none. A delete is a row. */
  get(key: Uint8Array, version: number): FoundRow | undefined {
    const { a, b } = hashKey(key);
    return this.getHashed(key, version, a, b);
  }

  /** As `get`, for a key with these hashes (`hashKey`). */
  getHashed(key: Uint8Array, version: number, a: number, b: number): FoundRow | undefined {
    const globalVersion = this.globalVersion;
    if (globalVersion !== undefined) {
      if (version < globalVersion) return undefined;
      version = NEWEST;
    }
    if (this.#filter === undefined) {
      if (this.#wasAsked) this.#filter = this.#readFilter();
      this.#wasAsked = true;
    }
    if (this.#filter !== undefined && !this.#filter.mayContainHash(a, b)) return undefined;
    const index = this.index;
    const lookup = this.#lookup;
    for (let i = index.find(key); i < index.count; i++) {
      const cached = this.#cached.get(i);
      const passes = cached === undefined && !this.#cached.keeps(i, this.#lengthOf(i));
      const block = cached ?? (passes ? this.#glance(i) : this.#fetch(i));
      lookup.attach(block);
      // Asked for once more: worth hints.
      if (cached !== undefined && cached.hints === undefined) cached.hints = rowHints(cached) ?? null;
      const found = block.hints ? lookup.findByHints(block.hints, tagOf(a), key, version) : lookup.find(key, version);
      if (found === FOUND) {
        const rowVersion = globalVersion ?? lookup.version;
        const timestamp = globalVersion === undefined ? lookup.timestamp : this.globalTimestamp;
        const { cellStart, cellEnd } = lookup;
        return passes
          ? new FoundRow(rowVersion, timestamp, copyOut(block.bytes, cellStart, cellEnd), 0, cellEnd - cellStart)
          : new FoundRow(rowVersion, timestamp, block.bytes, cellStart, cellEnd);
      }
      // Only when the key itself ends the block may the next one hold older versions of it.
      if (found === ABSENT || !index.endsWith(i, key)) return undefined;
    }
    return undefined;
  }

  /** Whether the filter lets the key pass: false says for certain that no row has it. */
  mayContain(key: Uint8Array): boolean {
    return (this.#filter ??= this.#readFilter()).mayContain(key);
  }

  /** A cursor over all rows, standing nowhere yet. */
  cursor(options: TableCursorOptions = {}): TableCursor {
    return new TableCursor(this, options);
  }

  /** Roughly how many bytes of the file lie before `key`. */
  approximateOffset(key: Uint8Array): number {
    return this.index.offsets[this.index.find(key)]!;
  }

  /** See `BlockSource.block`. */
  block(i: number, room?: BlockRoom): DataBlock {
    const cached = this.#cached.get(i);
    if (cached !== undefined) return cached;
    if (room === undefined || this.#cached.keepsWalked(i)) return this.#fetch(i);
    return this.#into(i, this.#find(i), room);
  }

  /** See `BlockSource.passing`. */
  passing(i: number, room: BlockRoom): DataBlock {
    return this.#cached.peek(i) ?? this.#into(i, this.#readAhead(i, room), room);
  }

  /** Data block `i`, unpacked and kept in the cache. */
  #fetch(i: number): DataBlock {
    const stored = this.#find(i);
    const offset = this.index.offsets[i]!;
    const raw = unpackBlock(stored, this.path, offset);
    const block = new DataBlock(own(raw.buffer === stored.buffer ? raw.slice() : raw), this.path, offset);
    this.#cached.put(i, block);
    return block;
  }

  /** Data block `i`, which is `stored`, in the room's memory, which grows with what comes. */
  #into(i: number, stored: Uint8Array, room: BlockRoom): DataBlock {
    const offset = this.index.offsets[i]!;
    let memory = room.free;
    let raw = unpackBlock(stored, this.path, offset, memory);
    const { buffer } = raw;
    if (buffer === stored.buffer) {
      if (memory === undefined || memory.length < raw.length) memory = new Uint8Array(raw.length);
      memory.set(raw);
      raw = memory.subarray(0, raw.length);
    } else if (buffer !== memory?.buffer) memory = new Uint8Array(buffer);
    const block = new DataBlock(raw, this.path, offset);
    room.free = room.held;
    // That of one huge value is not kept for the blocks that follow.
    room.held = memory.length > SCRATCH_BYTES ? undefined : memory;
    return block;
  }

  /** Data block `i` in memory that the next call uses again. */
  #glance(i: number): DataBlock {
    const offset = this.index.offsets[i]!;
    const wasPacked = this.#cached.isPacked(i);
    const stored = this.#find(i);
    if (!wasPacked) this.#cached.pack(i, stored);
    return new DataBlock(unpackBlock(stored, this.path, offset, room), this.path, offset);
  }

  /** Data block `i` as it is stored, packed from the cache or from the file: good until the next call. */
  #find(i: number): Uint8Array {
    return this.#cached.packed(i, this.#lengthOf(i)) ?? this.#read(i);
  }

  /** Data block `i` as it is in the file, checked, in memory that the next reading uses again. */
  #read(i: number): Uint8Array {
    const offset = this.index.offsets[i]!;
    const stored = scratchOf(this.#lengthOf(i));
    this.readSync(stored, offset);
    checkBlock(stored, this.#seed, this.path, offset);
    return stored;
  }

  /** As `#read`, with those that follow: one read for many costs hardly more, and a disk need not seek for each. */
  #readAhead(i: number, room: BlockRoom): Uint8Array {
    const { offsets, count } = this.index;
    const start = offsets[i]!;
    const end = offsets[i + 1]!;
    if (start < room.aheadStart || end > room.aheadEnd) {
      let next = i + 1;
      while (next < count && offsets[next + 1]! - start <= AHEAD_BYTES) next++;
      if (next === i + 1) return this.#read(i);
      room.aheadEnd = 0;
      const ahead = room.ahead ??= new Uint8Array(AHEAD_BYTES);
      this.readSync(ahead.subarray(0, offsets[next]! - start), start);
      room.aheadStart = start;
      room.aheadEnd = offsets[next]!;
    }
    const stored = room.ahead!.subarray(start - room.aheadStart, end - room.aheadStart);
    checkBlock(stored, this.#seed, this.path, start);
    return stored;
  }

  #lengthOf(i: number): number {
    return this.index.offsets[i + 1]! - this.index.offsets[i]!;
  }

  /** Whether data block `i` is in the cache. */
  isCached(i: number): boolean {
    return this.#cached.peek(i) !== undefined || this.#cached.isPacked(i);
  }

  /** Checks and decodes the data block stored at `offset`. */
  decode(stored: Uint8Array, offset: number): DataBlock {
    return new DataBlock(openBlock(stored, this.#seed, this.path, offset), this.path, offset);
  }

  /** Fills `into` from the file. */
  readSync(into: Uint8Array, offset: number): void {
    const n = this.#open().readAtSync(into, offset);
    if (n !== into.length) throw new CorruptionError(this.path, offset + n, "the file ends early");
  }

  /** As `readSync`, off the main thread. */
  async read(into: Uint8Array, offset: number): Promise<void> {
    const n = await this.#open().readAt(into, offset);
    if (n !== into.length) throw new CorruptionError(this.path, offset + n, "the file ends early");
  }

  /** Reads the whole file and gives all damage found; see `table_check.ts`. */
  verify(slicer: Slicer, sha256?: string): AsyncGenerator<Damage, void> {
    // Damage to it is told once, and not of each row that is looked for.
    this.#filter ??= this.#readFilter();
    return checkTable(this, slicer, sha256);
  }

  /** Closes the file and drops its blocks from the cache. Rows already handed out stay good. */
  close(): void {
    this.#handle?.closeSync();
    this.#handle = undefined;
    this.#cached.close();
  }

  #readFilter(): Filter {
    return readTableFilter(this.#open(), this.#seed, this.footer);
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new ClosedError(`Cannot read ${this.path}: the table is closed`);
    return this.#handle;
  }
}

/** The bytes in memory that holds little else: a view of a runtime's buffer pool would keep all of the pool. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= bytes.length + POOL_BYTES_MAX ? bytes : bytes.slice();
}

/** Longer blocks are read into memory of their own. */
const SCRATCH_BYTES = 64 * 1024;

/** Read at once by who reads all: short enough for dozens of cursors of one compaction. */
const AHEAD_BYTES = 64 * 1024;

const scratch = new Uint8Array(SCRATCH_BYTES);

/** Memory for a block that is not kept. */
const room = new Uint8Array(SCRATCH_BYTES);

/**
 * Memory to read a stored block into. It serves again at the next call, which is safe because reading and opening a block
 * happen in one go; a new buffer for each block read would be most of the garbage that compaction makes.
 */
function scratchOf(length: number): Uint8Array {
  return length <= SCRATCH_BYTES ? scratch.subarray(0, length) : new Uint8Array(length);
}
