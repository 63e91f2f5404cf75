/**
 * Repair: a damaged directory becomes a database again that holds all that still verifies.
 *
 * What can be read of all tables and log segments is merged, the newest readable version of each key wins, and the result
 * is written as new tables beside the old files; then the originals get a second name in `damaged-<time>/`, the marker is
 * switched to a new manifest, and the old names go. Interrupted before the switch, nothing has changed and repair can be
 * run again; after it, the next open removes what is left over.
 *
 * @module
 */
import { HoldfastError, NotFoundError, PermissionError, UnsupportedFormatError } from "../../base/errors.ts";
import { throwIfAborted } from "../../base/abort.ts";
import { ByteReader, toHex } from "../../base/bytes.ts";
import { Slicer } from "../../base/yield.ts";
import { copyFile } from "../../files/copy.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { ensureDirectory } from "../../files/publish.ts";
import { readRange } from "../../files/read.ts";
import { cellOp, OP_BLOB, readCell } from "../../format/cell.ts";
import { readBlobPointer } from "../../format/blob.ts";
import { CATALOG_SPACE, isTagSpace } from "../../format/space.ts";
import { FILE_HEADER_BYTES, readFileHeader } from "../../format/identity.ts";
import { isMarkerWhole, readMarker } from "../../format/manifest/marker.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import { MergingCursor } from "../../tree/merging_cursor.ts";
import { RangeTombstones } from "../../tree/range_tombstones.ts";
import { DAMAGED_PREFIX, fileName, MARKER_NAME, parseFileName } from "../file_names.ts";
import { lockFor } from "../lock_for.ts";
import { createManifest } from "../manifest/create_manifest.ts";
import type { ManifestState, PlacedTable } from "../manifest/manifest_state.ts";
import { LostNames } from "./lost_names.ts";
import { type Evidence, gatherEvidence } from "./repair_evidence.ts";
import { RowFilter } from "../background/row_filter.ts";
import { RunOutput } from "../background/run_output.ts";
import { damageIn, isDamage, type LostRange } from "./salvage.ts";
import { isOfTags, TagRows } from "./tag_rows.ts";
import { Stripes } from "../version/snapshots.ts";
import { Store } from "../store.ts";
import type { EngineSettings } from "../types.ts";
import { LEVELS } from "../version/version.ts";

/** A marker is a few lines; what is longer is none. */
const MARKER_HEAD_BYTES = 4096;

/** Rows between two looks at the clock. */
const STEP = 64;

/** What a repair did, keys in internal form. */
export interface EngineRepairReport {
  /** Entries that the database holds afterwards. */
  kept: number;
  /** What may be lost. */
  lost: LostRange[];
  /** Names of the originals that lie in `damaged-<time>/` now; none when nothing was damaged. */
  setAside: string[];
}

/** Repairs the database in a directory; with `dryRun` only says what would be done. */
export async function repairDatabase(
  fs: FileSystem,
  directory: string,
  settings: EngineSettings,
  options: { dryRun: boolean; onRows?: ((rows: number) => void) | undefined },
): Promise<EngineRepairReport> {
  throwIfAborted(settings.signal);
  const path = fs.resolve(directory);
  if ((await fs.stat(path))?.kind !== "directory") {
    throw new NotFoundError(`Cannot repair ${directory}: there is no directory (NOT_FOUND)`, { path });
  }
  const names = await fs.list(path);
  if (!names.some((name) => parseFileName(name) !== undefined)) {
    throw new NotFoundError(`Cannot repair ${directory}: it holds no database (NOT_FOUND)`, { path });
  }
  const lock = await lockFor("repair", fs, directory, path).catch((error) => {
    // Who may not write can look all the same: a disk that was mounted to be read is where one would.
    if (options.dryRun && error instanceof PermissionError) return undefined;
    throw error;
  });
  try {
    await refuseNewer(fs, path, names);
    const evidence = await gatherEvidence(fs, path, settings);
    try {
      return await rebuild(fs, path, settings, evidence, options);
    } finally {
      evidence.close();
    }
  } finally {
    lock?.release();
  }
}

