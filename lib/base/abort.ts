/**
 * Giving up long work when an `AbortSignal` says so. What is thrown is the signal's own reason.
 *
 * @module
 */

/** Throws the signal's reason when it has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/**
 * Settles as `promise` does, or rejects with the signal's reason as soon as that fires. The work behind `promise` goes on;
 * how it ends is then nobody's concern, and a late failure of it raises no unhandled rejection.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    // Removed on either outcome: a signal that outlives many calls must not collect their listeners.
    promise.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}

/**
 * The items, one after the other. The signal also ends the wait for one that does not come; nobody waits then for the end of
 * what gives them either.
 */
export async function* untilAborted<T>(
  items: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let isWaiting = false;
  let ended = false;
  try {
    for (;;) {
      throwIfAborted(signal);
      isWaiting = true;
      const step = await abortable(Promise.resolve(iterator.next()), signal);
      isWaiting = false;
      ended = step.done === true;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    if (!ended) {
      const returned = Promise.resolve(iterator.return?.());
      // One that hangs would let its own end wait as well, and one that has failed has said so.
      if (isWaiting) returned.catch(() => {});
      else await returned;
    }
  }
}
