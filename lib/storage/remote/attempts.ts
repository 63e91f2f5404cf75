/**
 * One request of a remote store: a deadline for each attempt, and further attempts where the failure may pass.
 *
 * @module
 */
import { abortable, throwIfAborted, whenAborted } from "../../base/abort.ts";
import { delayWith, type Timers } from "../../base/timers.ts";
import { RETRY_AFTER_MS_MAX } from "../storage_failure.ts";
import { RequestFailure } from "./request_failure.ts";

/** How requests are made. */
export interface AttemptOptions {
  /** How often a request is made at most. */
  attempts: number;
  /** How long one attempt may take, its body included, ms. */
  deadlineMs: number;
  /** Those that wait. */
  timers: Timers;
  /** 0 to 1. */
  random: () => number;
}

/** The pauses between attempts: 0.1, 0.3, 0.9, 2.7, 8.1 s, and so on up to 10 s, each times 0.5 to 1.5. */
const FIRST_PAUSE_MS = 100;
const GROWTH = 3;
const PAUSE_MS_MAX = 10_000;

/**
 * Runs `run` until it succeeds, fails for good (anything but a retryable `RequestFailure`), or was tried often enough. What
 * it gets is a signal that fires at the attempt's deadline and when the caller gives up; the caller's reason is thrown as it
 * is, and at once, even if `run` goes on.
 */
export async function inAttempts<T>(
  run: (signal: AbortSignal, attempt: number) => Promise<T>,
  signal: AbortSignal | undefined,
  options: AttemptOptions,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await beforeDeadline((own) => run(own, attempt), signal, options);
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof RequestFailure) || !error.retryable || attempt >= options.attempts) throw error;
      if ((error.retryAfterMs ?? 0) > RETRY_AFTER_MS_MAX) throw error;
      const pause = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * GROWTH ** (attempt - 1)) * (0.5 + options.random());
      // Spread behind the time asked for, too: else all who were told the same come back together.
      await delayWith(options.timers, (error.retryAfterMs ?? 0) + pause, signal);
    }
  }
}

/** Runs `run` once; rejects with a retryable `RequestFailure` when it takes too long. */
export async function beforeDeadline<T>(
  run: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
  { deadlineMs, timers }: Pick<AttemptOptions, "deadlineMs" | "timers">,
): Promise<T> {
  throwIfAborted(signal);
  const own = new AbortController();
  const forget = signal && whenAborted(signal, () => own.abort(signal.reason));
  const cancel = timers.set(deadlineMs, () => {
    own.abort(new RequestFailure(`no answer within ${deadlineMs / 1000} s`, { code: "DEADLINE", retryable: true }));
  }, true);
  try {
    return await abortable(run(own.signal), own.signal);
  } finally {
    cancel();
    forget?.();
  }
}
