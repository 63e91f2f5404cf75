/**
 * A data block: rows in order, keys without the bytes they share with the key before.
 *
 * ```
 * data block := base version varint | base timestamp varint | entry* | restart offset u32 x n | n u32
 * entry      := head varint | unshared varint | cell length varint | version distance varint | time distance varint
 *               | unshared key bytes | cell
 * head       := shared << 2 | (version below base ? 1 : 0) | (timestamp below base ? 2 : 0)
 * ```
 *
 * Rows are ordered by key (unsigned bytes), then by version from new to old. Each `restart` entries (4 unless told) one
 * is a restart point: it shares nothing, and its offset from the block's start is listed, so that a search halves its
 * way over the restart points and walks at most `restart` entries. The base is the first row's version and time: known
 * before the block is complete, and close to the others', so most distances take a byte or two. Distance and direction
 * are apart, because the zigzag of a distance could pass 2^53.
 *
 * Example: the rows ("ab", version 7, time 9, cell `05 68`) and ("ac", version 6, time 9, cell `00`) are
 *
 * ```
 * 07 09 | 00 02 02 00 00 61 62 05 68 | 05 01 01 01 00 63 00 | 02 00 00 00 | 01 00 00 00
 * ```
 *
 * @module
 */
import { ByteReader, ByteWriter, DecodeError, readU32, writeVarint } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";

/** The row's version is below the base. */
export const VERSION_BELOW = 1;
/** The row's timestamp is below the base. */
export const TIMESTAMP_BELOW = 2;

/** Five varints before the bytes of an entry. */
const ENTRY_HEAD_BYTES_MAX = 40;
/** Memory above this is not used again for the next block: it was one huge value's, and may still wait to be written. */
const KEEP_BYTES_MAX = 128 * 1024;

/** Builds one data block after the other; the caller keeps the rows in order. */
export class DataBlockBuilder {
  readonly #restartInterval: number;
  #out: ByteWriter;
  #restarts: number[] = [];
  #sinceRestart = 0;
  #baseVersion = 0;
  #baseTimestamp = 0;
  /** Rows in the block so far. */
  rows = 0;

  /** Every `restartInterval`-th entry is a restart point. */
  constructor(restartInterval: number, blockBytes: number) {
    this.#restartInterval = restartInterval;
    this.#out = new ByteWriter(blockBytes + (blockBytes >> 2) + 64);
  }

  /** How long the block would be if it were finished now. */
  get bytes(): number {
    return this.#out.length + this.#restarts.length * 4 + 4;
  }

  /** Adds a row whose key shares `shared` bytes with that of the row before. */
  add(key: Uint8Array, shared: number, version: number, timestamp: number, cell: Uint8Array): void {
    const out = this.#out;
    if (this.rows === 0) {
      this.#baseVersion = version;
      this.#baseTimestamp = timestamp;
      out.varint(version);
      out.varint(timestamp);
    }
    if (this.#sinceRestart === 0) {
      shared = 0;
      this.#restarts.push(out.length);
    }
    if (++this.#sinceRestart === this.#restartInterval) this.#sinceRestart = 0;
    let head = shared * 4;
    let versionDistance = version - this.#baseVersion;
    if (versionDistance < 0) {
      versionDistance = -versionDistance;
      head += VERSION_BELOW;
    }
    let timeDistance = timestamp - this.#baseTimestamp;
    if (timeDistance < 0) {
      timeDistance = -timeDistance;
      head += TIMESTAMP_BELOW;
    }
    const unshared = key.length - shared;
    out.reserve(ENTRY_HEAD_BYTES_MAX + unshared + cell.length);
    const buffer = out.buffer;
    let at = writeVarint(buffer, out.length, head);
    at = writeVarint(buffer, at, unshared);
    at = writeVarint(buffer, at, cell.length);
    at = writeVarint(buffer, at, versionDistance);
    at = writeVarint(buffer, at, timeDistance);
    for (let i = shared; i < key.length; i++) buffer[at++] = key[i]!;
    buffer.set(cell, at);
    out.length = at + cell.length;
    this.rows++;
  }

  /** Ends the block and gives its bytes: a view that is good until `reset`. */
  finish(): Uint8Array {
    for (const restart of this.#restarts) this.#out.u32(restart);
    this.#out.u32(this.#restarts.length);
    return this.#out.view();
  }

  /** Begins the next block. */
  reset(): void {
    if (this.#out.buffer.length > KEEP_BYTES_MAX) this.#out = new ByteWriter();
    else this.#out.reset();
    this.#restarts = [];
    this.#sinceRestart = 0;
    this.rows = 0;
  }
}

/** A data block in memory, checked as far as finding one's way in it needs. Never written to. */
export class DataBlock {
  /** The raw block. */
  readonly bytes: Uint8Array;
  /** The file it came from, for messages. */
  readonly file: string;
  /** Where it is stored in that file. */
  readonly offset: number;
  /** Version distances count from here. */
  readonly baseVersion: number;
  /** Time distances count from here. */
  readonly baseTimestamp: number;
  /** Where the entries end and the restart offsets begin. */
  readonly end: number;
  /** How many restart points there are: one at least. */
  readonly restarts: number;
  /** See `row_hints.ts`; undefined until someone makes them, null where there can be none. */
  hints: Uint16Array | null | undefined = undefined;

  /** Takes the raw bytes of the block at `offset` of `file`; throws `CorruptionError`. */
  constructor(bytes: Uint8Array, file: string, offset: number) {
    this.bytes = bytes;
    this.file = file;
    this.offset = offset;
    if (bytes.length < 4) throw this.damaged(0, "no restart points");
    const restarts = readU32(bytes, bytes.length - 4);
    const end = bytes.length - 4 - restarts * 4;
    if (restarts < 1 || end < 1) throw this.damaged(bytes.length - 4, `${restarts} restart points`);
    this.restarts = restarts;
    this.end = end;
    const reader = new ByteReader(bytes, 0, end);
    try {
      this.baseVersion = reader.varint();
      this.baseTimestamp = reader.varint();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      throw this.damaged(error.offset, error.message);
    }
    // Restart points must ascend: walking back from one to the next would not end otherwise.
    let before = -1;
    for (let i = 0; i < restarts; i++) {
      const at = readU32(bytes, end + i * 4);
      if (i === 0 ? at !== reader.at : at <= before) throw this.damaged(end + i * 4, "restart points out of order");
      before = at;
    }
    if (before >= end) throw this.damaged(bytes.length - 8, "a restart point outside of the entries");
  }

  /** Where the entry at restart point `i` begins. */
  restart(i: number): number {
    return readU32(this.bytes, this.end + i * 4);
  }

  /** The error for what is wrong `at` bytes into the raw block. */
  damaged(at: number, detail: string): CorruptionError {
    return new CorruptionError(this.file, this.offset, `the block holds bad rows: ${detail} (raw byte ${at})`);
  }
}
