/**
 * Several pieces of work at once.
 *
 * @module
 */

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
