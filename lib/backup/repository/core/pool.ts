/**
 * Several pieces of work at once.
 *
 * @module
 */

/**
 * Requests at once where each is small (a document, a line, a delete), whatever the concurrency of transfers: waiting is what
 * takes the time. Not more: services ask who comes with hundreds to slow down.
 */
export const SMALL_REQUESTS = 16;

/**
 * Runs `work` over all items, at most `limit` at a time, begun in their order. The first failure stops what has not begun, is
 * waited for by what has, and thrown.
 */
export async function runPool<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  let failed = false;
  let failure: unknown;
  for await (const item of items) {
    if (failed) break;
    const one: Promise<void> = work(item).catch((error) => {
      if (!failed) failure = error;
      failed = true;
    }).finally(() => running.delete(one));
    running.add(one);
    if (running.size >= limit) await Promise.race(running);
  }
  await Promise.all(running);
  if (failed) throw failure;
}
