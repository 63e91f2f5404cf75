/**
 * A stored block: the unit in which a table is written, read and checked.
 *
 * ```
 * stored block := payload | codec u8 | raw length u32 | crc u32
 * ```
 *
 * `payload` is the raw block as it is (codec 0) or compressed (codec 1, zstd; see `base/codec.ts`). The CRC covers
 * payload, codec and raw length and starts from the file's seed at the block's own offset (`seedAt`), so that
 *
 * 1. a block read from the wrong place or from another file fails its check, though its bytes are undamaged;
 * 2. zeros never pass for a block: it holds at least one byte, and its CRC is not that of zeros.
 *
 * Example: the raw block `68 69` stored at offset 64 of a file with seed 0 is `68 69 | 00 | 02 00 00 00 | 01 ec 83 20`.
 *
 * @module
 */
import { type ByteWriter, DecodeError, readU32, writeU32 } from "../../base/bytes.ts";
import { crc32, crc32Byte } from "../../base/checksum.ts";
import { CODEC_NONE, CODEC_ZSTD, decompressSync } from "../../base/codec.ts";
import { CorruptionError } from "../../base/errors.ts";
import { seedAt } from "../identity.ts";

/** Codec, raw length and CRC behind each payload. */
export const BLOCK_TRAILER_BYTES = 9;

/**
 * No raw block is longer: a value of 256 MiB with its key fits. A damaged length above it is refused before memory is
 * taken; the writer refuses what would not fit.
 */
export const BLOCK_RAW_BYTES_MAX: number = 272 * 2 ** 20;

/** The trailer of a block whose payload is stored at `offset`. */
export function blockTrailer(
  payload: Uint8Array,
  codec: number,
  rawLength: number,
  seed: number,
  offset: number,
): Uint8Array {
  const trailer = new Uint8Array(BLOCK_TRAILER_BYTES);
  trailer[0] = codec;
  writeU32(trailer, 1, rawLength);
  writeU32(trailer, 5, crc32(trailer, crc32(payload, seedAt(seed, offset)), 0, 5));
  return trailer;
}

/** Appends a stored block that begins at `offset` of its file; returns its stored length. */
export function writeBlock(
  out: ByteWriter,
  payload: Uint8Array,
  codec: number,
  rawLength: number,
  seed: number,
  offset: number,
): number {
  out.bytes(payload);
  out.bytes(blockTrailer(payload, codec, rawLength, seed, offset));
  return payload.length + BLOCK_TRAILER_BYTES;
}

/** Checks a stored block; `offset` is where it lies in `file`. Throws `CorruptionError`. */
export function checkBlock(stored: Uint8Array, seed: number, file: string, offset: number): void {
  const end = stored.length - BLOCK_TRAILER_BYTES;
  if (end < 1) throw new CorruptionError(file, offset, `a block of ${stored.length} bytes is too short`);
  if (crc32(stored, seedAt(seed, offset), 0, end + 5) !== readU32(stored, end + 5)) {
    throw new CorruptionError(file, offset, "the checksum of the block does not match");
  }
}

/**
 * The raw bytes of a stored block that was checked: a view of `stored`, or when it was compressed a view of `room`, or where
 * that is not given or too short memory of its own. `offset` is where the block lies in `file`. Throws `CorruptionError`.
 */
export function unpackBlock(stored: Uint8Array, file: string, offset: number, room?: Uint8Array): Uint8Array {
  const end = stored.length - BLOCK_TRAILER_BYTES;
  const codec = stored[end]!;
  const rawLength = readU32(stored, end + 1);
  if (rawLength < 1 || rawLength > BLOCK_RAW_BYTES_MAX) {
    throw new CorruptionError(file, offset, `a block cannot be ${rawLength} bytes long`);
  }
  if (codec === CODEC_NONE) {
    if (rawLength !== end) throw new CorruptionError(file, offset, "the length of the block does not match");
    return stored.subarray(0, end);
  }
  if (codec !== CODEC_ZSTD) throw new CorruptionError(file, offset, `the block has an unknown codec ${codec}`);
  try {
    return decompressSync(stored.subarray(0, end), rawLength, room);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new CorruptionError(file, offset, `the block cannot be decompressed: ${error.message}`, { cause: error });
  }
}

/** Checks a stored block and gives its raw bytes: a view of `stored`, or when it was compressed memory of their own. */
export function openBlock(stored: Uint8Array, seed: number, file: string, offset: number): Uint8Array {
  checkBlock(stored, seed, file, offset);
  return unpackBlock(stored, file, offset);
}

/**
 * How long the stored block is that begins with `bytes` at `offset` of its file; 0 when none ends within them. For files
 * whose index is lost: one pass, in which every place is tried as the block's end. That a wrong one passes takes a checksum
 * that is right by chance beside a codec and a length that make sense.
 */
export function findBlock(bytes: Uint8Array, seed: number, offset: number): number {
  let crc = seedAt(seed, offset);
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (at > 5 && crc === readU32(bytes, at)) {
      const codec = bytes[at - 5]!;
      const rawLength = readU32(bytes, at - 4);
      const plausible = codec === CODEC_NONE ? rawLength === at - 5 : codec === CODEC_ZSTD;
      if (plausible && rawLength >= 1 && rawLength <= BLOCK_RAW_BYTES_MAX) return at + 4;
    }
    crc = crc32Byte(crc, bytes[at]!);
  }
  return 0;
}
