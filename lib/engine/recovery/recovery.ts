/**
 * Recovery: which commits of the log count after an open, decided by one table.
 *
 * The manifest names every segment that may hold a commit: the finished ones with their exact end, and the newest one,
 * whose end is known only after a clean close. A segment is registered there before its first record is acknowledged, so
 * a segment that the manifest doesn't name holds nothing that counts.
 *
 * | # | segment  | end known | reading stopped                                     | decision |
 * |---|----------|-----------|-----------------------------------------------------|----------|
 * | 1 | any      | -         | the file is not there                               | damaged  |
 * | 2 | any      | -         | the header is not this database's                   | damaged  |
 * | 3 | any      | yes       | exactly at the known end                            | accept   |
 * | 4 | any      | yes       | before the known end                                | damaged  |
 * | 5 | newest   | no        | at the file's end, or at a footer                   | accept   |
 * | 6 | newest   | no        | at a bad place, a later record says it was synced   | damaged  |
 * | 7 | newest   | no        | at a bad place, nothing says so                     | cut      |
 * | 8 | any      | -         | a version is not the one after its predecessor      | damaged  |
 * | 9 | newest   | -         | at an ingest that the manifest doesn't know, last   | cut      |
 * |10 | any      | -         | at such an ingest, and records follow               | damaged  |
 * |11 | unnamed  | -         | the first good record was written after it was named| damaged  |
 * |12 | unnamed  | -         | as 11, but it belongs to what this one replaced     | ignore   |
 *
 * 7 is a torn tail: commits that were never acknowledged, or zeros put ahead of records that never came. 6 is not: a record states how far the log was synced when it
 * was written, so what is bad before that place was whole once. An ingest counts once the manifest lists its tables (9).
 * 11 is a manifest that lost its last edit: a segment is named there before it takes commits, with its header synced. Only
 * the copy that recovery makes (`copy_segment.ts`) is written before it is named, and its records say synced to 0. 12 is of
 * a database that was to take this one's place, or that had it before (`replaced.ts`), or was set aside by a repair.
 *
 * @module
 */
import { DecodeError, EMPTY_BYTES } from "../../base/bytes.ts";
import { CorruptionError, HoldfastError } from "../../base/errors.ts";
import type { Slicer } from "../../base/yield.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { type CommitRecord, forEachOperation, type IngestInfo, readCommit } from "../../format/log/batch.ts";
import { FILE_HEADER_BYTES } from "../../format/identity.ts";
import { findLaterRecord, type ReaderState } from "../../format/log/record_reader.ts";
import { fileName, filePath, parseFileName } from "../file_names.ts";
import { type OpenedSegment, openSegment } from "../log/log_segment.ts";
import { base64Bytes } from "../../format/manifest/json_shape.ts";
import type { ManifestState } from "../manifest/manifest_state.ts";
import type { KeyBounds } from "../types.ts";
import { namesOfPublication, namesSetAside } from "./replaced.ts";

/** Read at a time in search of the last byte that is not zero. */
const PIECE_BYTES = 64 * 1024;

/** What was seen of a segment once its records were read. */
export interface SegmentFacts {
  /** Where its records must end, when that is known. */
  knownEnd: number | undefined;
  /** Where and why reading stopped. */
  stop: ReaderState;
  /** Whether a record behind a bad place says that the place was synced. */
  laterSynced: boolean;
}

/** Rows 3 to 7 of the table. */
export function decideSegment(
  facts: SegmentFacts,
): { verdict: "accept" | "cut" } | { verdict: "damaged"; detail: string } {
  const { knownEnd, stop } = facts;
  if (knownEnd !== undefined) {
    if (stop.offset === knownEnd) return { verdict: "accept" };
    const detail = stop.kind === "bad" ? stop.detail : `ends here, where ${knownEnd} bytes were recorded`;
    return { verdict: "damaged", detail };
  }
  if (stop.kind !== "bad") return { verdict: "accept" };
  if (facts.laterSynced) return { verdict: "damaged", detail: `${stop.detail}, though it was synced` };
  return { verdict: "cut" };
}

