/**
 * The portable form of a snapshot, as pieces of bytes.
 *
 * @module
 */
import type { ProgressReporter } from "../base/progress.ts";
import { Slicer } from "../base/yield.ts";
import type { Engine, EngineSnapshot } from "../engine/types.ts";
import { spacesInSlices } from "./namespaces.ts";
import type { FilterEntry } from "./backup_options.ts";
import { isNamespaceSelected, type Selection } from "./selection.ts";
import { type PortableTotals, writeJson, writeLines } from "./portable/portable_writer.ts";
import { countRecords, type ReadEntries, readRecords } from "./read_entries.ts";
import type { PortableRecord } from "./portable/record.ts";

/** What is written, and how. */
export interface PortablePiecesOptions {
  /** The format. */
  format: "json" | "jsonl";
  /** Which entries. */
  selection: Selection;
  /** Which of these. */
  filter?: ((entry: FilterEntry) => boolean) | undefined;
  /** Counts entries. */
  reporter: ProgressReporter;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** The pieces of the file; returns the totals. A JSON file needs a first pass for its count. */
export async function* portablePieces(
  engine: Engine,
  snapshot: EngineSnapshot,
  options: PortablePiecesOptions,
): AsyncGenerator<Uint8Array, PortableTotals> {
  const { selection, filter, reporter, signal } = options;
  const view = engine.read(snapshot);
  const slicer = new Slicer(engine.settings.monotonic);
  const spaces = await spacesInSlices(view, engine.keyEncoding, slicer);
  const source: ReadEntries = { engine, view, spaces, selection, filter, slicer, signal };
  const header = {
    createdAt: snapshot.moment,
    totalRecords: options.format === "json" ? await countRecords(source) : undefined,
    database: engine.id,
    lastVersion: snapshot.version,
    keyEncoding: engine.keyEncoding,
    namespaces: spaces.filter(({ path }) => path.length > 0 && isNamespaceSelected(selection, path)),
  };
  reporter.start("write", { totalItems: header.totalRecords });
  async function* counted(): AsyncGenerator<PortableRecord> {
    for await (const record of readRecords(source)) {
      reporter.add(record.key.length + record.value.length, 1);
      yield record;
    }
  }
  return yield* (options.format === "json" ? writeJson : writeLines)(header, counted());
}
