/**
 * The manifest on disk: a log of version edits, each synced before it takes effect and before the next is written.
 *
 * So a bad edit with anything valid behind it is damage, and a bad end is an edit that never took effect. Reading stops
 * at such an end; writing never goes on behind one: each writer begins a manifest of its own and switches the marker to it.
 *
 * @module
 */
import { ByteWriter } from "../../base/bytes.ts";
import { CorruptionError, HoldfastError, LockedError, NoSpaceError } from "../../base/errors.ts";
import { join } from "../../files/paths.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { appendSynced, removeIfThere, writeAside } from "../../files/publish.ts";
import { readFileSync } from "../../files/read.ts";
import { writeRecord } from "../../format/log/frame.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader, writeFileHeader } from "../../format/identity.ts";
import { decodeEdit, encodeEdit, type ManifestEdit } from "../../format/manifest/manifest_edit.ts";
import { type Marker, readMarker, writeMarker } from "../../format/manifest/marker.ts";
import { findLaterRecord, RecordReader } from "../../format/log/record_reader.ts";
import { fileName, filePath, MARKER_NAME } from "../file_names.ts";
import {
  applyEdit,
  copyState,
  emptyState,
  type ManifestState,
  misfitOf,
  notesClose,
  stateAsEdit,
} from "./manifest_state.ts";
import { MARKER_BYTES_MAX, MarkerWatch } from "./marker_watch.ts";

/**
 * A manifest longer than this and four times its first record is begun anew at the next edit. Not smaller: a new one
 * costs three syncs; not larger: open reads it whole.
 */
const RENEW_BYTES = 1024 * 1024;

/** A manifest as found on disk. */
export interface LoadedManifest {
  /** Its number. */
  number: number;
  /** The seed of its checksums. */
  seed: number;
  /** The sum of its edits. */
  state: ManifestState;
  /** Whether it was made just now, by this process: only then is all of it surely on disk. */
  fresh: boolean;
  /**
   * Whether all that its state says is surely on disk, because a close was noted behind it: an edit is written once those
   * before it are synced. The note itself may not be, and nothing depends on it.
   */
  closed: boolean;
  /** Its length in bytes. */
  size: number;
  /** Where the edits that count end. */
  end: number;
}

/**
 * Reads marker and manifest. `NotFoundError` when there is no marker. `elsewhere`: where the manifest may lie as well, of a
 * database that is being put together.
 */
export async function loadManifest(
  fs: FileSystem,
  directory: string,
  { marker: markerName = MARKER_NAME, elsewhere }: { marker?: string; elsewhere?: string } = {},
): Promise<LoadedManifest> {
  for (let tried = 0;;) {
    // At once: a trip through the thread pool takes longer than reading a file of two lines.
    const marker = readMarker(readFileSync(fs, join(directory, markerName), MARKER_BYTES_MAX), MARKER_NAME);
    try {
      return await loadNamed(fs, directory, marker, elsewhere);
    } catch (error) {
      // A writer may have begun another manifest meanwhile, and removed this one. It is damage if it stays as it is.
      if (marker.manifest === tried) throw error;
      tried = marker.manifest;
    }
  }
}

async function loadNamed(fs: FileSystem, directory: string, { database, manifest }: Marker, elsewhere?: string) {
  const name = fileName("manifest", manifest);
  let path = join(directory, name);
  if (elsewhere !== undefined && await fs.stat(path) === undefined) path = join(elsewhere, name);
  if ((await fs.stat(path)) === undefined) {
    throw new CorruptionError(MARKER_NAME, 0, `names ${name}, which is not there`);
  }
  const handle = fs.openSync(path, "read");
  try {
    return readManifest(handle, manifest, database, name);
  } finally {
    handle.closeSync();
  }
}

/** Reads the manifest `name`, which must be the one of this number and database. */
export function readManifest(handle: FileHandle, number: number, database: string, name: string): LoadedManifest {
  const size = handle.sizeSync();
  const head = new Uint8Array(FILE_HEADER_BYTES);
  const got = handle.readAtSync(head, 0);
  const header = readFileHeader("manifest", head.subarray(0, got), name);
  if (header.database !== database || header.number !== number) {
    throw new CorruptionError(
      name,
      0,
      `belongs to database ${header.database}, number ${header.number}, ` +
        `where ${MARKER_NAME} names database ${database}, number ${number}`,
    );
  }
  const seed = checksumSeed(header);
  const read = (into: Uint8Array, position: number): number => handle.readAtSync(into, position);
  const reader = new RecordReader(read, size, seed, FILE_HEADER_BYTES);
  const state = emptyState();
  let edits = 0;
  let closed = false;
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    const edit = decodeEdit(found.record, name, found.offset);
    // Never the first, which says all: the marker that names it may not be on disk.
    closed = notesClose(state, edit);
    const misfit = applyEdit(state, edit);
    if (misfit !== undefined) throw new CorruptionError(name, found.offset, `an edit ${misfit}`);
    edits++;
  }
  const stop = reader.state;
  if (stop.kind === "bad") {
    const later = findLaterRecord(read, size, seed, stop.offset, () => true);
    if (later !== undefined) throw new CorruptionError(name, stop.offset, stop.detail);
  }
  if (edits === 0 || state.database.id !== database) {
    throw new CorruptionError(name, FILE_HEADER_BYTES, "its first edit does not describe this database");
  }
  return { number, seed, state, fresh: false, closed, size, end: stop.offset };
}

