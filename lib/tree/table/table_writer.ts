/**
 * Writes a sorted table (see `format/table/table.ts`) in one pass over rows that come in order.
 *
 * `add` never touches the disk, so it may run within a slice of work; `drain` between slices does. Nothing of the table
 * counts before `finish` has resolved and the caller has synced the file and named it in the manifest.
 *
 * @module
 */
import { compareBytes, copyBytes, EMPTY_BYTES, sharedPrefix } from "../../base/bytes.ts";
import { CODEC_NONE } from "../../base/codec.ts";
import { yieldToLoop } from "../../base/yield.ts";
import type { FileHandle } from "../../files/file_system.ts";
import { BLOCK_RAW_BYTES_MAX, blockTrailer } from "../../format/table/block.ts";
import { readBlobPointer } from "../../format/blob.ts";
import { cellHasExpiry, cellOp, OP_BLOB, OP_DELETE, readCell } from "../../format/cell.ts";
import { DataBlockBuilder } from "../../format/table/data_block.ts";
import { FilterBuilder } from "../../format/table/filter.ts";
import { checksumSeed, type FileIdentity, writeFileHeader } from "../../format/identity.ts";
import { IndexBuilder, separatorOf } from "../../format/table/index_block.ts";
import { type BlockPlace, type StoredFragment, writeTableFooter, writeTombstones } from "../../format/table/table.ts";
import type { BlobUse, TableMeta } from "../../format/table/table_meta.ts";
import { type TableProperties, writeTableProperties } from "../../format/table/table_properties.ts";
import { type Compression, Compressor, type Stored } from "./compressor.ts";
import { FileOutput } from "./file_output.ts";

/** How a table is written. */
export interface TableWriterOptions {
  /** Whose table it is and its number. */
  identity: FileIdentity;
  /**
   * Raw bytes at which a block is complete; with 32 rows half of them is enough. Smaller blocks read less per lookup, larger
   * ones compress better.
   */
  blockBytes?: number;
  /** Every so many rows a key is stored whole. Fewer make lookups faster, more make blocks smaller. */
  restartInterval?: number;
  /** How blocks are stored. */
  compression?: Compression;
  /** Bits of filter per key: 10 let 1 % of absent keys through, 0 is no filter. */
  filterBitsPerKey?: number;
}

/** Rows that are enough for a block: what more of them saves on disk, a lookup pays for by unpacking all of them. */
const BLOCK_ROWS = 32;

/** A block is cut early rather than grow to more than this many times its size by one long row. */
const OVERSIZE = 2;

/** Writes one table. */
export class TableWriter {
  readonly #out: FileOutput;
  readonly #identity: FileIdentity;
  readonly #seed: number;
  readonly #blockBytes: number;
  readonly #block: DataBlockBuilder;
  readonly #filter: FilterBuilder;
  readonly #index = new IndexBuilder();
  readonly #compressor: Compressor;
  readonly #blobs = new Map<number, BlobUse>();
  #fragments: readonly StoredFragment[] = [];
  #smallest: Uint8Array = EMPTY_BYTES;
  #lastBuffer: Uint8Array = new Uint8Array(256);
  #last: Uint8Array = EMPTY_BYTES;
  #lastVersion = 0;
  #rows = 0;
  #deletes = 0;
  #plain = true;
  #rawBytes = 0;
  #minVersion = Number.MAX_SAFE_INTEGER;
  #maxVersion = 0;
  #minTimestamp = Number.MAX_SAFE_INTEGER;
  #maxTimestamp = 0;

  /** Writes to `handle`, opened by `"create"`; the caller syncs and closes it. */
  constructor(handle: FileHandle, options: TableWriterOptions) {
    const header = { kind: "table", ...options.identity } as const;
    this.#identity = options.identity;
    this.#out = new FileOutput(handle);
    this.#seed = checksumSeed(header);
    this.#blockBytes = options.blockBytes ?? 8 * 1024;
    this.#block = new DataBlockBuilder(options.restartInterval ?? 4, this.#blockBytes);
    this.#filter = new FilterBuilder(options.filterBitsPerKey ?? 10);
    this.#compressor = new Compressor(options.compression ?? "auto");
    this.#out.write(writeFileHeader("table", options.identity));
  }

