/**
 * An object of a repository: a file, packed in chunks that are compressed and encrypted one by one.
 *
 * ```
 * object  := header (64) | chunk+ | trailer
 * header  := `object_header.ts`
 * chunk   := length u32 | bytes                    length: lower 31 bits that of the bytes; top bit: it is the last chunk
 * bytes   := payload (`object_codec.ts`)           encrypted and with its tag, when there is a cipher (`object_cipher.ts`)
 * trailer := rawBytes u64 | SHA-256 (32)             with a cipher of all bytes before it; else, as the header says, of the raw
 *                                                    bytes, or of the body: for each chunk what `bodyOf` gives
 * ```
 *
 * Invariants:
 *
 * 1. Every chunk but the last holds exactly `chunkBytes` raw bytes, the last one 1 to `chunkBytes`; an empty file is one chunk
 *    of none. So no chunk unpacks to more, whatever it says.
 * 2. The trailer needs no key: who stores objects for others can check them.
 * 3. Without a cipher the trailer finds accidents only. That the bytes are those meant is told by the object's name: where
 *    that is the hash of the raw bytes, who reads compares `sha256` of the totals. Log is named by its chain, which covers
 *    its raw bytes as well: there the trailer has the digest of the body.
 * 4. With a ring, an object without a cipher is refused, or whoever can write could put his own in its place.
 * 5. Without a cipher each byte is hashed once, when written and when read. All around the raw bytes is checked by itself:
 *    the header and each frame by their checksums, lengths and kinds by what they lead to.
 *
 * Example: "hi" without compression and encryption, behind a header of codec 0:
 *
 * ```
 * header (64) | 03 00 00 80  00 68 69 | 02 00 00 00 00 00 00 00  8f 43 43 46 ... dc 32 7a a4
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { borrow, giveBack } from "../../base/buffers.ts";
import { ByteWriter, writeU32 } from "../../base/bytes.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { TAG_BYTES } from "./aes.ts";
import { type ChunkPlace, cipherOf, ObjectCipher } from "./object_cipher.ts";
import { bodyOf, BodyParts, ChunkPacker, COMPRESSED_HEAD_BYTES, isCompressed, unpackChunk } from "./object_codec.ts";
import {
  CHUNK_BYTES_MAX,
  damagedObject,
  type ObjectCompression,
  type ObjectDigest,
  type ObjectHeader,
  writeObjectHeader,
} from "./object_header.ts";
import { inOrder } from "./ordered.ts";
import { type KeyRing, SALT_BYTES } from "./ring.ts";
import { LAST_CHUNK, type StoredChunk, StoredObject } from "./stored_object.ts";

export type { ObjectCompression, ObjectDigest } from "./object_header.ts";

/** What an object turned out to be, once it was read to its end. */
export interface ObjectTotals {
  /** How many bytes were put in. */
  rawBytes: number;
  /** How many bytes it takes. */
  storedBytes: number;
  /** SHA-256 of the bytes put in, hexadecimal; empty when it was read unchecked, or the trailer has another digest. */
  sha256: string;
  /** The SHA-256 of its trailer, hexadecimal. */
  check: string;
}

/** What an object is that was written. */
export interface WrittenObject extends ObjectTotals {
  /** What `readBack` tells of it when it was stored well. */
  written: string;
}

/** How an object is written. */
export interface WriteObjectOptions {
  /** How chunks are compressed. */
  compression: ObjectCompression;
  /** The level of zstd or gzip; 1 and 6 unless given. */
  level?: number;
  /** Encrypts under the keys of this ring. */
  ring?: KeyRing;
  /** Unpredictable bytes. */
  randomBytes: (count: number) => Uint8Array;
  /** Raw bytes per chunk, up to 4 MiB; 1 MiB unless given. */
  chunkBytes?: number;
  /**
   * What the SHA-256 of the raw bytes has to be, hexadecimal, where the caller reads the object back: then it is hashed
   * there and not here, if nothing is done to its bytes, and what it is told to have been written is this.
   */
  expected?: string;
  /** What the trailer has the digest of, unless a cipher is used; `"raw"` unless given. The raw bytes are hashed for `"raw"` only. */
  digest?: ObjectDigest;
}

