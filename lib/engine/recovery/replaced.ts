/**
 * Files in a directory that an export or a restore, interrupted while it published, has left there: of the new database
 * before its marker was renamed, of the one it replaces afterwards.
 *
 * Each publication has a stage, and in it the marker of the database that is not there: `CURRENT` of the new one, until it is
 * renamed; `CURRENT.replaced`, a copy of the old one's. That marker's manifest, here or in the stage, names the files. And
 * the same for repairs, interrupted once the marker named the new manifest: the old files have second names by then.
 *
 * @module
 */
import { HoldfastError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import {
  DAMAGED_PREFIX,
  fileName,
  FORMER_SUFFIX,
  MARKER_NAME,
  parseFileName,
  REPLACED_NAME,
  STAGE_PREFIX,
} from "../file_names.ts";
import { readFile } from "../../files/read.ts";
import { readMarker } from "../../format/manifest/marker.ts";
import { loadManifest } from "../manifest/manifest.ts";
import { MARKER_BYTES_MAX } from "../manifest/marker_watch.ts";

/**
 * The names of files that a repair has set aside and replaced: what has one of them in the database as well was not yet
 * removed. Files behind the manifest that counts are not replaced: the manifest of a repair has a number above all others,
 * so this one is older, and the repair was interrupted before.
 */
export async function namesSetAside(fs: FileSystem, directory: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of await fs.list(directory)) {
    const place = join(directory, name);
    if (name.startsWith(DAMAGED_PREFIX) && await isDirectory(fs, place)) names.push(...await fs.list(place));
  }
  if (names.length === 0) return names;
  const { manifest } = readMarker(await readFile(fs, join(directory, MARKER_NAME), MARKER_BYTES_MAX), MARKER_NAME);
  return names.filter((name) => (parseFileName(name)?.number ?? Infinity) < manifest);
}

/** The names of such files; empty when no publication was interrupted. */
export async function namesOfPublication(fs: FileSystem, directory: string): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const name of await fs.list(directory)) {
    if (!name.startsWith(STAGE_PREFIX) || name.endsWith(FORMER_SUFFIX)) continue;
    const stage = join(directory, name);
    // What a restore makes of entries or of a repository lies in a directory of its own in the stage.
    const inner = await isDirectory(fs, stage) ? await fs.list(stage) : [];
    for (const place of [stage, ...inner.map((each) => join(stage, each))]) {
      if (!await isDirectory(fs, place)) continue;
      const there = await fs.list(place);
      for (const marker of [MARKER_NAME, REPLACED_NAME]) {
        if (!there.includes(marker)) continue;
        for (const named of await namesIn(fs, place, marker, directory)) if (!there.includes(named)) names.add(named);
      }
    }
  }
  return names;
}

/** The name of the stage that holds, whole, the database that was here before its replacement was interrupted. */
export async function formerDatabase(fs: FileSystem, directory: string): Promise<string | undefined> {
  for (const name of await fs.list(directory)) {
    if (!name.startsWith(STAGE_PREFIX) || !name.endsWith(FORMER_SUFFIX)) continue;
    const place = join(directory, name);
    const there = await isDirectory(fs, place) ? await fs.list(place) : [];
    if (!there.includes(MARKER_NAME)) continue;
    const named = await namesIn(fs, place, MARKER_NAME, place);
    if (named.length > 0 && named.every((each) => there.includes(each))) return name;
  }
  return undefined;
}

async function isDirectory(fs: FileSystem, path: string): Promise<boolean> {
  return (await fs.stat(path))?.kind === "directory";
}

async function namesIn(fs: FileSystem, place: string, marker: string, directory: string): Promise<string[]> {
  try {
    const { number, state } = await loadManifest(fs, place, { marker, elsewhere: directory });
    return [
      fileName("manifest", number),
      ...[...state.tables.keys()].map((table) => fileName("table", table)),
      ...[...state.blobs.keys()].map((blob) => fileName("blob", blob)),
      ...[...state.logs.keys()].map((log) => fileName("log", log)),
      ...(state.openLog === undefined ? [] : [fileName("log", state.openLog.number)]),
    ];
  } catch (error) {
    // One that was never finished proves nothing.
    if (error instanceof HoldfastError && UNFINISHED.includes(error.code)) return [];
    throw error;
  }
}

const UNFINISHED = ["CORRUPTION", "UNSUPPORTED_FORMAT", "NOT_FOUND"];
