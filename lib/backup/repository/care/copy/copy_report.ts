/**
 * What a copy is asked for, and what it tells.
 *
 * @module
 */
import type { LongWorkOptions } from "../../../long_work.ts";

/** Options of `copyTo`. */
export interface CopyOptions extends LongWorkOptions {
  /** Only these backups, with what they need; all unless given. */
  backups?: readonly string[] | undefined;
}

/** What was copied. */
export interface CopyReport {
  /** Backups that are there now and were not before. */
  backups: string[];
  /** Objects copied. */
  objects: number;
  /** Log objects copied. */
  logObjects: number;
  /** Bytes written there. */
  storedBytes: number;
  /** Objects, of files and log, that were there already. */
  reused: number;
  /** How long it took, ms. */
  durationMs: number;
}
