/**
 * The files of a pinned version, copied into a directory or listed for an archive.
 *
 * @module
 */
import { IntegrityError } from "../base/errors.ts";
import type { ProgressReporter } from "../base/progress.ts";
import { MARKER_NAME } from "../engine/file_names.ts";
import { openEngine } from "../engine/open.ts";
import type { EngineSettings, Pin, PinnedFile } from "../engine/types.ts";
import { copyFile } from "../files/copy.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { checkSpace } from "./destination.ts";
import { hashing } from "./file_sink.ts";
import { filePieces } from "./archive/streams.ts";
import type { TarMember } from "./archive/tar_writer.ts";

/** How pinned files are copied. */
export interface CopyPinnedOptions {
  /** `"auto"`: link, clone or copy; `"never"`: bytes of its own. */
  link: "auto" | "never";
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
}

/** Makes `to` a database of exactly the pinned files: all synced, the marker among them. */
export async function copyPinned(
  fs: FileSystem,
  pin: Pin,
  from: string,
  to: string,
  options: CopyPinnedOptions,
): Promise<CopiedPinned> {
  const { signal, reporter } = options;
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
  let asked = options.link === "never";
  let left = total;
  for (const { name, size, kind } of [...fixed, ...logs]) {
    const way = await copyFile(fs, join(from, name), join(to, name), {
      link: kind === "log" ? "never" : options.link,
      length: size,
      signal,
      onBytes: (count) => reporter.add(count),
    });
    left -= size;
    reporter.add(0, 1);
    if (way !== "copy") sharedBytes += size;
    else if (!asked) {
      asked = true;
      await checkSpace(fs, to, left);
    }
  }
  for (const [name, bytes] of [[pin.manifestName, manifest], [MARKER_NAME, marker]] as const) {
    await writeSynced(fs, join(to, name), bytes);
    reporter.add(0, 1); // A few bytes that no total counts.
  }
  return { names, bytes: total, sharedBytes };
}

/** The bytes of files. */
export function pinnedBytes(files: readonly PinnedFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Makes a file of these bytes and syncs it. */
export async function writeSynced(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const file = await fs.open(path, "create");
  try {
    await file.append(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * The members of an archive of the pinned files: the marker last, as in a directory. `onFile` hears the digest of each as it
 * passes; one that differs from what the database knows of the file ends the archive with `IntegrityError`.
 */
export function pinnedMembers(
  fs: FileSystem,
  pin: Pin,
  directory: string,
  onFile: (name: string, sha256: string) => void,
  signal?: AbortSignal,
): TarMember[] {
  const members: TarMember[] = pin.files.map(({ name, size, sha256: known }) => ({
    name,
    size,
    pieces: async function* (): AsyncGenerator<Uint8Array> {
      const file = await fs.open(join(directory, name), "read");
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

/** Opens the database in `directory` as a reader and checks all of it; throws `IntegrityError` when anything is wrong. */
export async function verifyDirectory(
  fs: FileSystem,
  directory: string,
  settings: EngineSettings,
  expected: { version: number } | undefined,
  reporter: ProgressReporter,
  signal?: AbortSignal,
): Promise<void> {
  const engine = await openEngine(fs, directory, readerSettings(settings, signal));
  try {
    if (expected !== undefined && engine.visibleVersion !== expected.version) {
      throw new IntegrityError(
        `The copy in ${directory} shows version ${engine.visibleVersion} where ${expected.version} was copied; try again`,
        { path: directory },
      );
    }
    const report = await engine.verify({ signal, onBytes: (count) => reporter.add(count) });
    const [problem] = report.problems;
    if (problem !== undefined) {
      const more = report.problems.length > 1 ? ` and ${report.problems.length - 1} more places` : "";
      throw new IntegrityError(
        `The copy in ${directory} is damaged in ${problem.file} at byte ${problem.offset}: ${problem.detail}${more}; ` +
          "check the source with verify(), and the disk",
        { path: directory },
      );
    }
  } finally {
    await engine.close();
  }
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
