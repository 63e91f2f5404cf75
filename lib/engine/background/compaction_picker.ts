/**
 * Which tables are merged next: a pure decision over a version.
 *
 * Level 0 counts runs, because each costs every read a look; deeper levels count bytes, each ten times the one above. The
 * level that exceeds its share most goes first. Runs leave level 0 oldest first; a table leaves a deeper level where it
 * overlaps least below. Tables that overlap nothing move down without being rewritten.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import type { LiveTable } from "../version/live_file.ts";
import { comparePlace, Run, tablesMeet } from "../version/run.ts";
import { LEVELS, type Version } from "../version/version.ts";

/** A merge of runs (newest first) into one level, or a move. */
export interface CompactionPlan {
  /** The level the tables come from. */
  level: number;
  /** The level the result goes to. */
  outputLevel: number;
  /** What is merged, newest first; those of the output level last. */
  inputs: Run[];
  /** Whether the tables change level as they are. */
  move: boolean;
  /** Blob files whose values move into a new one on the way. */
  relocate: ReadonlySet<number>;
}

/** Limits that the decision rests on. */
export interface PickerLimits {
  /** Runs in level 0 that start a compaction. */
  level0Tables: number;
  /** Bytes of level 1. */
  levelBytes: number;
  /** Size at which tables are cut. */
  tableBytes: number;
}

/** A blob file is collected when more than this share of it is garbage. */
const BLOB_GARBAGE_MAX = 0.5;

/** A table that overlaps more than this many table sizes two levels down is merged rather than moved. */
const GRANDPARENT_FACTOR = 10;

/** Bytes that a level may hold. */
export function levelBytesMax(level: number, limits: PickerLimits): number {
  return level >= LEVELS - 1 ? Infinity : limits.levelBytes * 10 ** (level - 1);
}

/** The next thing to do, or undefined. */
export function pickCompaction(version: Version, limits: PickerLimits): CompactionPlan | undefined {
  let worst = 1;
  let level = -1;
  for (let i = 0; i < LEVELS - 1; i++) {
    const score = i === 0
      ? version.level0.length / limits.level0Tables
      : version.deeper[i - 1]!.bytes / levelBytesMax(i, limits);
    if (score >= worst) {
      worst = score;
      level = i;
    }
  }
  const relocate = garbageBlobs(version);
  if (level === 0) return planLevel0(version, limits, relocate);
  if (level > 0) return planLevel(version, level, limits, relocate);
  return planRelocation(version, relocate);
}

/** Blob files with too much garbage. */
export function garbageBlobs(version: Version): ReadonlySet<number> {
  if (version.blobs.size === 0) return NONE;
  const live = version.liveBlobBytes();
  const out = new Set<number>();
  for (const { number, meta } of version.blobs.values()) {
    if ((live.get(number) ?? 0) < meta.bytes * (1 - BLOB_GARBAGE_MAX)) out.add(number);
  }
  return out;
}

const NONE: ReadonlySet<number> = new Set();

function planLevel0(version: Version, limits: PickerLimits, relocate: ReadonlySet<number>): CompactionPlan {
  const all = version.level0;
  const oldest = all[all.length - 1]!;
  // What meets a chosen run is chosen too: an older one must not stay above it, a newer one would follow soon anyway.
  const set = new Set([oldest]);
  for (let size = 0; size !== set.size;) {
    size = set.size;
    for (const run of all) if (!set.has(run) && [...set].some((other) => runsMeet(other, run))) set.add(run);
  }
  const chosen = all.filter((run) => set.has(run));
  const below = overlapping(version.deeper[0]!, chosen);
  const move = chosen.length === 1 && below.length === 0 && !touches(oldest, relocate) &&
    fitsBelow(version, 1, oldest.tables, limits);
  return plan(0, 1, chosen, below, move, relocate);
}

function planLevel(
  version: Version,
  level: number,
  limits: PickerLimits,
  relocate: ReadonlySet<number>,
): CompactionPlan {
  const next = version.deeper[level]!;
  let best: LiveTable | undefined;
  let bestRatio = Infinity;
  for (const table of version.deeper[level - 1]!.tables) {
    let bytes = 0;
    for (const other of overlapping(next, [new Run([table])])) bytes += other.meta.size;
    const ratio = bytes / table.meta.size;
    if (ratio < bestRatio) {
      bestRatio = ratio;
      best = table;
    }
  }
  const run = new Run([best!]);
  const below = overlapping(next, [run]);
  const move = below.length === 0 && !touches(run, relocate) && fitsBelow(version, level + 1, run.tables, limits);
  return plan(level, level + 1, [run], below, move, relocate);
}

