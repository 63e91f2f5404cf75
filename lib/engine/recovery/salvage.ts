/**
 * Reading what can still be read of damaged files.
 *
 * @module
 */
import { DecodeError } from "../../base/bytes.ts";
import { CorruptionError, HoldfastError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { type CommitRecord, countOperations, readCommit } from "../../format/log/batch.ts";
import { failureCode } from "../../files/node_errors.ts";
import { BlockCursor } from "../../format/table/block_cursor.ts";
import { findLaterRecord, RecordReader } from "../../format/log/record_reader.ts";
import { type Cursor, FoundRow } from "../../tree/cursor.ts";
import type { TableReader } from "../../tree/table/table_reader.ts";
import { fileName } from "../file_names.ts";
import { openSegment } from "../log/log_segment.ts";

/** Keys from `start` to `end` (both included, as far as known) of which entries may be lost. */
export interface LostRange {
  /** First key, internal form; undefined: from the first there is. */
  start: Uint8Array | undefined;
  /** Last key, internal form; undefined: to the last there is. */
  end: Uint8Array | undefined;
  /** The file, and what is wrong with it. */
  detail: string;
}

/** What says something of the process or the system that reads, and nothing of the file. */
const SCARCE: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** Whether an error says that a file is damaged, missing or unreadable, rather than that something else went wrong. */
export function isDamage(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError &&
    ["CORRUPTION", "UNSUPPORTED_FORMAT", "NOT_FOUND", "IO"].includes(error.code) &&
    !SCARCE.has(failureCode(error.cause));
}

/** What such an error says, without its remedy: it is told by the repair that the remedy would be. */
export function damageIn(error: Error): string {
  if (!(error instanceof CorruptionError)) return error.message;
  return `Damaged data in ${error.file} at byte ${error.offset}: ${error.detail}`;
}

/** Walks over a table from its first row to its last, past blocks that don't verify. Only forward. */
export class SalvageCursor implements Cursor {
  readonly #table: TableReader;
  readonly #lost: (range: LostRange) => void;
  readonly #rows = new BlockCursor();
  readonly #global: { version: number; timestamp: number } | undefined;
  #block = -1;

  /** Tells `lost` of each block that can't be read. `global`: the one commit that all rows belong to, where it is known. */
  constructor(
    table: TableReader,
    lost: (range: LostRange) => void,
    global: { version: number; timestamp: number } | undefined,
  ) {
    this.#table = table;
    this.#lost = lost;
    const { globalVersion: version, globalTimestamp: timestamp } = table;
    this.#global = global ?? (version === undefined ? undefined : { version, timestamp });
  }

  get valid(): boolean {
    return this.#rows.valid;
  }
  get key(): Uint8Array {
    return this.#rows.key;
  }
  get version(): number {
    return this.#global?.version ?? this.#rows.version;
  }
  get timestamp(): number {
    return this.#global?.timestamp ?? this.#rows.timestamp;
  }
  get cell(): Uint8Array {
    return this.#rows.cell;
  }

  row(): FoundRow {
    const rows = this.#rows;
    return new FoundRow(this.version, this.timestamp, rows.block!.bytes, rows.cellStart, rows.cellEnd);
  }

  seekFirst(): void {
    this.#block = -1;
    this.#nextBlock();
  }

  next(): void {
    try {
      if (this.#rows.next()) return;
    } catch (error) {
      this.#lose(error);
    }
    this.#nextBlock();
  }

  #nextBlock(): void {
    while (++this.#block < this.#table.index.count) {
      try {
        this.#rows.attach(this.#table.block(this.#block));
        this.#rows.first();
        if (this.#rows.valid) return;
      } catch (error) {
        this.#lose(error);
      }
    }
  }

  #lose(error: unknown): void {
    if (!isDamage(error) && !(error instanceof DecodeError)) throw error;
    const { index } = this.#table;
    const start = this.#block === 0 ? this.#table.properties.smallest : index.separator(this.#block - 1);
    this.#lost({ start: start.slice(), end: index.separator(this.#block).slice(), detail: damageIn(error) });
  }

  seek(): void {
    throw new Error("a salvage cursor only goes forward");
  }
  seekBefore(): void {
    this.seek();
  }
  seekLast(): void {
    this.seek();
  }
  previous(): void {
    this.seek();
  }
}

/** The commits of a segment that can still be read, also those behind a bad place; views, good until the next one. */
export function* salvageCommits(
  fs: FileSystem,
  directory: string,
  expected: { number: number; database: string },
  lost: (range: LostRange) => void,
): Iterable<CommitRecord> {
  const name = fileName("log", expected.number);
  let segment;
  try {
    segment = openSegment(fs, directory, expected);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return lost({ start: undefined, end: undefined, detail: damageIn(error) });
  }
  try {
    let { reader } = segment;
    for (;;) {
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        const commit = decodeWhole(found.record);
        if (commit !== undefined) yield commit;
        else lost(unknownRange(name, found.offset, "a record that is no commit"));
      }
      const stop = reader.state;
      if (stop.kind !== "bad") return;
      const next = findLaterRecord(segment.read, segment.size, segment.seed, stop.offset, (record, isWhole) => {
        // The first part of a split record can't be judged by itself; the reader will see all of it.
        return !isWhole || decodeWhole(record) !== undefined;
      });
      if (next === undefined) return;
      lost(unknownRange(name, stop.offset, stop.detail));
      reader = new RecordReader(segment.read, segment.size, segment.seed, next);
    }
  } finally {
    segment.close();
  }
}

function decodeWhole(record: Uint8Array): CommitRecord | undefined {
  try {
    const commit = readCommit(record);
    countOperations(commit.ops);
    return commit;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function unknownRange(file: string, offset: number, detail: string): LostRange {
  return { start: undefined, end: undefined, detail: damageIn(new CorruptionError(file, offset, detail)) };
}
