/**
 * Sorts rows that come in any order, far more than fit into memory: gathered in a memtable, written out as sorted runs when
 * that is full, merged when read. Of rows with the same key the one added last counts.
 *
 * ```
 * run file := row*
 * row      := key length u32 | cell length u32 | CRC-32 of key and cell u32 | key | cell
 * ```
 *
 * Run files are scratch: never synced, removed by `close`, meaningless to anyone else. Memory: the memtable, or 64 KiB and
 * the largest row per run while merging; a run has the memtable's size, so a terabyte makes some ten thousand runs at
 * 64 MiB: what bounds it first is how many files a process may open.
 *
 * @module
 */
import { compareBytes, readU32, writeU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { CorruptionError } from "../../base/errors.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { type Cursor } from "../../tree/cursor.ts";
import { Memtable } from "../../tree/memtable/memtable.ts";

const ROW_HEAD_BYTES = 12;
/** Written and read in pieces of this size. */
const RUN_PIECE_BYTES = 64 * 2 ** 10;
const WRITE_PIECE_BYTES = 2 ** 20;

/** Rows in ascending order of their keys, each key once. Views are good until the next `next`. */
export interface SortedRowCursor {
  /** Whether it stands on a row. */
  readonly valid: boolean;
  /** The row's key. */
  readonly key: Uint8Array;
  /** The row's cell. */
  readonly cell: Uint8Array;
  /** One row on. */
  next(): void;
  /** Closes what it reads. */
  close(): void;
}

/** Takes rows in any order and gives them back sorted. */
export class RowSorter {
  readonly #fs: FileSystem;
  readonly #prefix: string;
  readonly #memoryBytes: number;
  #memtable = new Memtable();
  #sequence = 0;
  readonly #runs: string[] = [];

  /** Spills to files in `directory` whose names begin with `name`, whenever more than `memoryBytes` have gathered. */
  constructor(fs: FileSystem, directory: string, name: string, memoryBytes: number) {
    this.#fs = fs;
    this.#prefix = join(directory, name);
    this.#memoryBytes = memoryBytes;
  }

  /** How many rows were added, those of equal keys included. */
  get added(): number {
    return this.#sequence;
  }

  /** Adds a row, copied. To be awaited when it answers with a promise. */
  add(key: Uint8Array, cell: Uint8Array): Promise<void> | undefined {
    // The sequence stands in for a version: of equal keys the newest comes first.
    this.#memtable.add(key, ++this.#sequence, 0, cell);
    return this.#memtable.bytes >= this.#memoryBytes ? this.#spill() : undefined;
  }

  async #spill(): Promise<void> {
    const path = `${this.#prefix}-${this.#runs.length}.run`;
    const file = await this.#fs.open(path, "create");
    this.#runs.push(path);
    try {
      let piece = new Uint8Array(WRITE_PIECE_BYTES);
      let length = 0;
      const rows = new NewestRows(this.#memtable.cursor());
      for (; rows.valid; rows.next()) {
        const { key, cell } = rows;
        const size = ROW_HEAD_BYTES + key.length + cell.length;
        if (length + size > piece.length && length > 0) {
          await file.append(piece.subarray(0, length));
          length = 0;
        }
        if (size > piece.length) piece = new Uint8Array(size);
        writeU32(piece, length, key.length);
        writeU32(piece, length + 4, cell.length);
        writeU32(piece, length + 8, crc32(cell, crc32(key)));
        piece.set(key, length + ROW_HEAD_BYTES);
        piece.set(cell, length + ROW_HEAD_BYTES + key.length);
        length += size;
      }
      await file.append(piece.subarray(0, length));
    } finally {
      await file.close();
    }
    this.#memtable = new Memtable();
  }

  /** All rows so far, sorted. May be called again; not while more are added. */
  rows(): SortedRowCursor {
    const memory = new NewestRows(this.#memtable.cursor());
    if (this.#runs.length === 0) return memory;
    const runs: SortedRowCursor[] = [memory];
    try {
      for (const path of this.#runs.toReversed()) runs.push(new RunFile(this.#fs.openSync(path, "read")));
    } catch (error) {
      for (const run of runs) run.close();
      throw error;
    }
    return new MergedRows(runs);
  }

  /** Removes the run files. */
  async close(): Promise<void> {
    this.#memtable = new Memtable();
    for (const path of this.#runs.splice(0)) await this.#fs.remove(path).catch(() => {}); // Its directory goes anyway.
  }
}

/** The newest row of each key of a memtable. */
class NewestRows implements SortedRowCursor {
  readonly #cursor: Cursor;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
    cursor.seekFirst();
  }

  get valid(): boolean {
    return this.#cursor.valid;
  }

  get key(): Uint8Array {
    return this.#cursor.key;
  }

  get cell(): Uint8Array {
    return this.#cursor.cell;
  }

  next(): void {
    const key = this.#cursor.key;
    do this.#cursor.next(); while (this.#cursor.valid && compareBytes(this.#cursor.key, key) === 0);
  }

  close(): void {}
}

/** The rows of a run file. */
class RunFile implements SortedRowCursor {
  readonly #file: FileHandle;
  #buffer = new Uint8Array(RUN_PIECE_BYTES);
  #at = 0;
  #end = 0;
  #position = 0;
  valid = false;
  key: Uint8Array = new Uint8Array(0);
  cell: Uint8Array = new Uint8Array(0);

  constructor(file: FileHandle) {
    this.#file = file;
    this.next();
  }

  next(): void {
    if (!this.#fill(ROW_HEAD_BYTES)) {
      if (this.#at < this.#end) throw this.#damage("a row is cut off");
      this.valid = false;
      return;
    }
    const keyLength = readU32(this.#buffer, this.#at);
    const cellLength = readU32(this.#buffer, this.#at + 4);
    const size = ROW_HEAD_BYTES + keyLength + cellLength;
    if (size > this.#file.sizeSync() || !this.#fill(size)) throw this.#damage("a row is cut off");
    const key = this.#at + ROW_HEAD_BYTES;
    this.key = this.#buffer.subarray(key, key + keyLength);
    this.cell = this.#buffer.subarray(key + keyLength, this.#at + size);
    if (crc32(this.cell, crc32(this.key)) !== readU32(this.#buffer, this.#at + 8)) throw this.#damage("checksum");
    this.#at += size;
    this.valid = true;
  }

  close(): void {
    this.valid = false;
    this.#file.closeSync();
  }

  /** Makes `count` bytes stand at `#at`; false when the file ends before. */
  #fill(count: number): boolean {
    if (this.#end - this.#at >= count) return true;
    const left = this.#buffer.subarray(this.#at, this.#end);
    // A new buffer, because the row handed out last lies in the old one until the caller moves on.
    const grown = new Uint8Array(Math.max(RUN_PIECE_BYTES, count));
    grown.set(left);
    const read = this.#file.readAtSync(grown.subarray(left.length), this.#position);
    this.#position += read;
    this.#buffer = grown;
    this.#at = 0;
    this.#end = left.length + read;
    return this.#end >= count;
  }

  #damage(detail: string): CorruptionError {
    return new CorruptionError(this.#file.path, this.#position, detail);
  }
}

/** Several cursors as one, the earlier of equal keys winning: a binary heap of them. */
class MergedRows implements SortedRowCursor {
  readonly #all: readonly SortedRowCursor[];
  /** (1) Each entry sorts before those at 2i+1 and 2i+2. (2) All are valid. */
  readonly #heap: { rows: SortedRowCursor; rank: number }[];

  constructor(sources: readonly SortedRowCursor[]) {
    this.#all = sources;
    this.#heap = sources.map((rows, rank) => ({ rows, rank })).filter(({ rows }) => rows.valid);
    for (let i = this.#heap.length >> 1; i >= 0; i--) this.#sink(i);
  }

  get valid(): boolean {
    return this.#heap.length > 0;
  }

  /** The row's key. */
  get key(): Uint8Array {
    return this.#heap[0]!.rows.key;
  }

  /** The row's cell. */
  get cell(): Uint8Array {
    return this.#heap[0]!.rows.cell;
  }

  /** One key on. */
  next(): void {
    const key = this.key;
    this.#step();
    while (this.#heap.length > 0 && compareBytes(this.key, key) === 0) this.#step();
  }

  /** Closes all sources. */
  close(): void {
    this.#heap.length = 0;
    for (const rows of this.#all) rows.close();
  }

  #step(): void {
    const top = this.#heap[0]!;
    top.rows.next();
    if (!top.rows.valid) {
      const last = this.#heap.pop()!;
      if (this.#heap.length === 0 || last === top) return;
      this.#heap[0] = last;
    }
    this.#sink(0);
  }

  #sink(i: number): void {
    const heap = this.#heap;
    for (;;) {
      let least = i;
      for (let child = 2 * i + 1; child <= 2 * i + 2 && child < heap.length; child++) {
        if (before(heap[child]!, heap[least]!)) least = child;
      }
      if (least === i) return;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }
}

function before(a: { rows: SortedRowCursor; rank: number }, b: { rows: SortedRowCursor; rank: number }): boolean {
  const order = compareBytes(a.rows.key, b.rows.key);
  return order < 0 || (order === 0 && a.rank < b.rank);
}
