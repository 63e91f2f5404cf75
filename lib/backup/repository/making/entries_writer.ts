/**
 * A part of a database as entries: one object of JSON lines, for backups by prefix, namespace or filter.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ProgressReporter } from "../../../base/progress.ts";
import type { Engine } from "../../../engine/types.ts";
import type { BackupBase } from "../../../format/repository/backup_document.ts";
import type { FilterEntry } from "../../backup_options.ts";
import type { PortableTotals } from "../../portable/portable_writer.ts";
import { portablePieces } from "../../portable_pieces.ts";
import type { Selection } from "../../selection.ts";
import type { RepositoryContext } from "../core/context.ts";
import { type KnownObjects, place, type PlaceOptions } from "./place.ts";

/** How entries are written. */
export interface EntriesOptions {
  /** Which. */
  selection: Selection;
  /** Which of these; asked twice about each. */
  filter: ((entry: FilterEntry) => boolean) | undefined;
  /** What new objects may refer to. */
  known: KnownObjects;
  /** How the object is placed. */
  place: Omit<PlaceOptions, "compression"> & { compression: PlaceOptions["compression"] | undefined };
  /** Counts entries, then bytes. */
  reporter: ProgressReporter;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** What was written. */
export interface WrittenEntries {
  /** The version they show. */
  version: number;
  /** Its time, ms. */
  timestamp: number;
  /** How many. */
  entryCount: number;
  /** One. */
  fileCount: number;
  /** Bytes of JSON lines. */
  totalBytes: number;
  /** Bytes of the object. */
  storedBytes: number;
  /** Of these, what was not there before. */
  addedBytes: number;
  /** For the manifest. */
  base: BackupBase;
}

/** Writes the entries of this moment. They are put into lines twice, first for their digest, which names the object. */
export async function writeEntries(
  context: RepositoryContext,
  engine: Engine,
  options: EntriesOptions,
): Promise<WrittenEntries> {
  const { selection, filter, reporter, signal } = options;
  const snapshot = engine.snapshot();
  try {
    // What the database may still lose must not be shown by a backup of that version.
    await engine.settled();
    const lines = (progress: ProgressReporter): AsyncGenerator<Uint8Array, PortableTotals> =>
      portablePieces(engine, snapshot, { format: "jsonl", selection, filter, reporter: progress, signal });
    const hash = createHash("sha256");
    const first = lines(reporter);
    let size = 0;
    let totals: PortableTotals;
    for (;;) {
      const step = await first.next();
      if (step.done) {
        totals = step.value;
        break;
      }
      hash.update(step.value);
      size += step.value.length;
    }
    reporter.start("objects", { totalBytes: size, totalItems: 1 });
    const source = {
      size,
      sha256: hash.digest("hex"),
      name: "the selected entries",
      pieces: () => lines(new ProgressReporter(undefined)),
    };
    const placed = await place(context, source, options.known, {
      ...options.place,
      compression: options.place.compression ?? "zstd",
      onBytes: (count) => reporter.add(count),
    });
    reporter.add(0, 1);
    const { version, timestamp } = snapshot;
    return {
      version,
      timestamp,
      entryCount: totals.count,
      fileCount: 1,
      totalBytes: size,
      storedBytes: placed.stored,
      addedBytes: placed.reused ? 0 : placed.stored,
      base: {
        version,
        timestamp,
        manifestName: "",
        files: [{ name: "", kind: "entries", size, object: placed.object, stored: placed.stored }],
      },
    };
  } finally {
    snapshot.release();
  }
}
