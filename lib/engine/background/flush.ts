/**
 * Writing the oldest sealed memtable as a run of level 0, in slices.
 *
 * @module
 */
import type { Slicer } from "../../base/yield.ts";
import { isBottom } from "./compaction_picker.ts";
import { KeptRanges } from "./kept_ranges.ts";
import { RowFilter } from "./row_filter.ts";
import { RunOutput } from "./run_output.ts";
import type { Store } from "../store.ts";
import type { Version } from "../version/version.ts";
import { trimLog } from "../log/log_retention.ts";

/** Rows between two looks at the clock: about 0.1 ms. */
const STEP = 64;

/** Writes the oldest sealed memtable. */
export async function flushOldest(store: Store, slicer: Slicer): Promise<void> {
  const sealed = store.sealed[0]!;
  const { memtable } = sealed;
  const started = store.settings.monotonic();
  const version = store.version.retain();
  const output = new RunOutput(store);
  try {
    const stripes = store.snapshots.stripes(store.now());
    const { tombstones } = memtable;
    const ranges = new KeptRanges(output, [tombstones.fragments()], {
      stripes,
      tableBytes: store.settings.tableBytes,
      isBottom: (start, end) => holdsNothing(version, start, end),
      pause: () => slicer.tick(),
    });
    const filter = new RowFilter(stripes, ranges, (key) => holdsNothing(version, key, key));
    const rows = memtable.cursor();
    let step = 0;
    for (rows.seekFirst(); rows.valid; rows.next()) {
      const { key, version: at, timestamp, cell } = rows;
      if (filter.isNewKey(key)) {
        if (ranges.reaches(key)) await ranges.take(key);
        if (output.tableBytes >= store.settings.tableBytes) await ranges.cut(key);
      }
      const fate = filter.decide(key, at, cell);
      const isLong = fate === "keep" && output.isLong(cell);
      if (isLong) await output.addLong(key, at, timestamp, cell);
      else if (fate === "keep") output.add(key, at, timestamp, cell);
      else if (fate === "delete") output.add(key, at, timestamp, DELETE);
      if (isLong || ++step % STEP === 0) {
        if (output.wantsDrain) await output.drain();
        await slicer.tick();
      }
    }
    const files = await ranges.finish();
    const run = files.tables[0]?.number;
    await store.edit(() => ({
      addTables: files.tables.map((table) => ({ level: 0, run: run!, table })),
      addBlobs: files.blobs,
      lastVersion: sealed.version,
      lastTimestamp: sealed.timestamp,
    }), () => store.sealed.shift());
    memtable.giveBack();
    store.counters.flushes++;
    store.report({
      type: "flush",
      table: run ?? 0,
      bytes: output.bytes,
      durationMs: store.settings.monotonic() - started,
    });
  } catch (error) {
    await output.abort();
    throw error;
  } finally {
    version.release();
  }
  await trimLog(store);
}

const DELETE = new Uint8Array(1);

function holdsNothing(version: Version, start: Uint8Array, end: Uint8Array | undefined): boolean {
  return isBottom(version, 0, start, end) && version.level0.every((run) => !run.meets(start, end));
}
