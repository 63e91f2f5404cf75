/**
 * The encryption of an object's chunks.
 *
 * ```
 * stored chunk := AES-256-GCM under the object key of its payload | tag (16)
 * nonce        := counter u64 | zeros (4)                  counter: 0 for the first chunk, 1 for the next ...
 * authenticated beside it: header (64) | counter u64 | last u8 (1 for the last chunk, else 0)
 * ```
 *
 * So a chunk passes only in its own object, at its own place, and the last one only as the last: what was cut, swapped or
 * joined is noticed before a byte of it is believed. The key belongs to one object (`ring.ts`), so no nonce is used twice.
 *
 * @module
 */
import { writeU32 } from "../../base/bytes.ts";
import { DecryptionError } from "../../base/errors.ts";
import { type AesKey, type AesParameters } from "./aes.ts";
import { damagedObject, OBJECT_HEADER_BYTES, type ObjectHeader } from "./object_header.ts";
import type { KeyRing } from "./ring.ts";

/** A chunk's place in its object. */
export interface ChunkPlace {
  /** How many chunks are before it. */
  index: number;
  /** Whether none is behind it. */
  last: boolean;
}

/** Encrypts and decrypts the chunks of one object. */
export class ObjectCipher {
  readonly #key: AesKey;
  readonly #header: Uint8Array;

  /** `header` is that of the object, which every chunk is bound to. */
  constructor(key: AesKey, header: Uint8Array) {
    this.#key = key;
    this.#header = header;
  }

  /** The stored bytes of a chunk with this payload. */
  encrypt(payload: Uint8Array, place: ChunkPlace): Promise<Uint8Array> {
    return this.#key.encrypt(payload, this.#parameters(place));
  }

  /** The payload of a stored chunk. Throws `IntegrityError` unless every bit of it is as it was written. */
  async decrypt(stored: Uint8Array, place: ChunkPlace, name: string): Promise<Uint8Array> {
    try {
      return await this.#key.decrypt(stored, this.#parameters(place));
    } catch (cause) {
      throw damagedObject(name, `chunk ${place.index} is not what was encrypted there`, cause);
    }
  }

  #parameters({ index, last }: ChunkPlace): AesParameters {
    const iv = new Uint8Array(12);
    writeU32(iv, 0, index >>> 0);
    writeU32(iv, 4, Math.floor(index / 2 ** 32));
    const additionalData = new Uint8Array(OBJECT_HEADER_BYTES + 9);
    additionalData.set(this.#header);
    additionalData.set(iv.subarray(0, 8), OBJECT_HEADER_BYTES);
    additionalData[OBJECT_HEADER_BYTES + 8] = last ? 1 : 0;
    return { iv, additionalData };
  }
}

/**
 * The cipher of an object with this header; undefined for one that is not encrypted, which a ring refuses. Throws
 * `DecryptionError` for a missing ring or another than the object's, and `IntegrityError`.
 */
export async function cipherOf(
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
  return new ObjectCipher(ring.objectKey(header.cipher.salt), bytes);
}
