/**
 * A checksum over all entries of a database: equal for equal contents, however they lie in tables, log and blobs.
 *
 * ```
 * SHA-256 over, for each namespace in the order of its path and each entry in the order of its key:
 *   path as JSON | key | kind | value | tags as JSON | expiry | version | timestamp      each behind its length, u32
 * ```
 *
 * @module
 */
import { encodeText } from "../../../base/bytes.ts";
import { Slicer } from "../../../base/yield.ts";
import type { Engine } from "../../../engine/types.ts";
import { OP_BLOB } from "../../../format/cell.ts";
import { GatheredHash } from "../../gathered_hash.ts";
import { spacesOf } from "../../namespaces.ts";
import { readCells } from "../../read_entries.ts";

/** All that had not expired at `moment`. Values are read, also from blob files. */
export async function entriesChecksum(
  engine: Engine,
  options: { withVersions: boolean; moment: number; signal: AbortSignal | undefined; onEntry: (bytes: number) => void },
): Promise<{ entries: number; checksum: string }> {
  const { signal, onEntry } = options;
  const view = engine.read({ version: engine.visibleVersion, moment: options.moment });
  const spaces = spacesOf(view, engine.keyEncoding)
    .map((space) => ({ space, path: JSON.stringify(space.path) }))
    .sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0)
    .map(({ space }) => space);
  const slicer = new Slicer(engine.settings.monotonic);
  const selection = { namespace: undefined, prefix: undefined };
  const hash = new GatheredHash();
  let entries = 0;
  for await (const entry of readCells({ engine, view, spaces, selection, slicer, signal })) {
    const { space, key, cell, version, timestamp } = entry;
    const value = cell.op === OP_BLOB ? await engine.valueAsync({ version, timestamp, cell: cell.raw }) : cell.payload;
    part(hash, encodeText(JSON.stringify(space.path)));
    part(hash, key);
    part(hash, Uint8Array.of(cell.kind));
    part(hash, value);
    part(hash, encodeText(JSON.stringify(cell.tags)));
    part(hash, encodeText(String(cell.expiresAt ?? "")));
    part(hash, encodeText(options.withVersions ? `${version} ${timestamp}` : ""));
    entries++;
    onEntry(key.length + value.length);
  }
  return { entries, checksum: `sha256:${hash.digest()}` };
}

function part(hash: GatheredHash, bytes: Uint8Array): void {
  hash.out.u32(bytes.length);
  hash.bytes(bytes);
}
