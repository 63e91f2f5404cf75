/**
 * Restore into a new database directory.
 *
 * An exported database comes back as it was: the same id, versions and times; its next write begins a new lineage. A portable
 * file, a selection, or expiry cleared makes a new database whose entries all have its first version.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { IntegrityError, IOError, NoSpaceError, StorageError } from "../base/errors.ts";
import { ProgressReporter } from "../base/progress.ts";
import { toHex } from "../base/bytes.ts";
import { openEngine } from "../engine/open.ts";
import type { EngineSettings, KeyEncoding } from "../engine/types.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { writeSynced } from "../files/publish.ts";
import { FIRST_NAMESPACE_SPACE } from "../format/space.ts";
import { countEntries } from "./count_entries.ts";
import { checkDirectory, isWithin, localPath } from "./destination.ts";
import type { RestoreInfo } from "./info.ts";
import { databaseOf, type LoadableSource, loadFrom, verifySource } from "./load/load_source.ts";
import { type PreparedSource, prepareSource, type RepositoryPart, restoring } from "./load/prepare_source.ts";
import { type CheckedRestoreOptions, checkRestoreOptions, type RestoreOptions } from "./restore_options.ts";
import { isSelective } from "./selection.ts";
import { withPartial } from "./partial.ts";
import { type CopiedPinned, copyPinned, pinnedBytes, readerSettings, verifyDirectory } from "./pinned_files.ts";
import type { Lease } from "./repository/core/lease.ts";
import { apply, plannedInfo, restoreInfo, type RestoreRequest, Scratch } from "./restore.ts";
import { RowLoad } from "./load/row_load.ts";
import { closeSource, type OpenedDirectory, type OpenedSource, openSource, type RestoreSource } from "./load/source.ts";
import { isDatabaseFile, Stage } from "./stage.ts";
import { MARKER_NAME, STAGE_PREFIX } from "../engine/file_names.ts";

/** What a restore into a path works with. */
interface Work {
  /** Names the call in errors. */
  call: string;
  fs: FileSystem;
  settings: EngineSettings;
  source: LoadableSource;
  options: CheckedRestoreOptions;
  reporter: ProgressReporter;
  /** What the repository says that the source was made from. */
  part: RepositoryPart | undefined;
}

/** What it restored, before it is published. */
interface Restored {
  info: Omit<RestoreInfo, "durationMs">;
  /** Where the files are, and which. */
  from: string;
  names: string[];
}

/**
 * Restores a source into the directory `destination`, which must be missing or empty, or a database with `overwrite`. It
 * appears whole, by its marker, or not at all. `call` names it in errors.
 */
export async function restoreTo(
  fs: FileSystem,
  settings: EngineSettings,
  source: RestoreSource,
  destination: string | URL,
  options?: RestoreOptions,
  call: string = "DB.restore",
): Promise<RestoreInfo> {
  const checked = checkRestoreOptions(call, options, true);
  const path = localPath(call, destination);
  const { signal, overwrite } = checked;
  throwIfAborted(signal);
  const started = settings.monotonic();
  await checkDirectory(call, fs, path, { overwrite });
  const opened = await openSource(call, fs, source, { signal, encryption: checked.encryption });
  try {
    if (opened.kind === "directory" && isWithin(fs.resolve(path), fs.resolve(opened.path))) {
      throw new TypeError(
        `${call}: the destination ${path} is the source's own directory or inside it; choose another`,
      );
    }
    const place = { call, fs, settings, path, options: checked };
    return await restoring(opened, path, checked, async (lease, onProgress) => {
      const reporter = new ProgressReporter(onProgress);
      const info = await withPartial(reporter, () => restoreOpened(opened, place, reporter, lease));
      reporter.finish();
      return { ...info, durationMs: settings.monotonic() - started };
    });
  } finally {
    await closeSource(opened).catch(() => {}); // The first failure is the one to tell.
  }
}

/** Where a restore goes, and how. */
interface Place {
  call: string;
  fs: FileSystem;
  settings: EngineSettings;
  path: string;
  options: CheckedRestoreOptions;
}

async function restoreOpened(
  opened: OpenedSource,
  place: Place,
  reporter: ProgressReporter,
  lease: Lease | undefined,
): Promise<Restored["info"]> {
  const { call, fs, settings, path, options } = place;
  const prepare = (scratch: string, reuse: readonly string[]): Promise<PreparedSource> =>
    prepareSource(opened, { call, fs, scratch, settings, restore: options, reuse, reporter, lease });
  // A rehearsal writes nothing, but for an archive, which has to be unpacked somewhere.
  if (options.dryRun && opened.kind !== "tar") {
    const { source, part, ...planned } = await prepare(path, []);
    if (source !== undefined) return await rehearse({ call, fs, settings, source, options, reporter, part }, path);
    return plannedInfo({ source, part, ...planned }, requestOf(opened.name, options), 0);
  }
  const { overwrite, signal } = options;
  const id = toHex(settings.randomId()).slice(0, 12);
  const reuse = await leftBehind(fs, path, overwrite);
  const stage = await Stage.begin(call, fs, path, { id, overwrite });
  let keep = false;
  try {
    const { source, part } = await prepare(stage.path, reuse).catch((error) => {
      keep = isPassing(error, signal);
      throw error;
    });
    const work: Work = { call, fs, settings, source: source!, options, reporter, part };
    if (options.dryRun) return await rehearse(work, stage.path);
    const { info, from, names } = isRowwise(work)
      ? await restoreRows(work, stage.path)
      : part !== undefined
      ? await takeOver(work)
      : await copy(work, stage.path);
    // Under a lease or not: all of it is here, and no pruning changes what it is.
    reporter.start("publish");
    await stage.publish(names, signal, from);
    return info;
  } finally {
    await stage.end({ keep });
  }
}

