/**
 * Counting what there is.
 *
 * @module
 */
import type { Log } from "./log/log.ts";
import type { Store } from "./store.ts";
import type { EngineStats, LevelStats, StallReason } from "./types.ts";
import { LEVELS } from "./version/version.ts";

/** The figures of a store as it stands. */
export function statsOf(store: Store, log: Log, stall: StallReason | undefined): EngineStats {
  const { version, counters, cache } = store;
  const levels: LevelStats[] = [];
  let tableBytes = 0;
  for (let level = 0; level < LEVELS; level++) {
    let tables = 0;
    let bytes = 0;
    for (const run of version.level(level)) {
      tables += run.tables.length;
      bytes += run.bytes;
    }
    if (tables > 0) levels.push({ level, tables, bytes });
    tableBytes += bytes;
  }
  const live = version.liveBlobBytes();
  let blobBytes = 0;
  let blobGarbageBytes = 0;
  for (const { number, meta } of version.blobs.values()) {
    blobBytes += meta.size;
    blobGarbageBytes += Math.max(0, meta.bytes - (live.get(number) ?? 0));
  }
  let logBytes = log.position()?.end ?? 0;
  for (const { end } of store.manifest.state.logs.values()) logBytes += end;
  return {
    version: store.visibleVersion,
    levels,
    memtableBytes: store.sealed.reduce((sum, { memtable }) => sum + memtable.bytes, store.memtable.bytes),
    pendingFlushes: store.sealed.length,
    logBytes,
    tableBytes,
    blobBytes,
    blobGarbageBytes,
    cacheBytes: cache.bytes,
    cacheHits: cache.hits,
    cacheMisses: cache.misses,
    commits: counters.commits,
    userBytes: counters.userBytes,
    writtenBytes: counters.logBytes + counters.tableBytes + store.manifest.written,
    syncs: counters.syncs,
    flushes: counters.flushes,
    compactions: counters.compactions,
    stall,
    stalledMs: counters.stalledMs,
    pins: store.pins + store.cursors.size + store.snapshots.size,
    failure: store.failure,
    full: store.full,
  };
}
