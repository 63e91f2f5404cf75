/**
 * A base: one version of a database as objects.
 *
 * ```
 * pin ─► tables and blob files, each under its content's name
 *     ─► the manifest for exactly these
 *     ─► the tail: the commits that are not in tables yet, as archived log of its own
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import { borrow, BUFFER_BYTES, giveBack } from "../../../base/buffers.ts";
import type { Pace } from "../../../base/pace.ts";
import type { ProgressReporter } from "../../../base/progress.ts";
import { join } from "../../../files/paths.ts";
import type { Engine, Pin } from "../../../engine/types.ts";
import { forEachOperation } from "../../../format/log/batch.ts";
import { genesisChain, writeLogHead } from "../../../format/repository/archived_log.ts";
import { PieceWriter } from "../../../format/repository/piece_writer.ts";
import type { BackupBase, BackupFile } from "../../../format/repository/backup_document.ts";
import { paceBeside } from "../../pace_beside.ts";
import type { RepositoryContext } from "../core/context.ts";
import type { Lease } from "../core/lease.ts";
import { fileSource, type KnownObjects, place, type PlacedSource, type PlaceOptions } from "./place.ts";
import { runPool } from "../core/pool.ts";

/** Commits of one piece of the tail: so many bytes that one more usually has room in the memory that is lent. */
const PIECE_BYTES = 3 * 2 ** 18;

/** How a base is written. */
export interface BaseOptions {
  /** What new objects may refer to. */
  known: KnownObjects;
  /** How objects are placed; `compression` undefined: none for tables and blobs, which are compressed already. */
  place: Omit<PlaceOptions, "compression"> & { compression: PlaceOptions["compression"] | undefined };
  /** Leaves the tail out. */
  excludeLog: boolean;
  /** Objects at once. */
  concurrency: number;
  /** Counts bytes and files. */
  reporter: ProgressReporter;
  /** Renewed as files are done. */
  lease: Lease;
}

/** A base that is in the repository. */
export interface WrittenBase {
  /** For the manifest. */
  base: BackupBase;
  /** Bytes of its files. */
  totalBytes: number;
  /** Bytes of its objects. */
  storedBytes: number;
  /** Of these, what was not there before. */
  addedBytes: number;
  /** Rows in its tables, and what its tail sets. */
  rows: number;
}

/** A file on its way into a base. */
interface Wanted {
  name: string;
  kind: BackupFile["kind"];
  source: PlacedSource;
}

/** Writes the objects of a pinned version. */
export async function writeBase(
  context: RepositoryContext,
  engine: Engine,
  pin: Pin,
  options: BaseOptions,
): Promise<WrittenBase> {
  const { known, concurrency, reporter, lease } = options;
  const files: BackupFile[] = [];
  let addedBytes = 0;
  const pace = paceBeside(engine, context);
  const put = async ({ name, kind, source }: Wanted): Promise<void> => {
    const packed = kind === "table" || kind === "blob";
    const placed = await place(context, source, known, {
      ...options.place,
      pace,
      compression: options.place.compression ?? (packed ? "none" : "zstd"),
      onBytes: (count) => reporter.add(count),
    });
    files.push({ name, kind, size: source.size, object: placed.object, stored: placed.stored });
    if (!placed.reused) addedBytes += placed.stored;
    reporter.add(0, 1);
    await lease.touch();
  };
  const tables = pin.files.filter(({ kind }) => kind !== "log");
  const manifest = bytesSource(pin.base.manifest(), pin.base.manifestName);
  const tail = options.excludeLog || pin.version === pin.base.version ? undefined : await tailSource(pin, pace);
  const totalBytes = tables.reduce((sum, { size }) => sum + size, manifest.size + (tail?.size ?? 0));
  const wanted: Wanted[] = tables.map(({ name, kind, size, sha256 }) => ({
    name,
    kind: kind as "table" | "blob",
    source: fileSource(engine.fs, join(engine.path, name), size, sha256!),
  }));
  // First: it is made while it is sent, which takes longer than to send a file.
  if (tail !== undefined) wanted.unshift({ name: "", kind: "tail", source: tail });
  reporter.start("objects", { totalBytes, totalItems: wanted.length + 1 });
  await runPool(wanted, concurrency, put);
  await put({ name: pin.base.manifestName, kind: "manifest", source: manifest });
  const { version, timestamp } = options.excludeLog ? pin.base : pin;
  files.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  return {
    base: { version, timestamp, manifestName: pin.base.manifestName, files },
    totalBytes,
    storedBytes: files.reduce((sum, { stored }) => sum + stored, 0),
    addedBytes,
    rows: tables.reduce((sum, { rows }) => sum + (rows ?? 0), tail?.sets ?? 0),
  };
}

/** A few bytes as a content. */
function bytesSource(bytes: Uint8Array, name: string): PlacedSource {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return {
    size: bytes.length,
    sha256,
    name,
    pieces: async function* () {
      yield bytes;
    },
  };
}

/** The tail as a content. It is made twice, first for its digest: it may be larger than memory should hold. */
async function tailSource(pin: Pin, pace: Pace): Promise<PlacedSource & { sets: number }> {
  const hash = createHash("sha256");
  let size = 0;
  let minTimestamp: number | undefined;
  for await (const { timestamp } of pin.tail()) {
    minTimestamp = timestamp;
    break;
  }
  const pieces = (onOps?: (ops: Uint8Array) => void): AsyncIterable<Uint8Array> =>
    tailPieces(pin, minTimestamp ?? pin.timestamp, onOps);
  let sets = 0;
  const visitor = { ...NOTHING, put: (): void => void sets++ };
  for await (const piece of pieces((ops) => void forEachOperation(ops, visitor))) {
    hash.update(piece);
    size += piece.length;
    await pace.took(piece.length);
  }
  return { size, sha256: hash.digest("hex"), name: "the log's tail", pieces: () => pieces(), sets };
}

const NOTHING = { put() {}, delete() {}, deleteRange() {}, ingest() {} };

/** Each piece is used up once the next is asked for. */
async function* tailPieces(
  pin: Pin,
  minTimestamp: number,
  onOps?: (ops: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const { id: database, lineage } = pin.meta;
  const first = pin.base.version + 1;
  yield writeLogHead({
    database,
    lineage,
    previous: genesisChain(database, lineage, first),
    first,
    last: pin.version,
    minTimestamp,
    maxTimestamp: pin.timestamp,
  });
  const memory = borrow(BUFFER_BYTES);
  try {
    let writer = new PieceWriter(memory);
    for await (const { version, timestamp, ops } of pin.tail()) {
      onOps?.(ops);
      writer.add(version, timestamp, ops);
      if (writer.bytes < PIECE_BYTES) continue;
      yield writer.take().bytes;
      writer = new PieceWriter(memory);
    }
    if (writer.count > 0) yield writer.take().bytes;
  } finally {
    giveBack(memory);
  }
}
