/**
 * Applying commits again, over tables, without a log.
 *
 * @module
 */
import type { Commit, CommitEvent, ReplayOptions } from "../types.ts";
import type { IngestParts } from "./ingest.ts";

/** Applies commits again; see `Engine.replay`. */
export function replay(
  _parts: IngestParts,
  _commits: AsyncIterable<CommitEvent>,
  _options: ReplayOptions,
): Promise<Commit> {
  return Promise.reject(new Error("commits can't be replayed yet"));
}
