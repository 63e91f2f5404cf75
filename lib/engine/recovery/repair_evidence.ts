/**
 * What a repair has to go by: every file of the directory, how far each can be trusted, and what the manifest says.
 *
 * @module
 */
import { CorruptionError, HoldfastError, UnsupportedFormatError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { readFile } from "../../files/read.ts";
import { FILE_HEADER_BYTES, type FileHeader, readFileHeader } from "../../format/identity.ts";
import { type Marker, readMarker } from "../../format/manifest/marker.ts";
import type { BlobMeta } from "../../format/table/table_meta.ts";
import { BlobReader } from "../../tree/blob/blob_reader.ts";
import { BlockCache } from "../../tree/table/block_cache.ts";
import type { Cursor, RangeTombstone } from "../../tree/cursor.ts";
import { Memtable } from "../../tree/memtable/memtable.ts";
import { RangeTombstones } from "../../tree/range_tombstones.ts";
import { UnseenRanges } from "../../tree/unseen_ranges.ts";
import { TableReader } from "../../tree/table/table_reader.ts";
import { applyOperations } from "../writing/apply.ts";
import { type FileKind, fileName, filePath, MARKER_NAME, parseFileName } from "../file_names.ts";
import { loadManifest } from "../manifest/manifest.ts";
import { MARKER_BYTES_MAX } from "../manifest/marker_watch.ts";
import { findManifest, salvageIdentity } from "../manifest/salvage_manifest.ts";
import { emptyState, type ManifestState } from "../manifest/manifest_state.ts";
import { deletedBy, ingestOf, recoverLog, refuseUnnamed } from "./recovery.ts";
import { type CheckedHistory, checkHistory, readHistory } from "./repair_history.ts";
import { damageIn, isDamage, type LostRange, salvageCommits, SalvageCursor } from "./salvage.ts";
import type { EngineSettings } from "../types.ts";

/** All that a repair knows. */
export interface Evidence {
  /** Whether anything is damaged at all. */
  damaged: boolean;
  /** Who the database is, and a file number beyond all that are there. Its file lists are empty. */
  state: ManifestState;
  /** Cursors over all readable rows; the same row may come twice. */
  sources: Cursor[];
  /** All deleted ranges that can be read. */
  tombstones: RangeTombstones[];
  /** Blob files without damage, by number. */
  blobs: Map<number, BlobMeta>;
  /** A blob file with damage, for what can be read of it. */
  damagedBlob(number: number): BlobReader;
  /** Whether the log holds every commit, so that nothing is lost with a table or a blob file. */
  isAllInLog: boolean;
  /** What may be lost; more may be found while the sources are read. */
  lost: LostRange[];
  /** The newest version seen. */
  maxVersion: number;
  /** The newest time seen. */
  maxTimestamp: number;
  /** Gives all files back. */
  close(): void;
}

interface Found {
  kind: FileKind;
  number: number;
}

/** Looks at everything in a directory. */
export async function gatherEvidence(fs: FileSystem, path: string, settings: EngineSettings): Promise<Evidence> {
  const found = (await fs.list(path)).map(parseFileName).filter((one) => one !== undefined);
  found.sort((a, b) => a.number - b.number);
  const gathering = new Gathering(fs, path, settings, found);
  return await gathering.run().catch((error) => {
    gathering.close();
    throw error;
  });
}

class Gathering {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #settings: EngineSettings;
  readonly #found: readonly Found[];
  readonly #slicer: Slicer;
  readonly #cache = new BlockCache(0);
  readonly #readers: { close(): void }[] = [];
  #history: CheckedHistory = { whole: new Set(), damage: undefined };
  /** Whether a table or a blob file is damaged. */
  #needsHistory = false;
  readonly #damagedBlobs = new Map<number, BlobReader>();
  readonly #global = new Map<number, { version: number; timestamp: number }>();
  /** Ranges that ingests deleted, by the log, of which it is to be seen whether they took effect. */
  readonly #replaced: RangeTombstone[] = [];
  readonly #evidence: Evidence;
  #manifest: ManifestState | undefined;
  /** Whether the manifest has lost its last edits, so that files it doesn't list may count. */
  #isBehind = false;

  constructor(fs: FileSystem, path: string, settings: EngineSettings, found: readonly Found[]) {
    this.#fs = fs;
    this.#path = path;
    this.#settings = settings;
    this.#found = found;
    this.#slicer = new Slicer(settings.monotonic, settings.signal);
    this.#evidence = {
      damaged: false,
      state: emptyState(),
      sources: [],
      tombstones: [],
      blobs: new Map(),
      isAllInLog: false,
      damagedBlob: (number) => this.#damagedBlob(number),
      lost: [],
      maxVersion: 0,
      maxTimestamp: 0,
      close: () => this.close(),
    };
  }

  close(): void {
    for (const reader of this.#readers) reader.close();
  }

  async run(): Promise<Evidence> {
    const evidence = this.#evidence;
    let logDamage: HoldfastError | undefined;
    try {
      this.#manifest = (await loadManifest(this.#fs, this.#path)).state;
    } catch (error) {
      // A manifest whose edits are of a newer release is no damaged one; a marker that only looks so was let pass before.
      if (!isDamage(error) || (error instanceof UnsupportedFormatError && error.path !== MARKER_NAME)) throw error;
      this.#lose(error);
      this.#manifest = await this.#manifestWithoutMarker();
    }
    if (this.#manifest !== undefined) {
      logDamage = await this.#checkLog(this.#manifest);
      this.#history = await checkHistory(this.#fs, this.#path, this.#manifest, this.#slicer);
      evidence.damaged ||= this.#history.damage !== undefined;
      this.#isBehind = await this.#missesEdits(this.#manifest);
    }
    evidence.state.database = this.#manifest?.database ?? await this.#identityFromFiles();
    evidence.state.nextNumber = Math.max(
      this.#manifest?.nextNumber ?? 1,
      ...this.#found.map(({ number }) => number + 1),
    );
    evidence.maxVersion = this.#manifest?.lastVersion ?? 0;
    evidence.maxTimestamp = this.#manifest?.lastTimestamp ?? 0;
    this.#readLogs();
    // Most damage is met again, and told in detail, by reading past it; what isn't is told here.
    if (logDamage !== undefined && evidence.lost.length === 0) this.#lose(logDamage);
    const isLogWhole = evidence.lost.length === 0;
    for (const number of this.#numbers("table")) await this.#readTable(number);
    for (const number of this.#numbers("blob")) await this.#readBlob(number);
    if (this.#manifest !== undefined && this.#needsHistory) await this.#addHistory(this.#manifest, isLogWhole);
    this.#deleteReplaced();
    return evidence;
  }

  async #checkLog(state: ManifestState): Promise<HoldfastError | undefined> {
    try {
      await recoverLog(this.#fs, this.#path, state, { apply: () => {}, slicer: this.#slicer });
      return undefined;
    } catch (error) {
      if (isDamage(error)) return error;
      throw error;
    }
  }

  async #addHistory(state: ManifestState, isLogWhole: boolean): Promise<void> {
    const found = await readHistory(this.#fs, this.#path, state, this.#history.whole, this.#slicer);
    // Of two rows that are the same the first counts, and a log's has its value with it.
    this.#evidence.sources.unshift(...found.memtables.map((memtable) => memtable.cursor()));
    this.#evidence.tombstones.push(...found.tombstones);
    this.#evidence.isAllInLog = found.isAll && isLogWhole;
    // What it held is missed now; and read again, where that was an accident of the moment, it might give it back.
    if (this.#history.damage !== undefined) this.#lose(this.#history.damage);
  }

  /** Only a marker that is damaged, or foreign, leaves a manifest to be found; one that names a manifest is to be believed. */
  async #manifestWithoutMarker(): Promise<ManifestState | undefined> {
    const { id } = await this.#identityFromFiles();
    if ((await this.#marker())?.database === id) return undefined;
    const numbers = this.#found.filter(({ kind }) => kind === "manifest").map(({ number }) => number);
    return findManifest(this.#fs, this.#path, numbers, id)?.state;
  }

  async #marker(): Promise<Marker | undefined> {
    try {
      return readMarker(await readFile(this.#fs, join(this.#path, MARKER_NAME), MARKER_BYTES_MAX), MARKER_NAME);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Whether the manifest has lost its last edits: files that it lists are gone, or a segment it doesn't took commits. */
  async #missesEdits(state: ManifestState): Promise<boolean> {
    for (const kind of ["table", "blob", "log"] as const) {
      const present = new Set(this.#present(kind));
      if (this.#listed(kind, state).some((number) => !present.has(number))) return true;
    }
    try {
      await refuseUnnamed(this.#fs, this.#path, state);
      return false;
    } catch (error) {
      if (isDamage(error)) return true;
      throw error;
    }
  }

  /** The files of a kind that count: those the manifest lists, and all when there is none to go by or it has lost its end. */
  #numbers(kind: "table" | "blob" | "log"): number[] {
    const state = this.#manifest;
    if (state === undefined) return this.#present(kind);
    const listed = this.#listed(kind, state);
    return this.#isBehind ? [...new Set([...listed, ...this.#present(kind)])].sort((a, b) => a - b) : listed;
  }

  #present(kind: FileKind): number[] {
    return this.#found.filter((one) => one.kind === kind).map((one) => one.number);
  }

  #listed(kind: "table" | "blob" | "log", state: ManifestState): number[] {
    if (kind === "table") return [...state.tables.keys()];
    if (kind === "blob") return [...state.blobs.keys()];
    const logs = [...state.logs.values()].filter((log) => log.lastVersion > state.lastVersion);
    const numbers = logs.map((log) => log.number);
    if (state.openLog !== undefined) numbers.push(state.openLog.number);
    return numbers;
  }

  #lose(error: HoldfastError, range: Partial<LostRange> = {}): void {
    this.#evidence.damaged = true;
    this.#evidence.lost.push({ start: range.start, end: range.end, detail: damageIn(error) });
  }

  /**
   * Whose the files are: by the marker, unless its manifest says otherwise, or else by most of them, so that a foreign one among
   * them decides nothing.
   */
  async #identityFromFiles(): Promise<ManifestState["database"]> {
    const marker = await this.#marker();
    const byDatabase = new Map<string, FileHeader[]>();
    for (const { kind, number } of this.#found) {
      const header = this.#header(kind, number);
      if (header === undefined) continue;
      byDatabase.set(header.database, [...byDatabase.get(header.database) ?? [], header]);
    }
    const marked = byDatabase.get(marker?.database ?? "");
    const most = [...byDatabase.values()].sort((a, b) => b.length - a.length)[0];
    const named = marker && this.#header("manifest", marker.manifest)?.database;
    const isBelieved = named === undefined || named === marker?.database || (marked?.length ?? 0) + 1 >= most!.length;
    const headers = isBelieved ? marked ?? most : most;
    if (headers === undefined) {
      throw new CorruptionError(this.#path, 0, "no file in it says which database it belongs to");
    }
    const manifests = this.#found.filter(({ kind }) => kind === "manifest").map(({ number }) => number);
    for (const number of manifests.sort((a, b) => b - a)) {
      const identity = salvageIdentity(this.#fs, this.#path, number);
      if (identity?.id === headers[0]!.database) return identity;
    }
    return {
      id: headers[0]!.database,
      // The newest file's: older ones may be of a history that this one came from.
      lineage: headers.at(-1)!.lineage,
      keyEncoding: this.#settings.keyEncoding ?? "utf8",
      createdAt: this.#settings.clock(),
      parents: [],
    };
  }

  #header(kind: FileKind, number: number): FileHeader | undefined {
    try {
      const handle = this.#fs.openSync(filePath(this.#path, kind, number), "read");
      try {
        const head = new Uint8Array(FILE_HEADER_BYTES);
        const got = handle.readAtSync(head, 0);
        return readFileHeader(kind, head.subarray(0, got), fileName(kind, number));
      } finally {
        handle.closeSync();
      }
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Replays what can be read of the log. A memtable holds it: the log is never much longer than a few of them. */
  #readLogs(): void {
    const evidence = this.#evidence;
    const from = this.#manifest?.lastVersion ?? 0;
    const memtable = new Memtable();
    const unseen = new UnseenRanges();
    for (const number of this.#numbers("log")) {
      const expected = { number, database: evidence.state.database.id };
      const lost = (range: LostRange): void => {
        evidence.damaged = true;
        evidence.lost.push(range);
      };
      for (const commit of salvageCommits(this.#fs, this.#path, expected, lost)) {
        const ingest = ingestOf(commit);
        const { version, timestamp } = commit;
        for (const table of ingest?.tables ?? []) this.#global.set(table.number, { version, timestamp });
        if (commit.version <= from) continue;
        if (ingest !== undefined) {
          this.#replaced.push(...deletedBy(ingest).map((range) => ({ ...range, version, timestamp })));
          continue;
        }
        applyOperations({ memtable, unseen }, commit.ops, commit.version, commit.timestamp);
        evidence.maxVersion = Math.max(evidence.maxVersion, commit.version);
        evidence.maxTimestamp = Math.max(evidence.maxTimestamp, commit.timestamp);
      }
    }
    evidence.sources.push(memtable.cursor());
    if (!memtable.tombstones.isEmpty) evidence.tombstones.push(memtable.tombstones);
  }

  /**
   * The table that deletes what an ingest replaced counts by the manifest alone, and is gone soon, while the log goes on
   * holding what was there before. That an ingest took effect is shown by what came of it, or behind it: one that did not is
   * the last record of all, and its files count for nothing where a manifest is there to say so.
   */
  #deleteReplaced(): void {
    if (this.#manifest !== undefined && !this.#isBehind) return;
    const tombstones = new RangeTombstones();
    for (const range of this.#replaced) if (range.version <= this.#evidence.maxVersion) tombstones.add(range);
    if (!tombstones.isEmpty) this.#evidence.tombstones.push(tombstones);
  }

  async #readTable(number: number): Promise<void> {
    const evidence = this.#evidence;
    const placed = this.#manifest?.tables.get(number);
    try {
      const reader = this.#openTable(number, { start: placed?.table.smallest, end: placed?.table.largest });
      let damaged = false;
      for await (const _ of reader.verify(this.#slicer)) damaged = true;
      evidence.damaged ||= damaged;
      this.#needsHistory ||= damaged;
      // Where no manifest does, the log still says with which commit a table was ingested.
      const global = placed === undefined ? this.#global.get(number) : undefined;
      evidence.sources.push(new SalvageCursor(reader, (range) => evidence.lost.push(range), global));
      if (!reader.tombstones.isEmpty) evidence.tombstones.push(restamped(reader.tombstones, global));
      const newest = global?.version ?? reader.globalVersion ?? reader.properties.maxVersion;
      evidence.maxVersion = Math.max(evidence.maxVersion, newest);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#needsHistory = true;
      this.#lose(error, { start: placed?.table.smallest, end: placed?.table.largest });
    }
  }

  /** Opens what is left of a table; parts that don't verify are told as loss of any of its keys. */
  #openTable(number: number, range: Partial<LostRange>): TableReader {
    const expected = { database: this.#evidence.state.database.id, number };
    const path = filePath(this.#path, "table", number);
    const meta = this.#manifest?.tables.get(number)?.table;
    const reader = TableReader.salvage(this.#fs, path, expected, meta, this.#cache, ({ file, offset, detail }) => {
      this.#lose(new CorruptionError(file, offset, detail), range);
    });
    this.#readers.push(reader);
    return reader;
  }

  #openBlob(number: number, open: typeof BlobReader.open): BlobReader {
    const expected = { database: this.#evidence.state.database.id, number };
    const reader = open(this.#fs, filePath(this.#path, "blob", number), expected);
    this.#readers.push(reader);
    return reader;
  }

  /** Opened once, whatever the number of values that are read from it. */
  #damagedBlob(number: number): BlobReader {
    let reader = this.#damagedBlobs.get(number);
    if (reader === undefined) this.#damagedBlobs.set(number, reader = this.#openBlob(number, BlobReader.salvage));
    return reader;
  }

  async #readBlob(number: number): Promise<void> {
    try {
      const reader = this.#openBlob(number, BlobReader.open);
      const known = this.#manifest?.blobs.get(number);
      let damaged = false;
      for await (const _ of reader.verify(this.#slicer, known?.sha256)) damaged = true;
      this.#evidence.damaged ||= damaged;
      this.#needsHistory ||= damaged;
      // Without a manifest to vouch for the file its values move into a new one.
      if (!damaged && known !== undefined) this.#evidence.blobs.set(number, known);
    } catch (error) {
      // Which keys are lost turns out when the rows that point here are read.
      if (!isDamage(error)) throw error;
      this.#evidence.damaged = true;
      this.#needsHistory = true;
    }
  }
}

function restamped(
  tombstones: RangeTombstones,
  global: { version: number; timestamp: number } | undefined,
): RangeTombstones {
  if (global === undefined) return tombstones;
  const out = new RangeTombstones();
  for (const { start, end } of tombstones.fragments()) out.add({ start, end, ...global });
  return out;
}
