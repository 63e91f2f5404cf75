/**
 * The first 64 bytes of every table, blob file, log segment and manifest: what it is and whose it is.
 *
 * ```
 * offset 0        8           24          40        48      60      64
 *        | magic | database  | lineage   | number  | zeros | crc32 |
 *          8 B     16 B        16 B        u64       12 B    u32 of bytes 0-59
 * magic := 7 letters for the kind, then the version of its format: HFTABLE1 HFBLOBS1 HFWRLOG1 HFMANIF1
 * ```
 *
 * Integers are little-endian. In memory a database and a lineage are 32 hexadecimal digits.
 *
 * Every later checksum in the file continues from the header's, then from the place it stands at (`checksumSeed`,
 * `seedAt`). So a block of another database, another file or another place in the same file does not pass, and neither
 * does a file under a wrong name. For offsets below 4 GiB this is certain, not just likely: a CRC-32 tells apart any two
 * inputs that differ within 32 bits in a row.
 *
 * Every format version keeps these 64 bytes as they are, so that a reader can tell a newer file from a damaged one.
 *
 * Example: segment 12 of database 000102..0f in lineage 101112..1f begins
 *
 * ```
 * 48 46 57 52 4c 4f 47 31  00 01 02 03 04 05 06 07  HFWRLOG1........
 * 08 09 0a 0b 0c 0d 0e 0f  10 11 12 13 14 15 16 17  ................
 * 18 19 1a 1b 1c 1d 1e 1f  0c 00 00 00 00 00 00 00  ................
 * 00 00 00 00 00 00 00 00  00 00 00 00 94 5b 17 a4  .............[..
 * ```
 *
 * @module
 */
import { readU32, toHex, writeU32 } from "../base/bytes.ts";
import { crc32 } from "../base/checksum.ts";
import { CorruptionError, UnsupportedFormatError } from "../base/errors.ts";

/** The kinds of file that carry a header. */
export type FileKind = "table" | "blob" | "log" | "manifest";

/** Whose file it is and which. */
export interface FileIdentity {
  /** The database it was made for, 32 hexadecimal digits. */
  database: string;
  /** The line of history it was made in, 32 hexadecimal digits. */
  lineage: string;
  /** Its number in the database, never used twice. */
  number: number;
}

/** A file's header. */
export interface FileHeader extends FileIdentity {
  /** What the file holds. */
  kind: FileKind;
}

/** How long the header is: the first block, frame or record stands here. */
export const FILE_HEADER_BYTES = 64;

const MAGIC: Record<FileKind, string> = {
  table: "HFTABLE1",
  blob: "HFBLOBS1",
  log: "HFWRLOG1",
  manifest: "HFMANIF1",
};
const DATABASE_AT = 8;
const LINEAGE_AT = 24;
const NUMBER_AT = 40;
const ZEROS_AT = 48;
const CHECKSUM_AT = 60;

/** The header's bytes. */
export function writeFileHeader(kind: FileKind, identity: FileIdentity): Uint8Array {
  const { database, lineage, number } = identity;
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`file number ${number} is not a whole number`);
  const out = new Uint8Array(FILE_HEADER_BYTES);
  for (let i = 0; i < 8; i++) out[i] = MAGIC[kind].charCodeAt(i);
  writeId(out, DATABASE_AT, database, "database");
  writeId(out, LINEAGE_AT, lineage, "lineage");
  writeU32(out, NUMBER_AT, number >>> 0);
  writeU32(out, NUMBER_AT + 4, Math.floor(number / 2 ** 32));
  writeU32(out, CHECKSUM_AT, crc32(out, 0, 0, CHECKSUM_AT));
  return out;
}

/**
 * Reads the header of `file`, which should be of this kind. Throws `CorruptionError` when it isn't or is damaged, and
 * `UnsupportedFormatError` when it is of another version of the format.
 */
export function readFileHeader(kind: FileKind, bytes: Uint8Array, file: string): FileHeader {
  if (bytes.length < FILE_HEADER_BYTES) {
    throw new CorruptionError(file, 0, `file header: ${bytes.length} bytes of ${FILE_HEADER_BYTES}`);
  }
  if (readU32(bytes, CHECKSUM_AT) !== crc32(bytes, 0, 0, CHECKSUM_AT)) {
    throw new CorruptionError(file, 0, "file header checksum");
  }
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  const expected = MAGIC[kind];
  if (magic.slice(0, 7) !== expected.slice(0, 7)) {
    const found = kindOf(magic);
    throw new CorruptionError(
      file,
      0,
      `file header: expected a ${kind} file, found ${found ?? "another kind of"} file`,
    );
  }
  if (magic !== expected || bytes.subarray(ZEROS_AT, CHECKSUM_AT).some((byte) => byte !== 0)) {
    throw new UnsupportedFormatError(
      `Cannot read ${file}: its format ${magic} is not known here (this release reads ${expected}); use a newer release`,
      magic,
      expected,
      { path: file },
    );
  }
  const high = readU32(bytes, NUMBER_AT + 4);
  if (high >= 0x200000) throw new CorruptionError(file, NUMBER_AT, "file header: number above 2^53 - 1");
  return {
    kind,
    database: toHex(bytes.subarray(DATABASE_AT, LINEAGE_AT)),
    lineage: toHex(bytes.subarray(LINEAGE_AT, NUMBER_AT)),
    number: high * 2 ** 32 + readU32(bytes, NUMBER_AT),
  };
}

/** Throws `CorruptionError` when the file is not the one expected under its name; compares only what is given. */
export function expectIdentity(header: FileHeader, expected: Partial<FileIdentity>, file: string): void {
  for (const field of ["database", "lineage", "number"] as const) {
    if (expected[field] !== undefined && header[field] !== expected[field]) {
      throw new CorruptionError(
        file,
        0,
        `file header: ${field} ${header[field]} where ${expected[field]} was expected: swapped or foreign file`,
      );
    }
  }
}

/**
 * What every checksum of the file starts from: the header's own checksum. (Not that of all 64 bytes: a CRC-32 of bytes
 * with their CRC-32 behind them is the same constant for all.)
 */
export function checksumSeed(header: FileHeader): number {
  return readU32(writeFileHeader(header.kind, header), CHECKSUM_AT);
}

const place = new Uint8Array(8);

/** What the checksum of the bytes at `offset` starts from: the file's seed continued over the offset as u64. */
export function seedAt(seed: number, offset: number): number {
  writeU32(place, 0, offset >>> 0);
  writeU32(place, 4, Math.floor(offset / 2 ** 32));
  return crc32(place, seed);
}

/** Whether this is an id as it is held in memory: 32 lower-case hexadecimal digits. */
export function isId(id: unknown): id is string {
  return typeof id === "string" && /^[0-9a-f]{32}$/.test(id);
}

function writeId(out: Uint8Array, at: number, id: string, name: string): void {
  if (!isId(id)) throw new TypeError(`${name} ${JSON.stringify(id)} is not 32 hexadecimal digits`);
  for (let i = 0; i < 16; i++) out[at + i] = parseInt(id.slice(2 * i, 2 * i + 2), 16);
}

function kindOf(magic: string): FileKind | undefined {
  return (Object.keys(MAGIC) as FileKind[]).find((kind) => MAGIC[kind].slice(0, 7) === magic.slice(0, 7));
}
