/**
 * Archived log: commits of one line of history as they lie in a repository, inside an object (`object.ts`).
 *
 * ```
 * log/<database>/<lineage>/<first>-<last>-<chain>          versions padded to 16 digits; chain: that behind the last piece
 *
 * raw bytes := head | piece+
 * head      := "HFLOGAR1" | database (16) | lineage (16) | previous chain (32) | first varint | last varint
 *              | minTimestamp varint | maxTimestamp varint | crc32 u32 of all before
 * piece     := first varint | last varint | minTimestamp varint | maxTimestamp varint | length varint | record+
 * record    := length varint | version varint | timestamp varint | operations (`log/batch.ts`)
 * ```
 *
 * A record's length counts what follows it, a piece's length its records. Invariants:
 *
 * 1. Versions rise by one from record to record, from piece to piece; times never fall.
 * 2. `chain` behind a piece is SHA-256(chain before it | the piece's bytes). Where a run begins, the chain before is
 *    SHA-256("holdfast log" | database | lineage | first u64). So equal chains mean equal history.
 * 3. Merging joins pieces untouched, so the chain behind a piece is the same in every range that holds it.
 * 4. A record is a whole commit; a piece is held in memory as a whole.
 * 5. No record begins behind the first 8 MiB of its piece: only one long commit, the last, makes a piece longer.
 *
 * Example: one piece with version 5 at 1000 ms that deletes key "b" of the root (`00 02 00 62`), and its record alone:
 *
 * ```
 * 05 05 e8 07 e8 07 08  07 05 e8 07 00 02 00 62
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  DecodeError,
  encodeText,
  toHex,
  VARINT_BYTES_MAX,
} from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";
import { RECORD_BYTES_MAX } from "../log/frame.ts";
import { ByteSource } from "./byte_source.ts";

/** What a range of archived log is. */
export interface LogHead {
  /** The database's id, 32 hexadecimal digits. */
  database: string;
  /** The line of history, 32 hexadecimal digits. */
  lineage: string;
  /** The chain before its first piece, 64 hexadecimal digits. */
  previous: string;
  /** Its first version. */
  first: number;
  /** Its last version. */
  last: number;
  /** The time of its first commit, ms. */
  minTimestamp: number;
  /** The time of its last commit, ms. */
  maxTimestamp: number;
}

/** Some commits in a row. */
export interface LogPiece {
  /** The first version. */
  first: number;
  /** The last version. */
  last: number;
  /** The time of the first commit, ms. */
  minTimestamp: number;
  /** The time of the last commit, ms. */
  maxTimestamp: number;
  /** The whole piece. */
  bytes: Uint8Array;
}

/** What the last part of a range's key says. */
export interface LogName {
  /** The first version. */
  first: number;
  /** The last version. */
  last: number;
  /** The chain behind the last piece, 64 hexadecimal digits. */
  chain: string;
}

/** Memory for one piece after the other, also of several ranges. A piece longer than usual has its own. */
export interface PieceMemory {
  bytes?: Uint8Array;
}

const MAGIC = "HFLOGAR1";
const FIXED_BYTES = 8 + 16 + 16 + 32;
const HEAD_BYTES_MAX = FIXED_BYTES + 4 * 8 + 4;
/** Five varints before a piece's records. */
export const PIECE_HEAD_BYTES_MAX = 5 * 8;

/**
 * Records begin within so many bytes of a piece (5), and up to this a length is believed about its memory; beyond, memory
 * grows as bytes arrive.
 */
export const PIECE_BYTES_USUAL: number = 8 * 2 ** 20;

/** What comes before a record's operations. */
const RECORD_HEAD_BYTES_MAX = 3 * VARINT_BYTES_MAX;

/** The chain before version `first`, where a run begins. */
export function genesisChain(database: string, lineage: string, first: number): string {
  const out = new ByteWriter();
  out.bytes(encodeText("holdfast log"));
  out.bytes(idBytes(database, 16));
  out.bytes(idBytes(lineage, 16));
  out.u64(first);
  return createHash("sha256").update(out.view()).digest("hex");
}

/** The chain behind a piece. */
export function nextChain(previous: string, piece: Uint8Array): string {
  return createHash("sha256").update(idBytes(previous, 32)).update(piece).digest("hex");
}

/** The head's bytes. */
export function writeLogHead(head: LogHead): Uint8Array {
  const problem = headProblem(head);
  if (problem !== undefined) throw new RangeError(`archived log: ${problem}`);
  const out = new ByteWriter();
  out.bytes(encodeText(MAGIC));
  out.bytes(idBytes(head.database, 16));
  out.bytes(idBytes(head.lineage, 16));
  out.bytes(idBytes(head.previous, 32));
  for (const one of [head.first, head.last, head.minTimestamp, head.maxTimestamp]) out.varint(one);
  out.u32(crc32(out.view()));
  return out.take();
}

