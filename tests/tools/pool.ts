import { availableParallelism } from "node:os";

/** How many things run at once: two, or one on a machine with a single core. More would make timings of no use. */
const AT_ONCE_MAX = 2;

/** Runs the work for every item, in order, a few at a time; the first rejection is passed on. */
export async function runPool<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, availableParallelism()) }, worker));
}