/** Bytes of a manifest that holds one edit, and the seed of its checksums. */
export function encodeManifest(state: ManifestState, number: number): { bytes: Uint8Array; seed: number } {
  const out = new ByteWriter(4096);
  const header = writeFileHeader("manifest", {
    database: state.database.id,
    lineage: state.database.lineage,
    number,
  });
  out.bytes(header);
  const seed = checksumSeed(readFileHeader("manifest", header, fileName("manifest", number)));
  writeRecord(out, seed, FILE_HEADER_BYTES, encodeEdit(stateAsEdit(state)));
  return { bytes: out.take(), seed };
}

/** Bytes of the marker that names a manifest. */
export function encodeMarker(state: ManifestState, number: number): Uint8Array {
  return writeMarker({ database: state.database.id, lineage: state.database.lineage, manifest: number });
}

/** Resolves once all have ended; rejects with what failed, a full disk being the least of it. */
async function allOf(work: readonly (Promise<void> | undefined)[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).filter((each) => each.status === "rejected");
  if (failed.length === 0) return;
  throw (failed.find(({ reason }) => !(reason instanceof NoSpaceError)) ?? failed[0]!).reason;
}

/** Appends edits, one at a time, each durable before `apply` resolves. */
export class ManifestWriter {
  readonly #fs: FileSystem;
  readonly #directory: string;
  /** The sum of all edits that are durable. */
  readonly state: ManifestState;
  #number: number;
  #handle: FileHandle | undefined;
  #seed: number;
  #size: number;
  readonly #foundEnd: number;
  readonly #foundClosed: boolean;
  #renewAt = RENEW_BYTES;
  #turn: Promise<unknown> = Promise.resolve();
  /** Whether it still is this process that writes. */
  readonly marker: MarkerWatch;
  #untouched: (() => void) | undefined;
  /** After a failed sync or cut nothing more may be written: holds the cause. */
  #poison: unknown;
  /** Bytes written since it was opened. */
  written = 0;

  /** Writes nothing before `settle` or the first edit. Only a manifest made just now is appended to. */
  constructor(fs: FileSystem, directory: string, loaded: LoadedManifest) {
    this.#fs = fs;
    this.#directory = directory;
    this.state = loaded.state;
    this.#number = loaded.number;
    this.#seed = loaded.seed;
    this.#size = loaded.fresh ? loaded.size : Infinity;
    this.#foundEnd = loaded.end;
    this.#foundClosed = loaded.closed;
    this.marker = new MarkerWatch(fs, directory, loaded.state.database.id, loaded.number);
  }

  /** Of what was found on disk: `untouched` throws if anyone has written there since it was read. */
  guard(untouched: () => void): void {
    this.#untouched = untouched;
  }

  /** Throws if anyone has written to what was found, unless this process has begun a manifest of its own by now. */
  assertUntouched(): void {
    this.#untouched?.();
  }

  /** Whether an edit failed so that nobody knows if it is on disk. */
  get broken(): boolean {
    return this.#poison !== undefined;
  }

  /** The number of the file in use. */
  get number(): number {
    return this.#number;
  }

  /** Where the edits that count end in the file in use; it may have grown by the time it is read. */
  get end(): number {
    return this.#size === Infinity ? this.#foundEnd : this.#size;
  }

