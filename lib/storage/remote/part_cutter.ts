/**
 * Cutting a body into parts of one size, as services want large objects, each with the checksum that services verify. It is
 * made of the bytes as the producer gives them, so that what goes wrong with a part from then on is refused.
 *
 * Memory: a part that is being filled, and those that were handed out and not given back. A body of bytes is not copied:
 * its parts are views. Pieces of a stream are, for their producer may use their memory again.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { borrow, BUFFER_BYTES, giveBack } from "../../base/buffers.ts";
import type { BodyReader } from "../body_reader.ts";

/** By what a service verifies a body. */
export type DigestName = "md5" | "sha256";

/** A part of a body. */
export interface Part {
  bytes: Uint8Array;
  /** Of the bytes, and of the kind that the parts were asked for with. */
  digest: Digest;
}

/** A digest of bytes. */
export interface Digest {
  name: DigestName;
  value: Uint8Array;
}

/** The part that holds all of some bytes. */
export function wholePart(bytes: Uint8Array, name: DigestName): Part {
  return { bytes, digest: { name, value: createHash(name).update(bytes).digest() } };
}

/** Gives the parts of a body. */
export class PartCutter {
  readonly #reader: BodyReader;
  readonly #partBytes: number;
  readonly #digest: DigestName;
  /** What was read and not handed out. */
  #rest: Uint8Array | undefined;
  #ended = false;

  /** Cuts what `reader` gives; the caller closes it. */
  constructor(reader: BodyReader, partBytes: number, digest: DigestName) {
    this.#reader = reader;
    this.#partBytes = partBytes;
    this.#digest = digest;
  }

  /** The next part: all but the last have the full size. Undefined at the end; an empty body has no part. */
  async next(): Promise<Part | undefined> {
    let buffer: Uint8Array | undefined;
    let filled = 0;
    const name = this.#digest;
    const hash = createHash(name);
    for (;;) {
      const piece = this.#rest ?? (this.#ended ? undefined : await this.#reader.next());
      this.#rest = undefined;
      if (piece === undefined) {
        this.#ended = true;
        return filled === 0
          ? undefined
          : { bytes: buffer!.subarray(0, filled), digest: { name, value: hash.digest() } };
      }
      if (piece.length === 0) continue;
      const taken = Math.min(piece.length, this.#partBytes - filled);
      buffer = this.#room(buffer, filled, filled + taken);
      const fitting = piece.subarray(0, taken);
      hash.update(fitting);
      buffer.set(fitting, filled);
      filled += taken;
      // A view on the producer's memory: it is used up before the producer is asked again.
      if (taken < piece.length) this.#rest = piece.subarray(taken);
      if (filled === this.#partBytes) return { bytes: buffer, digest: { name, value: hash.digest() } };
    }
  }

  /** Takes back a part that nobody reads any more, to fill it again. */
  giveBack({ bytes }: Part): void {
    giveBack(bytes);
  }

  /** A buffer with room for `wanted` bytes, holding the first `filled` of `buffer`. */
  #room(buffer: Uint8Array | undefined, filled: number, wanted: number): Uint8Array {
    if (buffer !== undefined && buffer.length >= wanted) return buffer;
    // Small bodies are the most; a whole part for each of them would be mostly empty.
    const grown = borrow(wanted <= BUFFER_BYTES ? Math.min(BUFFER_BYTES, this.#partBytes) : this.#partBytes);
    if (buffer !== undefined) grown.set(buffer.subarray(0, filled));
    giveBack(buffer);
    return grown;
  }
}

/** The parts of bytes that are in memory already; giving back is not needed. */
export class PartViews {
  readonly #bytes: Uint8Array;
  readonly #partBytes: number;
  readonly #digest: DigestName;
  #at = 0;

  /** Cuts `bytes`, which must not change until the last part was used. */
  constructor(bytes: Uint8Array, partBytes: number, digest: DigestName) {
    this.#bytes = bytes;
    this.#partBytes = partBytes;
    this.#digest = digest;
  }

  /** As `PartCutter.next`. */
  async next(): Promise<Part | undefined> {
    if (this.#at >= this.#bytes.length) return undefined;
    const bytes = this.#bytes.subarray(this.#at, this.#at + this.#partBytes);
    this.#at += bytes.length;
    return wholePart(bytes, this.#digest);
  }

  /** Does nothing. */
  giveBack(): void {}
}

/** Where parts come from. */
export type Parts = PartCutter | PartViews;
