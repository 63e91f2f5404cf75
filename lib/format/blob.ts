/**
 * A blob file: large values, so that compaction never rewrites them. A row's cell holds a pointer instead of the value.
 *
 * ```
 * blob file := file header (64 bytes, identity.ts) | record * | footer
 * record    := head crc u32 | payload crc u32 | stored length u32 | raw length u32 | key length u32
 *              | version u64 | codec u8 | kind u8 | 0 0 | internal key | payload
 * footer    := records u64 | bytes of records u64 | crc u32 | "HFBLBEND"          28 bytes
 * pointer   := file number varint | offset varint | record length varint | raw length varint
 * ```
 *
 * The payload is the value as it is (codec 0) or compressed (codec 1). Both CRCs of a record, and the footer's, start
 * from the file's seed at the record's (the footer's) own offset, so that neither another record nor another file passes.
 * The head's covers bytes 4 to 32 and the key, the payload's the payload as stored, the footer's the 16 bytes before it.
 * Key, version and value kind are there so that a record says by itself whose value it is: repair rebuilds rows from
 * them. A pointer's record length is that of head, key and payload together.
 *
 * Example: the pointer to a record of 1,032 bytes at offset 64 of file 11, 5,000 bytes raw, is `0b 40 88 08 88 27`.
 *
 * @module
 */
import { ByteReader, ByteWriter, DecodeError, readU32, writeU32 } from "../base/bytes.ts";
import { crc32 } from "../base/checksum.ts";
import { CODEC_NONE, CODEC_ZSTD } from "../base/codec.ts";
import { CorruptionError } from "../base/errors.ts";
import { seedAt } from "./identity.ts";

/** What stands before key and payload. */
export const BLOB_HEAD_BYTES = 32;
/** What ends a blob file. */
export const BLOB_FOOTER_BYTES = 28;
/** Where the first record begins: behind the file header. */
export const BLOB_RECORDS_AT = 64;
/** No value is longer: 256 MiB. A damaged length above it is refused before memory is taken. */
export const BLOB_RAW_BYTES_MAX: number = 256 * 2 ** 20;
/** No internal key is longer: a user key of 64 KiB with a tag and a key space. */
export const BLOB_KEY_BYTES_MAX = 2 ** 17;
const FOOTER_MAGIC = "HFBLBEND";

/** Where a value lies. */
export interface BlobPointer {
  /** The blob file's number. */
  number: number;
  /** Where the record begins. */
  offset: number;
  /** The whole record's length. */
  length: number;
  /** The value's length. */
  rawLength: number;
}

/** The head of a record. */
export interface BlobHead {
  /** Checksum of the payload as stored. */
  payloadCrc: number;
  /** The payload's length as stored. */
  storedLength: number;
  /** The value's length. */
  rawLength: number;
  /** How the payload is stored. */
  codec: number;
  /** The value's kind (see `cell.ts`). */
  kind: number;
  /** The row's version. */
  version: number;
  /** The row's internal key, a view. */
  key: Uint8Array;
}

/** What the footer says. */
export interface BlobFooter {
  /** How many records there are. */
  count: number;
  /** Their length together. */
  bytes: number;
}

/** The bytes of a pointer: the payload of a cell whose operation is `OP_BLOB`. */
export function writeBlobPointer(pointer: BlobPointer): Uint8Array {
  const out = new ByteWriter(32);
  out.varint(pointer.number);
  out.varint(pointer.offset);
  out.varint(pointer.length);
  out.varint(pointer.rawLength);
  return out.view();
}

/** Reads a pointer; throws `DecodeError`. */
export function readBlobPointer(bytes: Uint8Array): BlobPointer {
  const reader = new ByteReader(bytes);
  const pointer = {
    number: reader.varint(),
    offset: reader.varint(),
    length: reader.varint(),
    rawLength: reader.varint(),
  };
  if (reader.left > 0) throw new DecodeError("bytes behind the pointer", reader.at);
  return pointer;
}