/** Rewrites, where it stands, a table that points into a blob file with too much garbage. */
function planRelocation(version: Version, relocate: ReadonlySet<number>): CompactionPlan | undefined {
  if (relocate.size === 0) return undefined;
  for (let level = LEVELS - 1; level >= 1; level--) {
    for (const table of version.deeper[level - 1]!.tables) {
      const run = new Run([table]);
      if (touches(run, relocate)) return plan(level, level, [run], [], false, relocate);
    }
  }
  // Only level 0 points there: merging it down relocates.
  return version.level0.some((run) => touches(run, relocate))
    ? planAll(version, 0, undefined, undefined, relocate)
    : undefined;
}

/** All of a level that meets a range into the next one; undefined when there is nothing. */
export function planRange(
  version: Version,
  level: number,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
): CompactionPlan | undefined {
  return planAll(version, level, start, end, garbageBlobs(version));
}

/** The first tables of a deeper level that meet a range into the next one, `most` of them; undefined when there are none. */
export function planPart(
  version: Version,
  level: number,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
  most: number,
): CompactionPlan | undefined {
  const tables = version.deeper[level - 1]!.between(start, end).slice(0, most);
  if (tables.length === 0) return undefined;
  const chosen = [new Run(tables)];
  return plan(level, level + 1, chosen, overlapping(version.deeper[level]!, chosen), false, garbageBlobs(version));
}

function planAll(
  version: Version,
  level: number,
  start: Uint8Array | undefined,
  end: Uint8Array | undefined,
  relocate: ReadonlySet<number>,
): CompactionPlan | undefined {
  const chosen: Run[] = [];
  // Level 0: what is older than a chosen run and meets it must go along, so go from the newest to the oldest.
  for (const run of version.level(level)) {
    const tables = level === 0 && chosen.some((other) => runsMeet(other, run)) ? run.tables : run.between(start, end);
    if (tables.length > 0) chosen.push(level === 0 ? run : new Run(tables));
  }
  if (chosen.length === 0) return undefined;
  return plan(level, level + 1, chosen, overlapping(version.deeper[level]!, chosen), false, relocate);
}

function plan(
  level: number,
  outputLevel: number,
  upper: Run[],
  below: LiveTable[],
  move: boolean,
  relocate: ReadonlySet<number>,
): CompactionPlan {
  const inputs = below.length === 0 ? upper : [...upper, new Run(below)];
  return { level, outputLevel, inputs, move, relocate };
}

/**
 * The tables of `run` that meet the stretch from the smallest to the largest key of what is chosen: outputs may span what
 * lies between two inputs, so what stands there must be among the inputs.
 */
function overlapping(run: Run, chosen: readonly Run[]): LiveTable[] {
  let start: Uint8Array | undefined;
  let last: LiveTable | undefined;
  for (const { tables } of chosen) {
    const first = tables[0]!.meta;
    const final = tables[tables.length - 1]!;
    if (start === undefined || compareBytes(first.smallest, start) < 0) start = first.smallest;
    if (last === undefined || endsAfter(final, last)) last = final;
  }
  const out: LiveTable[] = [];
  for (let i = run.indexOf(start!); i < run.tables.length; i++) {
    const table = run.tables[i]!;
    if (comparePlace(last!.meta, table.meta.smallest) < 0) break;
    out.push(table);
  }
  return out;
}

function endsAfter(a: LiveTable, b: LiveTable): boolean {
  if (b.meta.largest === undefined) return false;
  if (a.meta.largest === undefined) return true;
  const c = compareBytes(a.meta.largest, b.meta.largest);
  return c > 0 || (c === 0 && b.meta.largestExclusive);
}

function runsMeet(a: Run, b: Run): boolean {
  return a.tables.some((table) =>
    b.between(table.meta.smallest, undefined).some((o) => tablesMeet(table.meta, o.meta))
  );
}

function touches(run: Run, blobs: ReadonlySet<number>): boolean {
  return blobs.size > 0 && run.tables.some((table) => table.meta.blobs.some((use) => blobs.has(use.number)));
}

/** Whether tables may move to `level` without making later merges of one of them too large. */
function fitsBelow(version: Version, level: number, tables: readonly LiveTable[], limits: PickerLimits): boolean {
  const below = version.deeper[level];
  if (below === undefined) return true;
  return tables.every((table) => {
    let bytes = 0;
    for (const other of overlapping(below, [new Run([table])])) bytes += other.meta.size;
    return bytes <= GRANDPARENT_FACTOR * Math.max(limits.tableBytes, table.meta.size);
  });
}

/** Whether no table of a level below `level` meets the keys from `start` to `end`, both included. */
export function isBottom(version: Version, level: number, start: Uint8Array, end: Uint8Array | undefined): boolean {
  for (let i = level; i < LEVELS - 1; i++) if (version.deeper[i]!.meets(start, end)) return false;
  return true;
}