/**
 * Reads the raw bytes of a range. The pieces must be read to their end or returned, so that the source is ended; they throw
 * `IntegrityError` unless versions, times and the head agree. What `expected` gives (from the object's name) must match too.
 * `memory`: a piece is used up once the next is asked for.
 */
export async function readArchivedLog(
  raw: AsyncIterable<Uint8Array>,
  name: string,
  expected: Partial<LogName> & { memory?: PieceMemory | undefined } = {},
): Promise<{ head: LogHead; pieces: AsyncGenerator<LogPiece & { chain: string }> }> {
  const source = new ByteSource(raw);
  let head: LogHead;
  try {
    head = await readHead(source, name);
    for (const field of ["first", "last"] as const) {
      if (expected[field] !== undefined && expected[field] !== head[field]) {
        throw damaged(name, `its ${field} version is ${head[field]}, not ${expected[field]}`);
      }
    }
  } catch (error) {
    await source.close();
    throw error;
  }
  const pieces = piecesOf(source, head, name, expected);
  const stop = pieces.return.bind(pieces);
  // A generator that never started runs no `finally` block.
  pieces.return = async (value) => {
    await source.close();
    return await stop(value);
  };
  return { head, pieces };
}

/** The commits of a piece, their operations as views. Throws `IntegrityError` where they are not what the piece states. */
export function* recordsOf(
  piece: LogPiece,
  name = "archived log",
): Generator<{ version: number; timestamp: number; ops: Uint8Array }> {
  let version = piece.first - 1;
  let timestamp = piece.minTimestamp;
  const reader = new ByteReader(piece.bytes);
  decoding(name, () => readPieceHead(reader));
  while (reader.left > 0) {
    const next = decoding(name, () => {
      const record = new ByteReader(reader.prefixed());
      return { version: record.varint(), timestamp: record.varint(), ops: record.bytes(record.left) };
    });
    const begins = version === piece.first - 1;
    if (next.version !== version + 1 || next.timestamp < timestamp || (begins && next.timestamp !== timestamp)) {
      throw damaged(name, `version ${next.version} at ${next.timestamp} behind version ${version} at ${timestamp}`);
    }
    ({ version, timestamp } = next);
    yield next;
  }
  if (version !== piece.last || timestamp !== piece.maxTimestamp) {
    throw damaged(name, `a piece up to version ${piece.last} ends with version ${version}`);
  }
}

/** The last part of the key of a range. */
export function logName(first: number, last: number, chain: string): string {
  return `${padded(first)}-${padded(last)}-${chain}`;
}

/** Takes such a name apart; undefined when it is none. */
export function parseLogName(name: string): LogName | undefined {
  const [, from, to, chain] = /^([0-9]{16})-([0-9]{16})-([0-9a-f]{64})$/.exec(name) ?? [];
  const first = Number(from);
  const last = Number(to);
  if (chain === undefined || first > last || !Number.isSafeInteger(last)) return undefined;
  return { first, last, chain };
}

async function readHead(source: ByteSource, name: string): Promise<LogHead> {
  const bytes = await source.exactly(HEAD_BYTES_MAX);
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  const known = magic === MAGIC;
  if (!/^HFLOGAR[1-9A-Z]$/.test(magic)) throw damaged(name, "it is no archived log");
  const reader = new ByteReader(bytes, known ? 8 : bytes.length);
  if (!known) {
    throw new UnsupportedFormatError(
      `Cannot read ${name}: its format ${magic} is not known here (this release reads ${MAGIC}); use a newer release`,
      magic,
      MAGIC,
      { path: name },
    );
  }
  const head = decoding(name, () => {
    const [database, lineage, previous] = [16, 16, 32].map((count) => toHex(reader.bytes(count))) as [
      string,
      string,
      string,
    ];
    const [first, last, minTimestamp, maxTimestamp] = [0, 0, 0, 0].map(() => reader.varint()) as [
      number,
      number,
      number,
      number,
    ];
    const checksum = crc32(bytes, 0, 0, reader.at);
    if (reader.u32() !== checksum) throw new DecodeError("head checksum", reader.at - 4);
    return { database, lineage, previous, first, last, minTimestamp, maxTimestamp };
  });
  const problem = headProblem(head);
  if (problem !== undefined) throw damaged(name, problem);
  source.unread(bytes.subarray(reader.at));
  return head;
}

