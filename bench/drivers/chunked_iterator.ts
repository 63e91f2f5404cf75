/**
 * Iterators of the Level family, which hand over many entries at a time.
 *
 * @module
 */

/** What such an iterator can do. */
export interface ChunkedIterator {
  nextv(count: number): Promise<[string, Uint8Array][]>;
  close(): Promise<void>;
}

/** Visits up to `limit` entries and closes the iterator; returns how many there were. */
export async function visitAll(
  iterator: ChunkedIterator,
  limit: number,
  visit: (key: string, value: Uint8Array) => void,
): Promise<number> {
  let seen = 0;
  try {
    while (seen < limit) {
      const some = await iterator.nextv(Math.min(1000, limit - seen));
      if (some.length === 0) break;
      for (const [key, value] of some) visit(key, value);
      seen += some.length;
    }
    return seen;
  } finally {
    await iterator.close();
  }
}
