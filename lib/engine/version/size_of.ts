/**
 * Approximate sizes of ranges of keys.
 *
 * @module
 */
import type { Version } from "./version.ts";

/** About how many bytes of tables and blob files `start <= key < end` takes. */
export function sizeOfRange(version: Version, start: Uint8Array | undefined, end: Uint8Array | undefined): number {
  let bytes = 0;
  for (const run of version.runs) {
    for (const table of run.between(start, end)) {
      const { meta } = table;
      const reader = table.reader();
      const from = start === undefined ? 0 : reader.approximateOffset(start);
      const to = end === undefined ? meta.size : reader.approximateOffset(end);
      const share = Math.max(0, to - from);
      bytes += share;
      for (const use of meta.blobs) bytes += Math.round(use.bytes * (share / meta.size));
    }
  }
  return bytes;
}