async function rebuild(
  fs: FileSystem,
  path: string,
  settings: EngineSettings,
  evidence: Evidence,
  options: { dryRun: boolean; onRows?: ((rows: number) => void) | undefined },
): Promise<EngineRepairReport> {
  const state: ManifestState = { ...evidence.state, database: historyOfItsOwn(evidence, settings) };
  const write = evidence.damaged && !options.dryRun;
  const none = { number: 0, seed: 0, fresh: false, closed: false, size: 0, end: 0 };
  const store = new Store(fs, path, settings, { ...none, state });
  const output = new RunOutput(store);
  const nameOutput = new RunOutput(store);
  const names = new LostNames();
  const tags = new TagRows(store);
  let published = false;
  try {
    const into = write ? { output, tags } : undefined;
    const kept = await mergeAll(evidence, settings, into, names, options.onRows);
    const found = evidence.damaged ? names.rows(state.database.keyEncoding) : [];
    const lost = evidence.isAllInLog ? [] : evidence.lost.filter((range) => !isOfTags(range));
    for (const { name } of found) {
      lost.push({ start: undefined, end: undefined, detail: `The name of a namespace is lost; it is "${name}" now` });
    }
    if (!write) return { kept, lost, setAside: [] };
    const files = await output.finish();
    const tagTables = await tags.finish(new Slicer(settings.monotonic, settings.signal));
    // As of a commit that is in no log.
    const lastVersion = evidence.maxVersion + 1;
    const lastTimestamp = Math.max(evidence.maxTimestamp + 1, settings.clock());
    for (const { key, cell } of found) nameOutput.add(key, lastVersion, lastTimestamp, cell);
    const namesTables = (await nameOutput.finish()).tables;
    const blobs = [...evidence.blobs.values()].filter((blob) => files.tables.some((table) => pointsTo(table, blob)));
    // Without log, and without slots: whatever repository archived knows another history.
    const next: ManifestState = {
      ...state,
      lastVersion,
      lastTimestamp,
      // Names were known last and stand first: a run of their own, above the other.
      tables: new Map([
        ...files.tables.map((table) => placed(LEVELS - 1, 0, table)),
        // Between the entries of one key space and those of the next, so not on their level.
        ...tagTables.map((table) => placed(LEVELS - 2, 0, table)),
        ...namesTables.map((table) => placed(0, table.number, table)),
      ]),
      blobs: new Map([...blobs, ...files.blobs].map((blob) => [blob.number, blob])),
    };
    await tags.discardChunks();
    const keep = new Set(blobs.map((blob) => fileName("blob", blob.number)));
    for (const { number } of [...files.tables, ...tagTables, ...namesTables]) keep.add(fileName("table", number));
    for (const { number } of files.blobs) keep.add(fileName("blob", number));
    const setAside = await setOriginalsAside(fs, path, keep, settings.clock());
    // From here on the marker may name the new files, also when this fails.
    published = true;
    await createManifest(fs, path, next);
    for (const name of setAside) {
      if (name !== MARKER_NAME) await fs.remove(join(path, name)).catch(() => {});
    }
    return { kept, lost, setAside };
  } catch (error) {
    if (!published) {
      await output.abort();
      await nameOutput.abort();
      await tags.abort();
    }
    throw error;
  }
}

/**
 * What is kept is no state that the history before it had, were nothing lost but names: it begins a history of its own,
 * one version on, so that no backup and no archived log of what was before passes for its own.
 */
function historyOfItsOwn({ state, maxVersion }: Evidence, settings: EngineSettings): ManifestState["database"] {
  const { database } = state;
  const parents = [...database.parents, { lineage: database.lineage, version: maxVersion }];
  return { ...database, lineage: toHex(settings.randomId()), parents };
}

