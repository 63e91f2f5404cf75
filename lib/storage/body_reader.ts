/**
 * Reading the body of a put, whichever form it has, so that it is closed however the put ends.
 *
 * @module
 */
import { abortable, throwIfAborted } from "../base/abort.ts";
import { describeValue } from "../base/options.ts";
import type { ObjectBody } from "./object_store.ts";

/** Gives the pieces of a body. `close` belongs into a `finally`. */
export class BodyReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #ended = false;
  #pending = false;
  #failure: { error: unknown } | undefined;

  /** Begins to read; throws `TypeError` for what is no body. */
  constructor(body: ObjectBody, signal: AbortSignal | undefined) {
    this.#signal = signal;
    if (body instanceof Uint8Array) {
      this.#iterator = one(body);
    } else if (typeof (body as Partial<AsyncIterable<Uint8Array>> | null)?.[Symbol.asyncIterator] === "function") {
      this.#iterator = body[Symbol.asyncIterator]();
    } else {
      throw new TypeError(`put: body must be bytes or an async iterable of them, not ${describeValue(body)}`);
    }
  }

  /** The next piece, undefined at the end. The bytes may be the producer's to use again with the next call. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      throwIfAborted(this.#signal);
      this.#pending = true;
      const result = await abortable(this.#iterator.next(), this.#signal);
      this.#pending = false;
      if (result.done) {
        this.#ended = true;
        return undefined;
      }
      if (result.value instanceof Uint8Array) return result.value;
      throw new TypeError(`put: body must give bytes, not ${describeValue(result.value)}`);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Whether this error is the body's own or the signal's, which the caller of `put` gets as it is. */
  threw(error: unknown): boolean {
    return this.#failure?.error === error || (this.#signal?.aborted === true && this.#signal.reason === error);
  }

  /** Tells the producer that no more is wanted. Never throws: why the put failed is what counts. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      const returned = this.#iterator.return?.();
      // A producer that hangs, which is why the call was given up, would let its own end wait as well.
      if (this.#pending) returned?.catch(() => {});
      else await returned;
    } catch {
      // See above.
    }
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
