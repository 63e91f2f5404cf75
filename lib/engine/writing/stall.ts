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
  /** Whether the memtable is full as well. */
  memtableFull: boolean;
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
  if (facts.memtableFull && facts.sealed >= SEALED_MAX) return { kind: "stop", reason: "memtables" };
  const slow = 2 * facts.level0Tables;
  const stop = 3 * facts.level0Tables;
  if (facts.level0 >= stop) return { kind: "stop", reason: "level0" };
  if (!isBehind(facts.level0, facts.level0Tables)) return { kind: "none" };
  const share = (facts.level0 - slow + 1) / (stop - slow);
  const bytesPerMs = SLOW_FROM + (SLOW_TO - SLOW_FROM) * share;
  return { kind: "delay", reason: "level0", ms: facts.bytes / bytesPerMs };
}
