/**
 * A commit as it stands in the log: one record, one version.
 *
 * ```
 * record     := version varint | timestamp varint | syncedTo varint | operation*
 * operation  := 00 | key length varint | key                                    delete
 *             | 01 | key length varint | key | cell length varint | cell        put (`cell.ts`, the value in full)
 *             | 02 | start length varint | start | 00                           delete from start on
 *             | 02 | start length varint | start | 01 | end length varint | end delete start <= key < end
 *             | 03 | length varint | JSON                                       files that join the database as they are
 * ```
 *
 * `timestamp` is ms since the Unix epoch. `syncedTo` is the offset in this very segment up to which the log was known to
 * be on disk when the record was written: a record behind a bad place that names an offset above it proves that the bad
 * place was once good. Operations apply in order; of two to the same key the later one counts. Keys are internal ones
 * (`space.ts`).
 *
 * Example: version 5, at 1000 ms, synced to 64, sets key "a" of the root to the text "hi" and deletes "b":
 *
 * ```
 * 05 e8 07 40  01 02 00 61 03 05 68 69  00 02 00 62
 * ```
 *
 * @module
 */
import { ByteReader, ByteWriter, DecodeError, decodeText, encodeText } from "../../base/bytes.ts";
import { shortArray } from "../../base/small_copies.ts";
import { cellLength, writeCell } from "../cell.ts";
import { parseJson } from "../manifest/json_text.ts";
import { type IngestInfo, ingestInfo } from "./ingest_info.ts";

export type { IngestedFile, IngestInfo } from "./ingest_info.ts";

/** A key is deleted. */
export const DELETE = 0;
/** A key is set. */
export const PUT = 1;
/** A range is deleted. */
export const DELETE_RANGE = 2;
const INGEST = 3;

const NO_TAGS: readonly Uint8Array[] = [];

/** What a row for a tag takes at most, beside the tag and the key. */
const TAG_ROW_BYTES = 64;

/** The operations of one commit while it is put together. All bytes given are copied. */
export class Batch {
  /** The operations' bytes. */
  readonly ops: ByteWriter;
  /** How many operations. */
  count = 0;
  /** How many of them set a key: without any the commit only frees space. */
  puts = 0;
  /** How many of them delete a range. */
  ranges = 0;

  /** Starts with room for `capacity` bytes. */
  constructor(capacity = 256) {
    this.ops = new ByteWriter(shortArray(capacity));
  }

  /** How many bytes the operations take. */
  get bytes(): number {
    return this.ops.length;
  }

  /** Whether it holds no operation. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Sets a key to a cell. */
  put(key: Uint8Array, cell: Uint8Array): void {
    const ops = this.ops;
    ops.u8(PUT);
    ops.prefixed(key);
    ops.prefixed(cell);
    this.count++;
    this.puts++;
  }

  /** Sets the key `prefix` + `key` to the value `payload`, writing the cell in place. */
  putCell(
    prefix: Uint8Array,
    key: Uint8Array,
    kind: number,
    payload: Uint8Array,
    tags: readonly Uint8Array[] = NO_TAGS,
    expiresAt?: number,
  ): void {
    const ops = this.ops;
    const length = cellLength(payload, tags, expiresAt);
    // For its tags rows follow: a long cell must not be copied into more memory for the sake of these.
    let room = 1 + 8 + prefix.length + key.length + 8 + length;
    for (const tag of tags) room += TAG_ROW_BYTES + tag.length + key.length;
    ops.reserve(room);
    ops.u8(PUT);
    ops.varint(prefix.length + key.length);
    ops.bytes(prefix);
    ops.bytes(key);
    ops.varint(length);
    writeCell(ops, kind, payload, tags, expiresAt);
    this.count++;
    this.puts++;
  }

  /** Deletes a key. */
  delete(key: Uint8Array): void {
    const ops = this.ops;
    ops.u8(DELETE);
    ops.prefixed(key);
    this.count++;
  }

  /** Deletes the key `prefix` + `key`. */
  deleteKey(prefix: Uint8Array, key: Uint8Array): void {
    const ops = this.ops;
    ops.u8(DELETE);
    ops.varint(prefix.length + key.length);
    ops.bytes(prefix);
    ops.bytes(key);
    this.count++;
  }

  /** Deletes `start <= key < end`; without `end` all from `start` on. */
  deleteRange(start: Uint8Array, end?: Uint8Array): void {
    const ops = this.ops;
    ops.u8(DELETE_RANGE);
    ops.prefixed(start);
    ops.u8(end === undefined ? 0 : 1);
    if (end !== undefined) ops.prefixed(end);
    this.count++;
    this.ranges++;
  }

  /** Takes files into the database. */
  ingest(info: IngestInfo): void {
    this.ops.u8(INGEST);
    this.ops.prefixed(encodeText(JSON.stringify(info)));
    this.count++;
  }

  /** Forgets all operations, keeps the memory. */
  reset(): void {
    this.ops.reset();
    this.count = 0;
    this.puts = 0;
    this.ranges = 0;
  }
}

/** A commit's record taken apart. */
export interface CommitRecord {
  /** The commit's version. */
  version: number;
  /** Its time, ms since the Unix epoch. */
  timestamp: number;
  /** Up to where the segment was known to be on disk. */
  syncedTo: number;
  /** Its operations: a view. */
  ops: Uint8Array;
}

