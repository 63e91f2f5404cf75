/**
 * The first 64 bytes of an object (`object.ts`).
 *
 * ```
 * header := "HFOBJCT1" | codec u8 | cipher u8 | digest u8 | zero | chunkBytes u32 | key id (16) | salt (16) | zeros (12)
 *           | crc32 of bytes 0-59
 * codec  := 0 none | 1 zstd | 2 gzip              cipher := 0 none | 1 AES-256-GCM              digest := 0 raw | 1 body
 * ```
 *
 * Key id and salt are zeros when there is no cipher, the digest is zero when there is one. Every later format keeps these 64
 * bytes as they are, so a header whose checksum is right and whose fields are not known is newer, not damaged.
 *
 * Example: zstd, not encrypted, chunks of 1 MiB:
 *
 * ```
 * 48 46 4f 42 4a 43 54 31  01 00 00 00  00 00 10 00  00 (44 times)  8f 85 d1 ee
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { readU32, toHex, writeU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";

/** How an object's chunks are compressed. */
export type ObjectCompression = "none" | "zstd" | "gzip";

/** What the trailer of an object without a cipher has the SHA-256 of: the raw bytes, or what is stored of them (`bodyOf`). */
export type ObjectDigest = "raw" | "body";

/** What a header says. */
export interface ObjectHeader {
  /** How the chunks are compressed. */
  compression: ObjectCompression;
  /** How many raw bytes all chunks but the last hold. */
  chunkBytes: number;
  /** What the trailer has the SHA-256 of, when there is no cipher. */
  digest: ObjectDigest;
  /** The ring (32 hexadecimal digits) and the salt of the object's key; undefined when it is not encrypted. */
  cipher: { keyId: string; salt: Uint8Array } | undefined;
}

/** Length of the header. */
export const OBJECT_HEADER_BYTES = 64;

/** Above this a chunk would cost too much memory, and the event loop too much time. */
export const CHUNK_BYTES_MAX: number = 4 * 2 ** 20;

const MAGIC = "HFOBJCT1";
const CODECS: readonly ObjectCompression[] = ["none", "zstd", "gzip"];
const DIGESTS: readonly ObjectDigest[] = ["raw", "body"];
const CODEC_AT = 8;
const CIPHER_AT = 9;
const DIGEST_AT = 10;
const ZERO_AT = 11;
const CHUNK_BYTES_AT = 12;
const KEY_ID_AT = 16;
const SALT_AT = 32;
const ZEROS_AT = 48;
const CHECKSUM_AT = 60;

/** The header's bytes. */
export function writeObjectHeader({ compression, chunkBytes, digest, cipher }: ObjectHeader): Uint8Array {
  const out = new Uint8Array(OBJECT_HEADER_BYTES);
  for (let i = 0; i < 8; i++) out[i] = MAGIC.charCodeAt(i);
  out[CODEC_AT] = CODECS.indexOf(compression);
  writeU32(out, CHUNK_BYTES_AT, chunkBytes);
  if (cipher === undefined) {
    out[DIGEST_AT] = DIGESTS.indexOf(digest);
  } else {
    out[CIPHER_AT] = 1;
    out.set(Buffer.from(cipher.keyId, "hex"), KEY_ID_AT);
    out.set(cipher.salt, SALT_AT);
  }
  writeU32(out, CHECKSUM_AT, crc32(out, 0, 0, CHECKSUM_AT));
  return out;
}

/** Reads the header of the object `name`. Throws `IntegrityError` or `UnsupportedFormatError`. */
export function readObjectHeader(bytes: Uint8Array, name: string): ObjectHeader {
  if (bytes.length < OBJECT_HEADER_BYTES) throw damagedObject(name, `it ends after ${bytes.length} bytes`);
  if (readU32(bytes, CHECKSUM_AT) !== crc32(bytes, 0, 0, CHECKSUM_AT)) throw damagedObject(name, "header checksum");
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  if (!/^HFOBJCT[1-9A-Z]$/.test(magic)) throw damagedObject(name, "it is another kind of file");
  if (magic !== MAGIC) throw newer(name, `format ${magic}`, MAGIC);
  const compression = CODECS[bytes[CODEC_AT]!];
  if (compression === undefined) throw newer(name, `codec ${bytes[CODEC_AT]}`, "codecs 0, 1, 2");
  if (bytes[CIPHER_AT]! > 1) throw newer(name, `cipher ${bytes[CIPHER_AT]}`, "ciphers 0, 1");
  const encrypted = bytes[CIPHER_AT] === 1;
  const digest = encrypted && bytes[DIGEST_AT] !== 0 ? undefined : DIGESTS[bytes[DIGEST_AT]!];
  if (digest === undefined) throw newer(name, `digest ${bytes[DIGEST_AT]}`, "digests 0, 1, and 0 beside a cipher");
  const chunkBytes = readU32(bytes, CHUNK_BYTES_AT);
  if (chunkBytes > CHUNK_BYTES_MAX) {
    throw newer(name, `chunks of ${chunkBytes} bytes`, `chunks up to ${CHUNK_BYTES_MAX}`);
  }
  if (chunkBytes === 0) throw damagedObject(name, "chunks of no bytes");
  const zeros = [
    bytes.subarray(ZERO_AT, CHUNK_BYTES_AT),
    bytes.subarray(encrypted ? ZEROS_AT : KEY_ID_AT, CHECKSUM_AT),
  ];
  if (zeros.some((part) => part.some((byte) => byte !== 0))) throw newer(name, "reserved bytes", "zeros in them");
  if (!encrypted) return { compression, chunkBytes, digest, cipher: undefined };
  const keyId = toHex(bytes.subarray(KEY_ID_AT, SALT_AT));
  return { compression, chunkBytes, digest, cipher: { keyId, salt: bytes.slice(SALT_AT, ZEROS_AT) } };
}

/** The error of an object whose bytes are not what was stored. */
export function damagedObject(name: string, detail: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `Cannot read ${name}: ${detail}; the object was damaged or changed, take another copy of it`,
    { path: name, cause },
  );
}

function newer(name: string, found: string, supported: string): UnsupportedFormatError {
  return new UnsupportedFormatError(
    `Cannot read ${name}: its ${found} is not known here (this release reads ${supported}); use a newer release`,
    found,
    supported,
    { path: name },
  );
}
