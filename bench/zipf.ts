/**
 * Skewed choices as YCSB makes them: few entries are asked for often, most of them hardly ever.
 *
 * @module
 */

/** YCSB's constant: a fifth of the entries get about four fifths of the requests. */
const THETA = 0.99;

/**
 * A generator of ranks from 0, the most popular one, to `items - 1`, by the method of Gray et al., "Quickly generating
 * billion-record synthetic databases" (1994). `next` gives u32 numbers.
 */
export function zipfian(items: number, next: () => number): () => number {
  let zeta = 0;
  for (let rank = 1; rank <= items; rank++) zeta += 1 / rank ** THETA;
  const second = 1 + 0.5 ** THETA;
  const alpha = 1 / (1 - THETA);
  const eta = (1 - (2 / items) ** (1 - THETA)) / (1 - second / zeta);
  return () => {
    const u = next() / 2 ** 32;
    if (u * zeta < 1) return 0;
    if (u * zeta < second) return Math.min(1, items - 1);
    return Math.min(items - 1, Math.floor(items * (eta * u - eta + 1) ** alpha));
  };
}
