/**
 * Restore into a new database directory.
 *
 * An exported database comes back as it was: the same id, versions and times; its next write begins a new lineage. A portable
 * file, a selection, or expiry cleared makes a new database whose entries all have its first version.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { IntegrityError } from "../base/errors.ts";
import { ProgressReporter } from "../base/progress.ts";
import { toHex } from "../base/bytes.ts";
import { Slicer } from "../base/yield.ts";
import { openEngine } from "../engine/open.ts";
import type { Engine, EngineSettings } from "../engine/types.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { cellExpiry } from "../format/cell.ts";
import { FIRST_NAMESPACE_SPACE } from "../format/space.ts";
import { checkDirectory, isWithin, localPath } from "./destination.ts";
import type { RestoreInfo } from "./info.ts";
import { databaseOf, loadFrom, verifySource } from "./load/load_source.ts";
import { spaceRange, spacesOf } from "./namespaces.ts";
import { type CheckedRestoreOptions, checkRestoreOptions, type RestoreOptions } from "./restore_options.ts";
import { isSelective } from "./selection.ts";
import { withPartial } from "./partial.ts";
import { copyPinned, readerSettings, verifyDirectory, writeSynced } from "./pinned_files.ts";
import { apply, restoreInfo, Scratch } from "./restore.ts";
import { RowLoad } from "./load/row_load.ts";
import { closeSource, type OpenedSource, openSource, type RestoreSource } from "./load/source.ts";
import { isDatabaseFile, Stage } from "./stage.ts";
import { MARKER_NAME } from "../engine/file_names.ts";

const CALL = "DB.restore";

/** What a restore into a path works with. */
interface Work {
  fs: FileSystem;
  settings: EngineSettings;
  source: OpenedSource;
  options: CheckedRestoreOptions;
  reporter: ProgressReporter;
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
 * appears whole, by its marker, or not at all.
 */
export async function restoreTo(
  fs: FileSystem,
  settings: EngineSettings,
  source: RestoreSource,
  destination: string | URL,
  options?: RestoreOptions,
): Promise<RestoreInfo> {
  const checked = checkRestoreOptions(CALL, options, true);
  const path = localPath(CALL, destination);
  const { signal, overwrite, dryRun } = checked;
  throwIfAborted(signal);
  const started = settings.monotonic();
  const reporter = new ProgressReporter(checked.onProgress);
  await checkDirectory(CALL, fs, path, { overwrite });
  const opened = await openSource(CALL, fs, source, signal);
  try {
    if (opened.kind === "directory" && isWithin(fs.resolve(path), fs.resolve(opened.path))) {
      throw new TypeError(
        `${CALL}: the destination ${path} is the source's own directory or inside it; choose another`,
      );
    }
    const work: Work = { fs, settings, source: opened, options: checked, reporter };
    const id = toHex(settings.randomId()).slice(0, 12);
    const info = await withPartial(
      reporter,
      () =>
        dryRun && opened.kind !== "tar" ? rehearse(work, path) : stageAndPublish(work, path, { id, overwrite }, signal),
    );
    reporter.finish();
    return { ...info, durationMs: settings.monotonic() - started };
  } finally {
    await closeSource(opened).catch(() => {}); // The first failure is the one to tell.
  }
}

async function stageAndPublish(
  work: Work,
  path: string,
  options: { id: string; overwrite: boolean },
  signal: AbortSignal | undefined,
): Promise<Restored["info"]> {
  const { fs, reporter } = work;
  const { dryRun } = work.options;
  const stage = await Stage.begin(CALL, fs, path, options);
  try {
    if (dryRun) return await rehearse(work, stage.path);
    const { info, from, names } = isRowwise(work) ? await restoreRows(work, stage.path) : await copy(work, stage.path);
    reporter.start("publish", { totalItems: names.length });
    await stage.publish(names, signal, from);
    return info;
  } finally {
    await stage.end();
  }
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
    verify: options.verifyBefore,
    reporter,
    signal: options.signal,
  });
  load.settle(options.keyEncoding ?? loaded.keyEncoding);
  const entries = load.added - load.expired;
  const achieved = { version: loaded.version, timestamp: loaded.timestamp };
  return restoreInfo(source.name, loaded, load, {
    entries,
    achieved,
    mode: "replace",
    dryRun: true,
    database: loaded.database ?? "",
    lineage: loaded.lineage ?? "",
    durationMs: 0,
  });
}

function newLoad({ fs, settings, options }: Work, directory: string, countOnly: boolean): RowLoad {
  return new RowLoad({
    fs,
    directory,
    memoryBytes: settings.memtableBytes,
    spaces: [],
    firstSpace: FIRST_NAMESPACE_SPACE,
    countOnly,
    moment: options.expiry === "keep" ? settings.clock() : undefined,
    call: CALL,
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
      verify: options.verifyBefore,
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
      info: restoreInfo(source.name, loaded, load, {
        entries: done.entries,
        achieved: done.commit,
        mode: "replace",
        dryRun: false,
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
    reporter.start("verify", { totalBytes: bytes });
    await verifyDirectory(fs, stage, settings, { version }, reporter, signal);
  }
  const loaded = { bytes, keyEncoding: engine.keyEncoding, version, timestamp: engine.visibleTimestamp };
  return {
    info: restoreInfo(source.name, loaded, counts, {
      entries: counts.entries,
      achieved: { version, timestamp: engine.visibleTimestamp },
      mode: "replace",
      dryRun: false,
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
): Promise<{ bytes: number }> {
  reporter.start("copy", { totalItems: pin.files.length + 2 });
  // A backup must not share its bytes on disk with the database made from it.
  return await copyPinned(fs, pin, from, to, { link: "never", reporter, signal: options.signal });
}

/** Moves an unpacked file to where it belongs, cut to the length that counts. */
async function moveInto(fs: FileSystem, from: string, to: string, name: string, size: number): Promise<void> {
  const path = join(to, name);
  await fs.rename(join(from, name), path);
  const file = await fs.open(path, "append");
  try {
    const length = file.sizeSync();
    if (length < size) {
      throw new IntegrityError(
        `Cannot restore: ${name} has ${length} bytes where ${size} belong to it; take another copy`,
      );
    }
    if (length > size) await file.truncate(size);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function countEntries(
  engine: Engine,
  moment: number,
  signal: AbortSignal | undefined,
): Promise<{ entries: number; expired: number }> {
  const counts = { entries: 0, expired: 0 };
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  const slicer = new Slicer(engine.settings.monotonic);
  for (const { space } of spacesOf(view, engine.keyEncoding)) {
    const { start, end } = spaceRange(space);
    const cursor = view.cursor(start, end);
    try {
      while (cursor.next()) {
        const expiresAt = cellExpiry(cursor.cell);
        if (expiresAt !== undefined && expiresAt <= moment) counts.expired++;
        else counts.entries++;
        if (slicer.due()) {
          throwIfAborted(signal);
          await slicer.tick();
        }
      }
    } finally {
      cursor.close();
    }
  }
  return counts;
}
