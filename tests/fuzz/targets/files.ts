/** What the targets share: a disk of given files that counts reads, streams in pieces, framed records, sealed heads. */
import assert from "node:assert/strict";
import { ByteWriter, readU32, writeU32 } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { NotFoundError } from "../../../lib/base/errors.ts";
import type { FileHandle, FileSystem } from "../../../lib/files/file_system.ts";
import { checksumSeed, FILE_HEADER_BYTES, type FileKind, seedAt } from "../../../lib/format/identity.ts";
import type { Part, Steps, Structure } from "../target.ts";

export { DATABASE, LINEAGE } from "../../format/fixture.ts";

/** A disk that holds these files and is only read. Each read is a step. */
export function filesOf(files: Readonly<Record<string, Uint8Array>>, steps: Steps): FileSystem {
  const handleOf = (path: string): FileHandle => {
    const bytes = files[path];
    if (bytes === undefined) throw new NotFoundError(`Cannot open ${path}: it is not there (NOT_FOUND)`, { path });
    const readAtSync = (into: Uint8Array, position: number): number => {
      steps.take();
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    };
    return {
      path,
      sizeSync: () => bytes.length,
      readAtSync,
      readAt: async (into: Uint8Array, position: number) => readAtSync(into, position),
      closeSync: () => {},
      close: async () => {},
    } as Partial<FileHandle> as FileHandle;
  };
  const statSync = (path: string): ReturnType<FileSystem["statSync"]> => {
    const bytes = files[path];
    return bytes === undefined ? undefined : { kind: "file", size: bytes.length };
  };
  return {
    kind: "given",
    openSync: handleOf,
    open: async (path: string) => handleOf(path),
    statSync,
    stat: async (path: string) => statSync(path),
    list: async (path: string) => Object.keys(files).map((name) => name.slice(path.length + 1)).sort(),
  } as Partial<FileSystem> as FileSystem;
}

/** The input in pieces, each a step; how long they are depends on the input alone. */
export async function* piecesOf(bytes: Uint8Array, steps: Steps): AsyncGenerator<Uint8Array, void> {
  const size = 1 + (bytes.length * 7919) % 997;
  for (let at = 0; at < bytes.length; at += size) {
    steps.take();
    yield bytes.slice(at, at + size);
  }
}

/** All that a stream gives, each piece a step. */
export async function collected(
  pieces: AsyncGenerator<Uint8Array, unknown>,
  steps: Steps,
): Promise<Uint8Array> {
  const out = new ByteWriter();
  for await (const piece of pieces) {
    steps.take();
    out.bytes(piece);
  }
  return out.take();
}

/** What was decoded, written and decoded again must be the same. */
export function assertSame(again: unknown, first: unknown): void {
  assert.deepEqual(again, first, "decodes to something else when it is written again");
}

/**
 * What was written again is no longer than the input, whose numbers may be spelled longer than needed, and the same when it
 * is as long: nothing of the input was made up or passed over.
 */
export function assertSpelled(again: Uint8Array, input: Uint8Array): void {
  assert.ok(again.length <= input.length, "is longer when it is written again");
  if (again.length === input.length) assertSame(new Uint8Array(again), new Uint8Array(input));
}

/** The 64 bytes of a file header, its checksum made right. */
export function sealedHeader(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(FILE_HEADER_BYTES);
  out.set(bytes.subarray(0, FILE_HEADER_BYTES));
  writeU32(out, 60, crc32(out, 0, 0, 60));
  return out;
}

/** What the checksums of a file with this header start from. */
export function seedOf(header: Uint8Array): number {
  return readU32(header, 60);
}

/** The seed of a file of this kind and number that belongs to the database of the examples. */
export function knownSeed(kind: FileKind, identity: { database: string; lineage: string; number: number }): number {
  return checksumSeed({ kind, ...identity });
}

/**
 * A log segment or manifest: the header, then its frames. A frame's part is its type as u32, so that its reserved bytes can
 * be changed too, and its payload, which `inside` may take apart further.
 */
export function framedFile(inside: Pick<Part, "json" | "inner">): Structure {
  const frame: Structure = {
    take: (bytes) => [{ bytes: bytes.subarray(0, 4) }, { bytes: bytes.subarray(4), ...inside }],
    put: (parts) => concat(parts.map(({ bytes }) => bytes)),
  };
  return {
    take(bytes) {
      const parts: Part[] = [{ bytes: bytes.slice(0, FILE_HEADER_BYTES), label: "header" }];
      for (let at = FILE_HEADER_BYTES; at + 16 <= bytes.length;) {
        const length = readU32(bytes, at + 8);
        const payload = bytes.subarray(at + 16, at + 16 + length);
        parts.push({ bytes: concat([bytes.subarray(at + 12, at + 16), payload]), inner: frame });
        at += 16 + length;
      }
      return parts;
    },
    put(parts) {
      const header = sealedHeader(parts.find(({ label }) => label === "header")?.bytes ?? new Uint8Array(0));
      const out = new ByteWriter();
      out.bytes(header);
      for (const { bytes, label } of parts) if (label !== "header") putFrame(out, seedOf(header), bytes);
      return out.take();
    },
  };
}

/** Appends a frame: `bytes` is its type as u32 and its payload. */
export function putFrame(out: ByteWriter, seed: number, bytes: Uint8Array): void {
  const base = seedAt(seed, out.length);
  const payload = bytes.subarray(4);
  const head = new Uint8Array(16);
  writeU32(head, 4, crc32(payload, base));
  writeU32(head, 8, payload.length);
  head.set(bytes.subarray(0, 4), 12);
  writeU32(head, 0, crc32(head, base, 4, 16));
  out.bytes(head);
  out.bytes(payload);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  for (const part of parts) out.bytes(part);
  return out.take();
}
