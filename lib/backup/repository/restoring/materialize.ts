/**
 * From a plan to a database directory.
 *
 * ```
 * manifest and marker ─┬► tables and blobs, each read back ───────┬► what was replayed is read back
 *                      └► engine ─► tail and log replayed ─► closed ┘
 * ```
 *
 * Each file is read back once it is written and held against its digest; without verification that is done as it arrives.
 * Names are made durable by who publishes the directory.
 *
 * @module
 */
import { CorruptionError, IntegrityError } from "../../../base/errors.ts";
import { throwIfAborted, whenAborted } from "../../../base/abort.ts";
import type { ProgressReporter } from "../../../base/progress.ts";
import { Turns } from "../../../base/turns.ts";
import { fileName, MARKER_NAME, parseFileName } from "../../../engine/file_names.ts";
import { openEngine } from "../../../engine/open.ts";
import type { Commit, EngineSettings } from "../../../engine/types.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import { join } from "../../../files/paths.ts";
import type { IngestInfo } from "../../../format/log/batch.ts";
import { writeMarker } from "../../../format/manifest/marker.ts";
import { readArchivedLog, recordsOf } from "../../../format/repository/archived_log.ts";
import type { BackupFile } from "../../../format/repository/backup_document.ts";
import { contentName, parseObjectPath } from "../../../format/repository/object_name.ts";
import { checkSpace } from "../../destination.ts";
import { hashFile } from "../../hash_file.ts";
import { readerSettings } from "../../pinned_files.ts";
import { writeSynced } from "../../../files/publish.ts";
import { Bandwidth } from "../core/bandwidth.ts";
import type { RepositoryContext } from "../core/context.ts";
import { fetchFile, type FetchOptions, findDamaged } from "./fetch_file.ts";
import { objectKey } from "../core/layout.ts";
import type { Lease } from "../core/lease.ts";
import { identityAt } from "../log/lineage_path.ts";
import { type ArchivedCommit, readLog } from "../log/log_reader.ts";
import { objectPieces } from "../core/objects.ts";
import { runPool } from "../core/pool.ts";
import type { ResolvedPlan } from "./resolve_time.ts";

/** How a plan is carried out. */
export interface MaterializeOptions {
  /** Where files lie. */
  fs: FileSystem;
  /** An existing directory, which becomes a database. */
  directory: string;
  /** For the engine that replays. */
  settings: EngineSettings;
  /** Directories in which files may lie that are the same. */
  reuse: readonly string[];
  /** Objects at once. */
  concurrency: number;
  /** A limit of the call's own, bytes per second. */
  bytesPerSecond: number | undefined;
  /** Reads everything back. */
  verify: boolean;
  /** Counts bytes and files. */
  reporter: ProgressReporter;
  /** Renewed as work goes on. */
  lease: Lease;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** What was made. */
export interface Materialized extends Commit {
  /** Bytes of files and log fetched. */
  bytes: number;
  /** Bytes of files that were there. */
  reusedBytes: number;
  /** Commits replayed. */
  recordsReplayed: number;
  /** Names of the files that have been read back. */
  checked: Set<string>;
}

/** Makes the database of a plan. */
export async function materialize(
  context: RepositoryContext,
  plan: ResolvedPlan,
  options: MaterializeOptions,
): Promise<Materialized> {
  const { directory, signal, reporter } = options;
  const bandwidth = new Bandwidth(options.bytesPerSecond, context.monotonic, context.delay);
  const made: Materialized = {
    version: 0,
    timestamp: 0,
    bytes: 0,
    reusedBytes: 0,
    recordsReplayed: 0,
    checked: new Set(),
  };
  try {
    await fetchAndReplay(context, plan, options, bandwidth, made);
    throwIfAborted(signal);
    if (options.verify) await readBack(plan, options, made.checked);
  } catch (error) {
    // What is read back was not held against its name when it came: disk or repository may be to blame.
    const ofFile = error instanceof CorruptionError || (error instanceof IntegrityError && error.path === directory);
    const damaged = ofFile && options.verify ? await findDamaged(context, fetchedFiles(plan), signal) : undefined;
    throw damaged ?? error;
  }
  reporter.finish();
  return made;
}

async function fetchAndReplay(
  context: RepositoryContext,
  plan: ResolvedPlan,
  options: MaterializeOptions,
  bandwidth: Bandwidth,
  made: Materialized,
): Promise<void> {
  const { fs, directory, reporter } = options;
  const { base } = plan.base;
  const files = fetchedFiles(plan);
  checkNames(context, plan, files);
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  // Not after hours. What lies in other directories may all be the same.
  await checkSpace(fs, directory, totalBytes - await bytesIn(fs, options.reuse));
  reporter.start("fetch", { totalBytes, totalItems: files.length });
  const isManifest = ({ name }: BackupFile): boolean => name === base.manifestName;
  const manifest = parseFileName(base.manifestName);
  if (manifest?.kind !== "manifest" || !files.some(isManifest)) {
    throw new IntegrityError(`Backup ${plan.base.id} of ${context.name} names no manifest; run verify, then repair`);
  }
  await fetchFiles(context, files.filter(isManifest), options, bandwidth, made);
  const { database, lineage } = plan.base;
  await writeSynced(fs, join(directory, MARKER_NAME), writeMarker({ database, lineage, manifest: manifest.number }));

  const others = files.filter((file) => !isManifest(file));
  const tail = base.files.find(({ kind }) => kind === "tail");
  const isLonger = tail !== undefined || plan.version > plan.base.version;
  let last: Commit = { version: plan.base.version, timestamp: plan.base.timestamp };
  if (isLonger && plan.ingests.length === 0) {
    await together(options.signal, (signal) => {
      const fetched = fetchFiles(context, others, { ...options, signal }, bandwidth, made);
      const replayed = replay(context, plan, { ...options, signal }, bandwidth, made, fetched);
      return [fetched, replayed.then((commit) => void (last = commit))];
    });
  } else {
    await fetchFiles(context, others, options, bandwidth, made);
    // Files that joined with a commit are put among those that are there by then.
    if (isLonger) last = await replay(context, plan, options, bandwidth, made, undefined);
  }
  made.version = last.version;
  made.timestamp = last.timestamp;
  if (made.version !== plan.version) {
    throw new IntegrityError(
      `Cannot restore version ${plan.version} from ${context.name}: its log ends at version ${made.version}; ` +
        "run verify, then repair",
    );
  }
}

/** Two pieces of work at once: when one fails the other is given up, and waited for. */
async function together(
  signal: AbortSignal | undefined,
  begin: (signal: AbortSignal) => readonly Promise<void>[],
): Promise<void> {
  const failure = new AbortController();
  const abort = (): void => failure.abort(signal!.reason);
  if (signal?.aborted) abort();
  const forget = signal && whenAborted(signal, abort);
  try {
    const work = begin(failure.signal);
    await Promise.all(work).catch(async (error) => {
      failure.abort(error);
      await Promise.allSettled(work);
      throw error;
    });
  } finally {
    forget?.();
  }
}

function fetchedFiles(plan: ResolvedPlan): BackupFile[] {
  return plan.base.base.files.filter(({ kind }) => kind === "table" || kind === "blob" || kind === "manifest");
}

async function bytesIn(fs: FileSystem, directories: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const directory of directories) {
    for (const name of await fs.list(directory)) bytes += (await fs.stat(join(directory, name)))?.size ?? 0;
  }
  return bytes;
}

