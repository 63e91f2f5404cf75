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
 * ends the process when its streaming unpacker meets damage. So frames are found here, block by block. One that states a
 * small size, as our own of 1 MiB do, is unpacked in one call that may not give more. Other programs write one frame as long
 * as the file, and few bytes may unpack to gigabytes: these go through the streaming unpacker, where that is sound; in Deno
 * they are unpacked in one call up to a limit, and refused above.
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
/** A frame that states at most so much is unpacked in one call: eight of ours, and little memory. */
const CALL_BYTES_MAX = 8 * 2 ** 20;
/** A frame without a small size, where only calls are sound: packed, it is held in memory up to this ... */
const LONG_PACKED_MAX = 32 * 2 ** 20;
/** ... and may unpack to this. */
const LONG_BYTES_MAX = 256 * 2 ** 20;
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
      const head = await readHead(reader, source);
      if (head === undefined) return;
      const frame = frameBytes(reader, head, source);
      if (head.window > 2 ** WINDOW_LOG_MAX) throw tooWide(source, head.window);
      if (head.isSkippable) {
        for await (const _ of frame) { /* It holds nothing of the text. */ }
      } else if (head.size <= CALL_BYTES_MAX) {
        // A block of no bytes takes three: a frame that is mostly such blocks is no one's.
        const packed = await whole(frame, 2 * CALL_BYTES_MAX);
        if (packed === undefined) throw damaged(source, "a frame far longer than what it holds");
        yield* stated(inSmallPieces(unpackFrame(packed, head.size, source)), head, source);
      } else if ("Deno" in globalThis) {
        const packed = await whole(frame, LONG_PACKED_MAX);
        if (packed === undefined) throw tooLong(source, `above ${LONG_PACKED_MAX} bytes`);
        yield* stated(inSmallPieces(unpackFrame(packed, LONG_BYTES_MAX, source)), head, source);
      } else {
        const unpacker = createZstdDecompress({ params: PARAMS });
        const text = through(frame, unpacker, (cause) => damaged(source, cause.message, cause));
        yield* stated(text, head, source);
      }
      // A piece of the file may hold hundreds of frames: the event loop must have its turn between them.
      await yieldToLoop();
    }
  } finally {
    await reader.close();
  }
}

const PARAMS = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX };

/** Passes text on that must be as long as its frame states, where it does. */
async function* stated(
  text: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { size }: FrameHead,
  source: string,
): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const piece of text) {
    length += piece.length;
    if (length > size) break;
    yield piece;
  }
  if (length === size || size === Infinity) return;
  throw damaged(source, `a frame of ${length > size ? "more" : "fewer"} than the ${size} bytes that it states`);
}

function unpackFrame(frame: Uint8Array, most: number, source: string): Uint8Array {
  try {
    return zstdDecompressSync(frame, { params: PARAMS, maxOutputLength: Math.max(1, most) });
  } catch (cause) {
    if (most === LONG_BYTES_MAX && (cause as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLong(source, `that unpacks to more than ${LONG_BYTES_MAX} bytes`);
    }
    throw damaged(source, (cause as Error).message, cause);
  }
}

function tooWide(source: string, window: number): UnsupportedFormatError {
  return new UnsupportedFormatError(
    `Cannot unpack ${source}: its zstd frame needs a window of ${window} bytes, above the ${
      2 ** WINDOW_LOG_MAX
    } that are ` +
      "allowed; pack it anew without --long or --ultra",
    `a zstd window of ${window} bytes`,
    `windows up to ${2 ** WINDOW_LOG_MAX} bytes`,
    { path: source },
  );
}

function tooLong(source: string, how: string): UnsupportedFormatError {
  return new UnsupportedFormatError(
    `Cannot unpack ${source}: Deno's zstd takes no single frame ${how} safely; unpack it with the zstd program first, ` +
      "or run in Node or Bun",
    `a zstd frame ${how}`,
    `frames of ${LONG_PACKED_MAX} bytes that unpack to ${LONG_BYTES_MAX}`,
    { path: source },
  );
}

/** All pieces in one, or undefined when they are more than `most` bytes. */
async function whole(pieces: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array | undefined> {
  const out = new ByteWriter(64 * 2 ** 10);
  for await (const piece of pieces) {
    if (out.length + piece.length > most) return undefined;
    out.bytes(piece);
  }
  return out.view();
}

function* inSmallPieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

/** What the beginning of a frame says. */
interface FrameHead {
  /** Its bytes. */
  bytes: Uint8Array;
  /** Whether it is a skippable frame, whose `size` is what follows as it is. */
  isSkippable: boolean;
  /** How much it states to hold; Infinity when it doesn't say. */
  size: number;
  /** How much text before a place must be kept to unpack what comes there. */
  window: number;
  /** Whether a checksum follows its blocks. */
  hasChecksum: boolean;
}

/** The beginning of the next frame; undefined at the end of the file. */
async function readHead(reader: PieceReader, source: string): Promise<FrameHead | undefined> {
  const take = taker(reader, source);
  const magic = (await reader.exactly(4)).slice();
  if (magic.length === 0) return undefined;
  if (magic.length < 4) throw damaged(source, "it ends early");
  const found = readU32(magic, 0);
  if ((found & 0xfffffff0) >>> 0 === 0x184d2a50) {
    const length = await take(4);
    const bytes = concatBytes(magic, length);
    return { bytes, isSkippable: true, size: readU32(length, 0), window: 0, hasChecksum: false };
  }
  if (found !== MAGIC) throw damaged(source, "there is no zstd frame");
  const descriptor = (await take(1)).slice();
  const flags = descriptor[0]!;
  const isSingle = (flags & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
  const rest = (await take((isSingle ? 0 : 1) + [0, 1, 2, 4][flags & 3]! + sizeBytes)).slice();
  let size = sizeBytes === 0 ? Infinity : sizeBytes === 2 ? 256 : 0;
  for (let i = 0; i < sizeBytes; i++) size += rest[rest.length - sizeBytes + i]! * 2 ** (8 * i);
  const window = isSingle ? size : 2 ** (10 + (rest[0]! >> 3)) * (1 + (rest[0]! & 7) / 8);
  const bytes = concatBytes(magic, descriptor, rest);
  return { bytes, isSkippable: false, size, window, hasChecksum: (flags & 4) !== 0 };
}

/** The bytes of a frame, found by its lengths. */
async function* frameBytes(reader: PieceReader, head: FrameHead, source: string): AsyncGenerator<Uint8Array> {
  const take = taker(reader, source);
  yield head.bytes;
  if (head.isSkippable) return yield* exactly(reader, head.size, take);
  for (let last = false; !last;) {
    const header = await take(3);
    yield header;
    const word = header[0]! | (header[1]! << 8) | (header[2]! << 16);
    last = (word & 1) === 1;
    const type = (word >> 1) & 3;
    if (type === 3) throw damaged(source, "a block of an unknown type");
    yield* exactly(reader, type === 1 ? 1 : word >> 3, take);
  }
  if (head.hasChecksum) yield await take(4);
}

/** Takes exactly so many bytes. */
function taker(reader: PieceReader, source: string): (count: number) => Promise<Uint8Array> {
  return async (count) => {
    const bytes = await reader.exactly(count);
    if (bytes.length < count) throw damaged(source, "it ends early");
    return bytes;
  };
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
