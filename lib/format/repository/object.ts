/**
 * An object of a repository: a file, packed in chunks that are compressed and encrypted one by one.
 *
 * ```
 * object  := header (64) | chunk+ | trailer
 * header  := `object_header.ts`
 * chunk   := length u32 | bytes                    length: lower 31 bits that of the bytes; top bit: it is the last chunk
 * bytes   := payload (`object_codec.ts`)           encrypted and with its tag, when there is a cipher (`object_cipher.ts`)
 * trailer := rawBytes u64 | SHA-256 (32) of all bytes before it
 * ```
 *
 * Invariants:
 *
 * 1. Every chunk but the last holds exactly `chunkBytes` raw bytes, the last one 1 to `chunkBytes`; an empty file is one chunk
 *    of none. So no chunk unpacks to more, whatever it says.
 * 2. The trailer needs no key: who stores objects for others can check them.
 * 3. Without a cipher the trailer finds accidents only. That the bytes are those meant is told by the object's name, which is
 *    the hash of the raw bytes: who reads compares `sha256` of the totals.
 * 4. With a ring, an object without a cipher is refused, or whoever can write could put his own in its place.
 *
 * Example: "hi" without compression and encryption, behind a header of codec 0:
 *
 * ```
 * header (64) | 03 00 00 80  00 68 69 | 02 00 00 00 00 00 00 00  36 20 a4 ef ... c8 a2 11 a5
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ByteWriter, writeU32 } from "../../base/bytes.ts";
import { DecryptionError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { ObjectCipher } from "./object_cipher.ts";
import { newChunk, packChunk, unpackChunk } from "./object_codec.ts";
import {
  CHUNK_BYTES_MAX,
  damagedObject,
  type ObjectCompression,
  type ObjectHeader,
  writeObjectHeader,
} from "./object_header.ts";
import { inOrder } from "./ordered.ts";
import { type KeyRing, SALT_BYTES } from "./ring.ts";
import { LAST_CHUNK, type StoredChunk, StoredObject } from "./stored_object.ts";

export type { ObjectCompression } from "./object_header.ts";

/** What an object turned out to be, once it was written or read to its end. */
export interface ObjectTotals {
  /** How many bytes were put in. */
  rawBytes: number;
  /** How many bytes it takes. */
  storedBytes: number;
  /** SHA-256 of the bytes put in, hexadecimal. */
  sha256: string;
  /** SHA-256 of the whole stored object, hexadecimal. */
  storedSha256: string;
}

/** How an object is written. */
export interface WriteObjectOptions {
  /** How chunks are compressed. */
  compression: ObjectCompression;
  /** The level of zstd or gzip; 3 and 6 unless given. */
  level?: number;
  /** Encrypts under the keys of this ring. */
  ring?: KeyRing;
  /** Unpredictable bytes. */
  randomBytes: (count: number) => Uint8Array;
  /** Raw bytes per chunk, up to 4 MiB; 1 MiB unless given. */
  chunkBytes?: number;
}

/** Smaller chunks compress worse; larger ones take more memory, and the event loop for longer. */
const CHUNK_BYTES = 2 ** 20;

/** Chunks in work at a time: as many as the pools of the runtimes have threads. */
const WIDTH = 4;

/** The stored bytes of an object, in pieces. Reads `raw` only as its reader asks, and ends it in any case. */
export async function* writeObject(
  raw: AsyncIterable<Uint8Array>,
  options: WriteObjectOptions,
): AsyncGenerator<Uint8Array, ObjectTotals> {
  const { compression, level, ring, randomBytes, chunkBytes = CHUNK_BYTES } = options;
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 1 || chunkBytes > CHUNK_BYTES_MAX) {
    throw new RangeError(`chunkBytes ${chunkBytes} is not from 1 to ${CHUNK_BYTES_MAX}`);
  }
  const salt = ring === undefined ? undefined : randomBytes(SALT_BYTES);
  const keyed = ring === undefined || salt === undefined ? undefined : { keyId: ring.id, salt };
  const header = writeObjectHeader({ compression, chunkBytes, cipher: keyed });
  const cipher = salt === undefined ? undefined : new ObjectCipher(await ring!.objectKey(salt), header);

  const rawHash = createHash("sha256");
  const storedHash = createHash("sha256");
  let rawBytes = 0;
  let storedBytes = 0;
  const stored = (bytes: Uint8Array): Uint8Array => {
    storedHash.update(bytes);
    storedBytes += bytes.length;
    return bytes;
  };

  yield stored(header);
  const chunks = inOrder(rawChunks(raw, chunkBytes), WIDTH, async ({ bytes, index, last }) => {
    rawHash.update(bytes.subarray(1));
    rawBytes += bytes.length - 1;
    const payload = await packChunk(bytes, compression, level);
    return { bytes: cipher === undefined ? payload : await cipher.encrypt(payload, { index, last }), last };
  });
  for await (const { bytes, last } of chunks) {
    const length = new Uint8Array(4);
    writeU32(length, 0, (bytes.length | (last ? LAST_CHUNK : 0)) >>> 0);
    yield stored(length);
    yield stored(bytes);
  }
  const size = new ByteWriter(8);
  size.u64(rawBytes);
  yield stored(size.take());
  yield stored(new Uint8Array(storedHash.copy().digest()));
  return { rawBytes, storedBytes, sha256: rawHash.digest("hex"), storedSha256: storedHash.digest("hex") };
}