  /**
   * Makes sure that what was read at open is on disk, before anyone is shown it or removes files by it. The last edit may
   * be in the system's memory alone: for now after a kill, for ever after a failed sync. So all is written anew, unless
   * the last edit is the one of a clean close, which nothing depends on, and files need not be removed.
   */
  async settle(removes = false): Promise<void> {
    if (this.#size !== Infinity || (this.#foundClosed && !removes)) return;
    try {
      return await this.apply(() => ({}));
    } catch (error) {
      // A full disk leaves no more to be had than a sync.
      if (!(error instanceof NoSpaceError)) throw error;
    }
    const handle = await this.#fs.open(filePath(this.#directory, "manifest", this.#number), "append");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await this.#fs.syncDirectory(this.#directory);
  }

  /** At a clean close that ends with no other edit: notes it, so that the next open has nothing to settle. */
  async noteClose(): Promise<void> {
    if (this.#size === Infinity) return;
    try {
      await this.apply(() => ({}));
    } catch (error) {
      // On a full disk the next open settles.
      if (!(error instanceof NoSpaceError)) throw error;
    }
  }

  /**
   * Makes an edit durable, then applies it to `state`. Edits are made in call order; `make` runs at its turn, over the
   * state of that moment, and may return undefined to make none; `applied` runs in the very step in which `state` changes.
   * A full disk leaves everything as it was. `first` makes durable what the edit needs, of a file in the directory all but
   * the name: at the same time as what else the edit does not count without, if there is such.
   */
  apply(
    make: (state: ManifestState) => ManifestEdit | undefined,
    applied?: () => void,
    first?: () => Promise<void>,
  ): Promise<void> {
    const mine = this.#turn.then(() => this.#apply(make, applied, first));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #apply(
    make: (state: ManifestState) => ManifestEdit | undefined,
    applied?: () => void,
    first?: () => Promise<void>,
  ): Promise<void> {
    if (this.#poison !== undefined) throw this.#poison;
    const made = make(this.state);
    if (made === undefined) return;
    const edit: ManifestEdit = { ...made, nextNumber: this.state.nextNumber };
    const misfit = misfitOf(this.state, edit);
    if (misfit !== undefined) {
      // A defect of ours, seen before it reaches the disk; nothing that was planned on it may follow.
      this.#poison = new HoldfastError("INTERNAL", `Cannot go on in ${this.#directory}: an edit ${misfit} (INTERNAL)`);
      throw this.#poison;
    }
    if (this.#size > this.#renewAt) {
      await this.#renew(edit, first);
    } else {
      await first?.();
      if (first !== undefined) await this.#fs.syncDirectory(this.#directory);
      await this.#append(edit);
    }
    applyEdit(this.state, edit);
    applied?.();
  }

  async #append(edit: ManifestEdit): Promise<void> {
    this.#handle ??= await this.#fs.open(filePath(this.#directory, "manifest", this.#number), "append");
    const out = new ByteWriter(1024);
    writeRecord(out, this.#seed, this.#size, encodeEdit(edit));
    try {
      await this.#handle.append(out.view());
    } catch (error) {
      await this.#cut(error);
      throw error;
    }
    try {
      await this.#handle.sync();
      this.marker.assertOurs();
    } catch (error) {
      this.#poison = error;
      throw error;
    }
    this.#size += out.length;
    this.written += out.length;
  }

  /** After a write that failed: cut what may stand there of it. Only a full disk that lets itself be cut is not final. */
  async #cut(error: unknown): Promise<void> {
    try {
      await this.#handle!.truncate(this.#size);
      if (!(error instanceof NoSpaceError)) this.#poison = error;
    } catch {
      this.#poison = error;
    }
  }

  /**
   * Begins a new manifest that holds the state with `edit` applied, and switches the marker to it. Files that count for
   * nothing yet are synced at the same time: manifest, new marker, and those of `first`.
   */
  async #renew(edit: ManifestEdit, first?: () => Promise<void>): Promise<void> {
    const number = this.state.nextNumber++;
    const next = copyState(this.state);
    applyEdit(next, { ...edit, nextNumber: number + 1 });
    const path = filePath(this.#directory, "manifest", number);
    const { bytes, seed } = encodeManifest(next, number);
    const marker = join(this.#directory, MARKER_NAME);
    let isMade = false;
    let aside = "";
    try {
      const writing = async (): Promise<void> =>
        void (aside = await writeAside(this.#fs, marker, encodeMarker(next, number), String(number)));
      const making = async (): Promise<void> => {
        // First: where another process came to this number before, what has it is not ours.
        const made = await this.#fs.open(path, "create");
        isMade = true;
        await allOf([appendSynced(made, bytes), writing()]);
      };
      await allOf([making(), first?.()]);
      await this.#fs.syncDirectory(this.#directory);
    } catch (error) {
      if (isMade) await this.#fs.remove(path).catch(() => {});
      if (aside !== "") await removeIfThere(this.#fs, aside).catch(() => {});
      if (!(error instanceof NoSpaceError)) this.#poison = error;
      throw error;
    }
    try {
      await this.marker.switchTo(number, aside, encodeMarker(this.state, this.#number), () => this.assertUntouched());
    } catch (error) {
      const isFull = error instanceof NoSpaceError && this.#isMarked();
      // Of another process that is at work here neither name may be in the way.
      if (error instanceof LockedError) await removeIfThere(this.#fs, aside).catch(() => {});
      if (isFull || error instanceof LockedError) await this.#fs.remove(path).catch(() => {});
      // Otherwise the marker may name either manifest now, so no edit may follow in either.
      if (!isFull) this.#poison = error;
      throw error;
    }
    // All of it is synced and superseded: a close that fails changes nothing.
    await this.#handle?.close().catch(() => {});
    const old = filePath(this.#directory, "manifest", this.#number);
    this.#handle = undefined;
    this.#number = number;
    this.#untouched = undefined;
    this.#seed = seed;
    this.#size = bytes.length;
    this.#renewAt = Math.max(RENEW_BYTES, 4 * bytes.length);
    this.written += bytes.length;
    // A manifest left over is removed at the next open.
    await this.#fs.remove(old).catch(() => {});
  }

  /** Whether the marker still names the manifest in use. */
  #isMarked(): boolean {
    try {
      return this.marker.isOurs();
    } catch {
      return false;
    }
  }

  /** Waits for edits under way and closes the file. */
  async close(): Promise<void> {
    await this.#turn;
    this.marker.close();
    await this.#handle?.close();
    this.#handle = undefined;
  }
}
