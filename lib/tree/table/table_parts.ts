/**
 * The parts of a table that are read when it is opened: all but the data blocks. `readTableParts` believes nothing that
 * does not check; `salvageTableParts` is for repair and makes do with what is left.
 *
 * @module
 */
import { DecodeError } from "../../base/bytes.ts";
import { CorruptionError } from "../../base/errors.ts";
import type { FileHandle } from "../../files/file_system.ts";
import { openBlock } from "../../format/table/block.ts";
import { Filter } from "../../format/table/filter.ts";
import {
  checksumSeed,
  expectIdentity,
  FILE_HEADER_BYTES,
  type FileHeader,
  type FileIdentity,
  readFileHeader,
} from "../../format/identity.ts";
import { TableIndex } from "../../format/table/index_block.ts";
import {
  type BlockPlace,
  readTableFooter,
  readTombstones,
  TABLE_BLOCKS_AT,
  TABLE_FOOTER_BYTES,
  type TableFooter,
} from "../../format/table/table.ts";
import type { TableMeta } from "../../format/table/table_meta.ts";
import { readTableProperties, type TableProperties } from "../../format/table/table_properties.ts";
import { type Damage, damageOf } from "./damage.ts";
import { RangeTombstones } from "../range_tombstones.ts";
import { findPlaces, type FoundRows, surveyRows } from "./table_survey.ts";

/**
 * A filter up to this length is read with what lies behind it. A longer one waits until it is worth that: to read it takes
 * longer than the data block that it may spare.
 */
const FILTER_AT_OPEN_BYTES = 16 * 1024;

/** What `readTableParts` gives. */
export interface TableParts {
  /** The first 64 bytes. */
  header: FileHeader;
  /** Where everything is. */
  footer: TableFooter;
  /** Which keys are not there; undefined where it is long and was left for `readTableFilter`. */
  filter: Filter | undefined;
  /** Where the data blocks are. */
  index: TableIndex;
  /** Deleted ranges, as of the version that an ingest gave them. */
  tombstones: RangeTombstones;
  /** What the table says of itself. */
  properties: TableProperties;
}

/** The table's description as far as it is known. */
type KnownMeta = TableMeta | undefined;

/** Reads and checks the parts, a long filter aside; `CorruptionError` when anything is not as it was written. */
export function readTableParts(
  handle: FileHandle,
  size: number,
  expected: Partial<FileIdentity>,
  meta: KnownMeta,
): TableParts {
  const file = handle.path;
  const header = readHeader(handle, size, expected);
  if (size < FILE_HEADER_BYTES + TABLE_FOOTER_BYTES) {
    throw new CorruptionError(file, size, "the table ends before its footer; it was cut or never finished");
  }
  const seed = checksumSeed(header);
  const footer = readTableFooter(readPart(handle, size - TABLE_FOOTER_BYTES, TABLE_FOOTER_BYTES), seed, file, size);
  // The blocks tile the file (`readTableFooter`): a long filter is left out at the front.
  const start = footer.filter.length <= FILTER_AT_OPEN_BYTES ? footer.filter.offset : footer.tombstones.offset;
  const tail = readPart(handle, start, size - TABLE_FOOTER_BYTES - start);
  const bytesOf = ({ offset, length }: BlockPlace) => tail.subarray(offset - start, offset - start + length);
  const part = <T>(place: BlockPlace, decode: (raw: Uint8Array) => T): T =>
    decodePart(bytesOf(place), seed, file, place.offset, decode);
  const filter = start === footer.filter.offset ? part(footer.filter, toFilter) : undefined;
  const index = part(footer.index, toIndex);
  const properties = part(footer.properties, readTableProperties);
  const tombstones = part(footer.tombstones, (raw) => toTombstones(raw, meta));
  covering(index, footer.filter.offset, file, footer.index.offset);
  if (properties.rows !== footer.rows || (meta !== undefined && meta.rows !== footer.rows)) {
    throw new CorruptionError(file, footer.properties.offset, "the number of rows is not what was written");
  }
  return { header, footer, filter, index, tombstones, properties };
}

/** The filter of a table that was opened without; `CorruptionError` when it is not as it was written. */
export function readTableFilter(handle: FileHandle, seed: number, { filter }: TableFooter): Filter {
  return decodePart(readPart(handle, filter.offset, filter.length), seed, handle.path, filter.offset, toFilter);
}

/**
 * As `readTableParts`, but reports what is damaged and goes on without: without filter every key is looked for, index and
 * properties are made again from the data blocks, deleted ranges that can't be read are gone, and a header that can't be
 * read is taken to be the expected one if all of that is known. Throws `CorruptionError` when nothing can be read at all.
 */
