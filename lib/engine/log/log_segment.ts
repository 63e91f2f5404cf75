/**
 * Writing and reading one log segment: a 64-byte header, then one record per commit, then a footer once it is finished.
 *
 * @module
 */
import { ByteWriter } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { type CommitRecord, readCommit } from "../../format/log/batch.ts";
import { writeFooter } from "../../format/log/frame.ts";
import {
  checksumSeed,
  FILE_HEADER_BYTES,
  type FileHeader,
  readFileHeader,
  writeFileHeader,
} from "../../format/identity.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { type ReaderState, RecordReader } from "../../format/log/record_reader.ts";
import { fileName, filePath } from "../file_names.ts";
import { unsettled } from "./unsettled.ts";

/** Zeros put ahead of records: as much as the segment holds already, but not less and not more than this. */
const AHEAD_BYTES_MIN = 16 * 1024;
const AHEAD_BYTES_MAX = 128 * 1024;

/** Only for groups of records up to this: beside the writing of larger ones the sync's own work does not count. */
const AHEAD_FOR_BYTES_MAX = 16 * 1024;

/** A segment open for writing. The bytes of records come ready from the commit queue. */
export class LogSegment {
  /** Its number. */
  readonly number: number;
  /** Seeds the checksums of its frames. */
  readonly seed: number;
  /** The history it belongs to. */
  readonly lineage: string;
  readonly #handle: FileHandle;
  /** The newest sync, under way or done. */
  #syncing: Promise<void> = Promise.resolve();
  #syncs = 0;
  /** Zeros may stand behind the records, up to here. */
  #filled = 0;
  #mayFill = true;
  /** Whole records end here; the next one begins here. */
  end: number = FILE_HEADER_BYTES;
  /** All before this offset is durable. */
  synced: number = FILE_HEADER_BYTES;
  /** Versions and times of its records; `first` is 0 while there is none. */
  first = 0;
  /** The newest record's version. */
  last = 0;
  /** The oldest record's time. */
  minTimestamp = 0;
  /** The newest record's time. */
  maxTimestamp = 0;
  /** Whether a sync failed: what the file holds since the last good one is unknown, and stays so. */
  syncFailed = false;
  /** Whether records were cut off that a reader may have seen: what follows belongs in another segment. */
  wasCut = false;

  private constructor(header: FileHeader, seed: number, handle: FileHandle) {
    this.number = header.number;
    this.lineage = header.lineage;
    this.seed = seed;
    this.#handle = handle;
  }

  /** Makes a segment whose header and name are durable. */
  static async create(fs: FileSystem, directory: string, header: FileHeader): Promise<LogSegment> {
    const path = filePath(directory, "log", header.number);
    const handle = await fs.open(path, "create");
    try {
      const bytes = writeFileHeader("log", header);
      await handle.append(bytes);
      await handle.sync();
      await fs.syncDirectory(directory);
      return new LogSegment(header, checksumSeed(readFileHeader("log", bytes, path)), handle);
    } catch (error) {
      await handle.close().catch(() => {});
      await fs.remove(path).catch(() => {});
      throw error;
    }
  }

  /**
   * Puts zeros ahead of records of so many bytes that are to be synced by themselves. A sync that finds the file longer than
   * before must make its length durable too, which takes about as long as the bytes. Zeros never pass for a record.
   */
  fillAhead(bytes: number): void {
    if (
      !this.#mayFill || this.#handle.fillSync === undefined || bytes > AHEAD_FOR_BYTES_MAX ||
      this.end + bytes <= this.#filled
    ) return;
    this.#filled = this.end + bytes + Math.min(AHEAD_BYTES_MAX, Math.max(AHEAD_BYTES_MIN, this.end));
    try {
      this.#handle.fillSync(this.#filled);
    } catch {
      // Records get along without; if the disk is full or broken, they will tell.
      this.#mayFill = false;
    }
  }

