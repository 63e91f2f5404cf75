/**
 * Zstandard frames of pieces of memory, one each, and back, by streams that are used again.
 *
 * `zlib.zstdCompress` and `zstdDecompress` make a stream and fresh memory for each call, which costs more than the work
 * itself. Streams that are kept save both. Probed in Node and Bun: with `flush: ZSTD_e_end` each write makes one frame, with
 * the length stated in it, as it is given all there is at once; and a stream that unpacks is ready for another frame after a
 * whole one. Deno, which now and then puts an empty frame behind the one asked for, and ends the process when a stream of
 * its meets damage, does all by calls. What is not one whole frame is noticed here and not by whoever reads it: its blocks
 * must lead exactly to its end.
 *
 * @module
 */
import { nextTick } from "node:process";
import { setTimeout } from "node:timers";
import {
  constants,
  createZstdCompress,
  createZstdDecompress,
  type ZstdCompress,
  zstdCompress,
  zstdCompressSync,
  type ZstdDecompress,
  zstdDecompress,
  zstdDecompressSync,
  type ZstdOptions,
} from "node:zlib";
import { awaited } from "./awaited.ts";
import { Fifo } from "./fifo.ts";
import { offload } from "./simulation.ts";
import { isFrame } from "./zstd_format.ts";

/**
 * What a stream writes at a time. Room for the longest frame of a mebibyte: then zstd reads what it is given where it
 * stands, and otherwise copies it first.
 */
const PIECE_BYTES = 2 ** 20 + 2 ** 16;

/** Most of what shrinks at all shrinks to this ... */
export const USUAL_RATIO = 0.6;

/** ... and not to less than a fourth: what does not fit such output memory costs another piece, and a copy of all. */
export const UNPACKED_ROOM = 4;

/** From this level on a compressor's memory is too much to be kept for later, tens of megabytes. */
const LEVEL_TO_DROP = 10;

/**
 * Streams at work at a time: more than the pool has threads, so that these have something to do until the event loop comes
 * round to the results.
 */
const STREAMS_MAX = 8;

/** For so long they are kept while nobody needs them, ms: each has a mebibyte or two. */
const KEPT_MS = 5000;

/** zstd's own parameters, by the numbers that `zlib.constants` has for them. */
export type ZstdParams = Readonly<Record<number, number>>;

const usesCalls = "Deno" in globalThis;

/**
 * What `take` makes of the frame of `raw`, which must not change meanwhile. `take` gets it in pieces, which are used up when
 * it returns.
 */
export async function zstdFrame<T>(
  raw: Uint8Array,
  params: ZstdParams,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  return await offload(() => packBeside(raw, params, take), () => take([zstdCompressSync(raw, packing(raw, params))]));
}

async function packBeside<T>(
  raw: Uint8Array,
  params: ZstdParams,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  const call = async (): Promise<T> =>
    take([await awaited<Uint8Array>((done) => zstdCompress(raw, packing(raw, params), done))]);
  if (usesCalls) return await call();
  const isKept = (params[constants.ZSTD_c_compressionLevel] ?? 0) < LEVEL_TO_DROP;
  const kept = await packers.use(params, isKept, async (packer) => {
    const frame = await packer.put(raw);
    return isFrame(frame, raw.length) ? { made: take(frame) } : undefined;
  });
  return kept === undefined ? await call() : kept.made;
}

/**
 * What `take` makes of the raw bytes of `frame`, at most `most`: more is an error, as is a frame that is damaged or ends early.
 * `take` gets them in pieces, which are used up when it returns.
 */
export async function unzstdFrame<T>(
  frame: Uint8Array,
  most: number,
  params: ZstdParams,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  const unpack = (): T => take([zstdDecompressSync(frame, unpacking(frame, most, params))]);
  // In Deno an asynchronous unpacker that meets damage ends the process.
  return await offload(async () => usesCalls ? unpack() : await unpackBeside(frame, most, params, take), unpack);
}

async function unpackBeside<T>(
  frame: Uint8Array,
  most: number,
  params: ZstdParams,
  take: (pieces: readonly Uint8Array[]) => T,
): Promise<T> {
  const kept = await unpackers.use(params, true, async (unpacker) => {
    const raw = await unpacker.put(frame, most);
    const length = raw.reduce((sum, piece) => sum + piece.length, 0);
    return isFrame([frame], length) ? { made: take(raw) } : undefined;
  });
  if (kept !== undefined) return kept.made;
  return take([await awaited<Uint8Array>((done) => zstdDecompress(frame, unpacking(frame, most, params), done))]);
}

