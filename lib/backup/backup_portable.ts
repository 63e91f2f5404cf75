/**
 * Portable backups: one file that other programs read too.
 *
 * @module
 */
import { anyOf, throwIfAborted } from "../base/abort.ts";
import { IntegrityError } from "../base/errors.ts";
import { ProgressReporter } from "../base/progress.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine } from "../engine/types.ts";
import { basename } from "../files/paths.ts";
import { checkFile, localPath } from "./destination.ts";
import { newId } from "./export.ts";
import { writeFileOf } from "./file_sink.ts";
import type { BackupInfo } from "./info.ts";
import { type BackupOptions, checkBackupOptions } from "./backup_options.ts";
import { isSelective } from "./selection.ts";
import { pack, type Packing, packingOf, unpack } from "./archive/packing.ts";
import { withPartial } from "./partial.ts";
import { portablePieces } from "./portable_pieces.ts";
import { PortableReader } from "./portable/portable_reader.ts";
import type { PortableTotals } from "./portable/portable_writer.ts";
import { readPieces } from "./archive/streams.ts";

const CALL = "db.backup";

/**
 * Writes a portable backup: `.json` (skv's JSON 1.0) or `.jsonl`, each also `.gz` or `.zst`. One point in time, in bounded
 * memory, while reads and writes go on; on failure and abort nothing is left of it.
 */
export async function backupPortable(
  engine: Engine,
  destination: string | URL,
  options?: BackupOptions,
  closing?: AbortSignal,
): Promise<BackupInfo> {
  const { fs, settings } = engine;
  const given = checkBackupOptions(CALL, options);
  const checked = { ...given, signal: anyOf(given.signal, closing) };
  const path = localPath(CALL, destination);
  const { packing, format } = formOf(path, checked);
  await checkFile(CALL, fs, path, { overwrite: checked.overwrite, source: engine.path });
  throwIfAborted(checked.signal);
  const { selection, filter, signal } = checked;
  const reporter = new ProgressReporter(checked.onProgress);
  const started = settings.monotonic();
  const snapshot = engine.snapshot();
  const counted: Counted = { bytes: 0, totals: undefined };
  const run = async (): Promise<BackupInfo> => {
    const text = countPieces(
      portablePieces(engine, snapshot, { format, selection, filter, reporter, signal }),
      counted,
    );
    const written = await writeFileOf(CALL, fs, path, pack(text, packing, checked.level), {
      id: newId(engine),
      clock: engine.settings.clock,
      overwrite: checked.overwrite,
      signal,
      verify: checked.verify ? (sibling) => verifyFile(engine, sibling, counted.totals!, reporter, signal) : undefined,
    });
    reporter.finish();
    return {
      id: basename(path),
      type: "full",
      requestedType: "full",
      parentId: undefined,
      database: engine.id,
      databaseName: basename(engine.path),
      lineage: engine.lineage,
      createdAt: snapshot.moment,
      durationMs: settings.monotonic() - started,
      version: snapshot.version,
      timestamp: snapshot.timestamp,
      entryCount: counted.totals!.count,
      fileCount: 1,
      totalBytes: counted.bytes,
      storedBytes: written.bytes,
      addedBytes: written.bytes,
      checksum: `sha256:${written.sha256}`,
      compression: packing,
      encrypted: false,
      namespace: selection.namespace === undefined || selection.namespace.length === 0
        ? undefined
        : [...selection.namespace],
      prefix: checked.prefix,
      labels: checked.labels,
      pinned: false,
      selective: isSelective(selection) || filter !== undefined,
    };
  };
  try {
    return await withPartial(reporter, run);
  } finally {
    snapshot.release();
  }
}

/** What went through `countPieces`. */
interface Counted {
  bytes: number;
  totals: PortableTotals | undefined;
}

/** Passes pieces on, counts them, and keeps what their generator returns. */
async function* countPieces(
  pieces: AsyncGenerator<Uint8Array, PortableTotals>,
  counted: Counted,
): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const step = await pieces.next();
      if (step.done) {
        counted.totals = step.value;
        return;
      }
      counted.bytes += step.value.length;
      yield step.value;
    }
  } finally {
    await pieces.return({ count: 0, checksum: "" });
  }
}

/** What the name of the file and the options say about its form. */
function formOf(
  path: string,
  options: { compression: Packing | undefined; level: number | undefined },
): { packing: Packing; format: "json" | "jsonl" } {
  const { packing, inner } = packingOf(path);
  const format = /\.json$/i.test(inner) ? "json" : /\.(jsonl|ndjson)$/i.test(inner) ? "jsonl" : undefined;
  if (format === undefined) {
    throw new TypeError(
      `${CALL}: the name of ${path} must end in .json or .jsonl, each also with .gz or .zst; for a copy that opens use export`,
    );
  }
  const { compression, level } = options;
  if (compression !== undefined && compression !== packing) {
    throw new TypeError(`${CALL}: option "compression" is "${compression}", but the name of ${path} says "${packing}"`);
  }
  if (level !== undefined && packing === "none") {
    throw new TypeError(`${CALL}: option "level" needs a file name that ends in .gz or .zst`);
  }
  if (level !== undefined && (packing === "gzip" ? level > 9 : level < 1)) {
    throw new RangeError(`${CALL}: option "level" is ${level}, but gzip has 0 to 9 and zstd 1 to 22`);
  }
  return { packing, format };
}

async function verifyFile(
  engine: Engine,
  path: string,
  totals: PortableTotals,
  reporter: ProgressReporter,
  signal: AbortSignal | undefined,
): Promise<void> {
  reporter.start("verify", { totalItems: totals.count });
  // The reader itself holds the file's count and checksum against its records.
  const reader = new PortableReader(unpack(readPieces(engine.fs, path, signal), path), path);
  const slicer = new Slicer(engine.settings.monotonic);
  for await (const { key, value } of reader.records()) {
    reporter.add(key.length + value.length, 1);
    if (slicer.due()) await slicer.tick();
  }
  if (reader.count === totals.count && reader.meta.checksum === totals.checksum) return;
  throw new IntegrityError(
    `Cannot back up to ${path}: ${totals.count} entries were written and ${reader.count} read back; check the disk, try again`,
    { path },
  );
}