/** Head and key of a record that begins at `offset`; its payload follows. */
export function writeBlobHead(
  head: Omit<BlobHead, "payloadCrc">,
  payload: Uint8Array,
  seed: number,
  offset: number,
): Uint8Array {
  const start = seedAt(seed, offset);
  const out = new ByteWriter(BLOB_HEAD_BYTES + head.key.length);
  out.u32(0);
  out.u32(crc32(payload, start));
  out.u32(head.storedLength);
  out.u32(head.rawLength);
  out.u32(head.key.length);
  out.u64(head.version);
  out.u8(head.codec);
  out.u8(head.kind);
  out.u8(0);
  out.u8(0);
  out.bytes(head.key);
  const bytes = out.view();
  writeU32(bytes, 0, crc32(bytes, start, 4));
  return bytes;
}

/**
 * Reads head and key of the record that begins at `offset` of `file`; `bytes` begins there too and holds at least head
 * and key. Undefined when there are too few: the key's length is that of a plausible head. Throws `CorruptionError`.
 */
export function readBlobHead(bytes: Uint8Array, seed: number, file: string, offset: number): BlobHead | undefined {
  if (bytes.length < BLOB_HEAD_BYTES) return undefined;
  const keyLength = readU32(bytes, 16);
  if (keyLength > BLOB_KEY_BYTES_MAX) {
    throw new CorruptionError(file, offset, `a key cannot be ${keyLength} bytes long`);
  }
  const end = BLOB_HEAD_BYTES + keyLength;
  if (bytes.length < end) return undefined;
  if (crc32(bytes, seedAt(seed, offset), 4, end) !== readU32(bytes, 0)) {
    throw new CorruptionError(file, offset, "the checksum of the record's head does not match");
  }
  const reader = new ByteReader(bytes, 4, end);
  try {
    const payloadCrc = reader.u32();
    const storedLength = reader.u32();
    const rawLength = reader.u32();
    reader.u32();
    const version = reader.u64();
    const codec = reader.u8();
    const kind = reader.u8();
    reader.pass(2);
    const known = codec === CODEC_NONE ? storedLength === rawLength : codec === CODEC_ZSTD && storedLength <= rawLength;
    if (!known || rawLength > BLOB_RAW_BYTES_MAX) throw new DecodeError("impossible lengths or codec", 8);
    return { payloadCrc, storedLength, rawLength, codec, kind, version, key: reader.bytes(keyLength) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new CorruptionError(file, offset, `the record's head is wrong: ${error.message}`);
  }
}

/** The footer of a blob file, to stand at `offset`. */
export function writeBlobFooter(footer: BlobFooter, seed: number, offset: number): Uint8Array {
  const out = new ByteWriter(BLOB_FOOTER_BYTES);
  out.u64(footer.count);
  out.u64(footer.bytes);
  out.u32(crc32(out.view(), seedAt(seed, offset)));
  for (let i = 0; i < FOOTER_MAGIC.length; i++) out.u8(FOOTER_MAGIC.charCodeAt(i));
  return out.view();
}

/** Reads the footer that ends a file of `size` bytes. */
export function readBlobFooter(bytes: Uint8Array, seed: number, file: string, size: number): BlobFooter {
  const offset = size - BLOB_FOOTER_BYTES;
  for (let i = 0; i < FOOTER_MAGIC.length; i++) {
    if (bytes[20 + i] !== FOOTER_MAGIC.charCodeAt(i)) {
      throw new CorruptionError(
        file,
        offset + 20,
        "the blob file does not end as one does; it was cut or never finished",
      );
    }
  }
  if (crc32(bytes, seedAt(seed, offset), 0, 16) !== readU32(bytes, 16)) {
    throw new CorruptionError(file, offset, "the checksum of the footer does not match");
  }
  const reader = new ByteReader(bytes);
  try {
    const footer = { count: reader.u64(), bytes: reader.u64() };
    if (footer.bytes !== offset - BLOB_RECORDS_AT) throw new DecodeError("the records do not meet the footer", 0);
    return footer;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new CorruptionError(file, offset, error.message);
  }
}
