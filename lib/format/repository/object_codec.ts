/**
 * The plain payload of a chunk (`object.ts`).
 *
 * ```
 * payload := 00 | the raw bytes
 *          | 01 | crc32 of the rest | one zstd frame or gzip member of the raw bytes
 * ```
 *
 * Compressed only where that saves at least 5 %: less is not worth the time of every reader. A chunk is compressed on its
 * own, so that chunks can be packed and unpacked side by side, and a reader needs no memory but theirs. The checksum is
 * for bits that a frame may have either way, and keeps damage away from the unpackers.
 *
 * Most of what is backed up is compressed already. So a large chunk is tried by its first 64 KiB, and where these do not
 * shrink, neither it nor some chunks behind it are compressed: at first 4, then 8, then 16.
 *
 * Probed: Node and Bun run zlib in a pool of threads. Deno runs it on the main thread, so callers let the event loop have
 * its turn between chunks; and in Deno an asynchronous zstd unpacker that meets damage ends the process, a synchronous
 * one throws. Only Node notices a zstd frame that ends early: so lengths are compared by the caller in all of them.
 *
 * Example: the payload of "hi" is `00 68 69`.
 *
 * @module
 */
import { constants, gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";
import { awaited } from "../../base/awaited.ts";
import { borrow } from "../../base/buffers.ts";
import { readU32, writeU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { offload } from "../../base/simulation.ts";
import { UNPACKED_ROOM, unzstdFrame, USUAL_RATIO, zstdFrame } from "../../base/zstd_frame.ts";
import { CHUNK_BYTES_MAX, damagedObject, type ObjectCompression } from "./object_header.ts";

const STORED = 0;
const COMPRESSED = 1;

/** What compression must leave away, or it is not used. */
const SAVING_MIN = 0.05;

/** Level 1 of zstd takes half the time and memory of the usual 3, and saves as much of values that hold random parts. */
const ZSTD_LEVEL = 1;
const GZIP_LEVEL = 6;

/** No frame may ask for a window above the longest chunk: a few bytes could claim gigabytes. */
const WINDOW_LOG_MAX = Math.log2(CHUNK_BYTES_MAX);

/** From this level on zstd's window would be larger than that. */
const LEVEL_OF_LARGE_WINDOWS = 16;

/** Length of what is before the raw bytes of a payload that is not compressed. */
export const STORED_HEAD_BYTES = 1;

/** Length of what is before the frame of one that is; a payload to be packed has room for this. */
export const COMPRESSED_HEAD_BYTES = 5;

/** A chunk is tried by so much of it, when it is a good deal longer. */
const SAMPLE_BYTES = 2 ** 16;

/** Chunks that go unpacked before the next try: at first, and at most. */
const SKIPPED_MIN = 4;
const SKIPPED_MAX = 16;

/** Packs the chunks of one object. */
export class ChunkPacker {
  readonly #compression: ObjectCompression;
  readonly #level: number | undefined;
  #skip = 0;
  #skipNext = SKIPPED_MIN;
  /** How often a try did not pay; those begun side by side count once. */
  #unpaidTries = 0;

  /** `level`: 1 of zstd and 6 of gzip unless given. */
  constructor(compression: ObjectCompression, level?: number) {
    this.#compression = compression;
    this.#level = level;
  }

  /**
   * The payload of the raw bytes from `COMPRESSED_HEAD_BYTES` of `room` on: a view of it, for which what is in it is
   * overwritten.
   */
  async pack(room: Uint8Array): Promise<Uint8Array> {
    const end = await this.#packed(room);
    if (end !== undefined) return room.subarray(0, end);
    room[COMPRESSED_HEAD_BYTES - STORED_HEAD_BYTES] = STORED;
    return room.subarray(COMPRESSED_HEAD_BYTES - STORED_HEAD_BYTES);
  }

  /** Where the payload with the frame ends, when there is one. */
  async #packed(room: Uint8Array): Promise<number | undefined> {
    const raw = room.subarray(COMPRESSED_HEAD_BYTES);
    const compression = this.#compression;
    if (compression === "none" || raw.length === 0) return undefined;
    const isLarge = raw.length > 2 * SAMPLE_BYTES;
    const before = this.#unpaidTries;
    if (isLarge) {
      if (this.#skip > 0) {
        this.#skip--;
        return undefined;
      }
      const sample = raw.subarray(0, SAMPLE_BYTES);
      if (!await compress(sample, compression, this.#level, (frame) => pays(frame, sample))) {
        return this.#unpaid(before);
      }
    }
    const end = await compress(
      raw,
      compression,
      this.#level,
      (frame) => pays(frame, raw) ? put(frame, room) : undefined,
    );
    if (end === undefined) return isLarge ? this.#unpaid(before) : undefined;
    this.#skipNext = SKIPPED_MIN;
    return end;
  }

  #unpaid(before: number): undefined {
    if (before !== this.#unpaidTries) return;
    this.#unpaidTries++;
    this.#skip = this.#skipNext;
    this.#skipNext = Math.min(SKIPPED_MAX, 2 * this.#skipNext);
    return undefined;
  }
}

function pays(packed: readonly Uint8Array[], raw: Uint8Array): boolean {
  const length = packed.reduce((sum, piece) => sum + piece.length, 0);
  return length + COMPRESSED_HEAD_BYTES - STORED_HEAD_BYTES <= raw.length * (1 - SAVING_MIN);
}

/** Puts the payload of a frame into `room`, and says where it ends. */
function put(frame: readonly Uint8Array[], room: Uint8Array): number {
  room[0] = COMPRESSED;
  let [end, checksum] = [COMPRESSED_HEAD_BYTES, 0];
  for (const piece of frame) {
    room.set(piece, end);
    end += piece.length;
    checksum = crc32(piece, checksum);
  }
  writeU32(room, 1, checksum);
  return end;
}

/** Whether a plain payload is a frame. */
export function isCompressed(payload: Uint8Array): boolean {
  return payload[0] === COMPRESSED;
}

/** What of a plain payload a digest has to cover: of a frame its checksum, else the raw bytes. */
export function bodyOf(payload: Uint8Array, name: string): Uint8Array {
  if (isCompressed(payload)) return payload.subarray(0, COMPRESSED_HEAD_BYTES);
  if (payload[0] !== STORED) throw damagedObject(name, `a chunk of the unknown kind ${payload[0]}`);
  return payload.subarray(STORED_HEAD_BYTES);
}

/** `bodyOf` of payloads that come in parts, the first of which is one byte. Checks the frames' checksums. */
export class BodyParts {
  readonly #name: string;
  readonly #take: (bytes: Uint8Array) => void;
  readonly #head = new Uint8Array(COMPRESSED_HEAD_BYTES);
  #checksum = 0;

  /** `take` hears the bytes; `name` is what errors call the object. */
  constructor(name: string, take: (bytes: Uint8Array) => void) {
    this.#name = name;
    this.#take = take;
  }

  /** Takes the part at `at` of a payload of `length`. */
  add(bytes: Uint8Array, at: number, length: number): void {
    if (at === 0) {
      this.#head[0] = bytes[0]!;
      this.#checksum = 0;
      if (!isCompressed(bytes)) this.#take(bodyOf(bytes, this.#name));
      return;
    }
    if (!isCompressed(this.#head)) return this.#take(bytes);
    const behindHead = Math.min(bytes.length, Math.max(0, COMPRESSED_HEAD_BYTES - at));
    for (let i = 0; i < behindHead; i++) this.#head[at + i] = bytes[i]!;
    this.#checksum = crc32(bytes, this.#checksum, behindHead);
    if (at + bytes.length < length) return;
    if (readU32(this.#head, 1) !== this.#checksum) throw wrongChecksum(this.#name);
    this.#take(this.#head);
  }
}

/**
 * The raw bytes of a chunk, at most `most`: a view of the payload, or memory of their own. Throws `IntegrityError` naming the
 * object.
 */
export async function unpackChunk(
  payload: Uint8Array,
  compression: ObjectCompression,
  most: number,
  name: string,
): Promise<Uint8Array> {
  const kind = payload[0];
  if (kind === STORED) return payload.subarray(STORED_HEAD_BYTES);
  if (kind !== COMPRESSED || compression === "none") throw damagedObject(name, `a chunk of the unknown kind ${kind}`);
  const body = payload.subarray(COMPRESSED_HEAD_BYTES);
  if (payload.length < COMPRESSED_HEAD_BYTES || readU32(payload, 1) !== crc32(body)) {
    throw wrongChecksum(name);
  }
  try {
    if (compression === "gzip") return plain(await gzipUnpack(body, most));
    return await unzstdFrame(body, most, { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX }, borrowed);
  } catch (cause) {
    throw damagedObject(name, `a chunk does not unpack (${cause instanceof Error ? cause.message : cause})`, cause);
  }
}

function wrongChecksum(name: string): Error {
  return damagedObject(name, "a chunk whose checksum does not match");
}

/** What `take` makes of the frame, whose pieces are used up when it returns. */
async function compress<T>(
  raw: Uint8Array,
  compression: "zstd" | "gzip",
  level: number | undefined,
  take: (frame: readonly Uint8Array[]) => T,
): Promise<T> {
  if (compression === "gzip") {
    const options = { level: level ?? GZIP_LEVEL, chunkSize: inOneStep(USUAL_RATIO * raw.length) };
    return take([
      await offload<Uint8Array>(
        () => awaited<Uint8Array>((done) => gzip(raw, options, done)),
        () => gzipSync(raw, options),
      ),
    ]);
  }
  const params: Record<number, number> = { [constants.ZSTD_c_compressionLevel]: level ?? ZSTD_LEVEL };
  if ((level ?? ZSTD_LEVEL) >= LEVEL_OF_LARGE_WINDOWS) params[constants.ZSTD_c_windowLog] = WINDOW_LOG_MAX;
  return await zstdFrame(raw, params, take);
}

function gzipUnpack(body: Uint8Array, most: number): Promise<Uint8Array> {
  const options = { maxOutputLength: Math.max(1, most), chunkSize: inOneStep(UNPACKED_ROOM * body.length, most) };
  return offload<Uint8Array>(
    () => awaited<Uint8Array>((done) => gunzip(body, options, done)),
    () => gunzipSync(body, options),
  );
}

/** A copy of the pieces, in borrowed memory. */
function borrowed(pieces: readonly Uint8Array[]): Uint8Array {
  const raw = borrow(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    raw.set(piece, at);
    at += piece.length;
  }
  return raw;
}

/** What zlib fills at a time; by itself 16 KiB, and each time costs a way through the pool. */
function inOneStep(length: number, most: number = length): number {
  return Math.max(64, Math.floor(Math.min(length, most)));
}

/** A Node `Buffer` has a `slice` that shares, which callers must not meet. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