/** What recovery found. */
export interface Recovered {
  /** The last commit that counts. */
  version: number;
  /** Its time. */
  timestamp: number;
  /** Where the newest segment ends now; undefined when there is none. */
  openEnd: number | undefined;
  /** Behind the last record that was seen in it: one that did not count lies behind its end. */
  openSeen: number;
  /** Commits applied that were not in tables. */
  records: number;
  /** Bytes of log read. */
  bytes: number;
  /** Bytes behind the end: a torn tail. */
  droppedBytes: number;
  /** Versions and times of the newest segment's records, for when it is finished; 0 when it has none. */
  openFirst: { version: number; timestamp: number };
}

/** Reads the log behind the tables and hands each commit that counts to `apply`, in order. */
export async function recoverLog(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  options: {
    apply: (commit: CommitRecord) => Promise<void> | undefined;
    slicer: Slicer;
    /** The names in the directory, where nobody changes them meanwhile. */
    names?: Promise<readonly string[]> | undefined;
  },
): Promise<Recovered> {
  const result: Recovered = {
    version: state.lastVersion,
    timestamp: state.lastTimestamp,
    openEnd: undefined,
    openSeen: 0,
    records: 0,
    bytes: 0,
    droppedBytes: 0,
    openFirst: { version: 0, timestamp: 0 },
  };
  const finished = [...state.logs.values()]
    .filter((log) => log.lastVersion > state.lastVersion)
    .sort((a, b) => a.number - b.number)
    .map((log) => ({ number: log.number, end: log.end as number | undefined, newest: false }));
  const segments = state.openLog === undefined
    ? finished
    : [...finished, { number: state.openLog.number, end: state.openLog.end ?? undefined, newest: true }];
  for (const segment of segments) {
    const end = await recoverSegment(fs, directory, state, segment, options, result);
    if (segment.newest) result.openEnd = end;
  }
  await refuseUnnamed(fs, directory, state, options.names);
  return result;
}

/** Rows 11 and 12. */
export async function refuseUnnamed(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  names: Promise<readonly string[]> = fs.list(directory),
): Promise<void> {
  const newest = Math.max(state.openLog?.number ?? 0, ...state.logs.keys());
  let foreign: ReadonlySet<string> | undefined;
  for (const name of await names) {
    const parsed = parseFileName(name);
    if (parsed?.kind !== "log" || parsed.number <= newest) continue;
    if (!tookCommits(fs, directory, { number: parsed.number, database: state.database.id })) continue;
    foreign ??= new Set([...await namesOfPublication(fs, directory), ...await namesSetAside(fs, directory)]);
    if (foreign.has(name)) continue;
    throw new CorruptionError(
      name,
      FILE_HEADER_BYTES,
      `it holds commits, but the manifest ends with segment ${newest}`,
    );
  }
}

