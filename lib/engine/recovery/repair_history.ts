/**
 * What the log still tells of commits that are in tables, where tables or blob files are damaged.
 *
 * ```
 * segments   1 ── 40 │ 41 ── 90 │ 91 ── 120          in tables: up to 120
 *            damaged   taken      taken              from 41 on nothing is missing
 * ```
 *
 * Only an unbroken stretch up to the tables' last version is taken: a commit behind a hole may have been undone in the hole,
 * by a delete that the tables needed no more.
 *
 * @module
 */
import type { HoldfastError } from "../../base/errors.ts";
import type { Slicer } from "../../base/yield.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { Memtable } from "../../tree/memtable/memtable.ts";
import { RangeTombstones } from "../../tree/range_tombstones.ts";
import { UnseenRanges } from "../../tree/unseen_ranges.ts";
import { readCommits } from "../log/log_segment.ts";
import type { ManifestState } from "../manifest/manifest_state.ts";
import { applyOperations } from "../writing/apply.ts";
import { deletedBy, ingestOf } from "./recovery.ts";
import { isDamage } from "./salvage.ts";

/** It is held in memory: what is kept for `changes()`, several times over, and not what an absent repository may keep. */
const BYTES_MAX = 256 * 2 ** 20;

/** Which log of commits that are in tables verifies. */
export interface CheckedHistory {
  /** The numbers of the segments that do. */
  whole: Set<number>;
  /** What is wrong with the first that does not. */
  damage: HoldfastError | undefined;
}

/** Looks at log whose commits are in tables. With its damage nothing is lost, but verify() and changes() read it. */
export async function checkHistory(
  fs: FileSystem,
  path: string,
  state: ManifestState,
  slicer: Slicer,
): Promise<CheckedHistory> {
  const checked: CheckedHistory = { whole: new Set(), damage: undefined };
  for (const { number, end, lastVersion } of state.logs.values()) {
    if (lastVersion > state.lastVersion) continue;
    try {
      for (const _ of readCommits(fs, path, { number, database: state.database.id }, end)) {
        if (slicer.due()) await slicer.tick();
      }
      checked.whole.add(number);
    } catch (error) {
      if (!isDamage(error)) throw error;
      checked.damage ??= error;
    }
  }
  return checked;
}

/** Commits that are in tables, from the log. */
export interface HistoryEvidence {
  /** Their rows, a memtable for each segment. */
  memtables: Memtable[];
  /** What they deleted by ranges, and what restores replaced. */
  tombstones: RangeTombstones[];
  /** Whether it is every commit that there ever was, with all that it wrote. */
  isAll: boolean;
}

/** Reads the log of commits that are in tables. `whole`: the numbers of the segments that verify. */
export async function readHistory(
  fs: FileSystem,
  path: string,
  state: ManifestState,
  whole: ReadonlySet<number>,
  slicer: Slicer,
): Promise<HistoryEvidence> {
  const found: HistoryEvidence = { memtables: [], tombstones: [], isAll: false };
  const replaced = new RangeTombstones();
  const segments = unbroken(state, whole);
  found.isAll = segments[0]?.firstVersion === 1;
  for (const { number, end } of segments) {
    const memtable = new Memtable();
    const unseen = new UnseenRanges();
    for (const commit of readCommits(fs, path, { number, database: state.database.id }, end)) {
      const { version, timestamp } = commit;
      const ingest = ingestOf(commit);
      if (ingest === undefined) applyOperations({ memtable, unseen }, commit.ops, version, timestamp);
      // Its files are no part of the log.
      else found.isAll = false;
      for (const range of ingest === undefined ? [] : deletedBy(ingest)) replaced.add({ ...range, version, timestamp });
      if (slicer.due()) await slicer.tick();
    }
    found.memtables.push(memtable);
    if (!memtable.tombstones.isEmpty) found.tombstones.push(memtable.tombstones);
  }
  if (!replaced.isEmpty) found.tombstones.push(replaced);
  return found;
}

/** The segments of an unbroken stretch that ends where the tables do, the oldest first. */
function unbroken({ logs, lastVersion }: ManifestState, whole: ReadonlySet<number>) {
  const newestFirst = [...logs.values()].filter((log) =>
    log.lastVersion <= lastVersion && log.lastVersion >= log.firstVersion
  )
    .sort((a, b) => b.firstVersion - a.firstVersion);
  const taken = [];
  let next = lastVersion + 1;
  let bytes = 0;
  for (const log of newestFirst) {
    bytes += log.end;
    if (log.lastVersion !== next - 1 || !whole.has(log.number) || bytes > BYTES_MAX) break;
    taken.unshift(log);
    next = log.firstVersion;
  }
  return taken;
}