/** Smaller chunks compress worse; larger ones take more memory, and the event loop for longer. */
const CHUNK_BYTES = 2 ** 20;

/** Chunks in work at a time: as many as the pools of the runtimes have threads. */
const WIDTH = 4;

/** Where a chunk's raw bytes begin in its memory: behind its length, and what is before a frame. */
const RAW_AT = 4 + COMPRESSED_HEAD_BYTES;

/**
 * The stored bytes of an object, in pieces, each used up once the next one is asked for: memory is used again. Reads `raw`
 * only as its reader asks, and ends it in any case.
 */
export async function* writeObject(
  raw: AsyncIterable<Uint8Array>,
  options: WriteObjectOptions,
): AsyncGenerator<Uint8Array, WrittenObject> {
  const { compression, level, ring, randomBytes, chunkBytes = CHUNK_BYTES, digest = "raw" } = options;
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 1 || chunkBytes > CHUNK_BYTES_MAX) {
    throw new RangeError(`chunkBytes ${chunkBytes} is not from 1 to ${CHUNK_BYTES_MAX}`);
  }
  const salt = ring === undefined ? undefined : randomBytes(SALT_BYTES);
  const keyed = ring === undefined || salt === undefined ? undefined : { keyId: ring.id, salt };
  const header = writeObjectHeader({ compression, chunkBytes, digest, cipher: keyed });
  const cipher = salt === undefined ? undefined : new ObjectCipher(ring!.objectKey(salt), header);

  const isPlain = compression === "none" && cipher === undefined;
  const expected = isPlain && options.expected !== undefined ? Buffer.from(options.expected, "hex") : undefined;
  const rawHash = digest === "raw" ? createHash("sha256") : undefined;
  const storedHash = cipher === undefined ? undefined : createHash("sha256");
  const packer = new ChunkPacker(compression, level);
  // While no chunk is compressed, what is stored of them are the raw bytes: one digest for both.
  let written = rawHash === undefined && cipher === undefined ? createHash("sha256") : undefined;
  let rawBytes = 0;
  let storedBytes = 0;
  const stored = (bytes: Uint8Array): Uint8Array => {
    storedHash?.update(bytes);
    storedBytes += bytes.length;
    return bytes;
  };

  yield stored(header);
  // Where nothing is worked on beside the main thread, more chunks at once are only more memory.
  const width = isPlain ? 1 : WIDTH;
  const chunks = inOrder(rawChunks(raw, chunkBytes), width, async ({ bytes: chunk, index, last }) => {
    const before = width === 1 || cipher !== undefined || written !== undefined ? undefined : rawHash?.copy();
    if (expected === undefined) rawHash?.update(chunk.subarray(RAW_AT));
    rawBytes += chunk.length - RAW_AT;
    const payload = await packer.pack(chunk.subarray(4));
    const lastBit = last ? LAST_CHUNK : 0;
    if (cipher === undefined) {
      const piece = framed(chunk, payload.byteOffset - chunk.byteOffset, payload.length, lastBit);
      return { piece, payload, before };
    }
    const bytes = await cipher.encrypt(payload, { index, last });
    const room = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length + TAG_BYTES);
    room.set(bytes, 4);
    return { piece: framed(room, 4, bytes.length, lastBit), payload, before };
  });
  for await (const { piece, payload, before } of chunks) {
    if (isCompressed(payload)) written ??= before;
    written?.update(bodyOf(payload, "a new object"));
    yield stored(piece);
    giveBack(piece);
  }
  const size = new ByteWriter(8);
  size.u64(rawBytes);
  yield stored(size.take());
  const sha256 = expected ?? rawHash?.digest();
  const body = written?.digest();
  const check = (storedHash?.digest() ?? sha256 ?? body)!;
  yield new Uint8Array(check);
  return {
    rawBytes,
    storedBytes: storedBytes + check.length,
    sha256: sha256?.toString("hex") ?? "",
    check: check.toString("hex"),
    written: (body ?? check).toString("hex"),
  };
}

