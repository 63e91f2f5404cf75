/**
 * A commit as those hear of it who wait for it, watch, or read the log.
 *
 * @module
 */

/** What a write resolves to. */
export interface Commit {
  /** The version this commit made; each commit has its own, strictly increasing. */
  version: number;
  /** When it was made, ms since the Unix epoch; never decreases as `version` grows. */
  timestamp: number;
}

/** What listeners hear of, in version order, once visible. */
export interface CommitEvent extends Commit {
  /** The operations, encoded: see `forEachOperation`. A view that must be copied to be kept. */
  ops: Uint8Array;
}
