/**
 * Whether bytes are stored compressed.
 *
 * @module
 */
import { constants } from "node:zlib";
import { concatBytes } from "../../base/bytes.ts";
import { CODEC_NONE, CODEC_ZSTD, LEVEL_DEFAULT, packSync } from "../../base/codec.ts";
import { zstdFrame } from "../../base/zstd_frame.ts";

/** How blocks and values are stored: as they are, always compressed, or compressed where it pays. */
export type Compression = "none" | "zstd" | "auto";

/**
 * `"auto"` keeps the compressed form when it saves at least 12 %: below that, decompressing at every read from disk costs
 * more than the few bytes less to read give back.
 */
const WORTHWHILE = 0.88;
/** So many blocks in a row that didn't compress end the trying ... */
const FAILURES_MAX = 4;
/** ... for so many blocks: long enough that trying costs a fifth, short enough to notice when the data changes. */
const BLOCKS_SKIPPED = 16;
/** How values are compressed beside the main thread: as `packSync` does. */
const FAST = { [constants.ZSTD_c_compressionLevel]: LEVEL_DEFAULT };
/** Values longer than this are judged by a sample first. */
const SAMPLE_BYTES = 64 * 1024;

/** A payload and how it is stored. */
export interface Stored {
  /** The codec of `bytes`. */
  codec: number;
  /** What is stored; the raw bytes themselves when the codec is none. */
  bytes: Uint8Array;
}

/** Decides block by block and learns from those before. */
export class Compressor {
  readonly #compression: Compression;
  readonly #limit: number;
  #failures = 0;
  #skip = 0;

  /** Stores the way `compression` says. */
  constructor(compression: Compression) {
    this.#compression = compression;
    this.#limit = compression === "zstd" ? 1 : WORTHWHILE;
  }

  /** The form in which `raw` is stored, in memory that the next call uses again. */
  store(raw: Uint8Array): Stored {
    if (!this.#isTried(raw) || !this.#isLikely(raw)) return asItIs(raw);
    return this.#judge(raw, packSync(raw));
  }

  /**
   * What `take` makes of the form in which `raw` is stored, compressed beside the main thread, where the runtime does so; its
   * memory is used up when `take` returns.
   */
  async storeBeside<T>(raw: Uint8Array, take: (stored: Stored) => T): Promise<T> {
    if (!this.#isTried(raw) || !this.#isLikely(raw)) return take(asItIs(raw));
    return await zstdFrame(raw, FAST, (pieces) => {
      const [first, ...more] = pieces;
      return take(this.#judge(raw, more.length === 0 ? first! : concatBytes(...pieces)));
    });
  }

  #isTried(raw: Uint8Array): boolean {
    if (this.#compression === "none" || raw.length === 0) return false;
    if (this.#compression === "zstd" || this.#skip === 0) return true;
    this.#skip--;
    return false;
  }

  #isLikely(raw: Uint8Array): boolean {
    if (raw.length <= 2 * SAMPLE_BYTES || this.#compression === "zstd") return true;
    const start = (raw.length - SAMPLE_BYTES) >>> 1;
    const sample = raw.subarray(start, start + SAMPLE_BYTES);
    return this.#pays(sample, packSync(sample).length);
  }

  #pays(raw: Uint8Array, length: number): boolean {
    return length < raw.length && length <= raw.length * this.#limit;
  }

  #judge(raw: Uint8Array, bytes: Uint8Array): Stored {
    if (this.#pays(raw, bytes.length)) {
      this.#failures = 0;
      return { codec: CODEC_ZSTD, bytes };
    }
    if (++this.#failures >= FAILURES_MAX) {
      this.#failures = 0;
      this.#skip = BLOCKS_SKIPPED;
    }
    return asItIs(raw);
  }
}

/** Stored without compression. */
export function asItIs(raw: Uint8Array): Stored {
  return { codec: CODEC_NONE, bytes: raw };
}