  /** Rows added so far. */
  get rows(): number {
    return this.#rows;
  }

  /** How long the file would be about, were it finished now. */
  get estimatedBytes(): number {
    return this.#out.position + this.#block.bytes + this.#filter.bytes + this.#index.bytes;
  }

  /** Whether enough is pending for a call of `drain` to be worth it. */
  get wantsDrain(): boolean {
    return this.#out.wantsDrain;
  }

  /** Adds a row that comes after the one before: a larger key, or the same key with a lower version. All is copied. */
  add(key: Uint8Array, version: number, timestamp: number, cell: Uint8Array): void {
    const block = this.#block;
    if (block.rows > 0 && this.#isComplete(block, key.length + cell.length)) this.#cutBlock(key);
    const last = this.#last;
    const shared = sharedPrefix(last, key);
    if (this.#rows === 0) {
      this.#smallest = copyBytes(key);
      this.#filter.add(key);
    } else if (shared === key.length && shared === last.length) {
      if (version >= this.#lastVersion) throw new RangeError(`rows out of order: version ${version} of one key`);
      this.#plain = false;
    } else {
      const after = shared === last.length || (shared < key.length && key[shared]! > last[shared]!);
      if (!after) throw new RangeError("rows out of order: a key below the one before");
      this.#filter.add(key);
    }
    block.add(key, shared, version, timestamp, cell);
    this.#remember(key, shared);
    this.#lastVersion = version;
    this.#rows++;
    this.#rawBytes += key.length + cell.length;
    const op = cellOp(cell[0]!);
    if (op === OP_DELETE || cellHasExpiry(cell[0]!)) this.#plain = false;
    if (op === OP_DELETE) this.#deletes++;
    else if (op === OP_BLOB) this.#countBlob(cell);
    this.#cover(version, timestamp);
  }

  /** Deleted ranges that belong to this table; once, before `finish`. Clip them to the table's part of the keys first. */
  addTombstones(fragments: readonly StoredFragment[]): void {
    this.#fragments = fragments;
    for (const { versions } of fragments) {
      for (const { version, timestamp } of versions) this.#cover(version, timestamp);
    }
  }

  /** Writes what is pending once that is 256 KiB or more. One call at a time, and no rows meanwhile. */
  async drain(): Promise<void> {
    if (this.#out.wantsDrain) await this.#out.drain();
  }

  /** Writes the rest and describes the table. */
  async finish(): Promise<TableMeta> {
    if (this.#block.rows > 0) this.#cutBlock(undefined);
    const filter = await this.#buildFilter();
    const properties = this.#properties();
    const footer = {
      filter: this.#writeBlock(filter),
      tombstones: this.#writePacked(writeTombstones(this.#fragments)),
      index: this.#writePacked(this.#index.finish()),
      properties: this.#writeBlock(writeTableProperties(properties)),
      rows: this.#rows,
    };
    this.#out.write(writeTableFooter(footer, this.#seed, this.#out.position));
    const sha256 = await this.#out.finish();
    const plain = this.#plain ? { plain: true as const } : {};
    return { number: this.#identity.number, size: this.#out.position, ...properties, ...plain, sha256 };
  }

  /** Keeps the key, whose first `shared` bytes are there already, without taking new memory for each. */
  #remember(key: Uint8Array, shared: number): void {
    if (key.length > this.#lastBuffer.length) {
      this.#lastBuffer = new Uint8Array(key.length * 2);
      this.#last = EMPTY_BYTES;
      shared = 0;
    }
    for (let i = shared; i < key.length; i++) this.#lastBuffer[i] = key[i]!;
    if (this.#last.length !== key.length) this.#last = this.#lastBuffer.subarray(0, key.length);
  }

  /** Whether a row of so many bytes belongs into the next block. */
  #isComplete({ bytes, rows }: DataBlockBuilder, rowBytes: number): boolean {
    const most = this.#blockBytes;
    return bytes >= (rows < BLOCK_ROWS ? most : most / 2) || bytes + rowBytes > most * OVERSIZE;
  }

  /** Ends the data block before the row of `next`. */
  #cutBlock(next: Uint8Array | undefined): void {
    const raw = this.#block.finish();
    const { rows } = this.#block;
    const separator = next === undefined ? this.#last : separatorOf(this.#last, next);
    this.#index.add(separator, this.#writePacked(raw).length, rows);
    this.#block.reset();
  }

  /** Half a million keys take 20 ms: too long for one slice. */
  async #buildFilter(): Promise<Uint8Array> {
    let filter = EMPTY_BYTES;
    for (const step of this.#filter.build()) {
      if (filter.length > 0) await yieldToLoop();
      filter = step;
    }
    return filter;
  }

  #writePacked(raw: Uint8Array): BlockPlace {
    return this.#writeBlock(raw, this.#compressor.store(raw));
  }

  #writeBlock(raw: Uint8Array, { codec, bytes }: Stored = { codec: CODEC_NONE, bytes: raw }): BlockPlace {
    if (raw.length > BLOCK_RAW_BYTES_MAX) {
      throw new RangeError(
        `a block of ${raw.length} bytes is above the limit of ${BLOCK_RAW_BYTES_MAX}; write smaller tables`,
      );
    }
    const offset = this.#out.position;
    const trailer = blockTrailer(bytes, codec, raw.length, this.#seed, offset);
    this.#out.write(bytes);
    this.#out.write(trailer);
    return { offset, length: bytes.length + trailer.length };
  }

  #cover(version: number, timestamp: number): void {
    if (version < this.#minVersion) this.#minVersion = version;
    if (version > this.#maxVersion) this.#maxVersion = version;
    if (timestamp < this.#minTimestamp) this.#minTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
  }

  #countBlob(cell: Uint8Array): void {
    const { number, length } = readBlobPointer(readCell(cell).payload);
    const use = this.#blobs.get(number);
    if (use === undefined) this.#blobs.set(number, { number, bytes: length, count: 1 });
    else {
      use.bytes += length;
      use.count++;
    }
  }

  #properties(): TableProperties {
    const empty = this.#rows === 0 && this.#fragments.length === 0;
    return {
      rows: this.#rows,
      deletes: this.#deletes,
      ...this.#bounds(),
      minVersion: empty ? 0 : this.#minVersion,
      maxVersion: this.#maxVersion,
      minTimestamp: empty ? 0 : this.#minTimestamp,
      maxTimestamp: this.#maxTimestamp,
      tombstones: this.#fragments.reduce((sum, { versions }) => sum + versions.length, 0),
      rawBytes: this.#rawBytes,
      blobs: [...this.#blobs.values()].sort((a, b) => a.number - b.number),
    };
  }

  /** The keys from the first to the last that rows or deleted ranges touch. */
  #bounds(): Pick<TableMeta, "smallest" | "largest" | "largestExclusive"> {
    const rows = { smallest: this.#smallest, largest: copyBytes(this.#last), largestExclusive: false };
    const first = this.#fragments[0];
    const last = this.#fragments[this.#fragments.length - 1];
    if (first === undefined || last === undefined) return rows;
    const smallest = this.#rows === 0 || compareBytes(first.start, rows.smallest) < 0 ? first.start : rows.smallest;
    if (last.end === undefined) return { smallest: copyBytes(smallest), largest: undefined, largestExclusive: false };
    const exclusive = this.#rows === 0 || compareBytes(last.end, rows.largest) > 0;
    return {
      smallest: copyBytes(smallest),
      largest: exclusive ? copyBytes(last.end) : rows.largest,
      largestExclusive: exclusive,
    };
  }
}
