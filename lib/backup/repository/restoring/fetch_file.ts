/**
 * Getting one file of a backup onto the disk: from a file there that is the same, or from its object.
 *
 * @module
 */
import { HoldfastError, IntegrityError } from "../../../base/errors.ts";
import { copyFile } from "../../../files/copy.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import { join } from "../../../files/paths.ts";
import { removeIfThere } from "../../../files/publish.ts";
import type { ObjectTotals } from "../../../format/repository/object.ts";
import { contentName, parseObjectPath } from "../../../format/repository/object_name.ts";
import { hashFile } from "../../hash_file.ts";
import type { Bandwidth } from "../core/bandwidth.ts";
import type { RepositoryContext } from "../core/context.ts";
import { objectKey } from "../core/layout.ts";
import { holdsContent, objectPieces } from "../core/objects.ts";

/** A file that is wanted. */
export interface WantedFile {
  /** Its name in the directory. */
  name: string;
  /** Its length. */
  size: number;
  /** Its object, below `objects/`. */
  object: string;
}

/** How files are fetched. */
export interface FetchOptions {
  /** Directories in which the same file may lie. */
  reuse: readonly string[];
  /** A limit of the call's own. */
  bandwidth?: Bandwidth | undefined;
  /** Hears of bytes. */
  onBytes?: ((count: number) => void) | undefined;
  /** The caller reads the files back: what arrives is not held against the content's name, so that each byte is hashed once. */
  unchecked?: boolean | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Before the name of what is not there as a whole yet. */
const PART_PREFIX = "part-";

/**
 * Puts a file into `directory`, synced; says whether it was in one of those where it may lie. It gets its name once its bytes
 * are durable: a restore that was cut off leaves files which the next one links, and whose bytes may have been on their way
 * to the disk.
 */
export async function fetchFile(
  context: RepositoryContext,
  fs: FileSystem,
  directory: string,
  file: WantedFile,
  options: FetchOptions,
): Promise<{ reused: boolean }> {
  const content = parseObjectPath(file.object)!.name;
  const path = join(directory, file.name);
  const part = join(directory, `${PART_PREFIX}${file.name}`);
  for (const place of options.reuse) {
    if (!await isSame(context, fs, join(place, file.name), file.size, content, options)) continue;
    try {
      await copyFile(fs, join(place, file.name), part, { signal: options.signal });
      await fs.rename(part, path);
      return { reused: true };
    } catch (error) {
      // It may go while it is copied: a database that is open compacts. Then the object serves.
      if (!(error instanceof HoldfastError)) throw error;
      await removeIfThere(fs, part);
    }
  }
  await download(context, fs, part, file, content, options);
  await fs.rename(part, path);
  return { reused: false };
}

/** The first of the files whose object is not what its name says. */
export async function findDamaged(
  context: RepositoryContext,
  files: readonly WantedFile[],
  signal: AbortSignal | undefined,
): Promise<IntegrityError | undefined> {
  for (const file of files) {
    const found = await holdsContent(context, objectKey(file.object), parseObjectPath(file.object)!.name, { signal });
    if (found?.rawBytes !== file.size) return otherContent(context, file);
  }
  return undefined;
}

function otherContent(context: RepositoryContext, file: WantedFile): IntegrityError {
  const key = objectKey(file.object);
  return new IntegrityError(
    `${key} in ${context.name} holds another content than its name says; run verify, then repair`,
    { path: key },
  );
}

async function download(
  context: RepositoryContext,
  fs: FileSystem,
  path: string,
  file: WantedFile,
  content: string,
  options: FetchOptions,
): Promise<void> {
  const { bandwidth, signal, onBytes, unchecked } = options;
  let totals: ObjectTotals | undefined;
  const handle = await fs.open(path, "create");
  try {
    try {
      const done = (found: ObjectTotals): void => void (totals = found);
      const reading = { bandwidth, signal, done, reuse: true, unchecked };
      for await (const piece of objectPieces(context, objectKey(file.object), reading)) {
        await handle.append(piece);
        onBytes?.(piece.length);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    const isNamed = unchecked || (totals !== undefined && contentName(totals.sha256, context.ring) === content);
    if (!isNamed || totals?.rawBytes !== file.size) throw otherContent(context, file);
  } catch (error) {
    await removeIfThere(fs, path).catch(() => {}); // The first failure is the one to tell.
    throw error;
  }
}

/** Whether a file is there and has that content; only asked of files with the right length. */
async function isSame(
  context: RepositoryContext,
  fs: FileSystem,
  path: string,
  size: number,
  content: string,
  options: FetchOptions,
): Promise<boolean> {
  try {
    const info = await fs.stat(path);
    if (info?.kind !== "file" || info.size !== size) return false;
    const sha256 = await hashFile(fs, path, { signal: options.signal });
    if (contentName(sha256, context.ring) !== content) return false;
    options.onBytes?.(size);
    return true;
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}
