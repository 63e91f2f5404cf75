/**
 * Taking finished tables into the database, in one commit.
 *
 * The manifest's edit is the point at which an ingest counts. Its record in the log comes before, so that the log is
 * complete; recovery cuts it off again when the edit is missing. What was committed earlier is in tables by then, so that
 * newer sources hold newer versions as everywhere else.
 *
 * @module
 */
import { ByteWriter, EMPTY_BYTES } from "../base/bytes.ts";
import { NoSpaceError } from "../base/errors.ts";
import { Batch, writeCommit } from "../format/batch.ts";
import { writeRecord } from "../format/frame.ts";
import { toBase64 } from "../format/json_shape.ts";
import type { TableMeta } from "../format/table_meta.ts";
import { RangeTombstones } from "../tree/range_tombstones.ts";
import type { Background } from "./background.ts";
import type { CommitQueue } from "./commit_queue.ts";
import type { Log } from "./log.ts";
import { type RunFiles, RunOutput } from "./run_output.ts";
import type { Store } from "./store.ts";
import type { Commit, IngestOptions, KeyBounds } from "./types.ts";
import { LEVELS } from "./version.ts";

/** The parts of an engine that an ingest moves. */
export interface IngestParts {
  /** The store. */
  store: Store;
  /** Its log. */
  log: Log;
  /** Its writer. */
  queue: CommitQueue;
  /** Its workers. */
  background: Background;
}

/** Takes one run in. */
export function ingestFiles(parts: IngestParts, files: RunFiles, options: IngestOptions): Promise<Commit> {
  const { store, queue, background } = parts;
  return queue.exclusive(async () => {
    store.assertWritable("restore");
    await queue.rotate();
    await background.flushed();
    if (!store.memtable.isEmpty || !store.memtable.tombstones.isEmpty) {
      throw new NoSpaceError(`Cannot restore into ${store.path}: the disk is full (NO_SPACE)`, { path: store.path });
    }
    return await background.alone(() => ingestAlone(parts, files, options));
  });
}

async function ingestAlone(parts: IngestParts, files: RunFiles, options: IngestOptions): Promise<Commit> {
  const { store, log, queue } = parts;
  // With nobody looking at the past the old tables just go; otherwise a tombstone over all keys hides them.
  const wipe = options.replace && store.snapshots.size === 0;
  const ranges = options.replace ? [EVERYTHING] : options.ranges ?? [];
  const tombstone = wipe || ranges.length === 0 ? undefined : await writeTombstones(store, ranges);
  const commit = queue.nextCommit();
  const global = { globalVersion: commit.version, globalTimestamp: commit.timestamp };
  // Numbered after the tombstone: of runs with equal versions the higher number is the newer one.
  const run = store.newNumber();
  const added = files.tables.map((table) => ({
    ...(wipe ? { level: LEVELS - 1 } : { level: 0, run }),
    table: { ...table, ...global },
  }));
  if (tombstone !== undefined) added.push({ level: 0, table: { ...tombstone, ...global } });
  try {
    await writeToLog(log, files, options, commit);
    await store.edit((state) => ({
      removeTables: !wipe
        ? []
        : [...state.tables.values()].map(({ level, table }) => ({ level, number: table.number })),
      removeBlobs: wipe ? [...state.blobs.keys()] : [],
      addTables: added,
      addBlobs: files.blobs,
      lastVersion: commit.version,
      lastTimestamp: commit.timestamp,
      forked: true,
    }));
  } catch (error) {
    // The record may stand in the log without its edit: nothing may be written behind it.
    store.fail(error);
    throw error;
  }
  queue.shown(commit);
  queue.rotateNext();
  queue.tell({ reset: true, ...commit });
  return commit;
}

async function writeToLog(log: Log, files: RunFiles, options: IngestOptions, commit: Commit): Promise<void> {
  const segment = await log.open();
  const batch = new Batch();
  batch.ingest({
    replace: options.replace,
    ranges: (options.ranges ?? []).map(({ start, end }) => ({
      start: toBase64(start),
      ...(end === undefined ? {} : { end: toBase64(end) }),
    })),
    tables: files.tables.map(({ number, sha256, size }) => ({ number, sha256, size })),
    blobs: files.blobs.map(({ number, sha256, size }) => ({ number, sha256, size })),
  });
  const payload = new ByteWriter(1024);
  writeCommit(payload, commit.version, commit.timestamp, segment.synced, batch.ops.view());
  const record = new ByteWriter(payload.length + 64);
  writeRecord(record, segment.seed, segment.end, payload.view());
  await segment.append(record.view());
  segment.note(commit.version, commit.timestamp);
  await segment.sync();
}

/** Every key there is. */
const EVERYTHING: KeyBounds = { start: EMPTY_BYTES, end: undefined };

/** A table that only deletes. */
async function writeTombstones(store: Store, ranges: readonly KeyBounds[]): Promise<TableMeta> {
  const tombstones = new RangeTombstones();
  for (const { start, end } of ranges) tombstones.add({ start, end, version: 0, timestamp: 0 });
  const output = new RunOutput(store);
  try {
    return (await output.finish(tombstones)).tables[0]!;
  } catch (error) {
    await output.abort();
    throw error;
  }
}
