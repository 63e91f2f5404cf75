/**
 * Restore into an open database: one atomic step at one new version. All of the source is read, checked and written aside
 * first; then the engine takes the files in with a single commit. A crash leaves the old or the new contents.
 *
 * @module
 */
import { anyOf, throwIfAborted } from "../base/abort.ts";
import { IntegrityError, LockedError, ReadOnlyError } from "../base/errors.ts";
import { ProgressReporter } from "../base/progress.ts";
import type { Commit, Engine, IngestOptions } from "../engine/types.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { removeTree } from "../files/publish.ts";
import type { BlobMeta, TableMeta } from "../format/table/table_meta.ts";
import { newId } from "./export.ts";
import { hashOf } from "./file_sink.ts";
import type { RestoreInfo } from "./info.ts";
import { type LoadedSource, loadFrom } from "./load/load_source.ts";
import { nextSpace, spaceRange, spacesOf } from "./namespaces.ts";
import {
  type CheckedRestoreOptions,
  checkRestoreOptions,
  type RestoreOptions,
  type WantedPoint,
} from "./restore_options.ts";
import { isNamespaceSelected, isSelective } from "./selection.ts";
import { withPartial } from "./partial.ts";
import { readerSettings } from "./pinned_files.ts";
import { type ReserveSpace, RowLoad } from "./load/row_load.ts";
import { type PreparedSource, prepareSource, type RepositoryPart, restoring } from "./load/prepare_source.ts";
import { closeSource, type OpenedSource, openSource, type RestoreSource } from "./load/source.ts";
import type { Lease } from "./repository/core/lease.ts";
import { readPieces } from "./archive/streams.ts";

const CALL = "db.restore";

/** Key spaces for the namespaces that come with a source. */
export interface RestoreSpaces {
  /** From here on they are free. */
  first: number;
  /** See `ReserveSpace`. */
  reserve: ReserveSpace;
}

/** What an open database adds to a restore into it. */
export interface Inside {
  /**
   * From `first` on the caller keeps key spaces free for the namespaces that come with the source; a merge asks `reserve` for
   * them, as others may write to those namespaces meanwhile.
   */
  spaces?: RestoreSpaces | undefined;
  /** Fires when the database is closed. */
  closing: AbortSignal;
  /** Called once nothing is left in its directory of what was written aside. */
  onLeft: () => void;
}

/**
 * Restores a source (an exported directory or tar file, a portable file, a stream of either) into an open database. Entries
 * get the one new version; values, kinds, tags and expiry are kept.
 *
 * With a selection, `"replace"` replaces what is selected and leaves the rest.
 */
export async function restoreInto(
  engine: Engine,
  source: RestoreSource,
  options?: RestoreOptions,
  inside?: Inside,
): Promise<RestoreInfo> {
  const given = checkRestoreOptions(CALL, options, false);
  const signal = anyOf(given.signal, inside?.closing);
  const checked = { ...given, signal };
  const { dryRun } = checked;
  const { fs } = engine;
  throwIfAborted(signal);
  if (engine.readOnly && !dryRun) {
    throw new ReadOnlyError(
      `Cannot restore into ${engine.path}: it was opened with readOnly; open it for writing (READ_ONLY)`,
    );
  }
  const opened = await openSource(CALL, fs, source, { signal, encryption: checked.encryption });
  try {
    if (opened.kind === "directory" && fs.resolve(opened.path) === fs.resolve(engine.path)) {
      throw new LockedError(
        `Cannot restore from ${opened.path}: it is what would be restored into; give another (LOCKED)`,
        { path: opened.path },
      );
    }
    return await restoring(
      opened,
      engine.path,
      checked,
      (lease, onProgress) =>
        restoreOpened(engine, opened, checked, { lease, inside, reporter: new ProgressReporter(onProgress) }),
    );
  } finally {
    // Behind the last write to a repository, which claims it anew where one program writes at a time.
    await closeSource(opened).catch(() => {}); // The first failure is the one to tell.
  }
}

async function restoreOpened(
  engine: Engine,
  opened: OpenedSource,
  checked: CheckedRestoreOptions,
  { lease, inside, reporter }: {
    lease: Lease | undefined;
    inside: Inside | undefined;
    reporter: ProgressReporter;
  },
): Promise<RestoreInfo> {
  const { mode, selection, signal, dryRun } = checked;
  const { fs, settings } = engine;
  const started = settings.monotonic();
  const scratch = new Scratch(fs, join(engine.path, `.stage-${newId(engine)}`));
  const wholly = mode === "replace" && !isSelective(selection);
  const spaces = spacesOf(engine.read(), engine.keyEncoding);
  const ranges = mode === "merge" || wholly ? [] : spaces
    .filter(({ path }) => isNamespaceSelected(selection, path))
    .map(({ space }) => spaceRange(space, selection.prefix));
  // A full replacement begins with an empty catalog. Its namespaces get spaces that none had before, so that nothing that
  // was meant for the old ones can fall into them.
  const load = new RowLoad({
    fs,
    directory: scratch.path,
    memoryBytes: settings.memtableBytes,
    spaces: wholly ? spaces.slice(0, 1) : spaces,
    firstSpace: inside?.spaces?.first ?? nextSpace(spaces),
    reserve: mode === "merge" && !dryRun ? inside?.spaces?.reserve : undefined,
    countOnly: dryRun,
    moment: checked.expiry === "keep" ? engine.now() : undefined,
    call: CALL,
  });
  const run = async (): Promise<RestoreInfo> => {
    if (!dryRun || opened.kind === "tar") await scratch.make();
    const prepared = await prepareSource(opened, {
      call: CALL,
      fs,
      scratch: scratch.path,
      settings,
      restore: checked,
      reuse: [engine.path],
      reporter,
      lease,
    });
    const about = { source: opened.name, mode, dryRun, point: checked.point };
    if (prepared.source === undefined) return plannedInfo(prepared, about, settings.monotonic() - started);
    const loaded = await loadFrom(prepared.source, load, {
      fs,
      scratch: scratch.path,
      settings: readerSettings(settings, signal),
      selection,
      // What a repository gave was checked as it came, and read back.
      verify: checked.verifyBefore && prepared.part === undefined,
      reporter,
      signal,
    });
    load.settle(engine.keyEncoding);
    const done = dryRun
      ? { entries: load.added - load.expired, commit: { version: loaded.version, timestamp: loaded.timestamp } }
      : await apply(engine, load, { replace: wholly, ranges }, checked.verifyAfter, reporter, signal);
    reporter.finish();
    return restoreInfo(about, loaded, load, {
      part: prepared.part,
      entries: done.entries,
      achieved: done.commit,
      database: engine.id,
      lineage: engine.lineage,
      durationMs: settings.monotonic() - started,
    });
  };
  try {
    return await withPartial(reporter, run);
  } finally {
    await load.close();
    await scratch.remove();
    inside?.onLeft();
  }
}

