/**
 * Reads any source entry by entry into a load.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { IntegrityError } from "../../base/errors.ts";
import type { ProgressReporter } from "../../base/progress.ts";
import { Slicer } from "../../base/yield.ts";
import { openEngine } from "../../engine/open.ts";
import type { Engine, EngineSettings, KeyEncoding } from "../../engine/types.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { OP_BLOB } from "../../format/cell.ts";
import { join } from "../../files/paths.ts";
import { spacesOf } from "../namespaces.ts";
import { isNamespaceSelected, isSelected, type Selection } from "../selection.ts";
import { PortableReader } from "../portable/portable_reader.ts";
import { readCells } from "../read_entries.ts";
import type { RowLoad } from "./row_load.ts";
import { extractTar, type OpenedDirectory, type OpenedStream } from "./source.ts";

/** A source whose entries can be read one by one. */
export type LoadableSource = OpenedDirectory | OpenedStream;

/** How a source is read. */
export interface LoadFromOptions {
  /** Where the source is, and scratch files. */
  fs: FileSystem;
  /** An existing directory for what an archive holds. */
  scratch: string;
  /** The settings with which an exported database is opened. */
  settings: EngineSettings;
  /** Which entries. */
  selection: Selection;
  /** Checks all checksums of the source first. */
  verify: boolean;
  /** Counts entries. */
  reporter: ProgressReporter;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** What a source said of itself. */
export interface LoadedSource {
  /** Bytes read. */
  bytes: number;
  /** How keys of the root look, where it says so. */
  keyEncoding: KeyEncoding | undefined;
  /** The version it shows; 0 when it doesn't say. */
  version: number;
  /** The time of that commit, ms; 0 when it doesn't say. */
  timestamp: number;
  /** The id of the database, where it says so. */
  database?: string | undefined;
  /** Its history, where it says so. */
  lineage?: string | undefined;
}

/** Reads all selected entries of a source. */
export async function loadFrom(source: LoadableSource, load: RowLoad, options: LoadFromOptions): Promise<LoadedSource> {
  if (source.kind === "portable") return await loadPortable(source, load, options);
  const { directory, bytes } = await databaseOf(source, options);
  const engine = await openEngine(options.fs, directory, options.settings);
  try {
    return await loadDatabase(engine, source.name, bytes, load, options);
  } finally {
    await engine.close();
  }
}

/** The directory of an exported database: the source itself, or where its archive was unpacked to. */
export async function databaseOf(
  source: LoadableSource,
  options: { fs: FileSystem; scratch: string; reporter: ProgressReporter },
): Promise<{ directory: string; bytes: number }> {
  if (source.kind === "directory") return { directory: source.path, bytes: 0 };
  const { fs, reporter, scratch } = options;
  const directory = join(scratch, "archive");
  await fs.makeDirectory(directory);
  reporter.start("unpack");
  return { directory, bytes: await extractTar(fs, source, directory, (count, files) => reporter.add(count, files)) };
}

async function loadPortable(
  source: OpenedStream,
  load: RowLoad,
  options: LoadFromOptions,
): Promise<LoadedSource> {
  const { selection, reporter, signal } = options;
  const slicer = new Slicer(options.settings.monotonic);
  const reader = new PortableReader(source.pieces, source.name, options.verify);
  reporter.start("read");
  for await (const { namespace, key, kind, value, tags, expiresAt } of reader.records()) {
    reporter.add(key.length + value.length, 1);
    if (slicer.due()) {
      throwIfAborted(signal);
      await slicer.tick();
    }
    if (!isSelected(selection, namespace, key)) continue;
    const full = load.add(namespace, key, kind, value, tags, expiresAt);
    if (full !== undefined) await full;
  }
  for (const { path, keyEncoding } of reader.meta.namespaces) {
    if (isNamespaceSelected(selection, path)) load.declare(path, keyEncoding);
  }
  const { keyEncoding, lastVersion, createdAt } = reader.meta;
  const timestamp = createdAt === undefined ? NaN : Date.parse(createdAt);
  return {
    bytes: reader.offset,
    keyEncoding,
    version: lastVersion ?? 0,
    timestamp: Number.isNaN(timestamp) ? 0 : timestamp,
    database: reader.meta.database,
  };
}

async function loadDatabase(
  engine: Engine,
  name: string,
  extracted: number,
  load: RowLoad,
  options: LoadFromOptions,
): Promise<LoadedSource> {
  const { selection, reporter, signal } = options;
  let bytes = extracted;
  if (options.verify) {
    const checked = await verifySource(engine, name, reporter, signal);
    if (extracted === 0) bytes = checked;
  }
  reporter.start("read");
  // The load judges expiry, so here nothing has expired.
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  const spaces = spacesOf(view, engine.keyEncoding);
  for (const { path, keyEncoding } of spaces) {
    if (path.length > 0 && isNamespaceSelected(selection, path)) load.declare(path, keyEncoding);
  }
  const slicer = new Slicer(engine.settings.monotonic);
  for await (
    const { space, key, cell, version, timestamp } of readCells({ engine, view, spaces, selection, slicer, signal })
  ) {
    const value = cell.op === OP_BLOB ? await engine.valueAsync({ version, timestamp, cell: cell.raw }) : cell.payload;
    reporter.add(key.length + value.length, 1);
    const full = load.add(space.path, key, cell.kind, value, cell.tags, cell.expiresAt);
    if (full !== undefined) await full;
  }
  return {
    bytes,
    keyEncoding: engine.keyEncoding,
    version: engine.visibleVersion,
    timestamp: engine.visibleTimestamp,
    database: engine.id,
    lineage: engine.lineage,
  };
}

/** Checks all of an exported database; returns its bytes. */
export async function verifySource(
  engine: Engine,
  name: string,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<number> {
  reporter.start("verify");
  const report = await engine.verify({ signal, onBytes: (count) => reporter.add(count) });
  const [problem] = report.problems;
  if (problem === undefined) return report.bytes;
  throw new IntegrityError(
    `Cannot restore from ${name}: ${problem.file} is damaged at byte ${problem.offset}: ${problem.detail}; ` +
      "nothing was restored; take another copy",
    { path: name },
  );
}
