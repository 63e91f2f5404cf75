/**
 * The files of a pinned version, copied into a directory or listed for an archive.
 *
 * @module
 */
import { IntegrityError, NotFoundError } from "../base/errors.ts";
import type { Pace } from "../base/pace.ts";
import type { ProgressReporter } from "../base/progress.ts";
import { Turns } from "../base/turns.ts";
import type { Slicer } from "../base/yield.ts";
import { MARKER_NAME } from "../engine/file_names.ts";
import { openEngine } from "../engine/open.ts";
import type { EngineSettings, Pin, PinnedFile } from "../engine/types.ts";
import { copyFile, type CopyWay } from "../files/copy.ts";
import type { FileHandle, FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { writeSynced } from "../files/publish.ts";
import { checkSpace } from "./destination.ts";
import { hashing } from "./file_sink.ts";
import { hashFile } from "./hash_file.ts";
import { runPool } from "./repository/core/pool.ts";
import { filePieces } from "./archive/streams.ts";
import type { TarMember } from "./archive/tar_writer.ts";

/** How pinned files are copied. */
export interface CopyPinnedOptions {
  /** `"auto"`: link, clone or copy; `"never"`: bytes of its own. */
  link: "auto" | "never";
  /**
   * Reads back each copy whose digest the database knows, and compares. What is linked or cloned is the very bytes of the
   * source: there is no copy that could differ, and reading them is what `verify` of the database is for.
   */
  verify: boolean;
  /** Lets writers of the database go first. */
  pace?: Pace | undefined;
  /** Counts bytes and files. */
  reporter: ProgressReporter;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** What was copied. */
export interface CopiedPinned {
  /** The names, marker included. */
  names: string[];
  /** Their bytes. */
  bytes: number;
  /** Of these, bytes shared with the source. */
  sharedBytes: number;
  /** Names of files that need not be read any more: they were read back, or are shared. */
  checked: ReadonlySet<string>;
}

/** Files at once: while some are synced and one is hashed, others are read and written. More only wait for each other. */
const CONCURRENCY = 6;

/** Makes `to` a database of exactly the pinned files: all synced, the marker among them. */
export async function copyPinned(
  fs: FileSystem,
  pin: Pin,
  from: string,
  to: string,
  options: CopyPinnedOptions,
): Promise<CopiedPinned> {
  const { signal, reporter, pace } = options;
  const manifest = pin.manifest();
  const marker = pin.marker();
  const names = [...pin.files.map(({ name }) => name), pin.manifestName, MARKER_NAME];
  const total = pinnedBytes(pin.files) + manifest.length + marker.length;
  // A log may still grow, so it never shares its bytes; the rest may, which the first of them tells.
  const logs = pin.files.filter(({ kind }) => kind === "log");
  const fixed = pin.files.filter(({ kind }) => kind !== "log");
  const ownBytes = pinnedBytes(logs) + manifest.length + marker.length;
  await checkSpace(fs, to, options.link === "auto" ? ownBytes : total);
  let sharedBytes = 0;
  let left = total;
  const checked = new Set<string>();
  // Read back at once they would all be written and then all be hashed: the disk idle meanwhile, and then the thread.
  const readBack = new Turns();
  const copy = async ({ name, size, kind, sha256 }: PinnedFile): Promise<CopyWay> => {
    const path = join(to, name);
    const way = await copyFile(fs, join(from, name), path, {
      link: kind === "log" ? "never" : options.link,
      length: size,
      signal,
      pace,
      onBytes: (count) => reporter.add(count),
    });
    left -= size;
    if (way !== "copy") sharedBytes += size;
    else if (options.verify && sha256 !== undefined) {
      const found = await readBack.take(() => hashFile(fs, path, { signal, pace }));
      if (found !== sha256) throw differs(to, name);
    }
    if (sha256 !== undefined) checked.add(name);
    reporter.add(0, 1);
    return way;
  };
  const files = [...fixed, ...logs];
  // Whether bytes can be shared, the first one tells.
  const first = options.link === "auto" ? files.shift() : undefined;
  if (first !== undefined && await copy(first) === "copy") await checkSpace(fs, to, left);
  await runPool(files, CONCURRENCY, async (file) => void await copy(file));
  for (const [name, bytes] of [[pin.manifestName, manifest], [MARKER_NAME, marker]] as const) {
    await writeSynced(fs, join(to, name), bytes);
    reporter.add(0, 1); // A few bytes that no total counts.
  }
  return { names, bytes: total, sharedBytes, checked };
}

/** The bytes of files. */
export function pinnedBytes(files: readonly PinnedFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Files by their names, open to be read. */
export type OpenFiles = Map<string, FileHandle>;

/**
 * Opens all pinned files: what is open stays readable after the writer beside a reader has removed it. None where that are
 * more than may be open, in the hope that each is still there at its turn.
 */
export async function openPinned(fs: FileSystem, pin: Pin, directory: string, slicer: Slicer): Promise<OpenFiles> {
  const opened: OpenFiles = new Map();
  try {
    for (const { name } of pin.files) {
      opened.set(name, await fs.open(join(directory, name), "read"));
      await slicer.tick();
    }
  } catch (error) {
    closeAll(opened);
    if (error instanceof NotFoundError) throw error;
  }
  return opened;
}

/** Closes what is open still. */
export function closeAll(opened: OpenFiles): void {
  for (const file of opened.values()) file.closeSync();
  opened.clear();
}

/**
 * The members of an archive of the pinned files: the marker last, as in a directory. `onFile` hears the digest of each as it
 * passes; one that differs from what the database knows of the file ends the archive with `IntegrityError`. What is
 * `opened` is read through that, and closed.
 */
export function pinnedMembers(
  fs: FileSystem,
  pin: Pin,
  directory: string,
  onFile: (name: string, sha256: string) => void,
  signal?: AbortSignal,
  opened?: OpenFiles,
): TarMember[] {
  const members: TarMember[] = pin.files.map(({ name, size, sha256: known }) => ({
    name,
    size,
    pieces: async function* (): AsyncGenerator<Uint8Array> {
      const file = opened?.get(name) ?? await fs.open(join(directory, name), "read");
      try {
        yield* hashing(filePieces(file, size, signal), (sha256) => {
          if (known !== undefined && sha256 !== known) throw mismatch(name);
          onFile(name, sha256);
        });
      } finally {
        await file.close();
      }
    },
  }));
  for (const [name, bytes] of [[pin.manifestName, pin.manifest()], [MARKER_NAME, pin.marker()]] as const) {
    members.push({ name, size: bytes.length, pieces: () => hashing([bytes], (sha256) => onFile(name, sha256)) });
  }
  return members;
}

function mismatch(name: string): IntegrityError {
  return new IntegrityError(
    `Cannot export: ${name} is not what was written there (its SHA-256 differs); run verify() and repair the database`,
  );
}

/**
 * Opens the database in `directory` as a reader, which reads its marker, manifest and log, and holds every table and blob
 * file against the digest that its writer took, except for those `checked` before; throws `IntegrityError` when anything is
 * wrong. That each block and row is well-formed follows: these are the very bytes that were written.
 */
export async function verifyDirectory(
  fs: FileSystem,
  directory: string,
  settings: EngineSettings,
  expected: { version: number } | undefined,
  reporter: ProgressReporter,
  signal?: AbortSignal,
  checked?: ReadonlySet<string>,
): Promise<void> {
  const engine = await openEngine(fs, directory, readerSettings(settings, signal));
  try {
    if (expected !== undefined && engine.visibleVersion !== expected.version) {
      throw new IntegrityError(
        `The copy in ${directory} shows version ${engine.visibleVersion} where ${expected.version} was copied; try again`,
        { path: directory },
      );
    }
    const pin = await engine.pin();
    try {
      for (const { name, size, sha256 } of pin.files) {
        if (sha256 === undefined || checked?.has(name)) {
          reporter.add(size);
          continue;
        }
        const found = await hashFile(fs, join(directory, name), { signal, onBytes: (count) => reporter.add(count) });
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
    `The copy in ${directory} is damaged: ${name} is not what was written there (its SHA-256 differs); ` +
      "check the source with verify(), and the disk",
    { path: directory },
  );
}

/** A scan needs no cache to speak of. */
const READER_CACHE_BYTES = 8 * 2 ** 20;

/** The settings with which a copy is read. */
export function readerSettings(settings: EngineSettings, signal?: AbortSignal): EngineSettings {
  return {
    ...settings,
    readOnly: true,
    createIfMissing: false,
    errorIfExists: false,
    keyEncoding: undefined,
    cacheBytes: Math.min(settings.cacheBytes, READER_CACHE_BYTES),
    onEvent: undefined,
    signal,
  };
}
