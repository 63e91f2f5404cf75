/**
 * Small Zstandard frames at once, by a packer and an unpacker that are used again.
 *
 * `zstdDecompressSync` makes a stream, its options and a context of zstd for each call, which takes as long as the block
 * that it is for, and so does the other way in Deno. The streams of `node:zlib` do their work by an object beneath them that
 * has a `writeSync`, in Node, Bun and Deno alike. That is nobody's promise: so it is tried out before it is used, all that it
 * gives is held against what it must be, and what it can't do, or does otherwise, is left to the call that is promised.
 *
 * @module
 */
import { constants, createZstdCompress, createZstdDecompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { uncleared } from "./buffers.ts";
import { EMPTY_BYTES, equalBytes } from "./bytes.ts";
import { isFrame } from "./zstd_format.ts";

/** More room than there are raw bytes: that it stays unused says that nothing was held back. */
export const SPARE_BYTES = 64;

/** Longer ones take so long to pack that a call counts little. */
const PACKED_BYTES_MAX = 2 ** 17;

/**
 * Longer frames are left to the call. Deno does not unpack frames of several blocks in one step; elsewhere the call takes twice
 * as long for a mebibyte, for memory that it touches first, and longer frames would grow what the unpacker keeps.
 */
const UNPACKED_BYTES_MAX = "Deno" in globalThis ? 2 ** 17 : 2 ** 20;

/** No frame may ask for more memory than this for what it refers back to. */
const WINDOW_LOG_MAX = 23;

/** What is beneath a stream of zlib. */
interface Beneath {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void;
  /** How Node and Bun tell of damage; Deno throws. */
  onerror: () => void;
}

/** What such a stream has, if it is as it was when this was written. */
interface Stream {
  _handle?: Beneath;
  /** How much of the output is left empty, and how much of the input is left over. */
  _writeState?: Uint32Array;
}

/** A stream of zlib whose work is done by what is beneath it. */
class KeptStream {
  readonly #makeStream: () => object;
  /** Given up by whatever it could not do as expected: nobody knows what it holds back. */
  #stream: Stream | undefined;
  #failed = false;

  constructor(makeStream: () => object) {
    this.#makeStream = makeStream;
  }

  /** How much of the room is left once all of the input is done; undefined when that did not come about in one step. */
  run(input: Uint8Array, room: Uint8Array, roomBytes: number): number | undefined {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#failed = false;
    try {
      const { _handle: beneath, _writeState: left } = this.#stream = stream ?? this.#make();
      beneath!.writeSync(constants.ZSTD_e_end, input, 0, input.length, room, 0, roomBytes);
      if (!this.#failed && left![1] === 0) return left![0];
    } catch {
      // Deno's way to tell.
    }
    return undefined;
  }

  /** After anything else than what was wanted: another stream for what comes next. */
  giveUp(): void {
    this.#stream = undefined;
  }

  #make(): Stream {
    const stream: Stream = this.#makeStream();
    stream._handle!.onerror = () => this.#failed = true;
    return stream;
  }
}

/** Bytes that repeat in part, twice and of different lengths: what is tried out before it is used. */
function samples(): Uint8Array[] {
  return [300, 200].map((length) => Uint8Array.from({ length }, (_, i) => i % 100 < 50 ? i : i * i));
}

/** Unpacks frames, one after the other. */
export class SyncUnpacker {
  readonly #stream: KeptStream;
  #works: boolean | undefined;

  /** `makeStream` makes a stream that unpacks. */
  constructor(makeStream: () => object) {
    this.#stream = new KeptStream(makeStream);
  }

  /**
   * The raw bytes, of which there must be `rawLength`; undefined where `zstdDecompressSync` has to be asked. They lie at the
   * front of `room` where that is given and has `SPARE_BYTES` more, else in memory of their own.
   */
  unpack(frame: Uint8Array, rawLength: number, room?: Uint8Array): Uint8Array | undefined {
    if (rawLength > UNPACKED_BYTES_MAX) return undefined;
    this.#works ??= samples().every((raw) => {
      const found = this.#unpack(zstdCompressSync(raw), raw.length);
      return found !== undefined && equalBytes(found, raw);
    });
    return this.#works ? this.#unpack(frame, rawLength, room) : undefined;
  }

  #unpack(frame: Uint8Array, rawLength: number, room?: Uint8Array): Uint8Array | undefined {
    // The rest of anything else would be taken for the beginning of the next frame.
    if (!isFrame([frame], rawLength)) return undefined;
    const bytes = rawLength + SPARE_BYTES;
    const isRoom = room !== undefined && room.length >= bytes;
    const into = isRoom ? room : uncleared(bytes);
    if (this.#stream.run(frame, into, bytes) === SPARE_BYTES) {
      // Whoever gets it may look behind it: there was something else before.
      return (isRoom ? into : into.fill(0, rawLength)).subarray(0, rawLength);
    }
    this.#stream.giveUp();
    return undefined;
  }
}

/** Packs bytes into frames, one after the other. */
export class SyncPacker {
  readonly #stream: KeptStream;
  #room: Uint8Array = EMPTY_BYTES;
  #works: boolean | undefined;

  /** `makeStream` makes a stream that packs. */
  constructor(makeStream: () => object) {
    this.#stream = new KeptStream(makeStream);
  }

  /** One frame, in memory that the next call uses again; undefined where `zstdCompressSync` has to be asked. */
  pack(raw: Uint8Array): Uint8Array | undefined {
    if (raw.length > PACKED_BYTES_MAX) return undefined;
    this.#works ??= samples().every((sample) => {
      const frame = this.#pack(sample);
      return frame !== undefined && equalBytes(zstdDecompressSync(frame), sample);
    });
    return this.#works ? this.#pack(raw) : undefined;
  }

  #pack(raw: Uint8Array): Uint8Array | undefined {
    // More than the longest frame of so many bytes.
    if (this.#room.length === 0) this.#room = new Uint8Array(PACKED_BYTES_MAX + 1024);
    const left = this.#stream.run(raw, this.#room, this.#room.length);
    const frame = left === undefined || left === 0 ? EMPTY_BYTES : this.#room.subarray(0, this.#room.length - left);
    if (frame.length > 0 && isFrame([frame], raw.length)) return frame;
    this.#stream.giveUp();
    return undefined;
  }
}

const unpacker = new SyncUnpacker(() =>
  createZstdDecompress({
    chunkSize: 64, // Its own output memory, which stays unused.
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
  })
);

/** The raw bytes of a frame; see `SyncUnpacker.unpack`. */
export function unpackSync(frame: Uint8Array, rawLength: number, room?: Uint8Array): Uint8Array | undefined {
  return unpacker.unpack(frame, rawLength, room);
}

/** Makes a packer of frames of a level. */
export function packerOf(level: number): SyncPacker {
  return new SyncPacker(() =>
    createZstdCompress({ chunkSize: 64, params: { [constants.ZSTD_c_compressionLevel]: level } })
  );
}
