/**
 * Files that an ingest took in stay on disk until every repository has them: the log names them, so without them the log
 * behind a slot would not be complete. Compaction may have replaced them in the database long before.
 *
 * Held are the tables that still carry their ingest's version, and the blob files these point into. Found anew at each
 * version, so that after an open what is still listed is held again.
 *
 * @module
 */
import type { IngestInfo } from "../../format/log/batch.ts";
import type { SlotMeta, VersionGap } from "../../format/manifest/manifest_edit.ts";
import type { IngestedSource } from "../types_copy.ts";
import type { LiveBlob, LiveTable } from "./live_file.ts";
import type { Version } from "./version.ts";

/** What holding depends on. */
interface HoldFacts {
  /** The repositories. */
  slots: ReadonlyMap<string, SlotMeta>;
  /** Versions that no repository will ever get. */
  gaps: readonly VersionGap[];
}

/** The files held for repositories. */
export class IngestHolds {
  readonly #held = new Map<LiveTable | LiveBlob, number>();

  /** Holds what is new, lets go of what every repository has. */
  update(version: Version, facts: HoldFacts): void {
    if (facts.slots.size === 0 && this.#held.size === 0) return;
    const archived = Math.min(...[...facts.slots.values()].map((slot) => slot.version));
    const isNeeded = (ingest: number): boolean =>
      ingest > archived && !facts.gaps.some(({ from, to }) => from <= ingest && ingest <= to);
    for (const table of version.tables()) {
      const ingest = table.meta.globalVersion;
      if (ingest === undefined || !isNeeded(ingest)) continue;
      this.#hold(table, ingest);
      for (const { number } of table.meta.blobs) {
        const blob = version.blobs.get(number);
        if (blob !== undefined) this.#hold(blob, ingest);
      }
    }
    for (const [file, ingest] of [...this.#held]) if (!isNeeded(ingest)) this.#release(file);
  }

  #hold(file: LiveTable | LiveBlob, ingest: number): void {
    if (this.#held.has(file)) return;
    file.retain();
    this.#held.set(file, ingest);
  }

  #release(file: LiveTable | LiveBlob): void {
    this.#held.delete(file);
    file.release();
  }

  /** Lets go of everything. */
  close(): void {
    for (const file of [...this.#held.keys()]) this.#release(file);
  }
}

/** Finds files by number among all that are open to readers. */
export interface FileFinder {
  /** A table that any reader may still read. */
  tableAt(number: number): LiveTable | undefined;
  /** A blob file that any reader may still point into. */
  blobAt(number: number): LiveBlob | undefined;
  /** Where a file lies. */
  filePathOf(kind: "table" | "blob", number: number): string;
}

/** The files of an ingest, when all of them are still there. */
export function ingestedFiles(files: FileFinder, info: IngestInfo): IngestedSource[] | undefined {
  const sources: IngestedSource[] = [];
  for (const kind of ["table", "blob"] as const) {
    for (const { number, size, sha256 } of kind === "table" ? info.tables : info.blobs) {
      const live = kind === "table" ? files.tableAt(number) : files.blobAt(number);
      if (live === undefined || live.meta.sha256 !== sha256) return undefined;
      sources.push({ kind, number, path: files.filePathOf(kind, number), size, sha256 });
    }
  }
  return sources;
}