/** Writes what the record of a commit begins with; its operations follow. */
export function writeCommitHead(out: ByteWriter, version: number, timestamp: number, syncedTo: number): void {
  out.varint(version);
  out.varint(timestamp);
  out.varint(syncedTo);
}

/** Takes a record apart, its operations as they are; throws `DecodeError`. */
export function readCommit(record: Uint8Array): CommitRecord {
  const reader = new ByteReader(record);
  const version = reader.varint();
  const timestamp = reader.varint();
  const syncedTo = reader.varint();
  return { version, timestamp, syncedTo, ops: record.subarray(reader.at) };
}

/** Told of a commit's operations in order. All bytes are views into the record. */
export interface OperationVisitor {
  /** A key is set. */
  put(key: Uint8Array, cell: Uint8Array): void;
  /** A key is deleted. */
  delete(key: Uint8Array): void;
  /** A range is deleted; no `end`: up to the last key. */
  deleteRange(start: Uint8Array, end: Uint8Array | undefined): void;
  /** Files join the database. */
  ingest(info: IngestInfo): void;
}

/** One operation after the other, as places in the bytes: nothing is made for each. */
export class OperationReader {
  /** The operations. */
  readonly bytes: Uint8Array;
  /** What the operation is. */
  code: number = DELETE;
  /** Where its key is; of a range its start, of an ingest its JSON. */
  keyStart = 0;
  /** The end of the key. */
  keyEnd = 0;
  /** Where its cell is; of a range its end, unless it goes on to the last key: then this is -1. */
  cellStart = 0;
  /** The end of the cell. */
  cellEnd = 0;
  readonly #reader: ByteReader;

  /** Stands before the first. */
  constructor(ops: Uint8Array) {
    this.bytes = ops;
    this.#reader = new ByteReader(ops);
  }

  /** Goes to the next operation; answers whether there is one. Throws `DecodeError` when it is none. */
  next(): boolean {
    const reader = this.#reader;
    const { at } = reader;
    if (at >= reader.end) return false;
    const code = reader.u8();
    if (code > INGEST) throw new DecodeError(`unknown operation ${code}`, at);
    this.code = code;
    this.keyStart = reader.pass(reader.varint());
    this.keyEnd = reader.at;
    if (code === PUT) this.#cell();
    else if (code === DELETE_RANGE) this.#end();
    return true;
  }

  #cell(): void {
    const reader = this.#reader;
    const { at } = reader;
    this.cellStart = reader.pass(reader.varint());
    this.cellEnd = reader.at;
    if (this.cellStart === this.cellEnd) throw new DecodeError("empty cell", at);
  }

  #end(): void {
    const reader = this.#reader;
    const { at } = reader;
    const has = reader.u8();
    if (has > 1) throw new DecodeError(`range end marked ${has}`, at);
    this.cellStart = has === 0 ? -1 : reader.pass(reader.varint());
    this.cellEnd = reader.at;
  }

  /** The key, or the start of the range, as a view. */
  get key(): Uint8Array {
    return this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  /** The cell as a view. */
  get cell(): Uint8Array {
    return this.bytes.subarray(this.cellStart, this.cellEnd);
  }

  /** The end of the range as a view; undefined when it goes on to the last key. */
  get end(): Uint8Array | undefined {
    return this.cellStart < 0 ? undefined : this.cell;
  }

  /** The files of an ingest; throws `DecodeError`. */
  ingest(): IngestInfo {
    try {
      return ingestInfo(parseJson(decodeText(this.key)), "");
    } catch (error) {
      throw new DecodeError(`ingest: ${error instanceof Error ? error.message : error}`, this.keyStart);
    }
  }
}

/**
 * Calls the visitor for each operation; throws `DecodeError` at the first that is none. Those before it were told, so
 * what must not be applied in part is checked first (`countOperations`).
 */
export function forEachOperation(ops: Uint8Array, visitor: OperationVisitor): void {
  const reader = new OperationReader(ops);
  while (reader.next()) {
    if (reader.code === PUT) visitor.put(reader.key, reader.cell);
    else if (reader.code === DELETE) visitor.delete(reader.key);
    else if (reader.code === DELETE_RANGE) visitor.deleteRange(reader.key, reader.end);
    else visitor.ingest(reader.ingest());
  }
}

/** How many operations there are; throws `DecodeError` unless all of them can be read. */
export function countOperations(ops: Uint8Array): number {
  const reader = new OperationReader(ops);
  let count = 0;
  for (; reader.next(); count++) if (reader.code === INGEST) reader.ingest();
  return count;
}

/** One operation as an object. */
export type Operation =
  | { type: "put"; key: Uint8Array; cell: Uint8Array }
  | { type: "delete"; key: Uint8Array }
  | { type: "deleteRange"; start: Uint8Array; end: Uint8Array | undefined }
  | { type: "ingest"; info: IngestInfo };

/** All operations as objects, their bytes as views; throws `DecodeError`. */
export function operationsOf(ops: Uint8Array): Operation[] {
  const out: Operation[] = [];
  forEachOperation(ops, {
    put: (key, cell) => void out.push({ type: "put", key, cell }),
    delete: (key) => void out.push({ type: "delete", key }),
    deleteRange: (start, end) => void out.push({ type: "deleteRange", start, end }),
    ingest: (info) => void out.push({ type: "ingest", info }),
  });
  return out;
}