/** The bytes at `at`, with their length before them: a view that begins there. */
function framed(memory: Uint8Array, at: number, length: number, lastBit: number): Uint8Array {
  writeU32(memory, at - 4, (length | lastBit) >>> 0);
  return memory.subarray(at - 4, at + length);
}

/** How an object is read. */
export interface ReadObjectOptions {
  /** What errors call it. */
  name: string;
  /** The repository's keys, when it is encrypted. */
  ring?: KeyRing;
  /** A piece is used up once the next one is asked for: memory is used again. */
  reuse?: boolean;
  /**
   * Whoever reads holds the raw bytes against a digest of his own: they are not held against that of the trailer, and of an
   * object without encryption none counts before he has.
   */
  unchecked?: boolean;
}

/**
 * The raw bytes of an object, in pieces. Never gives a byte of an encrypted object that is not authentic; of one without
 * encryption, and of its length, nothing counts before the generator has returned. Throws `IntegrityError` for damage,
 * `DecryptionError` when the ring is missing or another than the object's, `UnsupportedFormatError` for a newer format.
 */
export async function* readObject(
  stored: AsyncIterable<Uint8Array>,
  options: ReadObjectOptions,
): AsyncGenerator<Uint8Array, ObjectTotals> {
  const { name, ring, reuse, unchecked } = options;
  const object = new StoredObject(stored, name, unchecked);
  try {
    const { header, bytes } = await object.header();
    const cipher = await cipherOf(header, bytes, name, ring);
    const hash = unchecked ? undefined : rawHashOf(header);
    let rawBytes = 0;
    const isPlain = reuse && await beginsPlain(object, header);
    for await (const piece of isPlain ? plainPieces(object, header, name) : unpacked(object, header, cipher, name)) {
      hash?.update(piece);
      rawBytes += piece.length;
      if (piece.length > 0) yield piece;
      if (reuse && !isPlain) giveBack(piece);
    }
    return await totalsOf(object, rawBytes, hash, name);
  } finally {
    await object.close();
  }
}

/**
 * Checks all that can be checked without a key: header, lengths, trailer, nothing behind it. Throws as `readObject` does.
 * Whether the chunks of an encrypted object unpack, and that raw bytes are those meant, only `readObject` can tell.
 */
export async function checkObject(
  stored: AsyncIterable<Uint8Array>,
  name: string,
): Promise<{ rawBytes: number; storedBytes: number; check: string; encrypted: boolean }> {
  const object = new StoredObject(stored, name);
  try {
    const { header } = await object.header();
    if (header.cipher !== undefined) {
      for await (const { bytes } of object.chunks(header)) giveBack(bytes);
      return { ...await object.totals(undefined), encrypted: true };
    }
    const hash = rawHashOf(header);
    let rawBytes = 0;
    const isPlain = await beginsPlain(object, header);
    for await (const piece of isPlain ? plainPieces(object, header, name) : unpacked(object, header, undefined, name)) {
      hash?.update(piece);
      rawBytes += piece.length;
      if (!isPlain) giveBack(piece);
    }
    const { sha256: _, ...totals } = await totalsOf(object, rawBytes, hash, name);
    return { ...totals, encrypted: false };
  } finally {
    await object.close();
  }
}

/**
 * Reads back what was just written, without a key and without unpacking: when all that is told here is what the writer
 * told, it is that object, bit by bit: what is not compressed by its SHA-256, frames by their checksums.
 */
