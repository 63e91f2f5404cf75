/** @module */
import { createHash } from "node:crypto";
import { ByteWriter } from "../base/bytes.ts";

/** So many bytes are hashed at once. */
const TOGETHER_BYTES = 64 * 2 ** 10;

/** SHA-256 over many short parts. They are gathered first: a call of the hash for each would cost more than hashing them. */
export class GatheredHash {
  /** What is gathered. Short parts are written here. */
  readonly out: ByteWriter = new ByteWriter(2 * TOGETHER_BYTES);
  readonly #hash = createHash("sha256");

  /** Adds a part of any length, behind what was written to `out`. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length > TOGETHER_BYTES) {
      this.#flush();
      this.#hash.update(bytes);
    } else {
      this.out.bytes(bytes);
      if (this.out.length >= TOGETHER_BYTES) this.#flush();
    }
  }

  /** The digest as hex; nothing can be added afterwards. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.out.view());
    this.out.reset();
  }
}
