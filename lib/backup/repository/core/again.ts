/**
 * Trying again what failed and may succeed later: 4 tries with growing, jittered pauses, about 0.1, 0.4 and 1.6 s. Not more,
 * for whoever waits should hear of it; a replication goes on trying by itself.
 *
 * @module
 */
import { StorageError } from "../../../base/errors.ts";
import { randomNumber } from "../../../base/simulation.ts";
import { RETRY_AFTER_MS_MAX } from "../../../storage/storage_failure.ts";
import type { RepositoryContext } from "./context.ts";

const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const GROWTH = 4;

/** What makes the pauses. */
export type Waits = Pick<RepositoryContext, "delay">;

/** Runs `work`, and again after a failure that may pass; never before the pause is over that the store asked for. */
export async function again<T>(
  { delay }: Waits,
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
      if (asked > RETRY_AFTER_MS_MAX) throw error;
    }
    await delay(asked + FIRST_PAUSE_MS * GROWTH ** (tries - 1) * (0.5 + randomNumber()), signal);
  }
}
