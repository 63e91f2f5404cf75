/**
 * Taking finished tables into the database, in one commit.
 *
 * The manifest's edit is the point at which an ingest counts. Its record in the log comes before, so that the log is
 * complete; recovery cuts it off again when the edit is missing. What was committed earlier is in tables by then, so that
 * newer sources hold newer versions as everywhere else.
 *
 * @module
 */
import { ByteWriter, EMPTY_BYTES } from "../../base/bytes.ts";
import { NoSpaceError } from "../../base/errors.ts";
import { Batch, writeCommitHead } from "../../format/log/batch.ts";
import { writeRecord } from "../../format/log/frame.ts";
import { toBase64 } from "../../format/manifest/json_shape.ts";
import type { LevelTable } from "../../format/manifest/manifest_edit.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import { RangeTombstones } from "../../tree/range_tombstones.ts";
import type { Background } from "../background/background.ts";
import type { CommitQueue } from "./commit_queue.ts";
import type { Log } from "../log/log.ts";
import type { LogSegment } from "../log/log_segment.ts";
import { type RunFiles, RunOutput } from "../background/run_output.ts";
import type { Store } from "../store.ts";
import type { Commit, IngestOptions, KeyBounds } from "../types.ts";
import { LEVELS } from "../version/version.ts";

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
    store.assertArchiveHasRoom();
    if (!await queue.rotate()) throw store.noSpace("restore into");
    await background.flushed();
    return await background.alone(() => ingestAlone(parts, files, options), options.signal);
  });
}

async function ingestAlone(parts: IngestParts, files: RunFiles, options: IngestOptions): Promise<Commit> {
  const { store, log, queue } = parts;
  const commit = queue.nextCommit();
  const run = await prepareRun(store, files, options, commit);
  let takeBack: (() => Promise<void>) | undefined;
  try {
    const segment = await log.open();
    takeBack = segment.mark();
    await writeToLog(segment, files, options, commit);
    await placeRun(parts, run, commit);
  } catch (error) {
    await recall(parts, error, takeBack);
    // What it made itself; files that were given are for who gave them.
    const own = store.failure === undefined ? run.added.slice(run.tables.length) : [];
    for (const { table } of own) await store.remove("table", table.number);
    throw error;
  }
  if (options.replace) await dropReplaced(store, run.tables, files);
  return commit;
}

/** Takes one run in again, as the commit it once was; without a log, while nothing is in memory and no compaction runs. */
export async function ingestAgain(
  parts: IngestParts,
  files: RunFiles,
  options: IngestOptions,
  commit: Commit,
): Promise<void> {
  const run = await prepareRun(parts.store, files, options, commit);
  await placeRun(parts, run, commit);
  if (options.replace) await dropReplaced(parts.store, run.tables, files);
}

/** A run as it will be listed. */
interface PreparedRun {
  /** The tables that were given, with the commit laid over their rows. */
  tables: TableMeta[];
  /** These, and the one that deletes what was before. */
  added: LevelTable[];
  /** New blob files. */
  blobs: BlobMeta[];
}

async function prepareRun(
  store: Store,
  files: RunFiles,
  options: IngestOptions,
  commit: Commit,
): Promise<PreparedRun> {
  const ranges = options.replace ? [EVERYTHING] : options.ranges ?? [];
  const tombstone = ranges.length === 0 ? undefined : await writeTombstones(store, ranges);
  const global = { globalVersion: commit.version, globalTimestamp: commit.timestamp };
  // Numbered after the tombstone: of runs with equal versions the higher number is the newer one.
  const run = store.newNumber();
  const tables = files.tables.map((table) => ({ ...table, ...global }));
  const added: LevelTable[] = tables.map((table) => ({ level: 0, run, table }));
  if (tombstone !== undefined) added.push({ level: 0, run: tombstone.number, table: { ...tombstone, ...global } });
  return { tables, added, blobs: files.blobs };
}

async function placeRun({ store, queue }: IngestParts, run: PreparedRun, commit: Commit): Promise<void> {
  await store.edit(() => ({
    addTables: run.added,
    addBlobs: run.blobs,
    lastVersion: commit.version,
    lastTimestamp: commit.timestamp,
    forked: true,
  }), () => {
    // In the very step in which the files change: nobody may see the new ones as of the version before.
    store.unseen.clear();
    queue.shown(commit);
    queue.rotateNext();
    queue.tell({ reset: true, ...commit });
  });
}

/**
 * After a failure the record may stand in the log without its edit, and nothing may be written behind it. Only of a full
 * disk is it known what it left: there the record is cut off again, and writing goes on.
 */
async function recall(
  { store, log }: IngestParts,
  error: unknown,
  takeBack?: () => Promise<void>,
): Promise<void> {
  if (error instanceof NoSpaceError && store.failure === undefined && log.segment?.syncFailed !== true) {
    try {
      return await takeBack?.();
    } catch {
      // Then it is as after any other failure.
    }
  }
  store.fail(error);
}

/**
 * With nobody looking at the past the replaced tables just go, and the tombstone over them; otherwise compaction collects
 * them. An edit of its own: whoever looks from now on sees the new contents, so that no snapshot can come in between.
 */
async function dropReplaced(store: Store, tables: TableMeta[], { blobs }: RunFiles): Promise<void> {
  const ours = new Set(blobs.map(({ number }) => number));
  await store.edit((state) => {
    if (store.snapshots.size > 0) return undefined;
    return {
      removeTables: [...state.tables.values()].map(({ level, table }) => ({ level, number: table.number })),
      removeBlobs: [...state.blobs.keys()].filter((number) => !ours.has(number)),
      addTables: tables.map((table) => ({ level: LEVELS - 1, table })),
    };
  }).catch(() => {});
}

async function writeToLog(segment: LogSegment, files: RunFiles, options: IngestOptions, commit: Commit): Promise<void> {
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
  const head = new ByteWriter(32);
  writeCommitHead(head, commit.version, commit.timestamp, segment.synced);
  const record = new ByteWriter(batch.bytes + 64);
  writeRecord(record, segment.seed, segment.end, head.view(), batch.ops.view());
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
    return (await output.finish(tombstones.fragments())).tables[0]!;
  } catch (error) {
    await output.abort();
    throw error;
  }
}
