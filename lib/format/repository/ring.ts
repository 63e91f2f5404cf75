/**
 * The keys of an encrypted repository. All come from one root of 32 random bytes, which never changes and lies in the
 * repository only wrapped (`key_ring.ts`): changing a passphrase wraps it anew and touches no object.
 *
 * ```
 * object key   := HKDF-SHA256(root, salt of the object, "holdfast object")      32 bytes, AES-256-GCM
 * name key     := HKDF-SHA256(root, no salt, "holdfast name")                   HMAC-SHA256 over the 32 bytes of a SHA-256
 * document key := HKDF-SHA256(root, no salt, "holdfast document")               HMAC-SHA256 over a document's JSON
 * ```
 *
 * Rules: (1) root and keys live in private fields, out of reach of `JSON.stringify`, `console.log` and errors; (2) an object
 * key encrypts one object, so its nonces can count from 0; (3) keys given to WebCrypto cannot be exported again.
 *
 * Example: under the root `00 01 .. 1f` the empty file (SHA-256 `e3b0c442...`) is named
 * `bffa839c09dd5dba948fa5c7c134dadafb0458fee786c50c68aca7f58a871a4c`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, hkdfSync } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { AesKey } from "./aes.ts";

/** The keys of a repository. Its fields and its text show none of them. */
export interface KeyRing {
  /** Names the ring, 32 hexadecimal digits; no secret. */
  readonly id: string;
  /** The AES-256-GCM key of the object with this salt of 16 bytes. */
  objectKey(salt: Uint8Array): AesKey;
  /** What bytes with this SHA-256 (64 hexadecimal digits) are called: 64 hexadecimal digits. */
  nameOf(sha256: string): string;
  /** Authenticates the bytes of a document: 64 hexadecimal digits. */
  mac(bytes: Uint8Array): string;
}

/** Length of a ring's root, bytes. */
export const ROOT_BYTES = 32;

/** Length of a ring's id, bytes. */
export const RING_ID_BYTES = 16;

/** Length of an object's salt, bytes: among 2^64 objects two share one with a chance of about a half. */
export const SALT_BYTES = 16;

class Ring implements KeyRing {
  readonly id: string;
  readonly #root: Uint8Array;
  readonly #nameKey: Uint8Array;
  readonly #documentKey: Uint8Array;

  constructor(id: string, root: Uint8Array) {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new TypeError("a key ring's id has 32 hexadecimal digits");
    if (root.length !== ROOT_BYTES) throw new TypeError(`a key ring's root has ${ROOT_BYTES} bytes`);
    this.id = id;
    this.#root = root.slice();
    this.#nameKey = derive(root, new Uint8Array(0), "holdfast name");
    this.#documentKey = derive(root, new Uint8Array(0), "holdfast document");
  }

  objectKey(salt: Uint8Array): AesKey {
    if (salt.length !== SALT_BYTES) throw new TypeError(`an object's salt has ${SALT_BYTES} bytes`);
    return new AesKey(derive(this.#root, salt, "holdfast object"));
  }

  nameOf(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError("a SHA-256 has 64 hexadecimal digits");
    return createHmac("sha256", this.#nameKey).update(Buffer.from(sha256, "hex")).digest("hex");
  }

  mac(bytes: Uint8Array): string {
    return createHmac("sha256", this.#documentKey).update(bytes).digest("hex");
  }

  static rootOf(ring: KeyRing): Uint8Array {
    if (!(ring instanceof Ring)) throw new TypeError("this key ring was not made by newKeyRing or unwrapKeyRing");
    return ring.#root;
  }
}

/** A new ring. `randomBytes` must be unpredictable (`node:crypto`), or the repository is readable by others. */
export function newKeyRing(randomBytes: (count: number) => Uint8Array): KeyRing {
  const id = toHex(randomBytes(RING_ID_BYTES));
  return new Ring(id, randomBytes(ROOT_BYTES));
}

/** The ring with this id and root: for unwrapping. */
export function ringOf(id: string, root: Uint8Array): KeyRing {
  return new Ring(id, root);
}

/** The root of a ring: for wrapping. Must not leave the memory unencrypted. */
export function rootOf(ring: KeyRing): Uint8Array {
  return Ring.rootOf(ring);
}

/** 32 bytes of key for one purpose. */
export function derive(key: Uint8Array, salt: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, purpose, 32));
}
