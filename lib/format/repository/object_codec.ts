/**
 * The plain payload of a chunk (`object.ts`).
 *
 * ```
 * payload := 00 | the raw bytes
 *          | 01 | one zstd frame or gzip member of the raw bytes
 * ```
 *
 * Compressed only where that saves at least 5 %: less is not worth the time of every reader. A chunk is compressed on its
 * own, so that chunks can be packed and unpacked side by side, and a reader needs no memory but theirs.
 *
 * Probed: Node and Bun run zlib in a pool of threads. Deno runs it on the main thread, so callers let the event loop have
 * its turn between chunks; and in Deno an asynchronous zstd unpacker that meets damage ends the process, a synchronous
 * one throws. Only Node notices a zstd frame that ends early: so lengths are compared by the caller in all of them.
 *
 * Example: the payload of "hi" is `00 68 69`.
 *
 * @module
 */
import { constants, gunzip, gzip, zstdCompress, zstdDecompress, zstdDecompressSync } from "node:zlib";
import { ByteWriter } from "../../base/bytes.ts";
import { CHUNK_BYTES_MAX, damagedObject, type ObjectCompression } from "./object_header.ts";

const STORED = 0;
const COMPRESSED = 1;

/** What compression must leave away, or it is not used. */
const SAVING_MIN = 0.05;

/** Level 3 of zstd and 6 of gzip: the usual ones, where more time no longer gains much. */
const ZSTD_LEVEL = 3;
const GZIP_LEVEL = 6;

/** No frame may ask for a window above the longest chunk: a few bytes could claim gigabytes. */
const WINDOW_LOG_MAX = Math.log2(CHUNK_BYTES_MAX);

/** From this level on zstd's window would be larger than that. */
const LEVEL_OF_LARGE_WINDOWS = 16;

const zstdUnpack = "Deno" in globalThis ? unpackInPlace : unpackInPool;

/** An empty chunk with room for `count` raw bytes behind its kind, so that what is stored as it is needs no copy. */
export function newChunk(count: number): ByteWriter {
  const chunk = new ByteWriter(1 + count);
  chunk.u8(STORED);
  return chunk;
}

/** The payload of a chunk that was filled from `newChunk`. */
export async function packChunk(
  chunk: Uint8Array,
  compression: ObjectCompression,
  level?: number,
): Promise<Uint8Array> {
  const raw = chunk.subarray(1);
  if (compression === "none" || raw.length === 0) return chunk;
  const packed = await compress(raw, compression, level);
  if (packed.length > raw.length * (1 - SAVING_MIN)) return chunk;
  const out = new Uint8Array(1 + packed.length);
  out[0] = COMPRESSED;
  out.set(packed, 1);
  return out;
}

/** The raw bytes of a chunk, at most `most`. Throws `IntegrityError` naming the object. */
export async function unpackChunk(
  payload: Uint8Array,
  compression: ObjectCompression,
  most: number,
  name: string,
): Promise<Uint8Array> {
  const kind = payload[0];
  const body = payload.subarray(1);
  if (kind === STORED) return body;
  if (kind !== COMPRESSED || compression === "none") throw damagedObject(name, `a chunk of the unknown kind ${kind}`);
  try {
    return plain(await (compression === "zstd" ? zstdUnpack(body, most) : gzipUnpack(body, most)));
  } catch (cause) {
    throw damagedObject(name, `a chunk does not unpack (${cause instanceof Error ? cause.message : cause})`, cause);
  }
}

async function compress(raw: Uint8Array, compression: "zstd" | "gzip", level?: number): Promise<Uint8Array> {
  if (compression === "gzip") {
    return await called((done) => gzip(raw, { level: level ?? GZIP_LEVEL }, done));
  }
  const params: Record<number, number> = { [constants.ZSTD_c_compressionLevel]: level ?? ZSTD_LEVEL };
  if ((level ?? ZSTD_LEVEL) >= LEVEL_OF_LARGE_WINDOWS) params[constants.ZSTD_c_windowLog] = WINDOW_LOG_MAX;
  return await called((done) => zstdCompress(raw, { params }, done));
}

function gzipUnpack(body: Uint8Array, most: number): Promise<Uint8Array> {
  return called((done) => gunzip(body, { maxOutputLength: Math.max(1, most) }, done));
}

function unpackInPool(body: Uint8Array, most: number): Promise<Uint8Array> {
  return called((done) => zstdDecompress(body, unpacking(most), done));
}

async function unpackInPlace(body: Uint8Array, most: number): Promise<Uint8Array> {
  return zstdDecompressSync(body, unpacking(most));
}

function unpacking(most: number): { params: Record<number, number>; maxOutputLength: number } {
  return { params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX }, maxOutputLength: Math.max(1, most) };
}

function called(start: (done: (error: Error | null, result: Uint8Array) => void) => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    start((error, result) => error ? reject(error) : resolve(result));
  });
}

/** A Node `Buffer` has a `slice` that shares, which callers must not meet. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
