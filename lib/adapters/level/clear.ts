/**
 * Deleting what a range holds.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import type { Durability } from "../../engine/types.ts";
import type { LevelEntries } from "./entries.ts";
import { Walk } from "./iterators.ts";
import { boundsOf, type LevelRangeOptions } from "./range.ts";

/** What Level hands to `clear`. */
export interface ClearOptions extends LevelRangeOptions {
  /** From the last key to the first, which with a limit decides what goes. */
  reverse: boolean;
  /** At most so many keys; -1 for all. */
  limit: number;
}

/** Many keys share a sync, and still one commit is small beside what a log record may hold. */
const KEYS_PER_COMMIT = 1000;

/** Deletes a range in one commit; only so many of its keys, or the keys of a snapshot, in several. */
export async function clear(
  entries: LevelEntries,
  options: ClearOptions,
  snapshot: Snapshot<Key> | undefined,
  durability: Durability | undefined,
): Promise<void> {
  if (options.limit < 0 && snapshot === undefined) return await entries.clear(boundsOf(options), durability);
  const walk = new Walk<Key>(entries, options, snapshot, false, (key) => key);
  try {
    for (let left = options.limit < 0 ? Infinity : options.limit; left > 0;) {
      const keys = await walk.nextv(Math.min(left, KEYS_PER_COMMIT));
      if (keys.length === 0) return;
      const write = entries.write();
      for (const key of keys) write.del(key);
      await write.commit(durability);
      left -= keys.length;
    }
  } finally {
    await walk.close();
  }
}
