/**
 * An object as it is stored, taken apart chunk by chunk without unpacking it: what reading and checking share.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ByteReader, DecodeError, equalBytes, readU32 } from "../../base/bytes.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { ByteSource } from "./byte_source.ts";
import { type ChunkPlace, TAG_BYTES } from "./object_cipher.ts";
import { damagedObject, OBJECT_HEADER_BYTES, type ObjectHeader, readObjectHeader } from "./object_header.ts";

/** The top bit of a chunk's length: it is the last. */
export const LAST_CHUNK = 0x80000000;

/** Length of the trailer: rawBytes and SHA-256. */
export const TRAILER_BYTES = 40;

/** A chunk as it is stored, and its place. */
export interface StoredChunk extends ChunkPlace {
  /** Its payload, or that encrypted. */
  bytes: Uint8Array;
}

/** What is known once the trailer was checked. */
export interface StoredTotals {
  /** How many raw bytes the trailer states. */
  rawBytes: number;
  /** How many bytes the object takes. */
  storedBytes: number;
  /** SHA-256 of all of them, hexadecimal. */
  storedSha256: string;
}

/** Reads one object. `header`, then `chunks` to their end, then `totals`; `close` in any case. */
export class StoredObject {
  readonly #source: ByteSource;
  readonly #name: string;
  readonly #hash = createHash("sha256");
  #storedBytes = 0;
  #totals: StoredTotals | undefined;

  /** `name` is what errors call the object. */
  constructor(stored: AsyncIterable<Uint8Array>, name: string) {
    this.#source = new ByteSource(stored);
    this.#name = name;
  }

  /** The header, and its bytes. */
  async header(): Promise<{ header: ObjectHeader; bytes: Uint8Array }> {
    const bytes = await this.#source.exactly(OBJECT_HEADER_BYTES);
    const header = readObjectHeader(bytes, this.#name);
    this.#count(bytes);
    return { header, bytes };
  }

  /** All chunks; ends only after trailer and end of the object were checked. */
  async *chunks(header: ObjectHeader): AsyncGenerator<StoredChunk, void> {
    const beside = 1 + (header.cipher === undefined ? 0 : TAG_BYTES);
    let index = 0;
    for (let last = false; !last; index++) {
      const head = await this.#take(4);
      const word = readU32(head, 0);
      last = word >= LAST_CHUNK;
      const length = last ? word - LAST_CHUNK : word;
      if (length < beside || length > beside + header.chunkBytes) {
        throw damagedObject(this.#name, `chunk ${index} of the impossible length ${length}`);
      }
      yield { bytes: await this.#take(length), index, last };
      // Sources in memory never wait by themselves.
      await yieldToLoop();
    }
    await this.#trailer(header.chunkBytes, index);
  }

  /** After the last chunk. */
  get totals(): StoredTotals {
    if (this.#totals === undefined) throw new Error("the object was not read to its end");
    return this.#totals;
  }

  /** Ends the stream it reads from. */
  close(): Promise<void> {
    return this.#source.close();
  }

  async #trailer(chunkBytes: number, chunks: number): Promise<void> {
    const size = await this.#take(TRAILER_BYTES - 32);
    const expected = this.#hash.copy().digest();
    const found = await this.#take(32);
    if (!equalBytes(found, expected)) throw damagedObject(this.#name, "its SHA-256 does not match");
    if (!await this.#source.atEnd()) throw damagedObject(this.#name, "bytes follow its end");
    const rawBytes = this.#rawBytes(size);
    const least = chunks === 1 ? 0 : (chunks - 1) * chunkBytes + 1;
    if (rawBytes < least || rawBytes > chunks * chunkBytes) {
      throw damagedObject(this.#name, `${rawBytes} bytes in ${chunks} chunks`);
    }
    this.#totals = { rawBytes, storedBytes: this.#storedBytes, storedSha256: this.#hash.digest("hex") };
  }

  #rawBytes(size: Uint8Array): number {
    try {
      return new ByteReader(size).u64();
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw damagedObject(this.#name, `trailer: ${cause.message}`, cause);
    }
  }

  async #take(count: number): Promise<Uint8Array> {
    const bytes = await this.#source.exactly(count);
    if (bytes.length < count) {
      throw damagedObject(this.#name, `it ends after ${this.#storedBytes + bytes.length} bytes`);
    }
    this.#count(bytes);
    return bytes;
  }

  #count(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#storedBytes += bytes.length;
  }
}
