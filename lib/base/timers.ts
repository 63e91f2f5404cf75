/**
 * Timers as a thing to be passed in, so that a test decides when time goes by.
 *
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import { whenAborted } from "./abort.ts";

/** Calls back later. */
export interface Timers {
  /**
   * Calls `run` once, after `ms`; returns the way to cancel. The process stays alive for it only with `keepAlive`.
   */
  set(ms: number, run: () => void, keepAlive: boolean): () => void;
}

/** The longest that a timer of the runtimes takes: 31 bits of ms. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * The longest to wait for a time by the clock without a look at it: it may be set, and a machine that sleeps stops its
 * timers but not its clock.
 */
export const CLOCK_LOOK_MS = 60_000;

/** Those of the runtime. */
export const systemTimers: Timers = {
  set(ms, run, keepAlive) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), LONGEST_MS));
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or rejects with the signal's reason. */
export function delayWith(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const forget = signal && whenAborted(signal, () => {
      cancel();
      reject(signal.reason);
    });
    const cancel = timers.set(ms, () => {
      forget?.();
      resolve();
    }, true);
  });
}
