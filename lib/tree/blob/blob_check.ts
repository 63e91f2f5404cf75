/**
 * Reads a whole blob file and checks all that can be checked: every record's head and value, the counts, and the hash of
 * the file where it is known.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { crc32 } from "../../base/checksum.ts";
import { CODEC_NONE } from "../../base/codec.ts";
import { CorruptionError } from "../../base/errors.ts";
import type { Slicer } from "../../base/yield.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_HEAD_BYTES,
  BLOB_RECORDS_AT,
  type BlobFooter,
  type BlobHead,
  type BlobPointer,
  readBlobFooter,
} from "../../format/blob.ts";
import { checksumSeed, FILE_HEADER_BYTES, type FileHeader, readFileHeader, seedAt } from "../../format/identity.ts";
import { type Damage, damageOf } from "../table/damage.ts";

/** What the check needs of an open blob file. */
export interface CheckedBlobs {
  /** Where it lies. */
  readonly path: string;
  /** Its length. */
  readonly size: number;
  /** As read at opening. */
  readonly header: FileHeader;
  /** As read at opening. */
  readonly footer: BlobFooter;
  /** The head of the record at `offset`, and where the next one begins. */
  headAt(offset: number): { head: BlobHead; next: number };
  /** The pointer to the record at `offset`. */
  pointerTo(offset: number, head: BlobHead): BlobPointer;
  /** The value at a pointer. */
  read(pointer: BlobPointer): Promise<Uint8Array>;
  /** Fills `into` from the file. */
  readBytes(into: Uint8Array, offset: number): Promise<void>;
}

/** Read at once. */
const READ_BYTES = 2 ** 20;

/** Gives all damage found. `sha256`: what the whole file should hash to, where that is known. */
export async function* checkBlobs(
  blobs: CheckedBlobs,
  slicer: Slicer,
  sha256: string | undefined,
): AsyncGenerator<Damage, void> {
  let count = 0;
  try {
    yield* checkEnds(blobs);
    const end = blobs.size - BLOB_FOOTER_BYTES;
    let next = BLOB_RECORDS_AT;
    while (next < end) {
      const offset = next;
      // Without a good head nobody knows where the next record begins: what is behind stays unchecked but for the hash.
      const found = blobs.headAt(offset);
      next = found.next;
      count++;
      try {
        await checkValue(blobs, offset, found.head, slicer);
      } catch (error) {
        yield damageOf(error);
      }
      await slicer.tick();
    }
    if (count !== blobs.footer.count) {
      yield { file: blobs.path, offset: end, detail: `${count} records where ${blobs.footer.count} were written` };
    }
  } catch (error) {
    yield damageOf(error);
  }
  if (sha256 === undefined) return;
  const hash = createHash("sha256");
  for await (const piece of pieces(blobs, 0, blobs.size, slicer)) hash.update(piece);
  if (hash.digest("hex") !== sha256) {
    yield { file: blobs.path, offset: 0, detail: "the file's SHA-256 is not what was written" };
  }
}

/** Header and footer were read at opening and may have been damaged since. */
async function* checkEnds(blobs: CheckedBlobs): AsyncGenerator<Damage, void> {
  const header = new Uint8Array(FILE_HEADER_BYTES);
  await blobs.readBytes(header, 0);
  const footer = new Uint8Array(BLOB_FOOTER_BYTES);
  await blobs.readBytes(footer, blobs.size - BLOB_FOOTER_BYTES);
  try {
    readFileHeader("blob", header, blobs.path);
    readBlobFooter(footer, checksumSeed(blobs.header), blobs.path, blobs.size);
  } catch (error) {
    yield damageOf(error);
  }
}

/** Short values are read as a reader would; long ones in pieces, so that the check takes little memory. */
async function checkValue(blobs: CheckedBlobs, offset: number, head: BlobHead, slicer: Slicer): Promise<void> {
  if (head.storedLength <= READ_BYTES || head.codec !== CODEC_NONE) {
    await blobs.read(blobs.pointerTo(offset, head));
    return;
  }
  const start = offset + BLOB_HEAD_BYTES + head.key.length;
  let crc = seedAt(checksumSeed(blobs.header), offset);
  for await (const piece of pieces(blobs, start, start + head.storedLength, slicer)) crc = crc32(piece, crc);
  if (crc !== head.payloadCrc) {
    throw new CorruptionError(blobs.path, start, "the checksum of the value does not match");
  }
}

async function* pieces(
  blobs: CheckedBlobs,
  start: number,
  end: number,
  slicer: Slicer,
): AsyncGenerator<Uint8Array, void> {
  const memory = new Uint8Array(Math.min(READ_BYTES, end - start));
  for (let at = start; at < end; at += memory.length) {
    const piece = memory.subarray(0, Math.min(memory.length, end - at));
    await blobs.readBytes(piece, at);
    yield piece;
    await slicer.tick();
  }
}
