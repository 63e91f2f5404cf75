/**
 * What a row is, and what rows share. Each runs in a process of its own, against one database, and checks what it reads.
 *
 * @module
 */
import { keyOf } from "../data.ts";
import { sampleDelays } from "../delays.ts";
import type { Driver, DriverKind, Feature, Found } from "../drivers/driver.ts";
import type { Percentiles } from "../latencies.ts";

/** What a row is given to work with. */
export interface Task {
  kind: DriverKind;
  /** Where the database lives: empty for rows that need `"nothing"`, with all entries for the others. */
  directory: string;
  entries: number;
  /** How many values of 1 MiB. */
  large: number;
  /** How long rows that repeat one operation go on. */
  seconds: number;
}

/** How late the event loop came, ms. */
export interface LoopDelay {
  p99: number;
  p999: number;
  max: number;
}

/** What a row saw. */
export interface Measured {
  /** In the unit of the row. */
  value: number;
  operations: number;
  ms: number;
  /** How many values were compared with what they have to be. */
  checked: number;
  /** What single operations took, where each was timed. */
  latency?: Percentiles;
  /** What a visitor at any moment waited for the event loop, where it was watched. */
  loop?: LoopDelay;
  /** The bytes of keys and values that were written, where space and writing are held against them. */
  payloadBytes?: number;
  /** The most memory up to the end of the work, where more came behind it: reading back what was written. */
  peakMemory?: number;
}

/** One row of the table. */
export interface Row {
  id: string;
  title: string;
  unit: "/s" | "MB/s" | "ms";
  /** `"loaded"` and `"copy"` find all entries, which only the latter may change. */
  needs: "nothing" | "loaded" | "copy";
  /** Databases that lack it are left out. */
  feature?: Feature;
  measure(task: Task): Promise<Measured>;
}

/** Runs `work` and watches the event loop meanwhile. */
export async function watched<T>(work: () => Promise<T>): Promise<{ result: T; loop: LoopDelay }> {
  const { waits, stop } = sampleDelays();
  try {
    const result = await work();
    // The timer that is overdue comes before the end.
    await new Promise((resolve) => setTimeout(resolve, 2));
    return { result, loop: { p99: waits.percentile(0.99), p999: waits.percentile(0.999), max: waits.max } };
  } finally {
    stop();
  }
}

/** Gives back the turn of the event loop: an answer that came at once is awaited within the same one. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Runs `step` over the positions 0 to `length` again and again for `seconds`, `stride` at a time, after a warm-up that
 * sees every position once if it can in three times as long.
 */
export async function repeat(
  step: (from: number, to: number) => void | Promise<void>,
  length: number,
  seconds: number,
  stride = 256,
): Promise<Omit<Measured, "checked">> {
  let at = 0;
  const advance = async () => {
    const to = Math.min(at + stride, length);
    const waiting = step(at, to);
    if (waiting !== undefined) await waiting;
    const done = to - at;
    at = to === length ? 0 : to;
    return done;
  };
  let start = performance.now();
  do await advance(); while (at !== 0 && performance.now() - start < seconds * 3000);

  let operations = 0;
  start = performance.now();
  do operations += await advance(); while (performance.now() - start < seconds * 1000);
  const ms = performance.now() - start;
  return { value: operations / ms * 1000, operations, ms };
}

/** Reads entry `i` the quickest way that the database has. */
export function read(driver: Driver, i: number): Found | Promise<Found> {
  return driver.getSync !== undefined ? driver.getSync(keyOf(i)) : driver.get!(keyOf(i));
}

/** Throws unless a scan found as many as there have to be. */
export function expectCount(seen: number, expected: number): void {
  if (seen !== expected) throw new Error(`${seen} entries were there instead of ${expected}.`);
}
