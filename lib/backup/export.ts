/**
 * Export: the database at one point in time, as a directory that opens, as one tar file, or as a stream, while reads and
 * writes go on.
 *
 * @module
 */
import { IntegrityError, NotFoundError } from "../base/errors.ts";
import { anyOf, throwIfAborted, whenAborted } from "../base/abort.ts";
import { ProgressReporter } from "../base/progress.ts";
import { toHex } from "../base/bytes.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine, Pin } from "../engine/types.ts";
import { checkFile, checkSpace, isWithin, localPath } from "./destination.ts";
import { hashOf, writeFileOf } from "./file_sink.ts";
import type { ExportInfo } from "./info.ts";
import { type CheckedExportOptions, checkExportOptions, type ExportOptions } from "./export_options.ts";
import type { LongWorkOptions } from "./long_work.ts";
import { pack, type Packing, packingOf, unpack } from "./archive/packing.ts";
import { closeAll, copyPinned, type OpenFiles, openPinned, pinnedMembers, verifyDirectory } from "./pinned_files.ts";
import { portablePieces } from "./portable_pieces.ts";
import { Stage } from "./stage.ts";
import { readPieces } from "./archive/streams.ts";
import { readTar } from "./archive/tar_reader.ts";
import { paceBeside } from "./pace_beside.ts";
import { tarLength, writeTar } from "./archive/tar_writer.ts";

const CALL = "db.export";

/**
 * Exports to a directory, or to one file when the name ends in `.tar`, `.tar.gz`, `.tgz` or `.tar.zst`.
 *
 * Throws before anything is written: `ExistsError`, `NotFoundError` (parent missing), `PermissionError`, `NoSpaceError`,
 * `TypeError` (inside the database's own directory). On failure and abort, and when the database is closed, the destination
 * is as it was.
 */
export async function exportDatabase(
  engine: Engine,
  destination: string | URL,
  options?: ExportOptions,
  closing?: AbortSignal,
): Promise<ExportInfo> {
  const given = checkExportOptions(CALL, options);
  const checked = { ...given, signal: anyOf(given.signal, closing) };
  const path = localPath(CALL, destination);
  throwIfAborted(checked.signal);
  const { packing, inner } = packingOf(path);
  const isTar = /\.tar$/i.test(inner);
  if (!isTar && (packing !== "none" || /\.(?:jsonl?|ndjson|zip)$/i.test(inner))) {
    throw new TypeError(
      `${CALL}: ${path} looks like a file, and an export is a directory or a .tar, .tar.gz or .tar.zst; ` +
        `a backup is .json or .jsonl`,
    );
  }
  const started = engine.settings.monotonic();
  const resume = engine.deferCompaction();
  try {
    const info = await atPresent(
      engine,
      () => isTar ? exportTar(engine, path, packing, checked) : exportDirectory(engine, path, checked),
    );
    return { path: engine.fs.resolve(path), ...info, durationMs: engine.settings.monotonic() - started };
  } finally {
    resume();
  }
}

/** How often a reader moves on when the writer removes files that it is about to copy. */
const READER_TRIES = 5;

/** Runs `work`; a reader whose files were removed by the writer moves on to the present and tries again. */
async function atPresent<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (error) {
      const wasRemoved = error instanceof NotFoundError && isWithin(error.path ?? "", engine.path);
      if (!wasRemoved || !engine.readOnly || tries === READER_TRIES) throw error;
      await engine.refresh();
    }
  }
}

type Exported = Omit<ExportInfo, "path" | "durationMs">;

async function exportDirectory(engine: Engine, path: string, options: CheckedExportOptions): Promise<Exported> {
  const { fs, settings } = engine;
  const { signal, overwrite, verify, link } = options;
  const reporter = new ProgressReporter(options.onProgress);
  const stage = await Stage.begin(CALL, fs, path, { id: newId(engine), overwrite, source: engine.path });
  try {
    const pin = await engine.pin();
    let copied;
    try {
      reporter.start("copy", { totalBytes: sum(pin.files), totalItems: pin.files.length + 2 });
      copied = await copyPinned(fs, pin, engine.path, stage.path, {
        link,
        verify,
        pace: paceBeside(engine, settings),
        reporter,
        signal,
      });
    } finally {
      pin.release();
    }
    if (verify) {
      reporter.start("verify", { totalBytes: sum(pin.files) });
      await verifyDirectory(fs, stage.path, settings, { version: pin.version }, reporter, signal, copied.checked);
    }
    reporter.start("publish");
    await stage.publish(copied.names, signal);
    const { bytes, sharedBytes } = copied;
    return { version: pin.version, timestamp: pin.timestamp, files: copied.names.length, bytes, sharedBytes };
  } finally {
    await stage.end();
  }
}

