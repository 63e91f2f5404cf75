/**
 * Long work that lets others go first on the main thread, when there are any.
 *
 * @module
 */
import { setTimeout } from "node:timers";

/**
 * While others work, so many bytes per second are read, hashed or copied: at about 1.4 ms of the main thread for a mebibyte
 * they keep nine tenths of it.
 */
const BYTES_PER_SECOND = 56 * 2 ** 20;

/** Shorter pauses are carried on: a timer is not exact to the millisecond. */
const PAUSE_MS_MIN = 2;

/** How a pace is kept. */
export interface PaceOptions {
  /** A number that changes when others did something: how many commits there were. */
  activity: () => number;
  /** ms of a clock that only goes forward. */
  monotonic: () => number;
  /** Waits; a timer unless given. */
  delay?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** The pace of one piece of work, which may be done in several places at once. */
export class Pace {
  readonly #options: PaceOptions;
  #seen: number;
  /** When what was done so far would have been done at the pace. */
  #freeAt = 0;

  /** Begins now. */
  constructor(options: PaceOptions) {
    this.#options = options;
    this.#seen = options.activity();
  }

  /** After so many bytes of work: goes on at once, unless others worked since the last time. */
  async took(bytes: number, signal?: AbortSignal): Promise<void> {
    const { activity, monotonic, delay = pause } = this.#options;
    const seen = activity();
    if (seen === this.#seen) return;
    this.#seen = seen;
    const now = monotonic();
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / BYTES_PER_SECOND * 1000;
    if (this.#freeAt - now >= PAUSE_MS_MIN) await delay(this.#freeAt - now, signal);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
