/**
 * Bytes copied into memory that is used again and again, for those who need some only until the next.
 *
 * @module
 */
import { copyRange, EMPTY_BYTES } from "./bytes.ts";

/** Views up to this length are kept, so that lengths that come by turns make no new ones. */
const KEPT_LENGTH_MAX = 64;

/** The bytes of one moment. */
export class KeptBytes {
  #memory: Uint8Array = new Uint8Array(KEPT_LENGTH_MAX);
  /** Views of the memory, by length. */
  readonly #views: Uint8Array[] = [];
  /** What was set last; good until something else is. */
  view: Uint8Array = EMPTY_BYTES;

  /** Copies the bytes. */
  set(bytes: Uint8Array): void {
    this.take(bytes, 0, bytes.length);
  }

  /** Copies `bytes[start, end)`; answers the view. */
  take(bytes: Uint8Array, start: number, end: number): Uint8Array {
    copyRange(bytes, start, end, this.#hold(end - start), 0);
    return this.view;
  }

  /** Copies `prefix` and behind it `bytes`, from `from` on; answers the view. */
  join(prefix: Uint8Array, bytes: Uint8Array, from: number): Uint8Array {
    const memory = this.#hold(prefix.length + bytes.length - from);
    copyRange(prefix, 0, prefix.length, memory, 0);
    copyRange(bytes, from, bytes.length, memory, prefix.length);
    return this.view;
  }

  /** Makes the view so long. One that has the length already is good: memory grows only for what is longer than any before. */
  #hold(length: number): Uint8Array {
    if (length > this.#memory.length) {
      this.#memory = new Uint8Array(length * 2);
      this.#views.length = 0;
    }
    if (length !== this.view.length) {
      this.view = length > KEPT_LENGTH_MAX
        ? this.#memory.subarray(0, length)
        : this.#views[length] ??= this.#memory.subarray(0, length);
    }
    return this.#memory;
  }
}
