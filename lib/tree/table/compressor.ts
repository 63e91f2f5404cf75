/**
 * Whether bytes are stored compressed.
 *
 * @module
 */
import { CODEC_NONE, CODEC_ZSTD, compressSync } from "../../base/codec.ts";

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
  #failures = 0;
  #skip = 0;

  /** Stores the way `compression` says. */
  constructor(compression: Compression) {
    this.#compression = compression;
  }

  /** The form in which `raw` is stored. */
  store(raw: Uint8Array): Stored {
    if (this.#compression === "none" || raw.length === 0) return { codec: CODEC_NONE, bytes: raw };
    const always = this.#compression === "zstd";
    if (!always && this.#skip > 0) {
      this.#skip--;
      return { codec: CODEC_NONE, bytes: raw };
    }
    const limit = always ? 1 : WORTHWHILE;
    if (raw.length > 2 * SAMPLE_BYTES && !always) {
      const start = (raw.length - SAMPLE_BYTES) >>> 1;
      const sample = raw.subarray(start, start + SAMPLE_BYTES);
      if (compressSync(sample).length > sample.length * limit) return { codec: CODEC_NONE, bytes: raw };
    }
    const bytes = compressSync(raw);
    if (bytes.length < raw.length && bytes.length <= raw.length * limit) {
      this.#failures = 0;
      return { codec: CODEC_ZSTD, bytes };
    }
    if (++this.#failures >= FAILURES_MAX) {
      this.#failures = 0;
      this.#skip = BLOCKS_SKIPPED;
    }
    return { codec: CODEC_NONE, bytes: raw };
  }
}
