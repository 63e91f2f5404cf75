/**
 * A first look at every file that a manifest lists, before anything is written: is it there, this database's, of a format
 * known here, as long as it was, with both its ends whole? What lies between is checked whenever it is read.
 *
 * Two small reads a file, so that opening stays quick with thousands of them.
 *
 * @module
 */
import { CorruptionError, NotFoundError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import {
  checksumSeed,
  expectIdentity,
  FILE_HEADER_BYTES,
  type FileIdentity,
  readFileHeader,
} from "../../format/identity.ts";
import { readTableFooter, TABLE_FOOTER_BYTES } from "../../format/table/table.ts";
import type { TableMeta } from "../../format/table/table_meta.ts";
import { BlobReader } from "../../tree/blob/blob_reader.ts";
import { filePath } from "../file_names.ts";
import { checkKeyEncoding } from "./load.ts";
import { loadManifest } from "../manifest/manifest.ts";
import type { ManifestState } from "../manifest/manifest_state.ts";
import { recoverLog } from "./recovery.ts";
import type { EngineSettings } from "../types.ts";

/** Files between two looks at the clock. */
const FILES_PER_TICK = 16;

/** Looks at all tables and blob files of a manifest. Throws `CorruptionError` or `UnsupportedFormatError`. */
export async function checkFiles(
  fs: FileSystem,
  directory: string,
  state: ManifestState,
  settings: EngineSettings,
): Promise<void> {
  const database = state.database.id;
  const slicer = new Slicer(settings.monotonic, settings.signal);
  let files = 0;
  const pause = async (): Promise<void> => {
    if (++files % FILES_PER_TICK === 0) await slicer.tick();
  };
  for (const { table } of state.tables.values()) {
    const { number } = table;
    present(filePath(directory, "table", number), (path) => checkTable(fs, path, { database, number }, table));
    await pause();
  }
  for (const blob of state.blobs.values()) {
    const { number } = blob;
    present(
      filePath(directory, "blob", number),
      (path) => BlobReader.open(fs, path, { database, number }, blob).close(),
    );
    await pause();
  }
}

/** Looks at a database without a trace: marker, manifest, files and log, all but what lies inside tables and blobs. */
export async function inspectDatabase(fs: FileSystem, directory: string, settings: EngineSettings): Promise<void> {
  const { state } = await loadManifest(fs, directory);
  checkKeyEncoding(state, settings, directory);
  await checkFiles(fs, directory, state, settings);
  const slicer = new Slicer(settings.monotonic, settings.signal);
  await recoverLog(fs, directory, state, { apply: () => {}, slicer });
}

function present(path: string, check: (path: string) => void): void {
  try {
    check(path);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    throw new CorruptionError(path, 0, "the file is not there", { cause: error });
  }
}

function checkTable(fs: FileSystem, path: string, expected: FileExpected, meta: TableMeta): void {
  const handle = fs.openSync(path, "read");
  try {
    const size = handle.sizeSync();
    const header = readFileHeader("table", readUpTo(handle, 0, FILE_HEADER_BYTES), path);
    expectIdentity(header, expected, path);
    if (size !== meta.size) {
      throw new CorruptionError(path, Math.min(size, meta.size), `${size} bytes long where ${meta.size} were written`);
    }
    readTableFooter(readUpTo(handle, size - TABLE_FOOTER_BYTES, TABLE_FOOTER_BYTES), checksumSeed(header), path, size);
  } finally {
    handle.closeSync();
  }
}

/** What the header of a file must say. */
type FileExpected = Pick<FileIdentity, "database" | "number">;

function readUpTo(handle: FileHandle, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, handle.readAtSync(bytes, position));
}
