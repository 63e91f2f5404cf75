/**
 * Where to look in a data block for a key: of each row two bytes of its key's hash, and the restart point before it. In memory
 * only, beside a block that is asked again and again.
 *
 * Halving the way over restart points touches memory here and there in the block, and so waits for it time and again;
 * this is two lines of the processor's cache, and one place in the block.
 *
 * ```
 * rows    a     b     c     d     e     f     ...
 * hints   2     2     2     2     410   410   ...   where the restart point is
 *         1c3f  a291  8807  443f  9ba0  0055  ...   tags
 * ```
 *
 * A tag says that a row may have the key, never that it has; without its tag there is no row of the key.
 *
 * @module
 */
import { BlockCursor } from "./block_cursor.ts";
import type { DataBlock } from "./data_block.ts";
import { hashKey } from "./filter.ts";

/** With more rows looking through all tags takes as long as halving. */
const ROWS_MAX = 128;

const walker = new BlockCursor();

/** The tag of a key, by its hash `a`. */
export function tagOf(a: number): number {
  return a & 0xffff;
}

/** Makes the hints of a block; undefined where it has too many rows, or is too long. */
export function rowHints(block: DataBlock): Uint16Array | undefined {
  if (block.bytes.length > 0xffff) return undefined;
  const tags: number[] = [];
  const starts: number[] = [];
  let restart = 0;
  walker.attach(block);
  for (walker.first(); walker.valid; walker.next()) {
    if (tags.length === ROWS_MAX) return undefined;
    while (restart + 1 < block.restarts && block.restart(restart + 1) <= walker.rowStart) restart++;
    starts.push(block.restart(restart));
    tags.push(tagOf(hashKey(walker.key).a));
  }
  return Uint16Array.of(...starts, ...tags);
}
