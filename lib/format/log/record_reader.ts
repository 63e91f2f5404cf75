/**
 * Reads the records of a log segment or manifest (see `frame.ts`), and searches for one behind a bad place.
 *
 * 1. Both take time linear in the bytes given, whatever these are, and hold at most one record (`RecordReader`) or three
 *    frames (`findLaterRecord`).
 * 2. A record is handed out only when all its frames are whole. Otherwise it is bad at the offset of its first frame:
 *    everything before that offset is good, nothing from there on is.
 *
 * @module
 */
import { ByteWriter, readU32 } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import {
  FRAME_BYTES_MAX,
  FRAME_FIRST,
  FRAME_FOOTER,
  FRAME_HEADER_BYTES,
  FRAME_LAST,
  FRAME_MIDDLE,
  FRAME_WHOLE,
  RECORD_BYTES_MAX,
} from "./frame.ts";
import { FILE_HEADER_BYTES, seedAt } from "../identity.ts";

/** Fills `into` from `position` of the file on; returns how many bytes there were. */
export type ReadBytes = (into: Uint8Array, position: number) => number;

/** One record and where it stands. */
export interface FileRecord {
  /** The payload: a view that the next call of `next` may overwrite. */
  record: Uint8Array;
  /** Where its first frame begins. */
  offset: number;
  /** Where the next record would begin. */
  end: number;
}

/** How reading stands: still among records, or why it stopped. `offset` is where the good bytes end. */
export type ReaderState =
  | { kind: "reading"; offset: number }
  | { kind: "end"; offset: number }
  | { kind: "footer"; offset: number }
  | { kind: "bad"; offset: number; detail: string };

/** Read at a time: large enough that the calls don't count, small enough for many readers at once. */
const CHUNK_BYTES = 256 * 1024;

/** Reads records one after the other. Nothing is believed before its checksum held. */
export class RecordReader {
  readonly #window: Window;
  readonly #size: number;
  readonly #seed: number;
  #state: ReaderState;
  /** For records in several frames; used again, since each is a megabyte and more. */
  #joined: ByteWriter | undefined;

  /** Reads the first `size` bytes of a file, from `start` on; `seed` is the `checksumSeed` of its header. */
  constructor(read: ReadBytes, size: number, seed: number, start: number = FILE_HEADER_BYTES) {
    this.#window = new Window(read, size, start);
    this.#size = size;
    this.#seed = seed;
    this.#state = { kind: "reading", offset: start };
  }

  /**
   * `reading` until `next` returned undefined; then `end` (the last record ends exactly at `size`), `footer` (at
   * `offset` a footer that ends exactly at `size`) or `bad`.
   */
  get state(): ReaderState {
    return this.#state;
  }

  /** The next record, or undefined when there is none: see `state` for why. */
  next(): FileRecord | undefined {
    if (this.#state.kind !== "reading") return undefined;
    const start = this.#state.offset;
    if (start === this.#size) return this.#stop({ kind: "end", offset: start });
    const window = this.#window;
    let joined: ByteWriter | undefined;
    for (let offset = start;;) {
      let at = window.hold(offset, FRAME_HEADER_BYTES);
      if (at < 0) {
        return this.#bad(start, joined === undefined ? "bytes end early" : "bytes end early in a split record");
      }
      const base = seedAt(this.#seed, offset);
      if (!headerHolds(window.buffer, at, base)) return this.#bad(start, "frame header checksum");
      const length = readU32(window.buffer, at + 8);
      const type = readU32(window.buffer, at + 12);
      if (length === 0) return this.#bad(start, "length 0");
      if (length > FRAME_BYTES_MAX) return this.#bad(start, `length ${length} above ${FRAME_BYTES_MAX}`);
      const misplaced = sequenceProblem(type, joined !== undefined);
      if (misplaced !== undefined) return this.#bad(start, misplaced);

      at = window.hold(offset, FRAME_HEADER_BYTES + length);
      if (at < 0) return this.#bad(start, "bytes end early in a payload");
      const from = at + FRAME_HEADER_BYTES;
      const end = offset + FRAME_HEADER_BYTES + length;
      if (crc32(window.buffer, base, from, from + length) !== readU32(window.buffer, at + 4)) {
        return this.#bad(start, "payload checksum");
      }
      if (type === FRAME_FOOTER) return this.#footer(start, window.buffer.subarray(from, from + length), end);
      if (type === FRAME_WHOLE) return this.#found(window.buffer.subarray(from, from + length), start, end);
      if (joined === undefined) {
        joined = this.#joined ??= new ByteWriter(4 * FRAME_BYTES_MAX);
        joined.reset();
      }
      if (joined.length + length > RECORD_BYTES_MAX) return this.#bad(start, `record above ${RECORD_BYTES_MAX} bytes`);
      joined.bytes(window.buffer.subarray(from, from + length));
      if (type === FRAME_LAST) return this.#found(joined.view(), start, end);
      offset = end;
    }
  }

  #found(record: Uint8Array, offset: number, end: number): FileRecord {
    this.#state = { kind: "reading", offset: end };
    return { record, offset, end };
  }

  #footer(offset: number, payload: Uint8Array, end: number): undefined {
    const named = payload.length === 8 ? readU32(payload, 4) * 2 ** 32 + readU32(payload, 0) : -1;
    if (named !== offset) return this.#bad(offset, "footer does not name its own place");
    if (end !== this.#size) return this.#bad(offset, "bytes behind the footer");
    return this.#stop({ kind: "footer", offset });
  }

  #bad(offset: number, detail: string): undefined {
    return this.#stop({ kind: "bad", offset, detail });
  }

  #stop(state: ReaderState): undefined {
    this.#state = state;
    this.#window.drop();
    return undefined;
  }
}

