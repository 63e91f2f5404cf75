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
    for (let log of logs) {
      for (let step: Step = { commits: [], at: placeBefore(store, log.number, since), isEnd: false }; !step.isEnd;) {
        try {
          step = readStep(store, log, step.at, since, until);
        } catch (error) {
          if (!(error instanceof NotFoundError) || !await isLetGo(store, log.number)) throw error;
          const copy = await findCopy(store, log);
          if (copy === undefined) throw historyGone(store, since, log.lastVersion + 1);
          since = Math.max(since, step.at.version);
          log = copy;
          step = { commits: [], at: { number: log.number, offset: FILE_HEADER_BYTES, version: 0 }, isEnd: false };
          continue;
        }
        notePlace(store, step.at);
        yield* step.commits;
        await yieldToLoop();
      }
    }
  } finally {
    release();
  }
}

/** Where in a segment the records of later commits begin. */
interface Place {
  readonly number: number;
  readonly offset: number;
  /** The last commit before it; 0: none is. */
  readonly version: number;
}

/**
 * Where readings of each store have come to: who asks for what is new, over and over, begins there and not with the segment.
 * What is visible stays where it is, and numbers are never given twice.
 */
const places = new WeakMap<Store, Place[]>();

/** More are not kept: two consumers that read all of the log need as many. */
const PLACES_MAX = 256;

function notePlace(store: Store, place: Place): void {
  // What a reader took for committed its writer may have cut off since, on a full disk.
  if (store.settings.readOnly) return;
  const noted = places.get(store) ?? [];
  places.set(store, noted);
  if (noted.some(({ version }) => version === place.version)) return;
  noted.push(place);
  if (noted.length > PLACES_MAX) noted.shift();
}

/** The last known place in a segment with all commits after `since` behind it. */
function placeBefore(store: Store, number: number, since: number): Place {
  let found: Place = { number, offset: FILE_HEADER_BYTES, version: 0 };
  for (const place of places.get(store) ?? []) {
    if (place.number === number && place.version <= since && place.version > found.version) found = place;
  }
  return found;
}

/** What one step has read. */
interface Step {
  readonly commits: CommitEvent[];
  /** Where the next one begins. */
  readonly at: Place;
  /** Whether there is none. */
  readonly isEnd: boolean;
}

/** Some commits of a segment from a place on. What comes up to `since` is passed, as many bytes at once. */
function readStep(
  { fs, path, database }: Store,
  { number, end }: LogMeta,
  from: Place,
  since: number,
  until: number,
): Step {
  const commits: CommitEvent[] = [];
  let at = from;
  let bytes = 0;
  try {
    for (const record of readCommits(fs, path, { number, database }, end, from.offset)) {
      const { version, timestamp, ops } = record;
      if (version > until) break;
      if (version > since) commits.push({ version, timestamp, ops: copyBytes(ops) });
      at = { number, offset: record.end, version };
      bytes += ops.length;
      // There too where they begin: who asks for the same again need not pass the others.
      if (version === since || commits.length === STEP || bytes >= STEP_BYTES) return { commits, at, isEnd: false };
    }
    return { commits, at, isEnd: true };
  } catch (error) {
    // What stands before damage is given first.
    if (commits.length === 0) throw error;
    return { commits, at, isEnd: false };
  }
}

/**
 * The segment that has the commits of one that a writer let go: behind a kill it writes the newest one anew (`Log.settle`), at
 * first as the one in use.
 */
async function findCopy({ fs, path, database }: Store, log: LogMeta): Promise<LogMeta | undefined> {
  const { state } = await loadManifest(fs, path);
  const { firstVersion, lineage } = log;
  for (const kept of state.logs.values()) {
    if (kept.firstVersion === firstVersion && kept.lineage === lineage) return kept;
  }
  const { number, end } = state.openLog ?? {};
  if (number === undefined || !end || state.database.lineage !== lineage) return undefined;
  // The manifest does not say with which commit the one in use begins.
  for (const { version } of readCommits(fs, path, { number, database }, end)) {
    return version === firstVersion ? { ...log, number, end } : undefined;
  }
  return undefined;
}

/** Whether the writer beside a read-only engine has let a segment go; else one that is not there is damage. */
export async function isLetGo(store: Store, number: number): Promise<boolean> {
  if (!store.settings.readOnly) return false;
  const { state } = await loadManifest(store.fs, store.path);
  return !state.logs.has(number) && state.openLog?.number !== number;
}
