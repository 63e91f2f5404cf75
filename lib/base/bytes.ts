/**
 * Byte strings: order, joining, UTF-8, variable-length integers.
 *
 * A varint is LEB128: seven bits a byte, least significant first, the top bit set on all but the last byte. Values go up
 * to 2^53 - 1, so a varint is at most 8 bytes long. Example: 300 = `ac 02`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { HoldfastError } from "./errors.ts";

/** No bytes at all. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** A varint is at most this long: ceil(53 / 7). */
export const VARINT_BYTES_MAX = 8;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const { copy, latin1Slice } = Buffer.prototype as unknown as {
  copy(this: Uint8Array, target: Uint8Array, at: number, start: number, end: number): number;
  latin1Slice(this: Uint8Array, start: number, end: number): string;
};

/** Negative, zero or positive as `a` sorts before, with or after `b` by unsigned bytes, a prefix first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < n; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** Whether both hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Whether `bytes` begins with `prefix`. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (prefix.length > bytes.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** How many leading bytes `a` and `b` share. */
export function sharedPrefix(a: Uint8Array, b: Uint8Array): number {
  const n = a.length < b.length ? a.length : b.length;
  let i = 0;
  while (i < n && a[i] === b[i]) i++;
  return i;
}

/** All parts in a row, copied. */
export function concatBytes(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A copy that shares no memory with `bytes` (also of a Node `Buffer`, whose `slice` would share). */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/**
 * Whether the memory of `bytes` is gone: transferred to another thread, or its buffer was made too short for it. It then
 * has no length and no bytes, as one that was empty all along, and only what uses it tells them apart.
 */
export function isDetached(bytes: Uint8Array): boolean {
  if (bytes.length > 0) return false;
  try {
    bytes.at(0);
    return false;
  } catch {
    return true;
  }
}

/** What to say of such bytes. */
export const DETACHED = "is bytes whose memory is gone: it was transferred, or its buffer made shorter; give a copy";

/** Up to here a loop beats a native call. */
const LOOP_BYTES_MAX = 16;

/**
 * Copies `source[start, end)` to `target` at `at`. Of a part, `set` needs a view, which takes longer than the copy and leaves
 * garbage.
 */
export function copyRange(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start <= LOOP_BYTES_MAX) { for (let i = start; i < end; i++) target[at++] = source[i]!; }
  else if (end - start === source.length) target.set(source, at);
  else copy.call(source, target, at, start, end);
}

/** The first byte string behind another. */
export function behindKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The smallest byte string greater than every string with this prefix; undefined when there is none (all 0xff). */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  let n = prefix.length;
  while (n > 0 && prefix[n - 1] === 0xff) n--;
  if (n === 0) return undefined;
  const end = prefix.slice(0, n);
  end[n - 1]! += 1;
  return end;
}

/**
 * Strings up to this length are encoded here as long as they are ASCII: the call into `TextEncoder` and the buffer it makes
 * cost more than a loop over so few characters.
 */
const SHORT_TEXT = 96;

/** UTF-8 of a string. Lone surrogates must have been refused before. */
export function encodeText(text: string): Uint8Array {
  const { length } = text;
  if (length > SHORT_TEXT) return encoder.encode(text);
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    out[i] = code;
  }
  return out;
}

/** The string of UTF-8 bytes; throws `TypeError` when they are not UTF-8. A leading byte order mark is kept. */
export function decodeText(bytes: Uint8Array): string {
  return decodeTextAt(bytes, 0, bytes.length);
}

/**
 * As `decodeText`, of `bytes[start, end)`. Short texts are mostly ASCII, and a call into TextDecoder, with a view made for
 * it, costs two to four times as much as looking at each byte before they are taken as they are.
 */
export function decodeTextAt(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT_TEXT) {
    let at = start;
    while (at < end && bytes[at]! < 0x80) at++;
    if (at === end) return latin1Slice.call(bytes, start, end);
  }
  return decoder.decode(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
}

/** Whether the bytes are well-formed UTF-8. */
export function isText(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += byte.toString(16).padStart(2, "0");
  return out;
}

/** How many bytes the varint of `value` takes. */
export function varintLength(value: number): number {
  let n = 1;
  while (value >= 0x80) {
    value = Math.floor(value / 0x80);
    n++;
  }
  return n;
}

