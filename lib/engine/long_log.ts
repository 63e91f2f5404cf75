/**
 * A long log goes to tables before it is read again: at close, and once an open has read it. A program that is killed again
 * and again, before its memtable is ever full, would otherwise read all of it at every start.
 *
 * @module
 */
import { systemTimers, type Timers } from "../base/timers.ts";
import { QUIET_MS } from "./background/background.ts";
import type { Log } from "./log/log.ts";
import type { Store } from "./store.ts";
import type { CommitQueue } from "./writing/commit_queue.ts";

/** What is read faster than a table is written. */
const LONG_BYTES = 256 * 1024;

/**
 * Whether an open would read much: of the newest segment, or of those before it, from which the memtable has what it holds where
 * a program was killed before that was in tables. A copy that nobody has written to is left as it is: another segment would give
 * it a line of history of its own.
 */
export function isLongLog(log: Log, { memtable, manifest }: Pick<Store, "memtable" | "manifest">): boolean {
  return !manifest.state.forked && Math.max(log.position()?.end ?? 0, memtable.bytes) > LONG_BYTES;
}

/** Has what an open found in a long log go to tables in a while. */
export function shortenLog(store: Store, log: Log, queue: CommitQueue, timers: Timers = systemTimers): void {
  const { memtable, settings } = store;
  if (settings.readOnly || memtable.isEmpty || !isLongLog(log, store)) return;
  const shorten = (): void => {
    if (queue.closed) return;
    // What fails here has made the database read-only, or met a full disk: who writes is told.
    queue.exclusive(async () => void (store.memtable === memtable && await queue.rotate())).catch(() => {});
  };
  if (store.isRepeatable) shorten();
  else timers.set(QUIET_MS, shorten, false);
}
