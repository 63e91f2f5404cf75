/** What a process holds at a moment, and whether it grows. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { DB } from "../../../mod.ts";
import type { Paths } from "./orders.ts";

/** One measurement; handles are counted by the parent, from outside. */
export interface Measured {
  rss: number;
  heap: number;
  /** Bytes of array buffers, which lie outside of the heap. */
  buffers: number;
  /** Timers and other things that keep the event loop going; undefined where the runtime doesn't tell. */
  resources: number | undefined;
  /** Files in the database's directory, and their bytes. */
  files: number;
  fileBytes: number;
  /** Bytes in the repository. */
  repositoryBytes: number;
  /** Bytes of keys and values in the database, as one reads them. */
  liveBytes: number;
  /** Snapshots, cursors and pins that hold something. */
  pins: number;
  /** Commits of this process so far. */
  commits: number;
  /** Open files, and those among them that have been removed; undefined where there is no /proc. */
  handles: number | undefined;
  strays: number | undefined;
}

/** What a process may hold more at the end than at the beginning: a factor, and what is added to it. */
export const BOUNDS: Partial<Record<keyof Measured, { factor: number; more: number }>> = {
  rss: { factor: 1.3, more: 64 * 2 ** 20 },
  heap: { factor: 1.25, more: 12 * 2 ** 20 },
  buffers: { factor: 1.25, more: 16 * 2 ** 20 },
  handles: { factor: 1.25, more: 16 },
  strays: { factor: 1, more: 8 },
  resources: { factor: 1.25, more: 16 },
  pins: { factor: 1, more: 8 },
};

/** The first part of a run, which counts for nothing: caches fill, code is compiled. */
const WARM_UP = 0.2;

/** Fewer measurements than this say nothing. */
export const SAMPLES_MIN = 15;

/** What was held, as medians of the first and the last third after the warm-up. */
export interface Growth {
  what: keyof Measured;
  first: number;
  last: number;
  /** More than it may be. */
  grown: boolean;
}

/** Compares the beginning and the end of a run; none where there are too few measurements. */
export function growthOf(samples: readonly Measured[]): Growth[] {
  if (samples.length < SAMPLES_MIN) return [];
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const third = Math.floor(warm.length / 3);
  return (Object.keys(BOUNDS) as (keyof Measured)[]).flatMap((what) => {
    const [first, last] = [warm.slice(0, third), warm.slice(-third)].map((part) => median(part, what));
    if (first === undefined || last === undefined) return [];
    const { factor, more } = BOUNDS[what]!;
    return [{ what, first, last, grown: last > first * factor + more }];
  });
}

/** The middle value; undefined where nothing was measured. */
export function median(samples: readonly Measured[], what: keyof Measured): number | undefined {
  const values = samples.map((sample) => sample[what]).filter((value) => value !== undefined).sort((a, b) => a - b);
  return values[values.length >>> 1];
}

/** Collects garbage where the runtime lets a program ask for it, so that only what is held is measured. */
export async function tidy(): Promise<void> {
  const scope = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  scope.gc?.();
  scope.Bun?.gc(true);
  // Finalizers of what was just collected.
  await new Promise((resolve) => setTimeout(resolve, 0));
  scope.gc?.();
}

/** Measures this process. */
export async function measure(
  db: DB,
  paths: Paths,
): Promise<Omit<Measured, "commits" | "handles" | "strays">> {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const resources = typeof process.getActiveResourcesInfo === "function"
    ? process.getActiveResourcesInfo().length
    : undefined;
  const { pins } = db.stats();
  const database = filesIn(paths.data);
  return {
    rss,
    heap: heapUsed,
    buffers: arrayBuffers,
    resources,
    pins,
    files: database.count,
    fileBytes: database.bytes,
    repositoryBytes: filesIn(paths.backups).bytes,
    liveBytes: await liveBytesOf(db),
  };
}

async function liveBytesOf(db: DB): Promise<number> {
  let bytes = 0;
  for (const space of [db, ...db.namespaces().map((name) => db.namespace(name))]) {
    for await (const { key, value } of space.list()) {
      const plain = typeof value === "string" || value instanceof Uint8Array ? value : JSON.stringify(value) ?? "";
      bytes += key.length + plain.length;
    }
  }
  return bytes;
}

/** Counts files; what goes away meanwhile is not counted. */
function filesIn(directory: string): { count: number; bytes: number } {
  let [count, bytes] = [0, 0];
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return { count, bytes };
  }
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      const inside = filesIn(path);
      count += inside.count;
      bytes += inside.bytes;
    } else {
      try {
        bytes += statSync(path).size;
        count++;
      } catch {
        // It has just been removed.
      }
    }
  }
  return { count, bytes };
}