/** A manifest may name what it likes; what is made on the disk is files of a database, each once, and never lock or marker. */
function checkNames(context: RepositoryContext, plan: ResolvedPlan, files: readonly BackupFile[]): void {
  const seen = new Set<string>();
  for (const { name, kind } of files) {
    if (parseFileName(name)?.kind === kind && !seen.has(name)) {
      seen.add(name);
      continue;
    }
    throw new IntegrityError(
      `Backup ${plan.base.id} of ${context.name} names a ${kind} file ${name}${seen.has(name) ? " twice" : ""}; ` +
        "run verify, then repair",
    );
  }
}

/** Gets files of the base. */
async function fetchFiles(
  context: RepositoryContext,
  files: readonly BackupFile[],
  options: MaterializeOptions,
  bandwidth: Bandwidth,
  made: Materialized,
): Promise<void> {
  const { fs, directory, reporter, lease, reuse, concurrency, signal, verify } = options;
  const fetch: FetchOptions = { reuse, bandwidth, signal, onBytes: (count) => reporter.add(count) };
  // One after the other: while one is hashed the disk has others to write.
  const reading = new Turns();
  await runPool(files, concurrency, async (file: BackupFile) => {
    throwIfAborted(signal);
    // Of the manifest nobody knows a digest but its name.
    const unchecked = verify && file.kind !== "manifest";
    const { reused } = await fetchFile(context, fs, directory, file, { ...fetch, unchecked });
    if (reused) made.reusedBytes += file.size;
    else made.bytes += file.size;
    if (!reused && unchecked) {
      const found = await reading.take(() => hashFile(fs, join(directory, file.name), { signal }));
      if (contentName(found, context.ring) !== parseObjectPath(file.object)!.name) throw differs(directory, file.name);
      made.checked.add(file.name);
    }
    reporter.add(0, 1);
    await lease.touch();
  });
}

