/**
 * Carrying out a compaction plan, in slices, on the main thread.
 *
 * Output tables are cut between keys, never between versions of one key, so that every table of a level is disjoint from
 * its neighbours. A range tombstone is cut at the same places (see `kept_ranges.ts`).
 *
 * @module
 */
import { ByteReader, concatBytes } from "../../base/bytes.ts";
import type { Slicer } from "../../base/yield.ts";
import { cellOp, OP_BLOB, readCell } from "../../format/cell.ts";
import { readBlobPointer } from "../../format/blob.ts";
import { isTagSpace, spacePrefix } from "../../format/space.ts";
import { MergingCursor } from "../../tree/merging_cursor.ts";
import type { Fragment } from "../../tree/range_tombstones.ts";
import { type CompactionPlan, isBottom } from "./compaction_picker.ts";
import { StoreView } from "../read_view.ts";
import { KeptRanges } from "./kept_ranges.ts";
import { RowFilter } from "./row_filter.ts";
import { type Run, RunCursor } from "../version/run.ts";
import { LONG_BYTES, type RunFiles, RunOutput } from "./run_output.ts";
import type { Store } from "../store.ts";
import type { Version } from "../version/version.ts";

/** Rows between two looks at the clock: about 0.1 ms. */
const STEP = 64;

/** An output that would overlap more than this many table sizes two levels down is cut, so that merging it stays small. */
const GRANDPARENT_FACTOR = 10;

/** Carries out a plan; `checkStop` throws when the work is no longer wanted. */
export async function compact(
  store: Store,
  plan: CompactionPlan,
  slicer: Slicer,
  checkStop: () => void,
): Promise<void> {
  const version = store.version.retain();
  const started = store.settings.monotonic();
  try {
    const files = plan.move ? undefined : await merge(store, version, plan, slicer, checkStop);
    await install(store, plan, files);
    store.counters.compactions++;
    store.report({
      type: "compaction",
      level: plan.level,
      inputs: count(plan.inputs),
      outputs: files?.tables.length ?? count(plan.inputs),
      bytesRead: plan.move ? 0 : plan.inputs.reduce((sum, run) => sum + run.bytes, 0),
      bytesWritten: files?.tables.reduce((sum, table) => sum + table.size, 0) ?? 0,
      durationMs: store.settings.monotonic() - started,
    });
  } finally {
    version.release();
  }
}

function count(runs: readonly Run[]): number {
  return runs.reduce((sum, run) => sum + run.tables.length, 0);
}

