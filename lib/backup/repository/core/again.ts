/**
 * Trying again what failed and may succeed later: 4 tries with growing, jittered pauses, about 0.1, 0.4 and 1.6 s. Not more,
 * for whoever waits should hear of it; a replication goes on trying by itself.
 *
 * @module
 */
import { StorageError } from "../../../base/errors.ts";
import { randomNumber } from "../../../base/simulation.ts";

const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const GROWTH = 4;

/** A store that asks to be left alone for longer is: whoever waits should hear of it. */
const ASKED_MS_MAX = 60_000;

/** Runs `work`, and again after a failure that may pass; never before the pause is over that the store asked for. */
export async function again<T>(
  { delay }: { delay: (ms: number, signal?: AbortSignal) => Promise<void> },
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let tries = 1;; tries++) {
    let asked: number;
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !(error instanceof StorageError) || !error.retryable || signal?.aborted) throw error;
      asked = error.retryAfterMs ?? 0;
      if (asked > ASKED_MS_MAX) throw error;
    }
    await delay(asked + FIRST_PAUSE_MS * GROWTH ** (tries - 1) * (0.5 + randomNumber()), signal);
  }
}
