/**
 * Zstandard frames of pieces of memory, one each, by compressors that are used again.
 *
 * `zlib.zstdCompress` makes a compressor and fresh memory for each call, which costs more than the compressing. A stream
 * whose every write ends a frame keeps both. Probed: it does so in Node and Bun, and states the length in the frame, as it
 * is given all there is at once. Deno, which now and then puts an empty frame behind the one asked for, makes each by a
 * call. What of a stream is not one whole frame is noticed here and not by whoever reads it: its blocks must lead exactly
 * to its end.
 *
 * @module
 */
import { nextTick } from "node:process";
import { constants, createZstdCompress, type ZstdCompress, zstdCompress } from "node:zlib";
import { Fifo } from "./fifo.ts";

/**
 * What a compressor writes at a time. Room for the longest frame of a mebibyte: then zstd reads what it is given where it
 * stands, and otherwise copies it first.
 */
const PIECE_BYTES = 2 ** 20 + 2 ** 16;

/** Most of what shrinks at all shrinks to this. */
const USUAL_RATIO = 0.6;

/** From this level on a compressor's memory is too much to be kept for later, tens of megabytes. */
const LEVEL_TO_DROP = 10;

/** Compressors at work at a time, and kept while nobody needs them: as many as the pool has threads. */
const COMPRESSORS_MAX = 4;

const idle: Compressor[] = [];
const waiting = new Fifo<() => void>();
let atWork = 0;

/**
 * What `take` makes of the frame of `raw`, which must not change meanwhile. `take` gets it in pieces, which are used up when
 * it returns. `params`: zstd's own, by the numbers that `zlib.constants` has for them.
 */
export async function zstdFrame<T>(
  raw: Uint8Array,
  params: Readonly<Record<number, number>>,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  if ("Deno" in globalThis) return take(await frameByCall(raw, params));
  if (atWork === COMPRESSORS_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
  else atWork++;
  try {
    return await frameByStream(raw, params, take);
  } finally {
    // Whoever waits goes on in this one's place.
    const next = waiting.shift();
    if (next === undefined) atWork--;
    else next();
  }
}

async function frameByStream<T>(
  raw: Uint8Array,
  params: Readonly<Record<number, number>>,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  const key = JSON.stringify(params);
  const at = idle.findIndex((one) => one.key === key);
  const compressor = at === -1 ? new Compressor(key, params) : idle.splice(at, 1)[0]!;
  let taken: T;
  try {
    const frame = await compressor.frame(raw);
    if (!isFrame(frame, raw.length)) {
      // Whatever is left in it must not get into the next one.
      compressor.close();
      return take(await frameByCall(raw, params));
    }
    taken = take(frame);
  } catch (error) {
    compressor.close();
    throw error;
  }
  if ((params[constants.ZSTD_c_compressionLevel] ?? 0) >= LEVEL_TO_DROP) compressor.close();
  else idle.unshift(compressor);
  // The last ones were not used for longest.
  for (const one of idle.splice(COMPRESSORS_MAX)) one.close();
  return taken;
}

async function frameByCall(raw: Uint8Array, params: Readonly<Record<number, number>>): Promise<Uint8Array[]> {
  const packed = await new Promise<Uint8Array>((resolve, reject) => {
    const done = (error: Error | null, result: Uint8Array): void => error === null ? resolve(result) : reject(error);
    zstdCompress(raw, { params: { ...params }, chunkSize: Math.max(64, Math.ceil(USUAL_RATIO * raw.length)) }, done);
  });
  return [packed];
}

class Compressor {
  /** What it was made with. */
  readonly key: string;
  /** Node and Bun keep in `_outOffset` how much of their piece of output is handed out. */
  readonly #stream: ZstdCompress & { _outOffset?: number };
  #pieces: Uint8Array[] = [];
  #failed: (error: unknown) => void = () => {};

  constructor(key: string, params: Readonly<Record<number, number>>) {
    this.key = key;
    this.#stream = createZstdCompress({ params: { ...params }, chunkSize: PIECE_BYTES, flush: constants.ZSTD_e_end });
    this.#stream.on("data", (piece: Uint8Array) => this.#pieces.push(piece));
    this.#stream.on("error", (error) => this.#failed(error));
  }

  async frame(raw: Uint8Array): Promise<Uint8Array[]> {
    this.#pieces = [];
    // All that was handed out is used up: the same memory again, instead of fresh memory, whose first touch takes longer
    // than the compressing. A stream that has no such number makes fresh memory.
    if (this.#stream._outOffset !== undefined) this.#stream._outOffset = 0;
    await new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      this.#stream.write(raw, (error) => error ? reject(error) : resolve());
    });
    // Whatever a stream holds back for its reader belongs to this frame.
    while (this.#stream.readableLength > 0) await new Promise<void>((resolve) => nextTick(resolve));
    return this.#pieces;
  }

  close(): void {
    this.#stream.destroy();
  }
}

const MAGIC = 0xfd2fb528;

/** Whether the pieces are one whole frame (RFC 8878), of `length` raw bytes where it states that. */
export function isFrame(pieces: readonly Uint8Array[], length: number): boolean {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  /** The number of `count` bytes at `at`, or NaN where the frame ends before. */
  const number = (at: number, count: number): number => {
    if (at + count > total) return NaN;
    let value = 0;
    for (let i = count - 1; i >= 0; i--) value = value * 256 + byteAt(pieces, at + i);
    return value;
  };
  const descriptor = number(4, 1);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const sizeAt = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const size = number(sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
  let at = sizeAt + sizeBytes;
  for (let last = false; !last;) {
    const block = number(at, 3);
    // NaN, too, ends it: then `at` is NaN.
    last = (block & 1) === 1 || Number.isNaN(block);
    const isRepeated = ((block >> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : Math.floor(block / 8));
  }
  if ((descriptor & 4) !== 0) at += 4;
  return number(0, 4) === MAGIC && at === total && (sizeBytes === 0 || size === length);
}

function byteAt(pieces: readonly Uint8Array[], at: number): number {
  for (const piece of pieces) {
    if (at < piece.length) return piece[at]!;
    at -= piece.length;
  }
  return NaN;
}