async function* piecesOf(
  source: ByteSource,
  head: LogHead,
  name: string,
  expected: { chain?: string; memory?: PieceMemory | undefined },
): AsyncGenerator<LogPiece & { chain: string }, void> {
  let chain = head.previous;
  let last = head.first - 1;
  let timestamp = head.minTimestamp;
  try {
    while (!await source.atEnd()) {
      const piece = await readPiece(source, name, expected.memory?.bytes);
      if (expected.memory !== undefined && piece.bytes.buffer.byteLength <= PIECE_BYTES_USUAL) {
        expected.memory.bytes = new Uint8Array(piece.bytes.buffer);
      }
      if (piece.first !== last + 1 || piece.minTimestamp < timestamp || piece.last > head.last) {
        throw damaged(name, `a piece of versions ${piece.first} to ${piece.last} behind version ${last}`);
      }
      if (last === head.first - 1 && piece.minTimestamp !== head.minTimestamp) {
        throw damaged(name, `it begins at ${piece.minTimestamp}, not ${head.minTimestamp}`);
      }
      chain = nextChain(chain, piece.bytes);
      last = piece.last;
      timestamp = piece.maxTimestamp;
      yield { ...piece, chain };
    }
    if (last !== head.last || timestamp !== head.maxTimestamp) {
      throw damaged(name, `it ends with version ${last} at ${timestamp}, not ${head.last} at ${head.maxTimestamp}`);
    }
    if (expected.chain !== undefined && chain !== expected.chain) {
      throw damaged(name, "its chain is not that of its name");
    }
  } finally {
    await source.close();
  }
}

async function readPiece(source: ByteSource, name: string, memory: Uint8Array | undefined): Promise<LogPiece> {
  const start = await source.exactly(PIECE_HEAD_BYTES_MAX);
  const reader = new ByteReader(start);
  const { length, ...piece } = decoding(name, () => readPieceHead(reader));
  const problem = (): IntegrityError =>
    damaged(name, `an impossible piece of versions ${piece.first} to ${piece.last}, ${length} bytes`);
  if (piece.first > piece.last || piece.minTimestamp > piece.maxTimestamp || length === 0) throw problem();
  source.unread(start.subarray(reader.at));
  const head = start.subarray(0, reader.at);
  const whole = head.length + length;
  if (length > PIECE_BYTES_USUAL) {
    // What is wrong shows here, before memory is taken for the rest.
    const begin = await source.exactly(Math.min(length, PIECE_BYTES_USUAL + RECORD_HEAD_BYTES_MAX));
    if (decoding(name, () => lengthOf(begin, piece.first)) !== length) throw problem();
    source.unread(begin);
    const records = await source.exactly(length);
    if (records.length < length) throw damaged(name, "it ends inside a piece");
    return { ...piece, bytes: concatBytes(head, records) };
  }
  const bytes = memory !== undefined && memory.length >= whole ? memory.subarray(0, whole) : new Uint8Array(whole);
  bytes.set(head);
  const count = await source.into(bytes.subarray(head.length));
  if (count < length) throw damaged(name, "it ends inside a piece");
  return { ...piece, bytes };
}

/** The length of all records, by those that begin within the first 8 MiB. */
function lengthOf(begin: Uint8Array, first: number): number {
  let at = 0;
  for (let version = first; at < Math.min(begin.length, PIECE_BYTES_USUAL); version++) {
    const reader = new ByteReader(begin, at);
    const length = reader.varint();
    const next = reader.at + length;
    const found = reader.varint();
    if (found !== version || length > RECORD_BYTES_MAX) {
      throw new DecodeError(`version ${found} of ${length} bytes where ${version} was to come`, at);
    }
    at = next;
  }
  return at;
}

function readPieceHead(reader: ByteReader): Omit<LogPiece, "bytes"> & { length: number } {
  const [first, last] = [reader.varint(), reader.varint()];
  const [minTimestamp, maxTimestamp] = [reader.varint(), reader.varint()];
  return { first, last, minTimestamp, maxTimestamp, length: reader.varint() };
}

function headProblem({ first, last, minTimestamp, maxTimestamp }: LogHead): string | undefined {
  if (first < 1 || first > last) return `versions ${first} to ${last}`;
  return minTimestamp > maxTimestamp ? `times ${minTimestamp} to ${maxTimestamp}` : undefined;
}

function idBytes(id: string, count: number): Uint8Array {
  const bytes = Buffer.from(id, "hex");
  if (bytes.length !== count || id.length !== count * 2) {
    throw new TypeError(`${id} has not ${count * 2} hexadecimal digits`);
  }
  return bytes;
}

function padded(version: number): string {
  return String(version).padStart(16, "0");
}

function decoding<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) throw damaged(name, `${error.message} at byte ${error.offset}`, error);
    throw error;
  }
}

function damaged(name: string, detail: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `Cannot read ${name}: ${detail}; the archived log was damaged or changed, take another copy of it`,
    { path: name, cause },
  );
}
