/**
 * Promises of calls that answer by callback.
 *
 * @module
 */

/** The result of a call that answers by callback. */
export function awaited<T>(work: (callback: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    work((error, value) => error ? reject(error) : resolve(value as T));
  });
}
