/**
 * A sorted table: rows that never change, ordered by internal key and then by version from new to old.
 *
 * ```
 * table := file header (64 bytes, identity.ts)
 *          | data block *      (data_block.ts)
 *          | filter block      (filter.ts)
 *          | tombstone block
 *          | index block       (index_block.ts)
 *          | properties block  (table_properties.ts)
 *          | footer
 * ```
 *
 * Each block is stored as block.ts draws it, directly behind the one before; its CRC starts from the file's seed.
 *
 * ```
 * footer := filter place | tombstone place | index place | properties place | rows u64 | crc u32 | "HFTABEND"
 * place  := offset u64 | stored length u32          72 - 4 = 68 bytes in all
 *
 * tombstone block := count varint | fragment *
 * fragment        := start length varint | start | has end u8 | [end length varint | end]
 *                    | versions varint | (version varint | timestamp varint) *
 * ```
 *
 * The footer's CRC covers the 56 bytes before it and starts from the seed at the footer's offset. Fragments are in key
 * order and don't overlap, their versions go from new to old.
 *
 * Example: a tombstone of version 7 and time 9 from "a" on to "c" is `01 | 01 61 01 01 63 01 07 09`.
 *
 * @module
 */
import { ByteReader, ByteWriter, compareBytes, DecodeError, readU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { CorruptionError } from "../../base/errors.ts";
import { BLOCK_TRAILER_BYTES } from "./block.ts";
import { seedAt } from "../identity.ts";

/** Four places, the row count, the CRC, the closing magic. */
export const TABLE_FOOTER_BYTES = 68;
/** Where the first block begins: behind the file header. */
export const TABLE_BLOCKS_AT = 64;
const CRC_AT = 56;
const MAGIC_AT = 60;
const MAGIC = "HFTABEND";

/** Where a block is stored. */
export interface BlockPlace {
  /** Where it begins in the file. */
  offset: number;
  /** Its stored length, trailer included. */
  length: number;
}

/** What the footer says. */
export interface TableFooter {
  /** The filter block. */
  filter: BlockPlace;
  /** The tombstone block. */
  tombstones: BlockPlace;
  /** The index block. */
  index: BlockPlace;
  /** The properties block. */
  properties: BlockPlace;
  /** Rows in the table. */
  rows: number;
}

/** A deleted stretch of keys as it is stored: fits `Fragment` of `tree/range_tombstones.ts`. */
export interface StoredFragment {
  /** First key deleted. */
  start: Uint8Array;
  /** First key not deleted; undefined: none is spared. */
  end: Uint8Array | undefined;
  /** The commits that deleted it, newest first. */
  versions: { version: number; timestamp: number }[];
}

/** The footer of a table, to stand at `offset`. */
export function writeTableFooter(footer: TableFooter, seed: number, offset: number): Uint8Array {
  const out = new ByteWriter(TABLE_FOOTER_BYTES);
  for (const place of [footer.filter, footer.tombstones, footer.index, footer.properties]) {
    out.u64(place.offset);
    out.u32(place.length);
  }
  out.u64(footer.rows);
  out.u32(crc32(out.view(), seedAt(seed, offset)));
  for (let i = 0; i < MAGIC.length; i++) out.u8(MAGIC.charCodeAt(i));
  return out.view();
}

/** Reads the footer that ends a file of `size` bytes and checks that its places tile the file up to it. */
export function readTableFooter(bytes: Uint8Array, seed: number, file: string, size: number): TableFooter {
  const offset = size - TABLE_FOOTER_BYTES;
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[MAGIC_AT + i] !== MAGIC.charCodeAt(i)) {
      throw new CorruptionError(
        file,
        offset + MAGIC_AT,
        "the table does not end as a table does; it was cut or never finished",
      );
    }
  }
  if (crc32(bytes, seedAt(seed, offset), 0, CRC_AT) !== readU32(bytes, CRC_AT)) {
    throw new CorruptionError(file, offset, "the checksum of the footer does not match");
  }
  try {
    const reader = new ByteReader(bytes);
    const place = (): BlockPlace => ({ offset: reader.u64(), length: reader.u32() });
    const footer = { filter: place(), tombstones: place(), index: place(), properties: place(), rows: reader.u64() };
    let at = footer.filter.offset;
    if (at < TABLE_BLOCKS_AT) throw new DecodeError("the filter lies in the header", 0);
    for (const { offset: start, length } of [footer.filter, footer.tombstones, footer.index, footer.properties]) {
      if (start !== at || length <= BLOCK_TRAILER_BYTES) throw new DecodeError("the blocks do not meet", 0);
      at += length;
    }
    if (at !== offset) throw new DecodeError("the blocks do not meet the footer", 0);
    return footer;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new CorruptionError(file, offset, error.message);
  }
}

/** The raw tombstone block. */
export function writeTombstones(fragments: readonly StoredFragment[]): Uint8Array {
  const out = new ByteWriter();
  out.varint(fragments.length);
  for (const { start, end, versions } of fragments) {
    out.prefixed(start);
    out.u8(end === undefined ? 0 : 1);
    if (end !== undefined) out.prefixed(end);
    out.varint(versions.length);
    for (const { version, timestamp } of versions) {
      out.varint(version);
      out.varint(timestamp);
    }
  }
  return out.view();
}

/** Reads a raw tombstone block; throws `DecodeError`. */
export function readTombstones(bytes: Uint8Array): StoredFragment[] {
  const reader = new ByteReader(bytes);
  const fragments: StoredFragment[] = [];
  let before: StoredFragment | undefined;
  for (let n = reader.varint(); n > 0; n--) {
    const from = reader.prefixed();
    const fragment: StoredFragment = {
      start: from,
      end: reader.u8() === 0 ? undefined : reader.prefixed(),
      versions: [],
    };
    const { start, end, versions } = fragment;
    for (let left = reader.varint(); left > 0; left--) {
      const version = { version: reader.varint(), timestamp: reader.varint() };
      if (versions.length > 0 && versions.at(-1)!.version <= version.version) {
        throw new DecodeError("versions of a deleted range out of order", reader.at);
      }
      versions.push(version);
    }
    if (versions.length === 0) throw new DecodeError("a deleted range without a version", reader.at);
    const meets = before === undefined || (before.end !== undefined && compareBytes(before.end, start) <= 0);
    if (!meets || (end !== undefined && compareBytes(start, end) >= 0)) {
      throw new DecodeError("deleted ranges out of order", reader.at);
    }
    fragments.push(fragment);
    before = fragment;
  }
  if (reader.left > 0) throw new DecodeError("bytes behind the deleted ranges", reader.at);
  return fragments;
}
