/**
 * Deleting many objects, of which none needs another: together where the store can, else many at once.
 *
 * @module
 */
import { throwIfAborted } from "../../../base/abort.ts";
import type { ObjectStore } from "../../../storage/object_store.ts";
import { runPool, SMALL_REQUESTS } from "./pool.ts";

/** Keys that are handed to the store at once: as many as a request of S3 may name. */
const TOGETHER = 1000;

/** What is done beside. */
export interface DeleteAllOptions {
  /** Called before each request. */
  before: () => Promise<void>;
  /** Hears of each key that is gone. */
  gone: (key: string) => void;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Deletes them. The first that can't be deleted ends it with its own error; others may be gone by then. */
export async function deleteAll(
  store: ObjectStore,
  keys: readonly string[],
  { before, gone, signal }: DeleteAllOptions,
): Promise<void> {
  for (let at = 0; at < keys.length; at += TOGETHER) {
    const some = keys.slice(at, at + TOGETHER);
    throwIfAborted(signal);
    await before();
    // One is deleted as well by itself.
    const left = new Set(some.length === 1 ? some : await store.deleteMany?.(some, { signal }) ?? some);
    for (const key of some) if (!left.has(key)) gone(key);
    await runPool(left, SMALL_REQUESTS, async (key) => {
      throwIfAborted(signal);
      await before();
      await store.delete(key);
      gone(key);
    });
  }
}