function tookCommits(fs: FileSystem, directory: string, expected: { number: number; database: string }): boolean {
  try {
    const segment = openSegment(fs, directory, expected);
    try {
      const { reader, read, size, seed } = segment;
      const isLater = (record: Uint8Array): boolean => syncedBeyond(record, 0);
      const found = reader.next();
      if (found !== undefined) return isLater(found.record);
      // The first one may be damaged.
      return findLaterRecord(read, size, seed, reader.state.offset, isLater) !== undefined;
    } finally {
      segment.close();
    }
  } catch (error) {
    // Not even begun, of another database, or removed by a writer just now.
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

async function recoverSegment(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  segment: { number: number; end: number | undefined; newest: boolean },
  options: {
    apply: (commit: CommitRecord) => Promise<void> | undefined;
    slicer: Slicer;
  },
  result: Recovered,
): Promise<number> {
  const name = fileName("log", segment.number);
  if (fs.statSync(filePath(directory, "log", segment.number)) === undefined) {
    throw new CorruptionError(name, 0, "the segment is not there");
  }
  const opened = openSegment(fs, directory, { number: segment.number, database: state.database.id }, segment.end);
  try {
    const { reader } = opened;
    let end = FILE_HEADER_BYTES;
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      const commit = decoded(() => readCommit(found.record), name, found.offset);
      if (commit.version > state.lastVersion) {
        if (commit.version !== result.version + 1) {
          throw new CorruptionError(name, found.offset, `version ${commit.version} follows ${result.version}`);
        }
        if (decoded(() => ingestOf(commit), name, found.offset) !== undefined) {
          if (reader.next() !== undefined) {
            throw new CorruptionError(name, found.offset, "records follow an ingest that never took effect");
          }
          result.bytes += found.offset;
          result.droppedBytes += endOfBytes(opened.read, found.offset, opened.size) - found.offset;
          result.openSeen = found.end;
          return found.offset;
        }
        await decoded(() => options.apply(commit), name, found.offset)?.catch((error) => {
          throw readable(error, name, found.offset);
        });
        result.version = commit.version;
        result.timestamp = commit.timestamp;
        result.records++;
      }
      if (segment.newest && result.openFirst.version === 0) {
        result.openFirst = { version: commit.version, timestamp: commit.timestamp };
      }
      end = found.end;
      if (options.slicer.due()) await options.slicer.tick();
    }
    result.bytes += end;
    result.openSeen = end;
    const stop = reader.state;
    const { offset } = stop;
    const laterSynced = stop.kind === "bad" && segment.end === undefined &&
      findLaterRecord(opened.read, opened.size, opened.seed, offset, (record) => syncedBeyond(record, offset)) !==
        undefined;
    const decision = decideSegment({ knownEnd: segment.end, stop, laterSynced });
    if (decision.verdict === "damaged") throw new CorruptionError(name, offset, decision.detail);
    if (decision.verdict === "cut") result.droppedBytes += endOfBytes(opened.read, end, opened.size) - end;
    return end;
  } finally {
    opened.close();
  }
}

/** What `decode` gives; a record whose checksum holds and whose bytes make no sense is damage at its place. */
function decoded<T>(decode: () => T, name: string, offset: number): T {
  try {
    return decode();
  } catch (error) {
    throw readable(error, name, offset);
  }
}

function readable(error: unknown, name: string, offset: number): unknown {
  return error instanceof DecodeError ? new CorruptionError(name, offset, error.message) : error;
}

/** Where the bytes of a file end that are not zero, at `from` at least. */
function endOfBytes(read: OpenedSegment["read"], from: number, size: number): number {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, size - from));
  let end = from;
  for (let at = from; at < size;) {
    const count = read(piece.subarray(0, Math.min(piece.length, size - at)), at);
    if (count === 0) break;
    for (let i = count - 1; i >= 0; i--) {
      if (piece[i] === 0) continue;
      end = at + i + 1;
      break;
    }
    at += count;
  }
  return end;
}

function syncedBeyond(record: Uint8Array, offset: number): boolean {
  try {
    return readCommit(record).syncedTo > offset;
  } catch {
    return false;
  }
}

/** What an ingest deletes of what was there before. */
export function deletedBy({ replace, ranges }: IngestInfo): KeyBounds[] {
  if (replace) return [{ start: EMPTY_BYTES, end: undefined }];
  return ranges.map(({ start, end }) => ({
    start: base64Bytes(start, "start"),
    end: end === undefined ? undefined : base64Bytes(end, "end"),
  }));
}

/** The ingest of a commit, if it is one: it is then the commit's only operation. */
export function ingestOf(commit: CommitRecord): IngestInfo | undefined {
  let found: IngestInfo | undefined;
  // Opcode 3 leads the operations of every ingest: don't decode the others just to look.
  if (commit.ops[0] !== 3) return undefined;
  forEachOperation(commit.ops, {
    put() {},
    delete() {},
    deleteRange() {},
    ingest(info) {
      found = info;
    },
  });
  return found;
}