/** What a newer release wrote is not damaged: to rebuild it by today's rules would lose what they don't know. */
async function refuseNewer(fs: FileSystem, path: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const kind = parseFileName(name)?.kind;
    if (kind === undefined && name !== MARKER_NAME) continue;
    try {
      const handle = await fs.open(join(path, name), "read");
      try {
        const head = await readRange(handle, 0, kind === undefined ? MARKER_HEAD_BYTES : FILE_HEADER_BYTES);
        if (kind !== undefined) readFileHeader(kind, head, name);
        else if (isMarkerWhole(head)) readMarker(head, name);
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (error instanceof UnsupportedFormatError || !isDamage(error)) throw error;
    }
  }
}

function placed(level: number, run: number, table: TableMeta): [number, PlacedTable] {
  return [table.number, { level, run, table }];
}

function pointsTo(table: TableMeta, blob: BlobMeta): boolean {
  return table.blobs.some((use) => use.number === blob.number);
}

/** Merges all rows that can be read, newest version first, `into` files (or nowhere); returns how many entries stay. */
async function mergeAll(
  evidence: Evidence,
  settings: EngineSettings,
  into: { output: RunOutput; tags: TagRows } | undefined,
  names: LostNames,
  onRows: ((rows: number) => void) | undefined,
): Promise<number> {
  const slicer = new Slicer(settings.monotonic, settings.signal);
  const tombstones = RangeTombstones.merge(evidence.tombstones);
  const filter = new RowFilter(new Stripes([], 0), tombstones, () => true);
  const rows = MergingCursor.of(evidence.sources);
  const { output, tags } = into ?? {};
  let kept = 0;
  let step = 0;
  for (rows.seekFirst(); rows.valid; rows.next()) {
    if (++step % STEP === 0) {
      onRows?.(STEP);
      if (output?.wantsDrain) await output.drain();
      if (tags?.wantsDrain) await tags.drain();
      if (slicer.due()) await slicer.tick();
    }
    const { key, version, timestamp, cell } = rows;
    const space = new ByteReader(key).varint();
    // Made anew of the entries.
    if (isTagSpace(space)) continue;
    let value: Uint8Array | undefined;
    if (cellOp(cell[0]!) === OP_BLOB) {
      // A newer row of it, or the same with its value, has been read.
      if (!filter.isNewKey(key)) continue;
      const pointer = readBlobPointer(readCell(cell).payload);
      if (!evidence.blobs.has(pointer.number)) {
        try {
          value = evidence.damagedBlob(pointer.number).readSync(pointer);
        } catch (error) {
          if (!isDamage(error)) throw error;
          evidence.lost.push({ start: key.slice(), end: key.slice(), detail: damageIn(error) });
          continue;
        }
      }
    }
    if (filter.isNewKey(key) && output !== undefined && output.tableBytes >= settings.tableBytes) await output.cut();
    if (filter.decide(key, version, cell) === "keep") {
      // Tables don't say when their newest row was written, and the manifest that did may be lost.
      evidence.maxTimestamp = Math.max(evidence.maxTimestamp, timestamp);
      names.see(key, cell);
      if (space !== CATALOG_SPACE) {
        kept++;
        tags?.see(key, version, timestamp, cell);
      }
      if (value !== undefined) await output?.addMoved(key, version, timestamp, cell, value);
      else output?.add(key, version, timestamp, cell);
    }
  }
  return kept;
}

/** Gives every original that is not to stay a second name in a directory of its own. */
async function setOriginalsAside(
  fs: FileSystem,
  path: string,
  keep: ReadonlySet<string>,
  now: number,
): Promise<string[]> {
  const originals = (await fs.list(path)).filter((name) => {
    return (parseFileName(name) !== undefined || name === MARKER_NAME) && !keep.has(name);
  });
  const aside = join(path, `${DAMAGED_PREFIX}${new Date(now).toISOString().replaceAll(/[-:]/g, "")}`);
  await ensureDirectory(fs, aside);
  for (const name of originals) {
    const to = join(aside, name);
    if ((await fs.stat(to)) !== undefined) continue;
    try {
      await copyFile(fs, join(path, name), to, { link: "auto" });
    } catch (error) {
      if (!(error instanceof HoldfastError) || !isDamage(error)) throw error;
    }
  }
  // Its own name is durable before the marker is switched, with that of the new manifest.
  await fs.syncDirectory(aside);
  return originals;
}
