/**
 * Key slots: `keys/<id>.json` holds the root of the repository's keys (`ring.ts`), encrypted by what a passphrase or a raw
 * key gives. Any one slot opens the repository; removing its file takes that secret away.
 *
 * ```
 * wrapping key := scrypt(passphrase in NFC as UTF-8, salt, N, r, p)        for a passphrase
 *               | HKDF-SHA256(key, salt, "holdfast key slot")              for a raw key of 32 bytes
 * wrapped      := nonce (12) | AES-256-GCM under the wrapping key of the root (32) | tag (16)          as base64url
 * authenticated beside it: UTF-8 of JSON ["holdfast key slot",repository,slot,ringId,createdAt]
 * ```
 *
 * So a slot of another repository, or one that was renamed or edited, opens nothing. The file is sealed by a checksum only
 * (`document.ts`): it is read before any key is known.
 *
 * No error, document or text of this file holds a passphrase or a key.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { scrypt, scryptSync } from "node:crypto";
import { awaited } from "../../base/awaited.ts";
import { concatBytes, encodeText } from "../../base/bytes.ts";
import { UnsupportedFormatError } from "../../base/errors.ts";
import { offload } from "../../base/simulation.ts";
import { base64Text, choice, object, type Shape, ShapeError, toBase64, where, whole } from "../manifest/json_shape.ts";
import { AesKey, TAG_BYTES } from "./aes.ts";
import { derive, type KeyRing, ringOf, ROOT_BYTES, rootOf } from "./ring.ts";
import { id32, keyPart } from "./shapes.ts";

export { type KeyRing, newKeyRing } from "./ring.ts";

/** What opens a repository: a passphrase, or a key of exactly 32 bytes. */
export type Secret = { passphrase: string } | { key: Uint8Array };

/** How costly it is to try a passphrase. */
export interface ScryptCost {
  /** Steps, a power of two; memory is 128 * N * r bytes. */
  N: number;
  /** Block size. */
  r: number;
  /** Passes. */
  p: number;
}

/** How the wrapping key comes from the secret. */
export type KeyDerivation = ({ name: "scrypt"; salt: string } & ScryptCost) | { name: "hkdf-sha256"; salt: string };

/** A key slot. */
export interface KeyFile {
  /** The slot's id, as in the file's name. */
  id: string;
  /** When it was made, ms. */
  createdAt: number;
  /** How the wrapping key is made; salts as base64url. */
  kdf: KeyDerivation;
  /** The ring that it opens, 32 hexadecimal digits. */
  ringId: string;
  /** The wrapped root, base64url. */
  wrapped: string;
}

/** What `wrapKeyRing` needs beside ring and secret. */
export interface WrapOptions {
  /** The repository's id. */
  repository: string;
  /** The slot's id. */
  slot: string;
  /** The time, ms. */
  createdAt: number;
  /** Unpredictable bytes. */
  randomBytes: (count: number) => Uint8Array;
  /** How costly trying passphrases is made; `SCRYPT_COST` unless given. */
  scrypt?: ScryptCost;
}

/**
 * 32 MiB and about 0.3 s for one try, the second of the choices that OWASP gives as equal. A cheaper one is tried too fast; one
 * with more memory does not fit small machines that back up.
 */
export const SCRYPT_COST: ScryptCost = { N: 2 ** 15, r: 8, p: 3 };

/** A file may ask for as much memory; more is an attack, or a newer release. */
const SCRYPT_MEMORY_MAX = 256 * 2 ** 20;
/** And for as many passes: with all memory about 10 s. */
const SCRYPT_PASSES_MAX = 16;
/** Larger block sizes than anyone uses would only break the product's limit in `p`. */
const SCRYPT_BLOCK_MAX = 1024;

const SALT_BYTES = 32;
const NONCE_BYTES = 12;
const WRAPPED_BYTES = NONCE_BYTES + ROOT_BYTES + TAG_BYTES;

const bytesText = (count: number): Shape<string> =>
  where(base64Text, (text) => {
    const length = Buffer.from(text, "base64url").length;
    return length === count ? undefined : `${length} bytes, not ${count}`;
  });

const scryptShape: Shape<KeyDerivation> = object({
  name: choice("scrypt"),
  N: whole(2),
  r: whole(1),
  p: whole(1),
  salt: bytesText(SALT_BYTES),
});
const hkdfShape: Shape<KeyDerivation> = object({ name: choice("hkdf-sha256"), salt: bytesText(SALT_BYTES) });

const kdfShape: Shape<KeyDerivation> = (value, at) => {
  const name = (value as { name?: unknown } | null)?.name;
  if (name === "scrypt") return scryptShape(value, at);
  if (name === "hkdf-sha256") return hkdfShape(value, at);
  if (typeof name === "string") throw new ShapeError(`${at}.name is not known`, `${at}.name`);
  throw new ShapeError(`${at} is no key derivation`);
};

/** The shape of a key slot's document. */
export const keyFile: Shape<KeyFile> = object({
  id: keyPart,
  createdAt: whole(),
  kdf: kdfShape,
  ringId: id32,
  wrapped: bytesText(WRAPPED_BYTES),
});

