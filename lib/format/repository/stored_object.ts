/**
 * An object as it is stored, taken apart chunk by chunk without unpacking it: what reading and checking share.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { borrow, BUFFER_BYTES } from "../../base/buffers.ts";
import { ByteReader, DecodeError, equalBytes, readU32, toHex } from "../../base/bytes.ts";
import type { IntegrityError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { ByteSource } from "./byte_source.ts";
import { TAG_BYTES } from "./aes.ts";
import { type ChunkPlace } from "./object_cipher.ts";
import { bodyOf, BodyParts } from "./object_codec.ts";
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

/** A part of a chunk as it is stored. */
export interface ChunkPart extends ChunkPlace {
  /** Where in its chunk it begins. */
  at: number;
  /** The bytes of the whole chunk. */
  length: number;
  /** The part: a view. */
  bytes: Uint8Array;
}

/** What is known once the trailer was checked. */
export interface StoredTotals {
  /** How many raw bytes the trailer states. */
  rawBytes: number;
  /** How many bytes the object takes. */
  storedBytes: number;
  /** The SHA-256 of the trailer, hexadecimal. */
  check: string;
}

/** Reads one object. `header`, then `chunks` to their end, then `totals`; `close` in any case. */
export class StoredObject {
  readonly #source: ByteSource;
  readonly #name: string;
  readonly #unchecked: boolean;
  /** Of the stored bytes or of the body, where that is what the trailer has. */
  #hash: Hash | undefined;
  /** What `#hash` is of: undefined for the stored bytes. */
  #body: BodyParts | undefined;
  #storedBytes = 0;
  #chunkBytes = 0;
  #chunks = 0;

  /** `name` is what errors call the object. `unchecked`: the digest of a body is not compared, for its reader has another. */
  constructor(stored: AsyncIterable<Uint8Array>, name: string, unchecked = false) {
    this.#source = new ByteSource(stored);
    this.#name = name;
    this.#unchecked = unchecked;
  }

  /** The header, and its bytes. */
  async header(): Promise<{ header: ObjectHeader; bytes: Uint8Array }> {
    const bytes = await this.#source.exactly(OBJECT_HEADER_BYTES);
    const header = readObjectHeader(bytes, this.#name);
    if (header.cipher !== undefined) {
      this.#hash = createHash("sha256");
    } else if (header.digest === "body" && !this.#unchecked) {
      const hash = this.#hash = createHash("sha256");
      this.#body = new BodyParts(this.#name, (bytes) => hash.update(bytes));
    }
    this.#count(bytes);
    return { header, bytes };
  }

  /** All chunks; `totals` tells whether they are what was written. Their bytes are borrowed (`buffers.ts`). */
  async *chunks(header: ObjectHeader): AsyncGenerator<StoredChunk, void> {
    for await (const { length, ...place } of this.#places(header)) {
      const bytes = await this.#take(length);
      // Whoever unpacks it compares a frame with its checksum.
      if (this.#body !== undefined) this.#hash!.update(bodyOf(bytes, this.#name));
      yield { bytes, ...place };
      // Sources in memory never wait by themselves.
      await yieldToLoop();
    }
  }

  /**
   * As `chunks`, each in parts as they arrive: views, used up once the next is asked for, so that nothing is copied. The first
   * part of a chunk is its first byte.
   */
  async *parts(header: ObjectHeader): AsyncGenerator<ChunkPart, void> {
    for await (const { length, ...place } of this.#places(header)) {
      const first = await this.#take(1);
      this.#body?.add(first, 0, length);
      yield { ...place, length, at: 0, bytes: first };
      for (let at = 1; at < length;) {
        const bytes = await this.#source.some(length - at);
        if (bytes === undefined) throw this.#endsEarly(0);
        this.#count(bytes);
        this.#body?.add(bytes, at, length);
        yield { ...place, length, at, bytes };
        at += bytes.length;
      }
      await yieldToLoop();
    }
  }

  /** The first byte of the first chunk, which comes again. */
  async firstByte(): Promise<number | undefined> {
    const bytes = await this.#source.exactly(5);
    this.#source.unread(bytes);
    return bytes[4];
  }

  async *#places(header: ObjectHeader): AsyncGenerator<ChunkPlace & { length: number }, void> {
    const beside = 1 + (header.cipher === undefined ? 0 : TAG_BYTES);
    this.#chunkBytes = header.chunkBytes;
    let index = 0;
    for (let last = false; !last; index++) {
      const head = await this.#take(4);
      const word = readU32(head, 0);
      last = word >= LAST_CHUNK;
      const length = last ? word - LAST_CHUNK : word;
      if (length < beside || length > beside + header.chunkBytes) {
        throw damagedObject(this.#name, `chunk ${index} of the impossible length ${length}`);
      }
      yield { index, last, length };
    }
    this.#chunks = index;
  }

  /**
   * After the last chunk: checks trailer and end of the object. `sha256` is that of the raw bytes, which the trailer has where
   * the header says so; without it that digest is not compared.
   */
  async totals(sha256: Uint8Array | undefined): Promise<StoredTotals> {
    const size = await this.#take(TRAILER_BYTES - 32);
    const expected = this.#hash?.digest() ?? sha256;
    const found = await this.#take(32, false);
    if (expected !== undefined && !equalBytes(found, expected)) {
      throw damagedObject(this.#name, "its SHA-256 does not match");
    }
    if (!await this.#source.atEnd()) throw damagedObject(this.#name, "bytes follow its end");
    const rawBytes = this.#rawBytes(size);
    const least = this.#chunks === 1 ? 0 : (this.#chunks - 1) * this.#chunkBytes + 1;
    if (rawBytes < least || rawBytes > this.#chunks * this.#chunkBytes) {
      throw damagedObject(this.#name, `${rawBytes} bytes in ${this.#chunks} chunks`);
    }
    return { rawBytes, storedBytes: this.#storedBytes, check: toHex(found) };
  }

  /** Ends the stream it reads from. */
  close(): Promise<void> {
    return this.#source.close();
  }

  #rawBytes(size: Uint8Array): number {
    try {
      return new ByteReader(size).u64();
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw damagedObject(this.#name, `trailer: ${cause.message}`, cause);
    }
  }

  async #take(count: number, hashed = true): Promise<Uint8Array> {
    // Memory that is there already costs nothing, also when the length is a lie; else it grows as bytes arrive.
    const isLong = count > BUFFER_BYTES;
    const bytes = isLong ? await this.#source.exactly(count) : borrow(count);
    const length = isLong ? bytes.length : await this.#source.into(bytes);
    if (length < count) throw this.#endsEarly(length);
    this.#count(bytes, hashed);
    return bytes;
  }

  #endsEarly(more: number): IntegrityError {
    return damagedObject(this.#name, `it ends after ${this.#storedBytes + more} bytes`);
  }

  #count(bytes: Uint8Array, hashed = true): void {
    if (hashed && this.#body === undefined) this.#hash?.update(bytes);
    this.#storedBytes += bytes.length;
  }
}
