import type { EngineSettings } from "../../engine/types.ts";
import type { FileSystem } from "../../files/file_system.ts";
import type { CheckedPointOptions } from "../restore_options.ts";
import type { LongWorkOptions } from "../long_work.ts";
import type { RepositoryContext } from "./context.ts";

/** What a drill found. */
export interface DrillReport {
  /** Whether the state came back, whole. */
  ok: boolean;
  /** What went wrong, when it did not. */
  problems: string[];
  /** The database. */
  database: string;
  /** Its history. */
  lineage: string;
  /** The version restored. */
  version: number;
  /** The time of that commit, ms. */
  timestamp: number;
  /** How many entries there were. */
  entries: number;
  /** `sha256:` over all entries. */
  checksum: string;
  /** Commits replayed. */
  recordsReplayed: number;
  /** Bytes fetched. */
  bytes: number;
  /** How long it took, ms. */
  durationMs: number;
}

/** Where and how a drill restores. */
export interface DrillParts extends LongWorkOptions {
  /** Where files lie. */
  fs: FileSystem;
  /** An existing directory for the scratch database, which is removed again. */
  directory: string;
  /** For the engine. */
  settings: EngineSettings;
  /** Which state. */
  wish: CheckedPointOptions;
}

/** Restores for real. */
export function drillRepository(_context: RepositoryContext, _parts: DrillParts): Promise<DrillReport> {
  return Promise.reject(new Error("stub"));
}
