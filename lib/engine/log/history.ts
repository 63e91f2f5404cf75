/**
 * Reading commits back from the log.
 *
 * @module
 */
import { copyBytes } from "../../base/bytes.ts";
import { HistoryGoneError, NotFoundError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { FILE_HEADER_BYTES } from "../../format/identity.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { loadManifest } from "../manifest/manifest.ts";
import type { Log } from "./log.ts";
import { readCommits } from "./log_segment.ts";
import type { Store } from "../store.ts";
import type { CommitEvent } from "../types.ts";

/** What is read at once, between two turns of the event loop: so many commits, or bytes and one more commit. */
const STEP = 256;
const STEP_BYTES = 2 ** 20;

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

/**
 * The commits after `since` that are visible when reading begins; `settle` hands over what is still buffered. No file is open
 * between two steps: whoever never asks for the next one leaves none behind.
 */
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
    for (const log of logs) {
      for (let start: number | undefined = FILE_HEADER_BYTES; start !== undefined;) {
        let commits: CommitEvent[];
        try {
          [commits, start] = readStep(store, log, start, since, until);
        } catch (error) {
          if (!(error instanceof NotFoundError) || !await isLetGo(store, log.number)) throw error;
          throw historyGone(store, since, log.lastVersion + 1);
        }
        yield* commits;
        await yieldToLoop();
      }
    }
  } finally {
    release();
  }
}

/** Some commits of a segment from the byte `start` on, and where the next ones begin; undefined: there are none. */
function readStep(
  { fs, path, database }: Store,
  { number, end }: LogMeta,
  start: number,
  since: number,
  until: number,
): [commits: CommitEvent[], next: number | undefined] {
  const commits: CommitEvent[] = [];
  let next = start;
  let bytes = 0;
  try {
    for (const { version, timestamp, ops, end: behind } of readCommits(fs, path, { number, database }, end, start)) {
      if (version > until) break;
      if (version <= since) continue;
      commits.push({ version, timestamp, ops: copyBytes(ops) });
      next = behind;
      bytes += ops.length;
      if (commits.length === STEP || bytes >= STEP_BYTES) return [commits, next];
    }
    return [commits, undefined];
  } catch (error) {
    // What stands before damage is given first.
    if (commits.length === 0) throw error;
    return [commits, next];
  }
}

/** Whether the writer beside a read-only engine has let a segment go; else one that is not there is damage. */
export async function isLetGo(store: Store, number: number): Promise<boolean> {
  if (!store.settings.readOnly) return false;
  const { state } = await loadManifest(store.fs, store.path);
  return !state.logs.has(number) && state.openLog?.number !== number;
}
