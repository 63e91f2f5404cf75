/**
 * Making files and directories appear whole and stay.
 *
 * @module
 */
import { ExistsError, HoldfastError, NotFoundError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "./file_system.ts";
import { dirname, join } from "./paths.ts";

/** What is written at once, on the main thread. Not larger: it takes 20 µs, and more would be felt. */
const AT_ONCE_BYTES = 64 * 1024;

/**
 * Puts `bytes` at `path`, over what was there, so that at every moment and after every crash the path holds the old bytes
 * or the new ones, whole; once it resolves, the new ones stay.
 *
 * Written aside as `<path>.<unique>`, synced, renamed, the directory synced. A leftover of that name from a crash is
 * replaced; two publishers of one path that may run at once need different names.
 */
export async function publishFile(fs: FileSystem, path: string, bytes: Uint8Array, unique = "new"): Promise<void> {
  const aside = await writeAside(fs, path, bytes, unique);
  await putInPlace(fs, aside, path);
}

/** The first half of `publishFile`: writes aside and syncs. Gives the path of what was written. */
export async function writeAside(fs: FileSystem, path: string, bytes: Uint8Array, unique = "new"): Promise<string> {
  const aside = `${path}.${unique}`;
  try {
    await writeWhole(fs, aside, bytes);
    return aside;
  } catch (error) {
    await removeIfThere(fs, aside).catch(() => {}); // The first failure is the one to tell.
    throw error;
  }
}

/**
 * The second half of `publishFile`: renames and syncs the directory. `behind` is called in one step with the rename; where it
 * throws, what was renamed stays.
 */
export async function putInPlace(fs: FileSystem, aside: string, path: string, behind = (): void => {}): Promise<void> {
  try {
    // At once, where that can be: between what a caller has just looked at and this nothing else comes.
    if (fs.renameSync === undefined) await fs.rename(aside, path);
    else fs.renameSync(aside, path);
  } catch (error) {
    await removeIfThere(fs, aside).catch(() => {});
    throw error;
  }
  behind();
  // Outside of the above: after the rename the aside name is gone, and undoing would be one more change to lose.
  await fs.syncDirectory(dirname(path));
}

/** As `putInPlace`, where nothing is yet: `ExistsError` otherwise, of two that come at once for one of them. */
export async function putNew(fs: FileSystem, aside: string, path: string): Promise<void> {
  try {
    // A second name is never given to what has one already; a rename would not ask.
    await fs.link(aside, path);
  } catch (error) {
    // No second names here, or no right to give them.
    if (!(error instanceof ExistsError) && fs.statSync(path) === undefined) return await putInPlace(fs, aside, path);
    await removeIfThere(fs, aside).catch(() => {});
    throw new ExistsError(`Cannot make ${path}: something is there (EXISTS)`, { path });
  }
  // The name that is left over counts for nothing.
  await removeIfThere(fs, aside).catch(() => {});
  await fs.syncDirectory(dirname(aside));
}

/** Writes a new file and syncs it; `ExistsError` when something is there, and what fails may leave a part of it. */
export async function writeSynced(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  await appendSynced(await fs.open(path, "create"), bytes);
}

/** Appends, syncs and closes. */
export async function appendSynced(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    // A few pages are in the system's memory sooner than another thread has heard of them.
    if (bytes.length <= AT_ONCE_BYTES) handle.appendSync(bytes);
    else await handle.append(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeWhole(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  let handle;
  try {
    handle = await fs.open(path, "create");
  } catch (error) {
    if (!(error instanceof ExistsError)) throw error;
    await fs.remove(path);
    handle = await fs.open(path, "create");
  }
  await appendSynced(handle, bytes);
}

/** Removes a file; whether it was there. */
export async function removeIfThere(fs: FileSystem, path: string): Promise<boolean> {
  try {
    await fs.remove(path);
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}

/**
 * Removes a file, or a directory with all that is in it; nothing there is fine. A link is removed, what it leads to stays.
 * Not synced: a crash may bring names back.
 */
export async function removeTree(fs: FileSystem, path: string): Promise<void> {
  try {
    // Removed as a file first, for `stat` and `list` would follow a link out of the tree.
    await removeIfThere(fs, path);
    return;
  } catch (error) {
    if (!(error instanceof HoldfastError) || (await fs.stat(path))?.kind !== "directory") throw error;
  }
  for (const name of await fs.list(path)) await removeTree(fs, join(path, name));
  await fs.removeDirectory(path);
}

/**
 * Makes a directory with all that are missing above it, and makes their names durable. Throws `ExistsError` where a file
 * is in its place and `NotFoundError` below a file.
 */
export async function ensureDirectory(fs: FileSystem, path: string): Promise<void> {
  const missing: string[] = [];
  let at = fs.resolve(path);
  for (; !await isThere(fs, at); at = dirname(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
  }
  // One after the other, so that an attempt that fails leaves at most one name that is not durable: the last one made.
  if (missing.length > 0) await fs.syncDirectory(dirname(at));
  for (const made of missing.reverse()) {
    await fs.makeDirectory(made, { parents: true });
    await fs.syncDirectory(dirname(made));
  }
  await fs.makeDirectory(path, { parents: true });
}

/** Whether something is there; out of bounds for this runtime's permissions counts as yes, for it is not ours to make. */
async function isThere(fs: FileSystem, path: string): Promise<boolean> {
  try {
    return await fs.stat(path) !== undefined;
  } catch {
    return true;
  }
}
