/**
 * Compression of blocks. Zstandard as the three runtimes have it built in; the same input may compress to different bytes
 * in different runtimes, so nothing may depend on the compressed bytes being equal.
 *
 * @module
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { DecodeError, EMPTY_BYTES } from "./bytes.ts";
import { packerOf, SPARE_BYTES, unpackSync } from "./zstd_sync.ts";

/** Stored as it is. */
export const CODEC_NONE = 0;

/** Stored as one Zstandard frame. */
export const CODEC_ZSTD = 1;

/** Level 1: blocks are compressed while others wait, and higher levels cost more time than their few percent save. */
export const LEVEL_DEFAULT = 1;

const packer = packerOf(LEVEL_DEFAULT);

/** Longer output grows as it comes: a length is not believed about its memory. */
const ROOM_BYTES_MAX = 2 ** 20;

/** One Zstandard frame that holds `bytes`; `level` from 1 (fastest) to 19 (smallest). */
export function compressSync(bytes: Uint8Array, level: number = LEVEL_DEFAULT): Uint8Array {
  return plain(zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: level } }));
}

/** As `compressSync`, in memory that the next call may use again. */
export function packSync(bytes: Uint8Array): Uint8Array {
  return packer.pack(bytes) ?? compressSync(bytes);
}

/**
 * What `compressSync` was given, which must be exactly `rawLength` bytes: never more memory is taken than that, whatever
 * the input says. Throws `DecodeError` when it is not Zstandard or of another length. It may be a view of `room`, where that is
 * given and long enough.
 */
export function decompressSync(bytes: Uint8Array, rawLength: number, room?: Uint8Array): Uint8Array {
  if (rawLength === 0 && bytes.length === 0) return EMPTY_BYTES;
  let raw = unpackSync(bytes, rawLength, room);
  if (raw !== undefined) return raw;
  try {
    raw = plain(zstdDecompressSync(bytes, {
      maxOutputLength: Math.max(1, rawLength),
      // With a little to spare the end of the frame shows at once.
      chunkSize: Math.min(rawLength, ROOM_BYTES_MAX) + SPARE_BYTES,
    }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DecodeError(`not ${rawLength} bytes in Zstandard (${reason})`, 0);
  }
  if (raw.length !== rawLength) throw new DecodeError(`decompressed to ${raw.length} bytes, not ${rawLength}`, 0);
  // Node takes short output from a pool, of which one cached block would keep 64 KiB alive and count for 16.
  return raw.buffer.byteLength <= rawLength + SPARE_BYTES ? raw : raw.slice();
}

/** The same bytes as a plain array: a Node `Buffer` has a `slice` that shares, which callers must not meet. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
