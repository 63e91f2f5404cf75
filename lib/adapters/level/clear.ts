/**
 * Deleting what a range holds.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import type { Durability } from "../../engine/types.ts";
import type { Data } from "./data.ts";
import type { LevelEntries } from "./entries.ts";
import { keyItems } from "./items.ts";
import { boundsOf, type LevelRangeOptions } from "./range.ts";
import { Walk } from "./walk.ts";

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
  const bounds = boundsOf(options);
  if (options.limit < 0 && snapshot === undefined && entries.canClear(bounds)) {
    return await entries.clear(bounds, durability);
  }
  const walk = new Walk(entries, options, snapshot, keyItems("view"));
  try {
    for (let keys: Data[]; (keys = await walk.nextv(KEYS_PER_COMMIT)).length > 0;) {
      const write = entries.write();
      for (const key of keys) write.del(key);
      await write.commit(durability);
    }
  } finally {
    await walk.close();
  }
}
