/**
 * Trying again what can't be repeated by the store itself, because bytes flow through it.
 *
 * @module
 */
import { StorageError } from "../../../../base/errors.ts";
import type { RepositoryContext } from "../../core/context.ts";

/** As often as a store tries its small calls. A copy of hours must not end because one connection broke off. */
const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const GROWTH = 4;

/** Runs `work`, and again after a failure that may pass, whichever side it was on. */
export async function again<T>(
  context: RepositoryContext,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  let pause = FIRST_PAUSE_MS;
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES || !(error instanceof StorageError) || !error.retryable || signal?.aborted) throw error;
    }
    await context.delay(pause, signal);
    pause *= GROWTH;
  }
}