function packing(raw: Uint8Array, params: ZstdParams): ZstdOptions {
  return { params: { ...params }, chunkSize: Math.max(64, Math.ceil(USUAL_RATIO * raw.length)) };
}

function unpacking(frame: Uint8Array, most: number, params: ZstdParams): ZstdOptions {
  // One more than there may be: what is filled to its end costs another piece.
  const chunkSize = Math.max(64, Math.min(UNPACKED_ROOM * frame.length, most) + 1);
  return { params: { ...params }, maxOutputLength: Math.max(1, most), chunkSize };
}

/** A stream that is used again. */
class Kept {
  /** Node and Bun keep in `_outOffset` how much of their piece of output is handed out. */
  readonly #stream: (ZstdCompress | ZstdDecompress) & { _outOffset?: number };
  #pieces: Uint8Array[] = [];
  /** How much more may come out. */
  #left = Infinity;
  #failed: (error: unknown) => void = () => {};

  constructor(stream: ZstdCompress | ZstdDecompress) {
    this.#stream = stream;
    stream.on("data", (piece: Uint8Array) => {
      this.#pieces.push(piece);
      this.#left -= piece.length;
      if (this.#left < 0) stream.destroy();
    });
    stream.on("error", (error) => this.#failed(error));
  }

  /** All that comes out for `input`, at most `most` bytes; used up with the next call. */
  async put(input: Uint8Array, most = Infinity): Promise<Uint8Array[]> {
    this.#pieces = [];
    this.#left = most;
    // All that was handed out is used up: the same memory again, instead of fresh memory, whose first touch takes longer
    // than the work. A stream that has no such number makes fresh memory.
    if (this.#stream._outOffset !== undefined) this.#stream._outOffset = 0;
    await new Promise<void>((resolve, reject) => {
      this.#failed = reject;
      this.#stream.write(input, (error) => error ? reject(error) : resolve());
    });
    // Whatever a stream holds back for its reader belongs to this; one that was given up hands out nothing more.
    while (this.#stream.readableLength > 0 && !this.#stream.destroyed) {
      await new Promise<void>((resolve) => nextTick(resolve));
    }
    if (this.#left < 0) throw new RangeError("it unpacks to more than it may");
    return this.#pieces;
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** Streams of one kind. */
class KeptStreams {
  readonly #make: (params: Record<number, number>) => ZstdCompress | ZstdDecompress;
  #idle: { key: string; stream: Kept }[] = [];
  readonly #waiting = new Fifo<() => void>();
  #atWork = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(make: (params: Record<number, number>) => ZstdCompress | ZstdDecompress) {
    this.#make = make;
  }

  /** What `work` made with a stream. Undefined when it made nothing, and the stream, of which one can't know, is given up. */
  async use<T>(
    params: ZstdParams,
    isKept: boolean,
    work: (stream: Kept) => Promise<{ made: T } | undefined>,
  ): Promise<{ made: T } | undefined> {
    if (this.#atWork === STREAMS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#atWork++;
    const key = JSON.stringify(params);
    const at = this.#idle.findIndex((one) => one.key === key);
    let stream: Kept | undefined;
    let done: { made: T } | undefined;
    try {
      stream = at === -1 ? new Kept(this.#make({ ...params })) : this.#idle.splice(at, 1)[0]!.stream;
      done = await work(stream);
    } finally {
      if (done === undefined || !isKept) stream?.close();
      else this.#keep(key, stream!);
      // Whoever waits goes on in this one's place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#atWork--;
      else next();
    }
    return done;
  }

  #keep(key: string, stream: Kept): void {
    this.#idle.unshift({ key, stream });
    // The last ones were not used for longest.
    for (const one of this.#idle.splice(STREAMS_MAX)) one.stream.close();
    if (this.#timer !== undefined) return void this.#timer.refresh();
    this.#timer = setTimeout(() => {
      for (const one of this.#idle.splice(0)) one.stream.close();
    }, KEPT_MS).unref();
  }
}

const packers = new KeptStreams((params) =>
  createZstdCompress({ params, chunkSize: PIECE_BYTES, flush: constants.ZSTD_e_end })
);
const unpackers = new KeptStreams((params) => createZstdDecompress({ params, chunkSize: PIECE_BYTES }));
