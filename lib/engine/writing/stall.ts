/**
 * When writers wait, and how long: a pure decision.
 *
 * Tables that pile up in level 0 make every read slower, and memtables that pile up take memory, so writers are slowed
 * while flush and compaction catch up: first a little, then more, and only at the end are they stopped.
 *
 * @module
 */
import type { StallReason } from "../types.ts";

/** What the decision rests on. */
export interface StallFacts {
  /** Runs in level 0. */
  level0: number;
  /** Runs that start a compaction. */
  level0Tables: number;
  /** Memtables that wait to be written. */
  sealed: number;
  /** How full the memtable is: 1 and above is full. */
  memtableShare: number;
  /** Bytes about to be written. */
  bytes: number;
}

/** Sealed memtables beyond this stop writers: one being written and one waiting keep the disk busy, more only fill memory. */
export const SEALED_MAX = 2;

/**
 * How fast writers may go, bytes per ms, when slowing begins (about what compaction digests on one core) and just before
 * they are stopped.
 */
const SLOW_FROM = 32 * 1024;
const SLOW_TO = 1024;

/** With as many memtables waiting as may, writers are slowed from here on, so that the memtable is not full too soon. */
const MEMTABLE_SLOW_FROM = 0.5;

/** What to do before the next write: nothing, wait so long, or wait until something has been done. */
export type Stall = { kind: "none" } | { kind: "delay"; reason: StallReason; ms: number } | {
  kind: "stop";
  reason: StallReason;
};

/** Whether level 0 has grown to where writers are slowed. */
export function isBehind(level0: number, level0Tables: number): boolean {
  return level0 >= 2 * level0Tables;
}

/** Decides whether a write of `bytes` goes on at once. */
export function decideStall(facts: StallFacts): Stall {
  const { level0, level0Tables, sealed, memtableShare, bytes } = facts;
  if (memtableShare >= 1 && sealed >= SEALED_MAX) return { kind: "stop", reason: "memtables" };
  const slow = 2 * level0Tables;
  const stop = 3 * level0Tables;
  if (level0 >= stop) return { kind: "stop", reason: "level0" };
  const delays: (Stall & { kind: "delay" })[] = [];
  if (isBehind(level0, level0Tables)) {
    delays.push({ kind: "delay", reason: "level0", ms: delay(bytes, (level0 - slow + 1) / (stop - slow)) });
  }
  if (sealed >= SEALED_MAX && memtableShare > MEMTABLE_SLOW_FROM) {
    const share = (memtableShare - MEMTABLE_SLOW_FROM) / (1 - MEMTABLE_SLOW_FROM);
    delays.push({ kind: "delay", reason: "memtables", ms: delay(bytes, share) });
  }
  return delays.sort((a, b) => b.ms - a.ms)[0] ?? { kind: "none" };
}

/** ms for so many bytes, as the way from where slowing begins (0) to a stop (1) is behind. */
function delay(bytes: number, share: number): number {
  return bytes / (SLOW_FROM + (SLOW_TO - SLOW_FROM) * share);
}