async function exportTar(
  engine: Engine,
  path: string,
  packing: Packing,
  options: CheckedExportOptions,
): Promise<Exported> {
  const { fs } = engine;
  const { signal, overwrite } = options;
  const reporter = new ProgressReporter(options.onProgress);
  await checkFile(CALL, fs, path, { overwrite, source: engine.path });
  const digests = new Map<string, string>();
  const pin = await engine.pin();
  try {
    const members = pinnedMembers(fs, pin, engine.path, (name, sha256) => digests.set(name, sha256), signal);
    const length = tarLength(members);
    // Packed it may be smaller, by how much no one knows before.
    if (packing === "none") await checkSpace(fs, path, length);
    reporter.start("copy", packing === "none" ? { totalBytes: length } : {});
    const written = await writeFileOf(CALL, fs, path, pack(writeTar(members, pin.timestamp), packing), {
      id: newId(engine),
      clock: engine.settings.clock,
      overwrite,
      signal,
      onBytes: (count) => reporter.add(count),
      verify: options.verify ? (sibling) => verifyTar(engine, sibling, digests, reporter, signal) : undefined,
    });
    return {
      version: pin.version,
      timestamp: pin.timestamp,
      files: members.length,
      bytes: written.bytes,
      sharedBytes: 0,
    };
  } finally {
    pin.release();
  }
}

async function verifyTar(
  engine: Engine,
  path: string,
  digests: ReadonlyMap<string, string>,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<void> {
  reporter.start("verify");
  const found = new Set<string>();
  for await (const { name, pieces } of readTar(unpack(readPieces(engine.fs, path, signal), path), path)) {
    const sha256 = await hashOf(pieces, (count) => reporter.add(count));
    if (sha256 !== digests.get(name)) throw differs(path, name);
    found.add(name);
    reporter.add(0, 1);
  }
  for (const name of digests.keys()) if (!found.has(name)) throw differs(path, name);
}

function differs(path: string, name: string): IntegrityError {
  return new IntegrityError(
    `Cannot export to ${path}: ${name} did not arrive as it was sent; check the disk, try again`,
    {
      path,
    },
  );
}

/** The pieces of `exportStream`. */
export function exportPieces(
  engine: Engine,
  format: "tar" | "jsonl",
  { signal, onProgress }: LongWorkOptions,
): AsyncGenerator<Uint8Array> {
  const reporter = new ProgressReporter(onProgress);
  return format === "tar" ? tarPieces(engine, reporter, signal) : linePieces(engine, reporter, signal);
}

async function* tarPieces(
  engine: Engine,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  const { pin, opened } = await atPresent(engine, () => pinToStream(engine));
  // A stream that nobody reads on is never resumed, and the database may be closed over it.
  const letGo = (): void => {
    closeAll(opened);
    pin.release();
  };
  const forget = signal && whenAborted(signal, letGo);
  try {
    const members = pinnedMembers(engine.fs, pin, engine.path, () => reporter.add(0, 1), signal, opened);
    reporter.start("copy", { totalBytes: tarLength(members), totalItems: members.length });
    for await (const piece of writeTar(members, pin.timestamp)) {
      throwIfAborted(signal);
      yield piece;
      reporter.add(piece.length);
    }
    reporter.finish();
  } finally {
    forget?.();
    letGo();
  }
}

/** Pins what a stream is made of. Its first bytes settle which files follow, so that a reader can't move on any more. */
async function pinToStream(engine: Engine): Promise<{ pin: Pin; opened: OpenFiles }> {
  const pin = await engine.pin();
  if (!engine.readOnly) return { pin, opened: new Map() };
  try {
    return { pin, opened: await openPinned(engine.fs, pin, engine.path, new Slicer(engine.settings.monotonic)) };
  } catch (error) {
    pin.release();
    throw error;
  }
}

async function* linePieces(
  engine: Engine,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  throwIfAborted(signal);
  const snapshot = engine.snapshot();
  try {
    const selection = { namespace: undefined, prefix: undefined };
    reporter.start("copy");
    yield* portablePieces(engine, snapshot, { format: "jsonl", selection, reporter, signal });
    reporter.finish();
  } finally {
    snapshot.release();
  }
}

function sum(files: readonly { size: number }[]): number {
  return files.reduce((total, { size }) => total + size, 0);
}

/** Part of the names of temporary files: unlike any other call's. */
export function newId(engine: Engine): string {
  return toHex(engine.settings.randomId()).slice(0, 12);
}
