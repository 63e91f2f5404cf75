/**
 * A limit on bytes per second that all transfers of a repository share.
 *
 * @module
 */

/** Lets bytes through at a rate; without one, at once. */
export class Bandwidth {
  readonly #bytesPerSecond: number | undefined;
  readonly #monotonic: () => number;
  readonly #delay: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** When all that was let through so far would have arrived. */
  #freeAt = 0;

  /** `bytesPerSecond` undefined: no limit. */
  constructor(
    bytesPerSecond: number | undefined,
    monotonic: () => number,
    delay: (ms: number, signal?: AbortSignal) => Promise<void>,
  ) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#monotonic = monotonic;
    this.#delay = delay;
  }

  /** Whether there is a limit. */
  get limited(): boolean {
    return this.#bytesPerSecond !== undefined;
  }

  /** Resolves when the bytes may go. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const now = this.#monotonic();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + bytes / this.#bytesPerSecond * 1000;
    // Short debts are carried on: a timer is not exact to the millisecond.
    if (start - now >= 5) await this.#delay(start - now, signal);
  }

  /** The pieces, at the rate of this limit and of `also`, the limit of one call. */
  async *limit(pieces: AsyncIterable<Uint8Array>, also?: Bandwidth, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      await this.take(piece.length, signal);
      if (also !== undefined && also !== this) await also.take(piece.length, signal);
      yield piece;
    }
  }
}