async function merge(
  store: Store,
  version: Version,
  plan: CompactionPlan,
  slicer: Slicer,
  checkStop: () => void,
): Promise<RunFiles> {
  const { outputLevel } = plan;
  const stripes = store.snapshots.stripes(store.now());
  // What is in tables outlives a power cut, commits after that may not: they must not decide over rows on disk. Snapshots
  // taken from now on see this version or a later one.
  const present = store.manifest.state.lastVersion;
  const output = new RunOutput(store);
  const pause = async () => {
    if (!slicer.due()) return;
    await slicer.tick();
    checkStop();
  };
  const ranges = new KeptRanges(output, plan.inputs.map(fragmentsOf), {
    stripes,
    tableBytes: store.settings.tableBytes,
    isBottom: (start, end) => isBottom(version, outputLevel, start, end),
    pause,
  });
  const filter = new RowFilter(
    stripes,
    ranges,
    (key) => isBottom(version, outputLevel, key, key),
    (key, at, stripeEnd) => isStaleTag(store, key, at, Math.min(stripeEnd, present)),
  );
  const rows = MergingCursor.of(plan.inputs.map((run) => new RunCursor(run, false)));
  const cutter = new GrandparentCutter(version.deeper[outputLevel], store.settings.tableBytes);
  try {
    let step = 0;
    for (rows.seekFirst(); rows.valid; rows.next()) {
      const { key, version: at, timestamp, cell } = rows;
      if (filter.isNewKey(key)) {
        if (ranges.reaches(key)) await ranges.take(key);
        const full = output.tableBytes >= store.settings.tableBytes;
        if (!output.isBetweenTables && (full || cutter.crosses(key))) await ranges.cut(key);
      }
      const fate = filter.decide(key, at, cell);
      const moved = fate === "keep" ? movedValue(version, plan, cell) : undefined;
      if (moved !== undefined) await output.addMoved(key, at, timestamp, cell, await moved);
      else if (fate !== "drop") output.add(key, at, timestamp, fate === "keep" ? cell : DELETE);
      if (moved !== undefined || ++step % STEP === 0) {
        if (output.wantsDrain) await output.drain();
        await pause();
      }
    }
    return await ranges.finish();
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** The deleted ranges of a run, each table's once those before it have been gone through. */
function* fragmentsOf(run: Run): Generator<Fragment, void> {
  for (const table of run.tables) if (table.meta.tombstones > 0) yield* table.reader().tombstones.fragments();
}

const DELETE = new Uint8Array(1);

/** A row's value, when its blob file is one that is to go. */
function movedValue(
  version: Version,
  plan: CompactionPlan,
  cell: Uint8Array,
): Promise<Uint8Array> | Uint8Array | undefined {
  if (plan.relocate.size === 0 || cellOp(cell[0]!) !== OP_BLOB) return undefined;
  const pointer = readBlobPointer(readCell(cell).payload);
  const blob = plan.relocate.has(pointer.number) ? version.blobs.get(pointer.number) : undefined;
  return pointer.length < LONG_BYTES ? blob?.reader().readSync(pointer) : blob?.reader().read(pointer);
}

/** Whether a row of the tag index points to an entry that nobody in its stripe sees at that version. */
function isStaleTag(store: Store, key: Uint8Array, version: number, stripeEnd: number): boolean {
  const reader = new ByteReader(key);
  const space = reader.varint();
  if (!isTagSpace(space)) return false;
  reader.bytes(reader.u8());
  const entry = concatBytes(spacePrefix(space - 1), key.subarray(reader.at));
  const view = new StoreView(store, stripeEnd, 0);
  return view.newestVersion(entry) !== version;
}

/** Says when an output has come to overlap too much of the level below its own. */
class GrandparentCutter {
  readonly #run: Run | undefined;
  readonly #bytesMax: number;
  #at = 0;
  #bytes = 0;

  constructor(run: Run | undefined, tableBytes: number) {
    this.#run = run;
    this.#bytesMax = GRANDPARENT_FACTOR * tableBytes;
  }

  /** Moves on to `key`; true when the output so far overlaps enough and should be cut before it. */
  crosses(key: Uint8Array): boolean {
    const run = this.#run;
    if (run === undefined) return false;
    const at = run.indexOf(key);
    for (; this.#at < at; this.#at++) this.#bytes += run.tables[this.#at]!.meta.size;
    if (this.#bytes <= this.#bytesMax) return false;
    this.#bytes = 0;
    return true;
  }
}

async function install(store: Store, plan: CompactionPlan, files: RunFiles | undefined): Promise<void> {
  const inputs = plan.inputs.flatMap((run) => run.tables);
  await store.edit((state) => {
    const gone = new Set(inputs.map((table) => table.number));
    const tables = files?.tables ?? inputs.map((table) => table.meta);
    const used = new Set<number>();
    for (const { table } of state.tables.values()) {
      if (!gone.has(table.number)) { for (const use of table.blobs) used.add(use.number); }
    }
    for (const table of tables) for (const use of table.blobs) used.add(use.number);
    return {
      removeTables: inputs.map((table) => ({ level: state.tables.get(table.number)!.level, number: table.number })),
      addTables: tables.map((table) => ({ level: plan.outputLevel, table })),
      addBlobs: files?.blobs ?? [],
      removeBlobs: [...state.blobs.keys()].filter((number) => !used.has(number)),
    };
  });
}