/** Applies the commits behind the tables, while these are still fetched; `fetched` ends then. */
async function replay(
  context: RepositoryContext,
  plan: ResolvedPlan,
  options: MaterializeOptions,
  bandwidth: Bandwidth,
  made: Materialized,
  fetched: Promise<void> | undefined,
): Promise<Commit> {
  const { fs, directory, settings, signal, reporter, lease } = options;
  const tail = plan.base.base.files.find(({ kind }) => kind === "tail");
  const logBytes = plan.log.reduce((sum, { size }) => sum + size, tail?.stored ?? 0);
  /** What was done before this became the phase that is reported. */
  let before: { bytes: number; items: number } | undefined = { bytes: 0, items: 0 };
  const report = (): void => {
    reporter.start("replay", { totalBytes: logBytes, totalItems: plan.version - plan.base.version });
    if (before !== undefined) reporter.add(before.bytes, before.items);
    before = undefined;
  };
  const add = (bytes: number, items: number): void => {
    if (before === undefined) return reporter.add(bytes, items);
    before.bytes += bytes;
    before.items += items;
  };
  if (fetched === undefined) report();
  else void fetched.then(report, () => {});
  async function* commits(): AsyncGenerator<ArchivedCommit> {
    if (tail !== undefined) {
      yield* tailCommits(context, tail, { bandwidth, signal });
      made.bytes += tail.size;
      add(tail.stored, 0);
    }
    const onObject = ({ size }: { size: number }): void => {
      made.bytes += size;
      add(size, 0);
    };
    const range = { after: plan.base.version, upTo: plan.version, bandwidth, signal, onObject };
    for await (const commit of readLog(context, plan.log, range)) {
      made.recordsReplayed++;
      add(0, 1);
      yield commit;
      if (made.recordsReplayed % LEASE_STEP === 0) await lease.touch();
    }
  }
  const ingested = plan.ingests.flatMap(({ files }) => files.map(({ number }) => number));
  const engine = await openEngine(fs, directory, {
    ...settings,
    createIfMissing: false,
    errorIfExists: false,
    readOnly: false,
    keyEncoding: undefined,
    reserve: false,
    onEvent: undefined,
    filesLater: fetched,
    signal,
  });
  try {
    const { lineage, parents } = identityAt(plan.history, plan.version);
    return await engine.replay(commits(), {
      ingestFiles: (info, version) => fetchIngest(context, plan, version, info, options, bandwidth),
      reserveNumbersTo: ingested.length === 0
        ? undefined
        : ingested.reduce((most, number) => Math.max(most, number), 0) + 1,
      lineage: { lineage, parents },
      signal,
    });
  } finally {
    await engine.close();
  }
}

/** Commits between two looks at the lease. */
const LEASE_STEP = 1024;

async function* tailCommits(
  context: RepositoryContext,
  tail: BackupFile,
  options: { bandwidth: Bandwidth; signal: AbortSignal | undefined },
): AsyncGenerator<ArchivedCommit> {
  const key = objectKey(tail.object);
  const { pieces } = await readArchivedLog(
    objectPieces(context, key, { ...options, reuse: true }),
    `${key} in ${context.name}`,
    { memory: {} },
  );
  for await (const piece of pieces) yield* recordsOf(piece);
}

/** Puts the files that joined with a commit where the engine looks for them. */
async function fetchIngest(
  context: RepositoryContext,
  plan: ResolvedPlan,
  version: number,
  info: IngestInfo,
  options: MaterializeOptions,
  bandwidth: Bandwidth,
): Promise<void> {
  const { fs, directory, signal, reuse } = options;
  const archived = plan.ingests.find((ingest) => ingest.version === version);
  for (const { number } of [...info.tables, ...info.blobs]) {
    const file = archived?.files.find((each) => each.number === number);
    if (file === undefined) {
      throw new IntegrityError(
        `Cannot replay version ${version} from ${context.name}: file ${number}, which joined with it, was not archived; ` +
          "restore a version before it, or one that a later backup reaches",
      );
    }
    const name = fileName(file.kind, number);
    await fetchFile(context, fs, directory, { name, size: file.size, object: file.object }, {
      reuse,
      bandwidth,
      signal,
    });
  }
}

/** Opens what was made as a reader, and holds every other file against the digest that its writer took. */
async function readBack(plan: ResolvedPlan, options: MaterializeOptions, checked: ReadonlySet<string>): Promise<void> {
  const { fs, directory, settings, reporter, signal } = options;
  const engine = await openEngine(fs, directory, readerSettings(settings, signal));
  try {
    const pin = await engine.pin();
    try {
      if (pin.version !== plan.version) {
        throw new IntegrityError(
          `The restored database in ${directory} shows version ${pin.version}, not ${plan.version}`,
        );
      }
      const files = pin.files.filter(({ name, sha256 }) => sha256 !== undefined && !checked.has(name));
      const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
      reporter.start("verify", { totalBytes, totalItems: files.length });
      for (const { name, sha256 } of files) {
        const found = await hashFile(fs, join(directory, name), { signal, onBytes: (count) => reporter.add(count) });
        reporter.add(0, 1);
        if (found !== sha256) throw differs(directory, name);
      }
    } finally {
      pin.release();
    }
  } finally {
    await engine.close();
  }
}

function differs(directory: string, name: string): IntegrityError {
  return new IntegrityError(
    `The restored database in ${directory} does not read back as it was written (${name}); check the disk, try again`,
    { path: directory },
  );
}
