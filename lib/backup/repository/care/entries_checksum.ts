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
import { createHash } from "node:crypto";
import { ByteWriter, encodeText } from "../../../base/bytes.ts";
import { Slicer } from "../../../base/yield.ts";
import type { Engine } from "../../../engine/types.ts";
import { OP_BLOB } from "../../../format/cell.ts";
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
  const hash = new PartsHash();
  let entries = 0;
  for await (const entry of readCells({ engine, view, spaces, selection, slicer, signal })) {
    const { space, key, cell, version, timestamp } = entry;
    const value = cell.op === OP_BLOB ? await engine.valueAsync({ version, timestamp, cell: cell.raw }) : cell.payload;
    hash.text(JSON.stringify(space.path));
    hash.bytes(key);
    hash.bytes(Uint8Array.of(cell.kind));
    hash.bytes(value);
    hash.text(JSON.stringify(cell.tags));
    hash.text(String(cell.expiresAt ?? ""));
    hash.text(options.withVersions ? `${version} ${timestamp}` : "");
    entries++;
    onEntry(key.length + value.length);
  }
  return { entries, checksum: `sha256:${hash.digest()}` };
}

/** Parts are hashed so many bytes at once: a call of the hash takes as long as hashing a few hundred. */
const TOGETHER_BYTES = 2 ** 15;

/** SHA-256 over parts, each behind its length. */
class PartsHash {
  readonly #hash = createHash("sha256");
  readonly #waiting = new ByteWriter(2 * TOGETHER_BYTES);

  text(text: string): void {
    this.bytes(encodeText(text));
  }

  bytes(bytes: Uint8Array): void {
    this.#waiting.u32(bytes.length);
    if (bytes.length < TOGETHER_BYTES) this.#waiting.bytes(bytes);
    else {
      this.#flush();
      this.#hash.update(bytes);
    }
    if (this.#waiting.length >= TOGETHER_BYTES) this.#flush();
  }

  /** Hexadecimal. */
  digest(): string {
    this.#flush();
    return this.#hash.digest("hex");
  }

  #flush(): void {
    this.#hash.update(this.#waiting.view());
    this.#waiting.reset();
  }
}
