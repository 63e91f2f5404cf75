/**
 * The first manifest of a directory.
 *
 * @module
 */
import { ExistsError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { putInPlace, type putNew, removeIfThere, writeAside, writeSynced } from "../../files/publish.ts";
import { filePath, MARKER_NAME } from "../file_names.ts";
import { encodeManifest, encodeMarker, type LoadedManifest } from "./manifest.ts";
import type { ManifestState } from "./manifest_state.ts";
import { MarkerWatch } from "./marker_watch.ts";

/**
 * Makes the first manifest of a directory and the marker that publishes it; `put` puts that in place. With `putNew` it is
 * refused where there is one: `ExistsError`, and nothing is left.
 */
export async function createManifest(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  put: typeof putNew = putInPlace,
): Promise<LoadedManifest> {
  const number = state.nextNumber++;
  const { bytes, seed } = encodeManifest(state, number);
  const path = filePath(directory, "manifest", number);
  await writeSynced(fs, path, bytes);
  await fs.syncDirectory(directory);
  const marker = join(directory, MARKER_NAME);
  const aside = await writeAside(fs, marker, encodeMarker(state, number), String(number));
  try {
    await put(fs, aside, marker);
  } catch (error) {
    if (!(error instanceof ExistsError)) throw error;
    const watch = new MarkerWatch(fs, directory, state.database.id, number);
    watch.close();
    if (!watch.isOurs()) {
      await removeIfThere(fs, path).catch(() => {});
      throw error;
    }
    // A network has given the name, lost its answer, and refused it when it was asked again.
    await fs.syncDirectory(directory);
  }
  return { number, seed, state, fresh: true, closed: false, size: bytes.length, end: bytes.length };
}