export async function readBack(
  stored: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Omit<WrittenObject, "sha256">> {
  const object = new StoredObject(stored, name);
  try {
    const { header } = await object.header();
    // The trailer of others has a digest that is compared as they are read.
    const hash = header.cipher === undefined ? rawHashOf(header) : undefined;
    const body = new BodyParts(name, (bytes) => hash?.update(bytes));
    for await (const { bytes, at, length } of object.parts(header)) {
      if (hash !== undefined) body.add(bytes, at, length);
    }
    const totals = await object.totals(undefined);
    return { ...totals, written: hash?.digest("hex") ?? totals.check };
  } finally {
    await object.close();
  }
}

/** The raw bytes of each chunk; some are borrowed. */
function unpacked(
  object: StoredObject,
  header: ObjectHeader,
  cipher: ObjectCipher | undefined,
  name: string,
): AsyncGenerator<Uint8Array, void> {
  const width = header.compression === "none" && cipher === undefined ? 1 : WIDTH;
  return inOrder(object.chunks(header), width, (chunk) => unpack(chunk, header, cipher, name));
}

/** Whether the first chunk is not compressed: then it is likely that none is. */
async function beginsPlain(object: StoredObject, header: ObjectHeader): Promise<boolean> {
  return header.cipher === undefined && await object.firstByte() === 0;
}

/**
 * As `unpacked`, of an object without a cipher: what is not compressed in pieces as they arrive, without a copy. None is
 * borrowed: they are the source's own.
 */
async function* plainPieces(
  object: StoredObject,
  header: ObjectHeader,
  name: string,
): AsyncGenerator<Uint8Array, void> {
  let frame: Uint8Array | undefined;
  for await (const { index, last, length, at, bytes } of object.parts(header)) {
    if (at === 0) {
      frame = isCompressed(bytes) ? borrow(length) : undefined;
      if (frame === undefined) checkLength(bodyOf(bytes, name).length + length - 1, { index, last }, header, name);
    }
    if (frame === undefined) {
      if (at > 0) yield bytes;
      continue;
    }
    frame.set(bytes, at);
    if (at + bytes.length === length) yield await unpack({ bytes: frame, index, last }, header, undefined, name);
  }
}

/** For the digest of the raw bytes, unless the trailer has that of the body. */
function rawHashOf({ digest }: ObjectHeader): Hash | undefined {
  return digest === "raw" ? createHash("sha256") : undefined;
}

async function totalsOf(
  object: StoredObject,
  rawBytes: number,
  hash: Hash | undefined,
  name: string,
): Promise<ObjectTotals> {
  const sha256 = hash?.digest();
  const totals = await object.totals(sha256);
  if (totals.rawBytes !== rawBytes) throw damagedObject(name, `${rawBytes} bytes where it states ${totals.rawBytes}`);
  return { ...totals, sha256: sha256?.toString("hex") ?? "" };
}

/** The raw bytes in chunks of exactly `chunkBytes`, the last one shorter, each from `RAW_AT` on in borrowed memory. */
async function* rawChunks(raw: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<StoredChunk, void> {
  // Each chunk is memory of its own, because it is still being packed while the next is filled.
  const whole = RAW_AT + chunkBytes;
  let chunk = borrow(whole + TAG_BYTES);
  let filled = RAW_AT;
  let index = 0;
  for await (let piece of raw) {
    while (piece.length > 0) {
      if (filled === whole) {
        yield { bytes: chunk.subarray(0, filled), index, last: false };
        chunk = borrow(whole + TAG_BYTES);
        filled = RAW_AT;
        index++;
        await yieldToLoop();
      }
      const part = piece.subarray(0, whole - filled);
      chunk.set(part, filled);
      filled += part.length;
      piece = piece.subarray(part.length);
    }
  }
  yield { bytes: chunk.subarray(0, filled), index, last: true };
}

async function unpack(
  { bytes, index, last }: StoredChunk,
  { compression, chunkBytes }: ObjectHeader,
  cipher: ObjectCipher | undefined,
  name: string,
): Promise<Uint8Array> {
  const payload = cipher === undefined ? bytes : await cipher.decrypt(bytes, { index, last }, name);
  const raw = await unpackChunk(payload, compression, chunkBytes, name);
  if (raw.buffer !== bytes.buffer) giveBack(bytes);
  checkLength(raw.length, { index, last }, { chunkBytes }, name);
  return raw;
}

function checkLength(
  length: number,
  { index, last }: ChunkPlace,
  { chunkBytes }: Pick<ObjectHeader, "chunkBytes">,
  name: string,
): void {
  const least = !last ? chunkBytes : index === 0 ? 0 : 1;
  if (length < least || length > chunkBytes) throw damagedObject(name, `chunk ${index} holds ${length} bytes`);
}