/** Grows as it is written to: the one way this code builds bytes of unknown length. */
export class ByteWriter {
  /** The memory written to so far; only `[0, length)` is meaningful. */
  buffer: Uint8Array;
  /** How many bytes have been written. */
  length = 0;

  /** Starts with room for so many bytes, or in the memory given. */
  constructor(room: number | Uint8Array = 256) {
    this.buffer = typeof room === "number" ? new Uint8Array(room) : room;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(need, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  /** One byte. */
  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  /** Four bytes, little-endian. */
  u32(value: number): void {
    this.reserve(4);
    writeU32(this.buffer, this.length, value);
    this.length += 4;
  }

  /** Eight bytes, little-endian; up to 2^53 - 1. */
  u64(value: number): void {
    this.reserve(8);
    writeU32(this.buffer, this.length, value >>> 0);
    writeU32(this.buffer, this.length + 4, Math.floor(value / 2 ** 32));
    this.length += 8;
  }

  /** A varint. */
  varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    this.length = writeVarint(this.buffer, this.length, value);
  }

  /** The bytes as they are. */
  bytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A varint of the length, then the bytes. */
  prefixed(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  /** What has been written, as a view that later writes may overwrite. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** What has been written, as a copy of its own. */
  take(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  /** Forgets what was written, keeps the memory. */
  reset(): void {
    this.length = 0;
  }
}

/** Writes a varint at `at`; returns the position behind it. The caller made room. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    if (value < 0x80000000) {
      buffer[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    } else {
      buffer[at++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
  }
  buffer[at++] = value;
  return at;
}

/** Four bytes, little-endian. */
export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
  buffer[at + 2] = value >>> 16;
  buffer[at + 3] = value >>> 24;
}

/** Four bytes, little-endian, unsigned. The caller checked the bounds. */
export function readU32(buffer: Uint8Array, at: number): number {
  return (buffer[at]! | (buffer[at + 1]! << 8) | (buffer[at + 2]! << 16) | (buffer[at + 3]! << 24)) >>> 0;
}

/**
 * Raised by `ByteReader` when bytes run out or don't mean anything (`CORRUPTION`). Decoders turn it into an error that names
 * the file; where only another program can have written what can't be read, under right checksums, it comes as it is.
 */
export class DecodeError extends HoldfastError {
  /** Where in the bytes read, from their start. */
  readonly offset: number;

  /** Says what was expected at `offset`. */
  constructor(message: string, offset: number) {
    super("CORRUPTION", message);
    this.offset = offset;
  }
}

/** Reads what `ByteWriter` wrote, refusing to run past the end. */
export class ByteReader {
  /** The bytes read from. */
  readonly buffer: Uint8Array;
  /** The next position to read. */
  at: number;
  /** Reading stops before this position. */
  readonly end: number;

  /** Reads `buffer[start, end)`. */
  constructor(buffer: Uint8Array, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.end - this.at;
  }

  /** One byte. */
  u8(): number {
    if (this.at >= this.end) throw new DecodeError("bytes end early", this.at);
    return this.buffer[this.at++]!;
  }

  /** Four bytes, little-endian. */
  u32(): number {
    if (this.end - this.at < 4) throw new DecodeError("bytes end early", this.at);
    const value = readU32(this.buffer, this.at);
    this.at += 4;
    return value;
  }

  /** Eight bytes, little-endian; refuses what is not exact as a number. */
  u64(): number {
    const start = this.at;
    const low = this.u32();
    const high = this.u32();
    if (high >= 0x200000) throw new DecodeError("number above 2^53 - 1", start);
    return high * 2 ** 32 + low;
  }

  /** A varint; refuses more than 8 bytes and what is not exact as a number. */
  varint(): number {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (let n = 0; n < VARINT_BYTES_MAX; n++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError("number above 2^53 - 1", start);
        return value;
      }
      scale *= 0x80;
    }
    throw new DecodeError("varint longer than 8 bytes", start);
  }

  /** The next `count` bytes as a view. */
  bytes(count: number): Uint8Array {
    const start = this.pass(count);
    return this.buffer.subarray(start, this.at);
  }

  /** Passes the next `count` bytes; answers where they begin. */
  pass(count: number): number {
    const start = this.at;
    if (count > this.end - start) throw new DecodeError("bytes end early", start);
    this.at = start + count;
    return start;
  }

  /** A length as varint, then that many bytes, as a view. */
  prefixed(): Uint8Array {
    return this.bytes(this.varint());
  }
}