/** Whether trying again may succeed, so that what was fetched is worth keeping: nothing of it opens. */
function isPassing(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true || error instanceof StorageError || error instanceof NoSpaceError ||
    error instanceof IOError;
}

/** Directories with files of an earlier try, or of the database about to be replaced: what is the same is used again. */
async function leftBehind(fs: FileSystem, path: string, overwrite: boolean): Promise<string[]> {
  const places = overwrite ? [path] : [];
  if ((await fs.stat(path))?.kind !== "directory") return places;
  for (const stage of await fs.list(path)) {
    if (!stage.startsWith(STAGE_PREFIX)) continue;
    for (const name of await fs.list(join(path, stage)).catch(() => [])) {
      if (name.startsWith("database-")) places.push(join(path, stage, name));
    }
  }
  return places;
}

/** Publishes what was made from a repository as it is. */
async function takeOver(work: Work): Promise<Restored> {
  const { fs, settings, source, options, part } = work;
  const { path: from } = source as OpenedDirectory;
  const engine = await openEngine(fs, from, readerSettings(settings, options.signal));
  try {
    refuseOtherKeys(work, engine);
    const counts = await countEntries(engine, settings.clock(), options.signal);
    const { visibleVersion: version, visibleTimestamp: timestamp, keyEncoding } = engine;
    return {
      info: restoreInfo(requestOf(source.name, options), { bytes: 0, keyEncoding, version, timestamp }, counts, {
        part,
        entries: counts.entries,
        achieved: { version, timestamp },
        database: engine.id,
        lineage: engine.lineage,
        durationMs: 0,
      }),
      from,
      names: (await fs.list(from)).filter(isDatabaseFile),
    };
  } finally {
    await engine.close();
  }
}

/** Files are taken as they are: only what is made of entries can have keys of another kind. */
function refuseOtherKeys(
  { call, source, options }: Work,
  { keyEncoding }: { keyEncoding?: KeyEncoding | undefined },
): void {
  if (options.keyEncoding === undefined || options.keyEncoding === keyEncoding) return;
  throw new TypeError(
    `${call}: option "keyEncoding" is "${options.keyEncoding}", but the keys of ${source.name} are "${keyEncoding}"; ` +
      "leave the option out",
  );
}

function requestOf(source: string, { point, dryRun }: CheckedRestoreOptions): RestoreRequest {
  return { source, mode: "replace", dryRun, point };
}

/** Whether entries are read and written one by one, or files taken as they are. */
function isRowwise({ source, options }: Work): boolean {
  return source.kind === "portable" || isSelective(options.selection) || options.expiry === "clear";
}

/** Reads and counts. */
async function rehearse(work: Work, scratch: string): Promise<Restored["info"]> {
  const { fs, settings, source, options, reporter } = work;
  const load = newLoad(work, scratch, true);
  const loaded = await loadFrom(source, load, {
    fs,
    scratch,
    settings: readerSettings(settings, options.signal),
    selection: options.selection,
    verify: options.verifyBefore && work.part === undefined,
    reporter,
    signal: options.signal,
  });
  if (!isRowwise(work)) refuseOtherKeys(work, loaded);
  load.settle(options.keyEncoding ?? loaded.keyEncoding);
  const entries = load.added - load.expired;
  const achieved = { version: loaded.version, timestamp: loaded.timestamp };
  return restoreInfo(requestOf(source.name, options), loaded, load, {
    part: work.part,
    entries,
    achieved,
    database: loaded.database ?? "",
    lineage: loaded.lineage ?? "",
    durationMs: 0,
  });
}

function newLoad({ call, fs, settings, options }: Work, directory: string, countOnly: boolean): RowLoad {
  return new RowLoad({
    fs,
    directory,
    memoryBytes: settings.memtableBytes,
    spaces: [],
    firstSpace: FIRST_NAMESPACE_SPACE,
    countOnly,
    moment: options.expiry === "keep" ? settings.clock() : undefined,
    call,
  });
}