/**
 * The raw bytes of an object, in pieces. Never gives a byte of an encrypted object that is not authentic; of one without
 * encryption, and of its length, nothing counts before the generator has returned. Throws `IntegrityError` for damage,
 * `DecryptionError` when the ring is missing or another than the object's, `UnsupportedFormatError` for a newer format.
 */
export async function* readObject(
  stored: AsyncIterable<Uint8Array>,
  options: { name: string; ring?: KeyRing },
): AsyncGenerator<Uint8Array, ObjectTotals> {
  const { name, ring } = options;
  const object = new StoredObject(stored, name);
  try {
    const { header, bytes: headerBytes } = await object.header();
    const cipher = await cipherOf(header, headerBytes, name, ring);
    const hash = createHash("sha256");
    let rawBytes = 0;
    const pieces = inOrder(object.chunks(header), WIDTH, (chunk) => unpack(chunk, header, cipher, name));
    for await (const piece of pieces) {
      hash.update(piece);
      rawBytes += piece.length;
      if (piece.length > 0) yield piece;
    }
    const totals = object.totals;
    if (totals.rawBytes !== rawBytes) throw damagedObject(name, `${rawBytes} bytes where it states ${totals.rawBytes}`);
    return { ...totals, sha256: hash.digest("hex") };
  } finally {
    await object.close();
  }
}

/**
 * Checks all that can be checked without a key: header, lengths, trailer, nothing behind it. Throws as `readObject` does.
 * That the chunks unpack and that the raw bytes are those meant only `readObject` can tell.
 */
export async function checkObject(
  stored: AsyncIterable<Uint8Array>,
  name: string,
): Promise<{ rawBytes: number; storedBytes: number; storedSha256: string; encrypted: boolean }> {
  const object = new StoredObject(stored, name);
  try {
    const { header } = await object.header();
    for await (const _chunk of object.chunks(header));
    return { ...object.totals, encrypted: header.cipher !== undefined };
  } finally {
    await object.close();
  }
}

/** The raw bytes in chunks of exactly `chunkBytes`, the last one shorter, each behind its kind (`newChunk`). */
async function* rawChunks(raw: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<StoredChunk, void> {
  // Each chunk is memory of its own, because it is still being packed while the next is filled. The first is mostly the
  // only one, and small.
  let chunk = newChunk(0);
  let index = 0;
  for await (let piece of raw) {
    while (piece.length > 0) {
      if (chunk.length === 1 + chunkBytes) {
        yield { bytes: chunk.view(), index, last: false };
        chunk = newChunk(chunkBytes);
        index++;
        await yieldToLoop();
      }
      const part = piece.subarray(0, 1 + chunkBytes - chunk.length);
      chunk.bytes(part);
      piece = piece.subarray(part.length);
    }
  }
  yield { bytes: chunk.view(), index, last: true };
}

async function cipherOf(
  header: ObjectHeader,
  bytes: Uint8Array,
  name: string,
  ring: KeyRing | undefined,
): Promise<ObjectCipher | undefined> {
  if (header.cipher === undefined) {
    if (ring === undefined) return undefined;
    throw damagedObject(name, "it is not encrypted, as all in this repository are, so anyone may have written it");
  }
  if (ring === undefined) {
    throw new DecryptionError(`Cannot read ${name}: it is encrypted; give the repository's encryption option`, {
      path: name,
    });
  }
  if (ring.id !== header.cipher.keyId) {
    throw new DecryptionError(
      `Cannot read ${name}: it is encrypted under key ring ${header.cipher.keyId}, not ${ring.id}; ` +
        "open the repository it came from",
      { path: name },
    );
  }
  return new ObjectCipher(await ring.objectKey(header.cipher.salt), bytes);
}

async function unpack(
  { bytes, index, last }: StoredChunk,
  { compression, chunkBytes }: ObjectHeader,
  cipher: ObjectCipher | undefined,
  name: string,
): Promise<Uint8Array> {
  const payload = cipher === undefined ? bytes : await cipher.decrypt(bytes, { index, last }, name);
  const raw = await unpackChunk(payload, compression, chunkBytes, name);
  const least = !last ? chunkBytes : index === 0 ? 0 : 1;
  if (raw.length < least || raw.length > chunkBytes) {
    throw damagedObject(name, `chunk ${index} holds ${raw.length} bytes`);
  }
  return raw;
}
