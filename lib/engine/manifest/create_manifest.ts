/**
 * The first manifest of a directory.
 *
 * @module
 */
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { putInPlace, removeIfThere, writeAside, writeSynced } from "../../files/publish.ts";
import { filePath, MARKER_NAME } from "../file_names.ts";
import { encodeManifest, encodeMarker, type LoadedManifest } from "./manifest.ts";
import type { ManifestState } from "./manifest_state.ts";

/**
 * Makes the first manifest of a directory and the marker that publishes it. `mayPublish` is asked in one step with the
 * rename of the marker; where it throws, nothing is left.
 */
export async function createManifest(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  mayPublish: () => void = () => {},
): Promise<LoadedManifest> {
  const number = state.nextNumber++;
  const { bytes, seed } = encodeManifest(state, number);
  const path = filePath(directory, "manifest", number);
  await writeSynced(fs, path, bytes);
  await fs.syncDirectory(directory);
  const marker = join(directory, MARKER_NAME);
  const aside = await writeAside(fs, marker, encodeMarker(state, number), String(number));
  try {
    mayPublish();
  } catch (error) {
    for (const made of [aside, path]) await removeIfThere(fs, made).catch(() => {});
    throw error;
  }
  await putInPlace(fs, aside, marker);
  return { number, seed, state, fresh: true, closed: false, size: bytes.length, end: bytes.length };
}