/**
 * Searches every offset behind `from`, a bad place, for the first frame of a record (whole or split) for which `accept`
 * says yes, and returns the frame's offset. `accept` gets what that frame holds of the record, and whether that is all of
 * it: of a split record it is the first MiB. Never returns `from` itself: a split record whose first frame is good and a
 * later one is not is bad there.
 *
 * Only bytes made for it can hold more headers with a good checksum than frames. So that these don't cost quadratic
 * time, at most twice the bytes searched are checked as payload; when that is used up, the place reached is returned as
 * if accepted, because nothing rules out that a record stands there.
 */
export function findLaterRecord(
  read: ReadBytes,
  size: number,
  seed: number,
  from: number,
  accept: (record: Uint8Array, isWhole: boolean) => boolean,
): number | undefined {
  const window = new Window(read, size, from, 2 * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX));
  let budget = 2 * (size - from);
  for (let offset = from;;) {
    let at = window.hold(offset, FRAME_HEADER_BYTES + 1);
    if (at < 0) return undefined;
    const skipped = nextPlausible(window.buffer, at, window.filled) - at;
    offset += skipped;
    at += skipped;
    if (at + FRAME_HEADER_BYTES >= window.filled) continue; // the bytes held are used up
    const length = readU32(window.buffer, at + 8);
    const base = seedAt(seed, offset);
    if (length > size - offset - FRAME_HEADER_BYTES || !headerHolds(window.buffer, at, base)) {
      offset++;
      continue;
    }
    if (length > budget) return offset;
    budget -= length;
    at = window.hold(offset, FRAME_HEADER_BYTES + length);
    if (at < 0) return undefined; // the file is shorter than `size`
    const start = at + FRAME_HEADER_BYTES;
    if (crc32(window.buffer, base, start, start + length) !== readU32(window.buffer, at + 4)) {
      offset++;
      continue;
    }
    const type = window.buffer[at + 12]!;
    if ((type === FRAME_WHOLE || type === FRAME_FIRST) && offset > from) {
      if (accept(window.buffer.subarray(start, start + length), type === FRAME_WHOLE)) return offset;
    }
    offset += FRAME_HEADER_BYTES + length; // a good frame: what looks like frames inside it is somebody's value
  }
}

/**
 * The first place at or after `at` whose bytes could be a frame's header by type, zeros and length alone, or one at which
 * a header and a byte no longer fit. Steps over what the zeros behind the type rule out at once.
 */
function nextPlausible(buffer: Uint8Array, at: number, filled: number): number {
  while (at + FRAME_HEADER_BYTES < filled) {
    if (buffer[at + 15] !== 0) at += 3;
    else if (buffer[at + 14] !== 0) at += 2;
    else if (buffer[at + 13] !== 0) at += 1;
    else if (buffer[at + 12] === 0) at += 4;
    else if (buffer[at + 12]! > FRAME_LAST) at += 1;
    else {
      const length = readU32(buffer, at + 8);
      if (length > 0 && length <= FRAME_BYTES_MAX) return at;
      at += 1;
    }
  }
  return at;
}

function headerHolds(buffer: Uint8Array, at: number, base: number): boolean {
  return crc32(buffer, base, at + 4, at + FRAME_HEADER_BYTES) === readU32(buffer, at);
}

function sequenceProblem(type: number, inside: boolean): string | undefined {
  if (type < FRAME_WHOLE || type > FRAME_FOOTER) return `unknown frame type ${type}`;
  const continues = type === FRAME_MIDDLE || type === FRAME_LAST;
  if (continues === inside) return undefined;
  const name = ["", "whole", "first", "middle", "last", "footer"][type];
  return inside ? `sequence: ${name} inside a split record` : `sequence: ${name} without first`;
}

/** The part of a file that is held in memory. It only moves on, and grows to what is asked to be held at once. */
class Window {
  buffer: Uint8Array;
  filled = 0;
  readonly #read: ReadBytes;
  readonly #size: number;
  #base: number;

  constructor(read: ReadBytes, size: number, start: number, capacity = CHUNK_BYTES) {
    this.#read = read;
    this.#size = size;
    this.#base = start;
    this.buffer = new Uint8Array(Math.max(0, Math.min(capacity, size - start)));
  }

  /** Where in `buffer` the `count` bytes at `offset` stand, at least; -1 when the file ends before them. */
  hold(offset: number, count: number): number {
    const at = offset - this.#base;
    if (at + count <= this.filled) return at;
    if (offset + count > this.#size) return -1;
    this.#moveTo(offset, count);
    return count <= this.filled ? 0 : -1;
  }

  /** Lets go of the memory. */
  drop(): void {
    this.buffer = new Uint8Array(0);
    this.filled = 0;
  }

  #moveTo(offset: number, count: number): void {
    const at = offset - this.#base;
    const old = this.buffer;
    const kept = Math.max(0, this.filled - at);
    if (count > old.length) this.buffer = new Uint8Array(Math.min(count + CHUNK_BYTES, this.#size - offset));
    this.buffer.set(old.subarray(this.filled - kept, this.filled));
    this.#base = offset;
    const wanted = Math.min(this.buffer.length, this.#size - offset);
    this.filled = kept + this.#read(this.buffer.subarray(kept, wanted), offset + kept);
  }
}
