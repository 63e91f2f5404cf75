/**
 * Writing one file so that it appears whole or not at all: a sibling, synced, checked, put in place.
 *
 * ```
 * <the name, or its beginning>.<time begun, ms since the epoch: 13 digits>-<12 random hex digits>.tmp
 * ```
 *
 * A process that is ended leaves its sibling, which may be as large as the database. It is known by the time in its name, and
 * removed by the next call that writes a file in that directory. A lock would know earlier, but says nothing where file systems
 * pretend to lock, as some do that dumps of several machines go to.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { throwIfAborted } from "../base/abort.ts";
import { DAY_MS } from "../base/duration.ts";
import { ExistsError, NotFoundError } from "../base/errors.ts";
import type { FileSystem } from "../files/file_system.ts";
import { basename, dirname, join } from "../files/paths.ts";
import { removeIfThere } from "../files/publish.ts";
import { checkFile, firstWrite } from "./destination.ts";

/** Nobody writes one file for so long. Not shorter: another's that goes on would be lost. Not longer: the space is wanted back. */
const LEFTOVER_AFTER_MS = 7 * DAY_MS;

/** So many characters of a name: with what comes behind they fit wherever the name does, be each of four bytes. */
const NAME_CHARACTERS = 48;

/** What a file sink wrote. */
export interface WrittenFile {
  /** Its bytes. */
  bytes: number;
  /** SHA-256 of them, hex. */
  sha256: string;
}

/** How a file is written. */
export interface FileSinkOptions {
  /** Makes the sibling's name unlike that of any other call: 12 hex digits. */
  id: string;
  /** ms since the epoch, for the sibling's name. */
  clock: () => number;
  /** Whether a file at the path is replaced. */
  overwrite: boolean;
  /** Gives up, until the rename. */
  signal?: AbortSignal | undefined;
  /** Hears of every so many bytes written. */
  onBytes?: ((count: number) => void) | undefined;
  /** Looks at the finished sibling before it is published; what it throws ends the call. */
  verify?: ((path: string, written: WrittenFile) => Promise<void>) | undefined;
}

/** Writes `pieces` to `path`. On any failure nothing of it is left, and what was at `path` is untouched. */
export async function writeFileOf(
  call: string,
  fs: FileSystem,
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  options: FileSinkOptions,
): Promise<WrittenFile> {
  const now = Math.trunc(options.clock());
  const sibling = join(dirname(path), `${beginningOf(basename(path))}.${now}-${options.id}.tmp`);
  const hash = createHash("sha256");
  let bytes = 0;
  throwIfAborted(options.signal);
  await removeLeftovers(fs, dirname(path), now - LEFTOVER_AFTER_MS).catch(() => {}); // Not what was asked for; the next tries again.
  const file = await firstWrite(path, () => fs.open(sibling, "create"));
  try {
    try {
      for await (const piece of pieces) {
        throwIfAborted(options.signal);
        await file.append(piece);
        hash.update(piece);
        bytes += piece.length;
        options.onBytes?.(piece.length);
      }
      throwIfAborted(options.signal);
      await file.sync();
    } finally {
      await file.close();
    }
    const written = { bytes, sha256: hash.digest("hex") };
    await options.verify?.(sibling, written);
    throwIfAborted(options.signal);
    // Asked again: another program may have been faster.
    await checkFile(call, fs, path, { overwrite: options.overwrite });
    if (options.overwrite) await fs.rename(sibling, path);
    else await moveIfFree(fs, sibling, path);
    await fs.syncDirectory(dirname(path));
    return written;
  } catch (error) {
    await fs.remove(sibling).catch((failure) => {
      if (!(failure instanceof NotFoundError)) return; // The first failure is the one to tell.
    });
    throw error;
  }
}

function beginningOf(name: string): string {
  return Array.from(name).slice(0, NAME_CHARACTERS).join("");
}

/** Removes what calls that were begun before that time, and never ended, have left in a directory. */
async function removeLeftovers(fs: FileSystem, directory: string, before: number): Promise<void> {
  for (const name of await fs.list(directory)) {
    const begun = /\.(\d{13})-[0-9a-f]{12}\.tmp$/.exec(name)?.[1];
    if (begun === undefined || Number(begun) >= before) continue;
    await fs.remove(join(directory, name)).catch(() => {}); // Another may have been faster, or may, and we may not.
  }
}

/** Renames a file to a name that nothing has: a mere rename would replace what came meanwhile. */
async function moveIfFree(fs: FileSystem, from: string, to: string): Promise<void> {
  try {
    await fs.link(from, to);
  } catch (error) {
    if (error instanceof ExistsError) {
      const remedy = "choose another path, or pass overwrite: true";
      throw new ExistsError(`Cannot write ${to}: another program wrote it meanwhile; ${remedy} (EXISTS)`, { path: to });
    }
    await fs.rename(from, to); // There are no links here.
  }
  // Also after a rename: of two names for one file it takes none away. Left behind it would do no harm.
  await removeIfThere(fs, from).catch(() => {});
}

/** SHA-256 of pieces, hex, as they pass through. */
export async function* hashing(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  done: (sha256: string) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
  done(hash.digest("hex"));
}

/** SHA-256 of all pieces, hex. */
export async function hashOf(pieces: AsyncIterable<Uint8Array>, onBytes?: (count: number) => void): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) {
    hash.update(piece);
    onBytes?.(piece.length);
  }
  return hash.digest("hex");
}
