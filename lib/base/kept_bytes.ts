/**
 * Bytes copied into memory that is used again and again, for those who need some only until the next.
 *
 * @module
 */
import { EMPTY_BYTES } from "./bytes.ts";

/** Up to here a loop beats `set`: there is no native call to enter. */
const LOOP_BYTES_MAX = 48;

/** The bytes of one moment. */
export class KeptBytes {
  #memory: Uint8Array = new Uint8Array(64);
  /** What was set last; good until something else is. */
  view: Uint8Array = EMPTY_BYTES;

  /** Copies the bytes. */
  set(bytes: Uint8Array): void {
    const memory = this.#hold(bytes.length);
    if (bytes.length > LOOP_BYTES_MAX) memory.set(bytes);
    else for (let i = 0; i < bytes.length; i++) memory[i] = bytes[i]!;
  }

  /** Copies `prefix` and behind it `bytes`, from `from` on; answers the view. */
  join(prefix: Uint8Array, bytes: Uint8Array, from: number): Uint8Array {
    const memory = this.#hold(prefix.length + bytes.length - from);
    let at = 0;
    for (let i = 0; i < prefix.length; i++) memory[at++] = prefix[i]!;
    for (let i = from; i < bytes.length; i++) memory[at++] = bytes[i]!;
    return this.view;
  }

  /** Makes the view so long. One of the right length is good for all, as memory grows only for what is longer than any before. */
  #hold(length: number): Uint8Array {
    if (length > this.#memory.length) this.#memory = new Uint8Array(length * 2);
    if (length !== this.view.length) this.view = this.#memory.subarray(0, length);
    return this.#memory;
  }
}
