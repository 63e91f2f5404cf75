/**
 * Compression of whole files: `.gz` and `.zst` by name when written, by their first bytes when read. Streams on both sides,
 * so an archive that expands to far more than it seems costs time and never memory.
 *
 * @module
 */
import { createGunzip, createGzip } from "node:zlib";
import { IntegrityError } from "../../base/errors.ts";
import { PieceReader } from "./streams.ts";
import { through } from "./through.ts";
import { packZstd, unpackZstd } from "./zstd_frames.ts";

/** How a file is compressed as a whole. */
export type Packing = "none" | "gzip" | "zstd";

/** The packing that a file name asks for, and the name without its ending. */
export function packingOf(name: string): { packing: Packing; inner: string } {
  const lower = name.toLowerCase();
  if (lower.endsWith(".gz")) return { packing: "gzip", inner: name.slice(0, -3) };
  if (lower.endsWith(".tgz")) return { packing: "gzip", inner: `${name.slice(0, -4)}.tar` };
  if (lower.endsWith(".zst")) return { packing: "zstd", inner: name.slice(0, -4) };
  return { packing: "none", inner: name };
}

/** The packing that the first bytes of a file show. */
export function sniffPacking(head: Uint8Array): Packing {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return "zstd";
  return "none";
}

/** The pieces packed. `level` as the format counts them; its default when left out. */
export function pack(
  pieces: AsyncIterable<Uint8Array>,
  packing: Packing,
  level?: number,
): AsyncIterable<Uint8Array> {
  if (packing === "gzip") return through(pieces, createGzip(level === undefined ? {} : { level }));
  return packing === "zstd" ? packZstd(pieces, level) : pieces;
}

/** The pieces unpacked, as their first bytes say; `source` names them in errors. */
export async function* unpack(pieces: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<Uint8Array> {
  const reader = new PieceReader(pieces);
  try {
    const head = (await reader.exactly(4)).slice();
    reader.unread(head);
    const packing = sniffPacking(head);
    if (packing === "none") {
      yield* reader.rest();
      return;
    }
    if (packing === "zstd") yield* unpackZstd(reader.rest(), source);
    else yield* through(reader.rest(), createGunzip(), (cause) => damaged(source, cause));
  } finally {
    await reader.close();
  }
}

function damaged(source: string, cause: Error): IntegrityError {
  return new IntegrityError(
    `Cannot unpack ${source}: ${cause.message}; the file is damaged or ends early, take another copy of it`,
    { path: source, cause },
  );
}