  /** Takes zeros off that stand behind the records. */
  async trim(): Promise<void> {
    if (this.#filled > this.end) await this.cut();
  }

  /** Hands whole records to the system, at once. After a throw the caller must `cut`. */
  appendSync(bytes: Uint8Array): void {
    this.#handle.appendSync(bytes);
    this.end += bytes.length;
  }

  /** As `appendSync`, off the main thread: for records so large that writing them would be felt. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#handle.append(bytes);
    this.end += bytes.length;
  }

  /** Removes what a failed append may have left. */
  async cut(): Promise<void> {
    await this.#handle.truncate(this.end);
    this.#filled = 0;
  }

  /** Remembers this end; the call that is returned cuts off what was appended since. */
  mark(): () => Promise<void> {
    const { end, first, last, minTimestamp, maxTimestamp } = this;
    return async () => {
      // A sync under way would count as durable what is written in place of the bytes that it began with.
      await this.#syncing.catch(() => {});
      Object.assign(this, { end, first, last, minTimestamp, maxTimestamp, synced: Math.min(this.synced, end) });
      this.wasCut = true;
      await this.cut();
    };
  }

  /** Notes a record's version and time. */
  note(version: number, timestamp: number): void {
    if (this.first === 0) {
      this.first = version;
      this.minTimestamp = timestamp;
    }
    this.last = version;
    this.maxTimestamp = timestamp;
  }

  /**
   * Makes all that was appended so far durable. Syncs follow each other: of two at once the system may tell only one that
   * bytes of both were lost. After a failed one all fail.
   */
  sync(): Promise<void> {
    return this.#syncing = this.#syncAfter(this.#syncing);
  }

  /** Whether a sync is under way. */
  get isSyncing(): boolean {
    return this.#syncs > 0;
  }

  /** As `sync`, on the main thread; only while none is under way. */
  syncSync(): void {
    try {
      this.#handle.syncSync();
    } catch (error) {
      this.syncFailed = true;
      throw unsettled(error, this.#handle.path);
    }
    this.synced = this.end;
  }

  async #syncAfter(earlier: Promise<void>): Promise<void> {
    this.#syncs++;
    try {
      await earlier;
      const end = this.end;
      try {
        await this.#handle.sync();
      } catch (error) {
        this.syncFailed = true;
        throw unsettled(error, this.#handle.path);
      }
      this.synced = end;
    } finally {
      this.#syncs--;
    }
  }

  /** Writes the footer and syncs; nothing may follow unless `cut` takes it off again. Returns what the manifest keeps. */
  async finish(): Promise<LogMeta> {
    await this.trim();
    const out = new ByteWriter(64);
    writeFooter(out, this.seed, this.end);
    await this.#handle.append(out.view());
    await this.sync();
    return this.meta();
  }

  /** What the manifest would keep of it now. */
  meta(): LogMeta {
    return {
      number: this.number,
      end: this.end,
      firstVersion: this.first,
      lastVersion: this.last,
      minTimestamp: this.minTimestamp,
      maxTimestamp: this.maxTimestamp,
      lineage: this.lineage,
    };
  }

  /** Closes the file as it is. */
  async close(): Promise<void> {
    await this.#syncing.catch(() => {});
    await this.#handle.close();
  }
}

/** A segment open for reading. */
export interface OpenedSegment {
  /** Reads the records one by one. */
  reader: RecordReader;
  /** Reads raw bytes. */
  read: (into: Uint8Array, position: number) => number;
  /** Seeds the checksums. */
  seed: number;
  /** The file's length. */
  size: number;
  /** Its header. */
  header: FileHeader;
  /** Gives the file back. */
  close(): void;
}

/**
 * Opens a segment up to `end` (its whole length when left out), to read from `start` on, where a record begins, and checks
 * that it is the one expected.
 */
export function openSegment(
  fs: FileSystem,
  directory: string,
  expected: { number: number; database: string },
  end?: number,
  start: number = FILE_HEADER_BYTES,
): OpenedSegment {
  const name = fileName("log", expected.number);
  const handle = fs.openSync(filePath(directory, "log", expected.number), "read");
  try {
    const size = handle.sizeSync();
    const head = new Uint8Array(FILE_HEADER_BYTES);
    const got = handle.readAtSync(head, 0);
    const header = readFileHeader("log", head.subarray(0, got), name);
    if (header.database !== expected.database || header.number !== expected.number) {
      throw new CorruptionError(name, 0, `belongs to database ${header.database}, number ${header.number}`);
    }
    const seed = checksumSeed(header);
    const read = (into: Uint8Array, position: number): number => handle.readAtSync(into, position);
    const reader = new RecordReader(read, Math.min(end ?? size, size), seed, start);
    return { reader, read, seed, size, header, close: () => handle.closeSync() };
  } catch (error) {
    handle.closeSync();
    throw error;
  }
}

/** The commits of a segment, oldest first, up to the byte `end` and from `start` on; damage is `CorruptionError`. */
export function* readCommits(
  fs: FileSystem,
  directory: string,
  expected: { number: number; database: string },
  end: number,
  start?: number,
): Iterable<CommitRecord & { offset: number; end: number }> {
  const segment = openSegment(fs, directory, expected, end, start);
  try {
    for (let found = segment.reader.next(); found !== undefined; found = segment.reader.next()) {
      yield { ...readCommit(found.record), offset: found.offset, end: found.end };
    }
    expectEnd(segment.reader.state, end, expected.number);
  } finally {
    segment.close();
  }
}

/** Throws `CorruptionError` unless reading a segment stopped where its records end: a file cut between two has fewer. */
export function expectEnd(stop: ReaderState, end: number, number: number): void {
  if (stop.kind === "end" && stop.offset === end) return;
  const detail = stop.kind === "bad"
    ? stop.detail
    : stop.kind === "footer"
    ? "a footer stands before its end"
    : `ends here, where ${end} bytes were recorded`;
  throw new CorruptionError(fileName("log", number), stop.offset, detail);
}
