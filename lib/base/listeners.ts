/**
 * Listeners that programs hand in, and whose failures are their own affair.
 *
 * @module
 */

/**
 * Tells a listener, if there is one. What it throws must not look like an error of what it hears of; nor what one that is
 * asynchronous rejects with, which would end the process where nobody handles it.
 */
export function tell<E>(listener: ((event: E) => unknown) | undefined, event: E): void {
  try {
    const told = listener?.(event);
    if (told instanceof Promise) told.catch(() => {});
  } catch {
    // Its own affair.
  }
}