/** What was asked for, for the returned info. */
export interface RestoreRequest {
  /** Where from. */
  source: string;
  /** How. */
  mode: "replace" | "merge";
  /** Whether to change nothing. */
  dryRun: boolean;
  /** Which point in time, of a repository. */
  point: WantedPoint;
}

/** The returned info. */
export function restoreInfo(
  request: RestoreRequest,
  loaded: LoadedSource,
  load: { expired: number; exact?: boolean } | undefined,
  done: {
    part: RepositoryPart | undefined;
    entries: number;
    achieved: Commit;
    database: string;
    lineage: string;
    durationMs: number;
  },
): RestoreInfo {
  const { point, ...asked } = request;
  return {
    requested: { ...asked, ...point },
    achieved: done.achieved,
    database: done.database,
    lineage: done.lineage,
    entries: done.entries,
    ...(load?.exact === false ? { entriesAtMost: true as const } : {}),
    expired: load?.expired ?? 0,
    ...(done.part ?? { backups: [request.source], bytes: loaded.bytes, recordsReplayed: 0, reusedBytes: 0 }),
    durationMs: done.durationMs,
  };
}

/** The info of a rehearsal that read no data. */
export function plannedInfo(prepared: PreparedSource, request: RestoreRequest, durationMs: number): RestoreInfo {
  const { point, ...asked } = request;
  return {
    requested: { ...asked, ...point },
    ...prepared.planned!,
    ...prepared.part!,
    expired: 0,
    durationMs,
  };
}

/** Writes what was gathered and takes it in. Up to the commit nothing has changed, and a failure removes the files. */
export async function apply(
  engine: Engine,
  load: RowLoad,
  deletes: IngestOptions,
  verify: boolean,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<{ entries: number; commit: Commit }> {
  reporter.start("write", { totalItems: load.added });
  const { files, entries, rows } = await load.write(engine, reporter, signal);
  try {
    if (verify) {
      await verifyFiles(engine, files, rows, reporter, signal);
    }
    throwIfAborted(signal);
  } catch (error) {
    await engine.discard(files);
    throw error;
  }
  reporter.start("publish");
  try {
    return { entries, commit: await engine.ingest(files, { ...deletes, signal }) };
  } catch (error) {
    await engine.discard(files);
    throw error;
  }
}

/** Reads back what was written and holds it against what its writer knows. */
async function verifyFiles(
  engine: Engine,
  files: { tables: TableMeta[]; blobs: BlobMeta[] },
  rows: number,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const all = [
    ...files.tables.map((meta) => ({ meta, path: engine.filePath("table", meta.number) })),
    ...files.blobs.map((meta) => ({ meta, path: engine.filePath("blob", meta.number) })),
  ];
  reporter.start("verify", { totalBytes: all.reduce((sum, { meta }) => sum + meta.size, 0), totalItems: all.length });
  const written = files.tables.reduce((sum, table) => sum + table.rows, 0);
  if (written !== rows) {
    throw new IntegrityError(
      `Cannot restore: ${rows} rows were to be written and ${written} were; check the disk, try again`,
    );
  }
  for (const { meta, path } of all) {
    const sha256 = await hashOf(readPieces(engine.fs, path, signal), (count) => reporter.add(count));
    reporter.add(0, 1);
    if (sha256 === meta.sha256) continue;
    throw new IntegrityError(
      `Cannot restore: ${path} does not read back as it was written; check the disk, try again`,
      {
        path,
      },
    );
  }
}

/** A directory for scratch files. */
export class Scratch {
  /** Where it is. */
  readonly path: string;
  readonly #fs: FileSystem;

  /** Nothing is made yet. */
  constructor(fs: FileSystem, path: string) {
    this.#fs = fs;
    this.path = path;
  }

  /** Makes it. */
  async make(): Promise<void> {
    await this.#fs.makeDirectory(this.path);
  }

  /** Removes it with all that is in it. */
  async remove(): Promise<void> {
    await removeTree(this.#fs, this.path).catch(() => {}); // Removed at the next open then.
  }
}
