/**
 * Frames: how records stand in log segments and manifests, one behind the other from byte 64 on.
 *
 * ```
 * offset 0            4             8         12       13      16
 *        | headerCrc | payloadCrc  | length  | type   | zeros | payload, `length` bytes
 *          u32         u32           u32       u8       3 B
 * type := 1 whole record | 2 its first part | 3 a middle part | 4 its last part | 5 footer
 * ```
 *
 * 1. Both checksums start from `seedAt(seed, offset of the frame in the file)`: a frame counts only in its own file, at
 *    its own place. `headerCrc` covers bytes 4-15, so the length is believed before it is used.
 * 2. `length` is 1 to 1 MiB: zeros never pass for a frame, whatever their checksum.
 * 3. A record longer than that is split into 2 3* 4, each part but the last 1 MiB long.
 * 4. The footer is the last frame of a finished file. Its payload is a u64: the offset it stands at itself.
 *
 * Example: the record "hi" at byte 64 of a file with seed 0 (a real one has its header's, see `identity.ts`):
 *
 * ```
 * 62 4e e4 ef  85 57 7a e4  02 00 00 00  01 00 00 00  68 69
 * headerCrc    payloadCrc   length 2     whole        "hi"
 * ```
 *
 * @module
 */
import { type ByteWriter, copyRange, EMPTY_BYTES, writeU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { seedAt } from "../identity.ts";

/** How many bytes stand before a frame's payload. */
export const FRAME_HEADER_BYTES = 16;

/**
 * The longest payload of one frame. Not larger: a reader holds one frame, and a damaged one costs at most this much to
 * find out about. Not smaller: 16 bytes in each MiB cost nothing, and nearly every record stays whole.
 */
export const FRAME_BYTES_MAX: number = 2 ** 20;

/**
 * The longest record. Not smaller: the largest value (256 MiB) with the longest key under 64 tags takes 261 MiB, and a
 * commit may hold more than one. Not larger: writer and reader hold a record as a whole.
 */
export const RECORD_BYTES_MAX: number = 512 * 2 ** 20;

/** How long the footer is. */
export const FOOTER_BYTES: number = FRAME_HEADER_BYTES + 8;

/** The frame holds a whole record. */
export const FRAME_WHOLE = 1;
/** The frame holds the first part of a record. */
export const FRAME_FIRST = 2;
/** The frame holds a part between the first and the last. */
export const FRAME_MIDDLE = 3;
/** The frame holds the last part of a record. */
export const FRAME_LAST = 4;
/** The frame ends the file. */
export const FRAME_FOOTER = 5;

/** How many bytes of file a record of this length takes. */
export function recordSize(length: number): number {
  return length + FRAME_HEADER_BYTES * Math.ceil(length / FRAME_BYTES_MAX);
}

/**
 * Appends the frames of one record, which is `head` and `body` in a row; the next byte appended to `out` is to land at
 * `fileOffset` of the file.
 */
export function writeRecord(
  out: ByteWriter,
  seed: number,
  fileOffset: number,
  head: Uint8Array,
  body: Uint8Array = EMPTY_BYTES,
): void {
  const length = head.length + body.length;
  if (length === 0) throw new RangeError("a record must not be empty: zeros would pass for it");
  if (length > RECORD_BYTES_MAX) throw new RangeError(`a record of ${length} bytes is above ${RECORD_BYTES_MAX}`);
  out.reserve(recordSize(length));
  for (let start = 0; start < length; start += FRAME_BYTES_MAX) {
    const end = Math.min(length, start + FRAME_BYTES_MAX);
    writeFrame(out, seedAt(seed, fileOffset), frameType(start, end, length), head, body, start, end);
    fileOffset += FRAME_HEADER_BYTES + FRAME_BYTES_MAX;
  }
}

/** Appends the footer; it is to land at `fileOffset` of the file. */
export function writeFooter(out: ByteWriter, seed: number, fileOffset: number): void {
  const payload = new Uint8Array(8);
  writeU32(payload, 0, fileOffset >>> 0);
  writeU32(payload, 4, Math.floor(fileOffset / 2 ** 32));
  out.reserve(FOOTER_BYTES);
  writeFrame(out, seedAt(seed, fileOffset), FRAME_FOOTER, payload, EMPTY_BYTES, 0, payload.length);
}

/** The type of the frame that holds `[start, end)` of a record. */
function frameType(start: number, end: number, length: number): number {
  if (start > 0) return end < length ? FRAME_MIDDLE : FRAME_LAST;
  return end < length ? FRAME_FIRST : FRAME_WHOLE;
}

/** Appends a frame of `[start, end)` of `head` and `body` in a row; there is room for it. */
function writeFrame(
  out: ByteWriter,
  base: number,
  type: number,
  head: Uint8Array,
  body: Uint8Array,
  start: number,
  end: number,
): void {
  const { buffer, length: at } = out;
  const from = at + FRAME_HEADER_BYTES;
  // The checksums are of the bytes where they end up: what is long is passed over twice, not three times.
  const before = head.length;
  copyRange(head, Math.min(start, before), Math.min(end, before), buffer, from);
  copyRange(body, Math.max(start - before, 0), Math.max(end - before, 0), buffer, from + Math.max(before - start, 0));
  out.length = from + end - start;
  writeU32(buffer, at + 4, crc32(buffer, base, from, out.length));
  writeU32(buffer, at + 8, end - start);
  writeU32(buffer, at + 12, type);
  writeU32(buffer, at, crc32(buffer, base, at + 4, from));
}
