/**
 * What can be had of manifests when the marker or one of them is damaged.
 *
 * @module
 */
import { CorruptionError, UnsupportedFormatError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader } from "../../format/identity.ts";
import { RecordReader } from "../../format/log/record_reader.ts";
import { type DatabaseMeta, decodeEdit } from "../../format/manifest/manifest_edit.ts";
import { fileName } from "../file_names.ts";
import { type LoadedManifest, readManifest } from "./manifest.ts";

/**
 * Reads a manifest that no marker leads to: the newest that can be read and is of a database. Undefined when there is none.
 */
export function findManifest(
  fs: FileSystem,
  directory: string,
  numbers: number[],
  database: string,
): LoadedManifest | undefined {
  for (const number of numbers.toSorted((a, b) => b - a)) {
    const name = fileName("manifest", number);
    try {
      const handle = fs.openSync(join(directory, name), "read");
      try {
        return readManifest(handle, number, database, name);
      } finally {
        handle.closeSync();
      }
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
    }
  }
  return undefined;
}

/** What the whole edits at the beginning of a damaged manifest say of the database; undefined when there is none. */
export function salvageIdentity(fs: FileSystem, directory: string, number: number): DatabaseMeta | undefined {
  const name = fileName("manifest", number);
  const handle = fs.openSync(join(directory, name), "read");
  try {
    const size = handle.sizeSync();
    const head = new Uint8Array(FILE_HEADER_BYTES);
    const header = readFileHeader("manifest", head.subarray(0, handle.readAtSync(head, 0)), name);
    const read = (into: Uint8Array, position: number): number => handle.readAtSync(into, position);
    const reader = new RecordReader(read, size, checksumSeed(header), FILE_HEADER_BYTES);
    let found: DatabaseMeta | undefined;
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      found = decodeEdit(next.record, name, next.offset).database ?? found;
    }
    return found?.id === header.database ? found : undefined;
  } catch (error) {
    if (error instanceof CorruptionError || error instanceof UnsupportedFormatError) return undefined;
    throw error;
  } finally {
    handle.closeSync();
  }
}