/** Makes a new database of entries. */
async function restoreRows(work: Work, stage: string): Promise<Restored> {
  const { fs, settings, source, options, reporter } = work;
  const { signal } = options;
  const scratch = new Scratch(fs, join(stage, "scratch"));
  await scratch.make();
  const load = newLoad(work, scratch.path, false);
  try {
    const loaded = await loadFrom(source, load, {
      fs,
      scratch: scratch.path,
      settings: readerSettings(settings, signal),
      selection: options.selection,
      verify: options.verifyBefore && work.part === undefined,
      reporter,
      signal,
    });
    const keyEncoding = load.settle(options.keyEncoding ?? loaded.keyEncoding);
    const from = join(stage, "database");
    const engine = await openEngine(fs, from, {
      ...settings,
      createIfMissing: true,
      errorIfExists: true,
      readOnly: false,
      keyEncoding,
      durability: "commit",
      reserve: false,
      onEvent: undefined,
      signal,
    });
    let done;
    try {
      done = await apply(engine, load, { replace: false }, options.verifyAfter, reporter, signal);
    } finally {
      await engine.close();
    }
    if (options.verifyAfter) {
      reporter.start("verify");
      await verifyDirectory(fs, from, settings, done.commit, reporter, signal);
    }
    return {
      info: restoreInfo(requestOf(source.name, options), loaded, load, {
        part: work.part,
        entries: done.entries,
        achieved: done.commit,
        database: engine.id,
        lineage: engine.lineage,
        durationMs: 0,
      }),
      from,
      names: (await fs.list(from)).filter(isDatabaseFile),
    };
  } finally {
    await load.close();
    await scratch.remove();
  }
}

/** Takes the files of an exported database as they are. */
async function copy(work: Work, stage: string): Promise<Restored> {
  const { fs, settings, source, options, reporter } = work;
  const { signal, verifyBefore, verifyAfter } = options;
  const unpacked = await databaseOf(source, { fs, scratch: stage, reporter });
  const engine = await openEngine(fs, unpacked.directory, readerSettings(settings, signal));
  let result;
  try {
    refuseOtherKeys(work, engine);
    // What was just unpacked is checked once, as that which will be published.
    if (verifyBefore && source.kind === "directory") await verifySource(engine, source.name, reporter, signal);
    const counts = await countEntries(engine, settings.clock(), signal);
    const pin = await engine.pin();
    try {
      const copied = source.kind === "directory"
        ? await copyFiles(work, pin, unpacked.directory, stage)
        : { manifest: pin.manifest(), marker: pin.marker() };
      result = { copied, counts, files: pin.files, manifestName: pin.manifestName, version: pin.version };
    } finally {
      pin.release();
    }
  } finally {
    await engine.close();
  }
  const { copied, files, counts, version } = result;
  const names = [...files.map(({ name }) => name), result.manifestName, MARKER_NAME];
  let bytes = unpacked.bytes;
  if ("manifest" in copied) {
    for (const { name, size } of files) await moveInto(fs, unpacked.directory, stage, name, size);
    await writeSynced(fs, join(stage, result.manifestName), copied.manifest);
    await writeSynced(fs, join(stage, MARKER_NAME), copied.marker);
  } else {
    bytes = copied.bytes;
  }
  if (verifyAfter || (verifyBefore && source.kind === "tar")) {
    reporter.start("verify", { totalBytes: pinnedBytes(files) });
    const checked = "checked" in copied ? copied.checked : undefined;
    await verifyDirectory(fs, stage, settings, { version }, reporter, signal, checked);
  }
  const loaded = { bytes, keyEncoding: engine.keyEncoding, version, timestamp: engine.visibleTimestamp };
  return {
    info: restoreInfo(requestOf(source.name, options), loaded, counts, {
      part: undefined,
      entries: counts.entries,
      achieved: { version, timestamp: engine.visibleTimestamp },
      database: engine.id,
      lineage: engine.lineage,
      durationMs: 0,
    }),
    from: stage,
    names,
  };
}

async function copyFiles(
  { fs, options, reporter }: Work,
  pin: Parameters<typeof copyPinned>[1],
  from: string,
  to: string,
): Promise<CopiedPinned> {
  reporter.start("copy", { totalItems: pin.files.length + 2 });
  // A backup must not share its bytes on disk with the database made from it.
  return await copyPinned(fs, pin, from, to, {
    link: "never",
    verify: options.verifyAfter,
    reporter,
    signal: options.signal,
  });
}

/** Moves an unpacked file to where it belongs, cut to the length that counts. */
async function moveInto(fs: FileSystem, from: string, to: string, name: string, size: number): Promise<void> {
  const path = join(to, name);
  await fs.rename(join(from, name), path);
  const file = await fs.open(path, "append");
  try {
    const length = file.sizeSync();
    if (length === size) return;
    if (length < size) {
      throw new IntegrityError(
        `Cannot restore: ${name} has ${length} bytes where ${size} belong to it; take another copy`,
      );
    }
    await file.truncate(size);
    await file.sync();
  } finally {
    await file.close();
  }
}
