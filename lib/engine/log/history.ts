/**
 * Reading commits back from the log.
 *
 * @module
 */
import { HistoryGoneError, NotFoundError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { loadManifest } from "../manifest/manifest.ts";
import type { Log } from "./log.ts";
import { readCommits } from "./log_segment.ts";
import type { Store } from "../store.ts";
import type { CommitEvent } from "../types.ts";

/** Commits between two turns of the event loop. */
const STEP = 256;

/** The segments that hold commits, oldest first, the one in use last. */
export function keptLogs(store: Store, log: Log): LogMeta[] {
  const logs = [...store.manifest.state.logs.values()].sort((a, b) => a.firstVersion - b.firstVersion);
  const open = log.position();
  return open === undefined || open.firstVersion === 0 ? logs : [...logs, open];
}

/** The error of who asks for commits behind `since` where the log begins with `first`. */
export function historyGone(store: Store, since: number, first: number): HistoryGoneError {
  return new HistoryGoneError(
    `Cannot read the changes after version ${since} of ${store.path}: the log goes back to version ${first} only; ` +
      `read the present state, or keep more with history.maxBytes (HISTORY_GONE)`,
  );
}

/** The commits after `since` that are visible when reading begins; `settle` hands over what is still buffered. */
export async function* readHistory(
  store: Store,
  log: Log,
  since: number,
  settle: () => Promise<void>,
): AsyncGenerator<CommitEvent, void> {
  await settle();
  const until = store.visibleVersion;
  if (since >= until) return;
  const logs = keptLogs(store, log).filter((one) => one.lastVersion > since);
  const first = logs[0]?.firstVersion ?? until + 1;
  if (first > since + 1) throw historyGone(store, since, first);
  const release = store.holdLogs(logs.map((one) => one.number));
  try {
    let count = 0;
    for (const { number, end, lastVersion } of logs) {
      try {
        for (const commit of readCommits(store.fs, store.path, { number, database: store.database }, end)) {
          if (commit.version <= since) continue;
          if (commit.version > until) return;
          yield { version: commit.version, timestamp: commit.timestamp, ops: commit.ops };
          if (++count % STEP === 0) await yieldToLoop();
        }
      } catch (error) {
        if (!(error instanceof NotFoundError) || !await isLetGo(store, number)) throw error;
        throw historyGone(store, since, lastVersion + 1);
      }
    }
  } finally {
    release();
  }
}

/** Whether the writer beside a read-only engine has let a segment go; else one that is not there is damage. */
export async function isLetGo(store: Store, number: number): Promise<boolean> {
  if (!store.settings.readOnly) return false;
  const { state } = await loadManifest(store.fs, store.path);
  return !state.logs.has(number) && state.openLog?.number !== number;
}
