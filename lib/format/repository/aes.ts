/**
 * AES-256-GCM, as chunks and key slots are sealed with.
 *
 * Done by WebCrypto, which works beside the main thread in all three runtimes; `node:crypto` does so in none, and in Deno
 * at 140 MB/s only. It serves simulations, where all has its order.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, webcrypto } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import { offload } from "../../base/simulation.ts";

/** How much longer what is sealed is than what was given. */
export const TAG_BYTES = 16;

/** What goes with each call: the nonce of 12 bytes, used once under a key, and what is authenticated beside it. */
export interface AesParameters {
  /** The nonce. */
  iv: Uint8Array;
  /** Authenticated as well, but not in the result. */
  additionalData: Uint8Array;
}

/** A key that cannot be read back. */
export class AesKey {
  readonly #bytes: Uint8Array;
  #imported: Promise<webcrypto.CryptoKey> | undefined;

  /** Of 32 bytes. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
  }

  /** The bytes, encrypted, and the tag. */
  encrypt(bytes: Uint8Array, parameters: AesParameters): Promise<Uint8Array> {
    return offload(
      async () => new Uint8Array(await webcrypto.subtle.encrypt(named(parameters), await this.#key(), unshared(bytes))),
      () => {
        const cipher = createCipheriv("aes-256-gcm", this.#bytes, parameters.iv);
        cipher.setAAD(parameters.additionalData);
        return concatBytes(cipher.update(bytes), cipher.final(), cipher.getAuthTag());
      },
    );
  }

  /** What was encrypted. Throws when a single bit of it, or of the parameters, is another one; the error says no more. */
  decrypt(sealed: Uint8Array, parameters: AesParameters): Promise<Uint8Array> {
    return offload(
      async () =>
        new Uint8Array(await webcrypto.subtle.decrypt(named(parameters), await this.#key(), unshared(sealed))),
      () => {
        if (sealed.length < TAG_BYTES) throw new RangeError("shorter than its tag");
        const end = sealed.length - TAG_BYTES;
        const decipher = createDecipheriv("aes-256-gcm", this.#bytes, parameters.iv);
        decipher.setAAD(parameters.additionalData);
        decipher.setAuthTag(sealed.subarray(end));
        return concatBytes(decipher.update(sealed.subarray(0, end)), decipher.final());
      },
    );
  }

  #key(): Promise<webcrypto.CryptoKey> {
    const usages: webcrypto.KeyUsage[] = ["encrypt", "decrypt"];
    return this.#imported ??= webcrypto.subtle.importKey("raw", unshared(this.#bytes), "AES-GCM", false, usages);
  }
}

function named({ iv, additionalData }: AesParameters): {
  name: "AES-GCM";
  iv: Uint8Array<ArrayBuffer>;
  additionalData: Uint8Array<ArrayBuffer>;
} {
  return { name: "AES-GCM", iv: unshared(iv), additionalData: unshared(additionalData) };
}

/** For WebCrypto, which takes no shared memory: all bytes that come here were made by this code. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