export function salvageTableParts(
  handle: FileHandle,
  size: number,
  expected: Partial<FileIdentity>,
  meta: KnownMeta,
  onDamage: (damage: Damage) => void,
): TableParts {
  const file = handle.path;
  const attempt = <T>(read: () => T, otherwise: (error: unknown) => T): T => {
    try {
      return read();
    } catch (error) {
      onDamage(damageOf(error));
      return otherwise(error);
    }
  };
  const header = attempt(() => readHeader(handle, size, expected), (error) => assumeHeader(expected, error));
  const seed = checksumSeed(header);
  const footer = attempt(
    () => {
      if (size < FILE_HEADER_BYTES + TABLE_FOOTER_BYTES) throw new CorruptionError(file, size, "the table was cut");
      const bytes = readPart(handle, size - TABLE_FOOTER_BYTES, TABLE_FOOTER_BYTES);
      return readTableFooter(bytes, seed, file, size);
    },
    () => footerOf(findPlaces(handle, seed, TABLE_BLOCKS_AT, size), handle, seed),
  );
  const part = <T>(place: BlockPlace, decode: (raw: Uint8Array) => T): T => {
    if (place.length === 0) throw new CorruptionError(file, place.offset, "a block of the table is missing");
    return decodePart(readPart(handle, place.offset, place.length), seed, file, place.offset, decode);
  };
  let found: FoundRows | undefined;
  const survey = () => found ??= surveyRows(handle, seed, footer.filter.offset);
  return {
    header,
    footer,
    filter: attempt(() => part(footer.filter, toFilter), () => new Filter(new Uint8Array(1))),
    index: attempt(
      () => covering(part(footer.index, toIndex), footer.filter.offset, file, footer.index.offset),
      () => survey().index,
    ),
    tombstones: attempt(() => part(footer.tombstones, (raw) => toTombstones(raw, meta)), () => new RangeTombstones()),
    properties: attempt(() => part(footer.properties, readTableProperties), () => meta ?? survey().properties),
  };
}

function readHeader(handle: FileHandle, size: number, expected: Partial<FileIdentity>): FileHeader {
  const header = readFileHeader("table", readPart(handle, 0, Math.min(size, FILE_HEADER_BYTES)), handle.path);
  expectIdentity(header, expected, handle.path);
  return header;
}

function assumeHeader(expected: Partial<FileIdentity>, error: unknown): FileHeader {
  const { database, lineage, number } = expected;
  if (database === undefined || lineage === undefined || number === undefined) throw error;
  return { kind: "table", database, lineage, number };
}

/** The footer for the blocks found one behind the other: the last four are not data, unless the file was cut before. */
function footerOf(places: readonly BlockPlace[], handle: FileHandle, seed: number): TableFooter {
  const last = places[places.length - 1];
  const end = last === undefined ? TABLE_BLOCKS_AT : last.offset + last.length;
  const none = { offset: end, length: 0 };
  const [filter, tombstones, index, properties] = places.slice(-4);
  if (filter === undefined || tombstones === undefined || index === undefined || properties === undefined) {
    return { filter: none, tombstones: none, index: none, properties: none, rows: 0 };
  }
  try {
    const bytes = readPart(handle, index.offset, index.length);
    const { offsets, count } = decodePart(bytes, seed, handle.path, index.offset, toIndex);
    if (offsets[count] === filter.offset) return { filter, tombstones, index, properties, rows: 0 };
  } catch (error) {
    damageOf(error);
  }
  return { filter: none, tombstones: none, index: none, properties: none, rows: 0 };
}

function readPart(handle: FileHandle, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const n = handle.readAtSync(bytes, offset);
  if (n !== length) throw new CorruptionError(handle.path, offset + n, "the file ends early");
  return bytes;
}

/** Opens one block; what doesn't decode is damage at that block. */
function decodePart<T>(
  stored: Uint8Array,
  seed: number,
  file: string,
  offset: number,
  decode: (raw: Uint8Array) => T,
): T {
  try {
    return decode(openBlock(stored, seed, file, offset));
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof RangeError)) throw error;
    throw new CorruptionError(file, offset, error.message);
  }
}

// Filter and index are views of their bytes for long, so these get memory of their own, not all that was read with them.

function toFilter(raw: Uint8Array): Filter {
  return new Filter(raw.slice());
}

function toIndex(raw: Uint8Array): TableIndex {
  return new TableIndex(raw.slice(), TABLE_BLOCKS_AT);
}

/** The index at `at`, which must be that of data blocks up to `end`: its lengths are believed about memory. */
function covering(index: TableIndex, end: number, file: string, at: number): TableIndex {
  if (index.offsets[index.count] === end) return index;
  throw new CorruptionError(file, at, "the index does not cover the data blocks");
}

function toTombstones(raw: Uint8Array, meta: KnownMeta): RangeTombstones {
  const fragments = readTombstones(raw);
  const version = meta?.globalVersion;
  if (version !== undefined) {
    for (const fragment of fragments) fragment.versions = [{ version, timestamp: meta?.globalTimestamp ?? 0 }];
  }
  return RangeTombstones.of(fragments);
}
