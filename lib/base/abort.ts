/**
 * Giving up long work when an `AbortSignal` says so. What is thrown is the signal's own reason.
 *
 * @module
 */

/** Throws the signal's reason when it has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/** Fires as soon as one of them does; undefined where there is none. */
export function anyOf(...signals: (AbortSignal | undefined)[]): AbortSignal | undefined {
  const given = signals.filter((signal) => signal !== undefined);
  return given.length > 1 ? AbortSignal.any(given) : given[0];
}

/** What is to be called when a signal fires, and the listener that does. */
const waiting = new WeakMap<AbortSignal, { all: Set<() => void>; fire: () => void }>();

/**
 * Calls back once when the signal fires, unless what it gives was called before; to be called in any case, for a signal that
 * outlives many calls must not collect them. All have one listener in common: of thousands on one signal, as all watches of a
 * server may have, each new one would be compared with all before it.
 */
export function whenAborted(signal: AbortSignal, listener: () => void): () => void {
  let shared = waiting.get(signal);
  if (shared === undefined) {
    const all = new Set<() => void>();
    shared = {
      all,
      fire() {
        waiting.delete(signal);
        let failed: { error: unknown } | undefined;
        for (const one of all) {
          all.delete(one);
          try {
            one();
          } catch (error) {
            failed ??= { error };
          }
        }
        // As it would be told by a listener of its own, which keeps none of the others from being called.
        if (failed !== undefined) throw failed.error;
      },
    };
    waiting.set(signal, shared);
    signal.addEventListener("abort", shared.fire, { once: true });
  }
  const { all, fire } = shared;
  const own = (): void => listener(); // Who waits twice is called twice.
  all.add(own);
  return () => {
    if (!all.delete(own) || all.size > 0) return;
    // Some signals live for as long as somebody listens.
    signal.removeEventListener("abort", fire);
    waiting.delete(signal);
  };
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
    const forget = signal.aborted ? () => {} : whenAborted(signal, onAbort);
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error) => {
        forget();
        reject(error);
      },
    );
  });
}

/**
 * The items, one after the other. The signal also ends the wait for one that does not come; once it has fired, nobody waits
 * for the end of what gives them either.
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
      // One that hangs would let its own end wait as well, be it when it is asked for the next item or to be cancelled, and
      // one that has failed has said so.
      if (isWaiting || signal?.aborted) returned.catch(() => {});
      else await returned;
    }
  }
}
