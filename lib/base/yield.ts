/**
 * Letting the event loop live while long work runs on the main thread.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { throwIfAborted } from "./abort.ts";

/** Resolves once the event loop has gone round: pending input, timers and promises had their turn. */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => resolve());
  });
}

/**
 * A slice of work. Up to five workers (writer, flush, compaction, a bulk load, a scan) may each take one in the same turn of
 * the loop, so longer ones are felt; going round the loop costs about 3 µs, so shorter ones would not cost much either.
 */
const SLICE_MS = 1;

/** Cuts long work into slices: call `tick` between steps, and the loop gets its turn whenever a slice is used up. */
export class Slicer {
  readonly #now: () => number;
  readonly #signal: AbortSignal | undefined;
  readonly #sliceMs: number;
  #started: number;

  /** Measures with `now` (milliseconds; monotonic is best). The signal ends the work between two slices. */
  constructor(now: () => number, signal?: AbortSignal, sliceMs: number = SLICE_MS) {
    this.#now = now;
    this.#signal = signal;
    this.#sliceMs = sliceMs;
    this.#started = now();
  }

  /** Whether the slice is used up. A clock that went backward counts as used up, or a slice could last for hours. */
  due(): boolean {
    const elapsed = this.#now() - this.#started;
    return elapsed >= this.#sliceMs || elapsed < 0;
  }

  /**
   * Yields to the event loop when the slice is used up, and begins the next, or throws the reason of the signal that has fired
   * meanwhile; otherwise goes on at once.
   */
  async tick(): Promise<void> {
    if (!this.due()) return;
    await yieldToLoop();
    throwIfAborted(this.#signal);
    this.#started = this.#now();
  }
}
