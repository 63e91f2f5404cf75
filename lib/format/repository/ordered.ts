/**
 * Several pieces of asynchronous work at once, their results in the order of the input.
 *
 * @module
 */

/**
 * Calls `work` for each item, for at most `width` of them at a time, and yields what they resolve to in order. Ends the
 * source and waits for the work under way when something fails or the reader stops, so nothing goes on behind its back.
 */
export async function* inOrder<I, O>(
  source: Iterable<I> | AsyncIterable<I>,
  width: number,
  work: (item: I) => Promise<O>,
): AsyncGenerator<O, void> {
  const items = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const waiting: Promise<O>[] = [];
  let ended = false;
  try {
    for (;;) {
      while (!ended && waiting.length < width) {
        ended = true; // Also when `next` throws: what threw has ended itself.
        const step = await items.next();
        if (step.done) break;
        ended = false;
        const job = work(step.value);
        job.catch(() => {}); // It is awaited below; but perhaps after it failed.
        waiting.push(job);
      }
      const first = waiting[0];
      if (first === undefined) return;
      const done = await first;
      waiting.shift();
      yield done;
    }
  } finally {
    await Promise.allSettled(waiting);
    if (!ended) await items.return?.();
  }
}
