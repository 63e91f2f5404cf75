/**
 * Unpacking small Zstandard frames at once, with an unpacker that is used again.
 *
 * `zstdDecompressSync` makes a stream, its options and a context of zstd for each call, which takes as long as the block
 * of 16 KiB that it is for. The streams of `node:zlib` do their work by an object beneath them that has a `writeSync`, in
 * Node, Bun and Deno alike. That is nobody's promise: so it is tried out before it is used, all that it gives is held against
 * what it must be, and what it can't do, or does otherwise, is left to the call that is promised.
 *
 * @module
 */
import { constants, createZstdDecompress, zstdCompressSync } from "node:zlib";
import { isFrame } from "./zstd_frame.ts";

/** More room than there are raw bytes: that it stays unused says that nothing was held back. */
export const SPARE_BYTES = 64;

/** Longer frames are of several blocks, which Deno does not unpack in one step, and take so long that a call counts little. */
const RAW_BYTES_MAX = 2 ** 17;

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

/** Unpacks frames, one after the other. */
export class SyncUnpacker {
  readonly #makeStream: () => object;
  /** Given up by every frame that it could not unpack: nobody knows what it holds back. */
  #stream: Stream | undefined;
  #failed = false;
  #works: boolean | undefined;

  /** `makeStream` makes a stream that unpacks. */
  constructor(makeStream: () => object) {
    this.#makeStream = makeStream;
  }

  /** The raw bytes, of which there must be `rawLength`; undefined where `zstdDecompressSync` has to be asked. */
  unpack(frame: Uint8Array, rawLength: number): Uint8Array | undefined {
    if (rawLength > RAW_BYTES_MAX) return undefined;
    this.#works ??= this.#tryOut();
    return this.#works ? this.#unpack(frame, rawLength) : undefined;
  }

  /** Two frames in a row, of bytes that repeat in part. */
  #tryOut(): boolean {
    return [300, 200].every((length) => {
      const raw = Uint8Array.from({ length }, (_, i) => i % 100 < 50 ? i : i * i);
      const found = this.#unpack(zstdCompressSync(raw), length);
      return found !== undefined && raw.every((byte, i) => byte === found[i]);
    });
  }

  #unpack(frame: Uint8Array, rawLength: number): Uint8Array | undefined {
    // The rest of anything else would be taken for the beginning of the next frame.
    if (!isFrame([frame], rawLength)) return undefined;
    const room = new Uint8Array(rawLength + SPARE_BYTES);
    this.#failed = false;
    try {
      const { _handle: beneath, _writeState: left } = this.#stream ??= this.#make();
      beneath!.writeSync(constants.ZSTD_e_end, frame, 0, frame.length, room, 0, room.length);
      this.#failed ||= left![0] !== SPARE_BYTES || left![1] !== 0;
    } catch {
      this.#failed = true;
    }
    if (!this.#failed) return room.subarray(0, rawLength);
    this.#stream = undefined;
    return undefined;
  }

  #make(): Stream {
    const stream: Stream = this.#makeStream();
    stream._handle!.onerror = () => this.#failed = true;
    return stream;
  }
}

const unpacker = new SyncUnpacker(() =>
  createZstdDecompress({
    chunkSize: 64, // Its own output memory, which stays unused.
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
  })
);

/** The raw bytes of a frame, of which there must be `rawLength`; undefined where `zstdDecompressSync` has to be asked. */
export function unpackSync(frame: Uint8Array, rawLength: number): Uint8Array | undefined {
  return unpacker.unpack(frame, rawLength);
}