/** A slot that the secret opens. Throws `TypeError` for a secret that is none. */
export async function wrapKeyRing(ring: KeyRing, secret: Secret, options: WrapOptions): Promise<KeyFile> {
  const { repository, slot, createdAt, randomBytes } = options;
  checkSecret(secret);
  const salt = randomBytes(SALT_BYTES);
  const saltText = toBase64(salt);
  const { N, r, p } = options.scrypt ?? SCRYPT_COST;
  const kdf: KeyDerivation = "passphrase" in secret
    ? { name: "scrypt", N, r, p, salt: saltText }
    : { name: "hkdf-sha256", salt: saltText };
  const key = await wrappingKey(secret, kdf, "a key slot");
  const nonce = randomBytes(NONCE_BYTES);
  const file = { id: slot, createdAt, kdf, ringId: ring.id };
  const sealed = await key.encrypt(rootOf(ring), { iv: nonce, additionalData: context(file, repository) });
  return keyFile({ ...file, wrapped: toBase64(concatBytes(nonce, sealed)) }, "");
}

/**
 * The ring in a slot; undefined when this secret does not open it: another secret, another repository, or an edited file.
 * Throws `UnsupportedFormatError` when the slot asks for more memory or time than anything this release writes.
 */
export async function unwrapKeyRing(file: KeyFile, secret: Secret, repository: string): Promise<KeyRing | undefined> {
  checkSecret(secret);
  if (("passphrase" in secret) !== (file.kdf.name === "scrypt")) return undefined;
  const key = await wrappingKey(secret, file.kdf, `key slot ${file.id}`);
  const wrapped = Buffer.from(file.wrapped, "base64url");
  const iv = wrapped.subarray(0, NONCE_BYTES);
  let root: Uint8Array;
  try {
    root = await key.decrypt(wrapped.subarray(NONCE_BYTES), { iv, additionalData: context(file, repository) });
  } catch {
    return undefined; // The tag does not fit.
  }
  return ringOf(file.ringId, root);
}

function context(file: Omit<KeyFile, "wrapped">, repository: string): Uint8Array {
  return encodeText(JSON.stringify(["holdfast key slot", repository, file.id, file.ringId, file.createdAt]));
}

/** The message says what is wrong with the secret, never what it is. */
function checkSecret(secret: Secret): void {
  if (typeof secret !== "object" || secret === null) {
    throw new TypeError("encryption must be { passphrase } or { key }");
  }
  if (("passphrase" in secret) === ("key" in secret)) {
    throw new TypeError("encryption must have a passphrase or a key, one of both");
  }
  if ("passphrase" in secret) {
    if (typeof secret.passphrase !== "string") throw new TypeError("encryption.passphrase must be a string");
    if (secret.passphrase === "") throw new TypeError("encryption.passphrase is empty");
    if (/[\ud800-\udfff]/u.test(secret.passphrase)) {
      throw new TypeError("encryption.passphrase holds half a surrogate pair, which has no UTF-8");
    }
    return;
  }
  if (!(secret.key instanceof Uint8Array)) throw new TypeError("encryption.key must be a Uint8Array");
  if (secret.key.length !== 32) {
    throw new TypeError(`encryption.key must have exactly 32 bytes, not ${secret.key.length}`);
  }
}

async function wrappingKey(secret: Secret, kdf: KeyDerivation, name: string): Promise<AesKey> {
  const salt = Buffer.from(kdf.salt, "base64url");
  if (kdf.name === "hkdf-sha256") {
    return new AesKey(derive((secret as { key: Uint8Array }).key, salt, "holdfast key slot"));
  }
  checkCost(kdf, name);
  // Systems disagree about how an accent is typed; its normal form makes the same passphrase of it.
  const passphrase = (secret as { passphrase: string }).passphrase.normalize("NFC");
  const { N, r, p } = kdf;
  // OpenSSL counts a little more than 128 * N * r.
  const maxmem = 128 * r * (N + p + 2) + 2 ** 20;
  const options = { N, r, p, maxmem };
  const bytes = await offload<Uint8Array>(
    () => awaited<Uint8Array>((done) => scrypt(encodeText(passphrase), salt, 32, options, done)),
    () => scryptSync(encodeText(passphrase), salt, 32, options),
  );
  return new AesKey(bytes);
}

function checkCost({ N, r, p }: ScryptCost, name: string): void {
  // scrypt itself takes no N from 2^(16 r) on.
  const powerOfTwo = N <= 2 ** 30 && (N & (N - 1)) === 0 && N < 2 ** (16 * r);
  if (powerOfTwo && r <= SCRYPT_BLOCK_MAX && p <= SCRYPT_PASSES_MAX && 128 * N * r <= SCRYPT_MEMORY_MAX) return;
  const found = `scrypt N=${N} r=${r} p=${p}`;
  throw new UnsupportedFormatError(
    `Cannot open ${name}: it asks for ${found}, more than this release allows; use another slot or a newer release`,
    found,
    `scrypt with N a power of two, 128 * N * r up to ${SCRYPT_MEMORY_MAX}, p up to ${SCRYPT_PASSES_MAX}`,
  );
}
