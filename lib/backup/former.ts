/**
 * Setting a database aside so that another can take its names, and putting it back: at every moment, and after a crash at
 * any, it is whole at one of the two places, where its marker is.
 *
 * @module
 */
import { MARKER_NAME } from "../engine/file_names.ts";
import { copyFile } from "../files/copy.ts";
import type { FileSystem } from "../files/file_system.ts";
import { join } from "../files/paths.ts";
import { removeIfThere, removeTree } from "../files/publish.ts";

/** Gives the files second names in `aside`, then takes the first ones away. On failure they are back. */
export async function setAside(
  fs: FileSystem,
  directory: string,
  names: readonly string[],
  aside: string,
): Promise<void> {
  const others = names.filter((name) => name !== MARKER_NAME);
  try {
    await fs.makeDirectory(aside);
    // Links, which cost nothing; where the file system has none, copies.
    for (const name of [...others, MARKER_NAME]) await copyFile(fs, join(directory, name), join(aside, name));
    await fs.syncDirectory(aside);
    await fs.syncDirectory(directory);
    await fs.remove(join(directory, MARKER_NAME));
    await fs.syncDirectory(directory);
    for (const name of others) await fs.remove(join(directory, name));
    await fs.syncDirectory(directory);
  } catch (error) {
    await putBack(fs, directory, names, aside).catch(() => {}); // The first failure is the one to tell.
    throw error;
  }
}

/** Gives them their first names again, the marker last, and then removes `aside`. Whatever fails, `aside` stays whole. */
export async function putBack(
  fs: FileSystem,
  directory: string,
  names: readonly string[],
  aside: string,
): Promise<void> {
  // Only what was whole there can come back.
  if (await fs.stat(join(aside, MARKER_NAME)) !== undefined) {
    const marker = join(directory, MARKER_NAME);
    if (await fs.stat(marker) === undefined) {
      for (const name of names) {
        if (name === MARKER_NAME) continue;
        await removeIfThere(fs, join(directory, name));
        await copyFile(fs, join(aside, name), join(directory, name));
      }
      await fs.syncDirectory(directory);
      await copyFile(fs, join(aside, MARKER_NAME), marker);
    }
    // Also when it is there: its removal may have been undone, or not.
    await fs.syncDirectory(directory);
  }
  await removeTree(fs, aside).catch(() => {}); // It is harmless if it stays.
}
