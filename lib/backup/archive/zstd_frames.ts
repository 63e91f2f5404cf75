/**
 * Zstandard files as a row of small independent frames (RFC 8878), so that packing and unpacking need the memory of one
 * frame and an early end is noticed in every runtime.
 *
 * ```
 * frame := magic 28 b5 2f fd | descriptor u8 | [window u8] | [dictionary id 0/1/2/4] | [content size 0/1/2/4/8]
 *          | blocks | [checksum u32]
 * block := header u24: bit 0 last, bits 1-2 type (0 raw, 1 repeated byte, 2 compressed), the rest size | its bytes
 * skippable frame := magic 50..5f 2a 4d 18 | length u32 | bytes
 * ```
 *
 * Probed: of the three runtimes only Node reports a zstd file that ends early, only Node unpacks a second frame, and Deno
 * ends the process when its streaming unpacker meets damage. So frames are found here, block by block, and each is unpacked
 * in one call; our own hold 1 MiB of text. Other programs write one frame as long as the file: those above
 * `FRAME_BYTES_MAX` go through the streaming unpacker where that is sound, and are refused in Deno.
 *
 * Example: `28 b5 2f fd 20 01 09 00 00 61` is the frame of "a": descriptor 20 (content size in one byte), size 1, one last
 * raw block of 1 byte (header 000009).
 *
 * @module
 */
import { constants, createZstdDecompress, zstdDecompressSync } from "node:zlib";
import { ByteWriter, concatBytes, readU32 } from "../../base/bytes.ts";
import { IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { zstdFrame } from "../../base/zstd_frame.ts";
import { PIECE_BYTES, PieceReader } from "./streams.ts";
import { through } from "./through.ts";

/** Text per frame: larger ones compress a few percent better but take longer than the event loop should wait. */
const TEXT_BYTES = 2 ** 20;
/** A packed frame up to this is held in memory. */
const FRAME_BYTES_MAX = 32 * 2 ** 20;
/** What one such frame may expand to; more is an attack, or goes through the streaming unpacker. */
const EXPANDED_BYTES_MAX = 256 * 2 ** 20;
/** A larger window would let a small file claim gigabytes of memory; `zstd` itself refuses it by default. */
const WINDOW_LOG_MAX = 27;
const MAGIC = 0xfd2fb528;

/** The pieces as frames of 1 MiB each. */
export async function* packZstd(pieces: AsyncIterable<Uint8Array>, level?: number): AsyncGenerator<Uint8Array> {
  const text = new ByteWriter(TEXT_BYTES);
  let empty = true;
  for await (let piece of pieces) {
    while (piece.length > 0) {
      const part = piece.subarray(0, TEXT_BYTES - text.length);
      text.bytes(part);
      piece = piece.subarray(part.length);
      if (text.length < TEXT_BYTES) continue;
      yield await packFrame(text.view(), level);
      empty = false;
      text.reset();
    }
  }
  if (empty || text.length > 0) yield await packFrame(text.view(), level);
}

function packFrame(text: Uint8Array, level: number | undefined): Promise<Uint8Array> {
  const params: Record<number, number> = { [constants.ZSTD_c_checksumFlag]: 1 };
  if (level !== undefined) params[constants.ZSTD_c_compressionLevel] = level;
  return zstdFrame(text, params, (pieces) => concatBytes(...pieces));
}

/** The pieces unpacked; `source` names the file in errors. */
export async function* unpackZstd(pieces: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<Uint8Array> {
  const reader = new PieceReader(pieces);
  try {
    for (;;) {
      const walker = frameBytes(reader, source);
      const frame = new ByteWriter(64 * 2 ** 10);
      let long = false;
      for (let step = await walker.next(); !step.done; step = await walker.next()) {
        frame.bytes(step.value);
        if (frame.length <= FRAME_BYTES_MAX) continue;
        long = true;
        yield* unpackLong(frame.take(), walker, source);
        break;
      }
      if (frame.length === 0) return;
      if (long) continue;
      yield* inSmallPieces(unpackFrame(frame.view(), source));
      // A piece of the file may hold hundreds of frames: the event loop must have its turn between them.
      await yieldToLoop();
    }
  } finally {
    await reader.close();
  }
}

function unpackFrame(frame: Uint8Array, source: string): Uint8Array {
  if (readU32(frame, 0) !== MAGIC) return new Uint8Array(0); // A skippable frame.
  try {
    const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
    return zstdDecompressSync(frame, { params, maxOutputLength: EXPANDED_BYTES_MAX });
  } catch (cause) {
    throw damaged(source, (cause as Error).message, cause);
  }
}

/** A frame longer than memory should hold. */
async function* unpackLong(
  head: Uint8Array,
  rest: AsyncGenerator<Uint8Array>,
  source: string,
): AsyncGenerator<Uint8Array> {
  if ("Deno" in globalThis) {
    throw new UnsupportedFormatError(
      `Cannot unpack ${source}: Deno's zstd takes no single frame above ${FRAME_BYTES_MAX} bytes safely; ` +
        "unpack it with the zstd program first, or run in Node or Bun",
      "a long zstd frame",
      `frames up to ${FRAME_BYTES_MAX} bytes`,
      { path: source },
    );
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* inSmallPieces(head);
    yield* rest;
  }
  const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };
  yield* through(whole(), createZstdDecompress({ params }), (cause) => damaged(source, cause.message, cause));
}

function* inSmallPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** The bytes of the next frame, found by its lengths; nothing at the end of the file. */
async function* frameBytes(reader: PieceReader, source: string): AsyncGenerator<Uint8Array> {
  const take = async (count: number): Promise<Uint8Array> => {
    const bytes = await reader.exactly(count);
    if (bytes.length < count) throw damaged(source, "it ends early");
    return bytes;
  };
  const magic = await reader.exactly(4);
  if (magic.length === 0) return;
  if (magic.length < 4) throw damaged(source, "it ends early");
  yield magic;
  const found = readU32(magic, 0);
  if ((found & 0xfffffff0) >>> 0 === 0x184d2a50) {
    const length = await take(4);
    yield length;
    yield* exactly(reader, readU32(length, 0), take);
    return;
  }
  if (found !== MAGIC) throw damaged(source, "there is no zstd frame");
  const descriptor = await take(1);
  yield descriptor;
  const flags = descriptor[0]!;
  const single = (flags >> 5) & 1;
  const sizeBytes = [single, 2, 4, 8][flags >> 6]!;
  yield await take((1 - single) + [0, 1, 2, 4][flags & 3]! + sizeBytes);
  for (let last = false; !last;) {
    const header = await take(3);
    yield header;
    const word = header[0]! | (header[1]! << 8) | (header[2]! << 16);
    last = (word & 1) === 1;
    const type = (word >> 1) & 3;
    if (type === 3) throw damaged(source, "a block of an unknown type");
    yield* exactly(reader, type === 1 ? 1 : word >> 3, take);
  }
  if (flags & 4) yield await take(4);
}

async function* exactly(
  reader: PieceReader,
  count: number,
  take: (count: number) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let left = count; left > 0;) {
    const piece = await reader.some(Math.min(left, PIECE_BYTES)) ?? await take(1);
    left -= piece.length;
    yield piece;
  }
}

function damaged(source: string, what: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `Cannot unpack ${source}: ${what}; the file is damaged or ends early, take another copy of it`,
    { path: source, cause },
  );
}
