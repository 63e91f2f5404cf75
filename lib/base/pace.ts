/**
 * Long work that lets others go first on the main thread, when there are any.
 *
 * What others lose is the share of time that is not theirs while they could use it: so the busier they are, the slower this
 * goes. Only the thread is
 * shared out so, not the disk.
 *
 * @module
 */
import { setTimeout } from "node:timers";

/**
 * Beside others who are as busy as can be, so many bytes per second are read, hashed or copied: at about 1.4 ms of the main
 * thread for a mebibyte, and a few of another core where it is compressed, which these others have use for too.
 */
const BYTES_PER_SECOND = 18 * 2 ** 20;

/** That many steps of others a second are as busy as can be; half as many leave room for twice as many bytes ... */
const BUSY_PER_SECOND = 20_000;

/** ... but for no more than this: they may be few because each waits for the disk, which is shared as well. */
const BYTES_PER_SECOND_MAX = 3 * BYTES_PER_SECOND;

/** Over how long the steps of others are counted, ms. */
const WINDOW_MS = 100;

/** Shorter pauses are carried on: a timer is not exact to the millisecond. */
const PAUSE_MS_MIN = 2;

/** How a pace is kept. */
export interface PaceOptions {
  /** A number that others raise with each step: how many commits there were. */
  activity: () => number;
  /** Whether they are held up already by something that wants the same time. */
  isBehind?: (() => boolean) | undefined;
  /** ms of a clock that only goes forward. */
  monotonic: () => number;
  /** Waits; a timer unless given. */
  delay?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/** The pace of one piece of work, which may be done in several places at once. */
export class Pace {
  readonly #options: PaceOptions;
  #seen: number;
  /** Where the present window began. */
  #window: { seen: number; at: number };
  #bytesPerSecond = BYTES_PER_SECOND;
  /** When what was done so far would have been done at the pace. */
  #freeAt = 0;

  /** Begins now. */
  constructor(options: PaceOptions) {
    this.#options = options;
    this.#seen = options.activity();
    this.#window = { seen: this.#seen, at: options.monotonic() };
  }

  /** After so many bytes of work: goes on at once, unless others worked since the last time. */
  async took(bytes: number, signal?: AbortSignal): Promise<void> {
    const { activity, isBehind, monotonic, delay = pause } = this.#options;
    const seen = activity();
    const waits = isBehind?.() ?? false;
    if (seen === this.#seen && !waits) return;
    this.#seen = seen;
    const now = monotonic();
    this.#count(seen, now);
    const bytesPerSecond = waits ? BYTES_PER_SECOND : this.#bytesPerSecond;
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / bytesPerSecond * 1000;
    if (this.#freeAt - now >= PAUSE_MS_MIN) await delay(this.#freeAt - now, signal);
  }

  #count(seen: number, now: number): void {
    const since = this.#window;
    if (now - since.at < WINDOW_MS) return;
    const perSecond = (seen - since.seen) / (now - since.at) * 1000;
    const room = BYTES_PER_SECOND * BUSY_PER_SECOND / perSecond;
    this.#bytesPerSecond = Math.min(BYTES_PER_SECOND_MAX, Math.max(BYTES_PER_SECOND, room));
    this.#window = { seen, at: now };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
