/**
 * Keys: tuples as bytes whose order is the order of the tuples. The bytes are those that Deno KV makes of a key.
 *
 * ```
 * key        := part*
 * part       := 01 | escaped bytes | 00                  Uint8Array
 *             | 02 | escaped UTF-8 | 00                  string
 *             | 0a | length u16 ^ ffff | ~magnitude      bigint below -(2^2040)          (not in Deno KV)
 *             | 0b | length u8 ^ ff | ~magnitude         bigint, 9 to 255 bytes, negative
 *             | 14 - length | ~magnitude                 bigint, 1 to 8 bytes, negative
 *             | 14                                       0n
 *             | 14 + length | magnitude                  bigint, 1 to 8 bytes
 *             | 1d | length u8 | magnitude               bigint, 9 to 255 bytes
 *             | 1e | length u16 | magnitude              bigint, from 2^2040 on          (not in Deno KV)
 *             | 21 | f64, big-endian: all bits inverted when negative, the sign bit alone otherwise
 *             | 26 | 27                                  false, true
 * ```
 *
 * Escaped: each 00 is followed by ff. A lone surrogate is written as U+FFFD, as Deno does. Every NaN is one and the same,
 * above Infinity; -0 is below 0, and another key.
 *
 * Example: `["a", 1n, true]` is `02 61 00  15 01  27`.
 *
 * @module
 */
import { decodeText, decodeTextAt, encodeText, isDetached } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { KEY_BYTES_MAX } from "../../db/data/keys.ts";
import type { KvKey, KvKeyPart } from "./types.ts";

const BYTES = 0x01;
/** Before the UTF-8 of a string. */
export const STRING = 0x02;
const NEGATIVE_LONG = 0x0a;
const NEGATIVE = 0x0b;
const ZERO = 0x14;
const POSITIVE = 0x1d;
const POSITIVE_LONG = 0x1e;
const NUMBER = 0x21;
const FALSE = 0x26;
const TRUE = 0x27;

/** Above the first byte of any part: `prefix` and this byte are above all keys that begin with `prefix`. */
export const PARTS_END = 0x28;

/** Length and value of a bigint whose length stands in its tag. */
const SHORT_BYTES = 8;

/** Where keys are put together; the result is a copy of what was written. */
let scratch = new Uint8Array(1024);
let view = new DataView(scratch.buffer);
let used = 0;

function reserve(bytes: number): void {
  if (used + bytes <= scratch.length) return;
  const larger = new Uint8Array(Math.max(used + bytes, 2 * scratch.length));
  larger.set(scratch.subarray(0, used));
  scratch = larger;
  view = new DataView(scratch.buffer);
}

function writeEscaped(bytes: Uint8Array): void {
  if (bytes.length > KEY_BYTES_MAX) throw tooLarge();
  reserve(2 * bytes.length + 1);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    scratch[used++] = byte;
    if (byte === 0) scratch[used++] = 0xff;
  }
  scratch[used++] = 0;
}

function writeString(text: string): void {
  // No character has less than a byte, and the memory for a longer one would be kept.
  if (text.length > KEY_BYTES_MAX) throw tooLarge();
  reserve(2 * text.length + 2);
  scratch[used++] = STRING;
  const start = used;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      used = start;
      return writeEscaped(encodeText(text.toWellFormed()));
    }
    scratch[used++] = code;
    if (code === 0) scratch[used++] = 0xff;
  }
  scratch[used++] = 0;
}

function writeNumber(value: number): void {
  reserve(9);
  scratch[used++] = NUMBER;
  if (Number.isNaN(value)) {
    // Whatever bits it has.
    view.setBigUint64(used, 0xfff8_0000_0000_0000n);
  } else {
    view.setFloat64(used, value);
    const high = view.getUint32(used);
    const negative = high >= 0x8000_0000;
    view.setUint32(used, negative ? ~high : high ^ 0x8000_0000);
    if (negative) view.setUint32(used + 4, ~view.getUint32(used + 4));
  }
  used += 8;
}

function writeBigint(value: bigint): void {
  if (value === 0n) {
    reserve(1);
    scratch[used++] = ZERO;
    return;
  }
  const negative = value < 0n;
  let hex = (negative ? -value : value).toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  const length = hex.length / 2;
  if (length > KEY_BYTES_MAX) throw tooLarge();
  reserve(3 + length);
  const flip = negative ? 0xff : 0;
  if (length <= SHORT_BYTES) {
    scratch[used++] = negative ? ZERO - length : ZERO + length;
  } else if (length <= 0xff) {
    scratch[used++] = negative ? NEGATIVE : POSITIVE;
    scratch[used++] = length ^ flip;
  } else {
    scratch[used++] = negative ? NEGATIVE_LONG : POSITIVE_LONG;
    scratch[used++] = (length >> 8) ^ flip;
    scratch[used++] = (length & 0xff) ^ flip;
  }
  for (let i = 0; i < hex.length; i += 2) scratch[used++] = Number.parseInt(hex.slice(i, i + 2), 16) ^ flip;
}

function writePart(part: unknown): void {
  switch (typeof part) {
    case "string":
      return writeString(part);
    case "number":
      return writeNumber(part);
    case "bigint":
      return writeBigint(part);
    case "boolean":
      reserve(1);
      scratch[used++] = part ? TRUE : FALSE;
      return;
    case "object":
      if (!ArrayBuffer.isView(part)) break;
      reserve(1);
      scratch[used++] = BYTES;
      return writeEscaped(bytesOf(part));
  }
  throw new TypeError("expected string, number, bigint, ArrayBufferView, boolean");
}

function bytesOf(part: ArrayBufferView): Uint8Array {
  if (part instanceof Uint8Array && isDetached(part)) throw new TypeError("a detached ArrayBufferView has no bytes");
  return part instanceof Uint8Array ? part : new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}

function tooLarge(): TypeError {
  return new TypeError(`Key too large (max ${KEY_BYTES_MAX} bytes)`);
}

/** The bytes of a key, which may be empty: `TypeError` for what is none. */
export function encodeKey(key: unknown): Uint8Array {
  if (!Array.isArray(key)) throw new TypeError(`A key must be an array, not ${key === null ? "null" : typeof key}`);
  used = 0;
  for (let i = 0; i < key.length; i++) {
    writePart(key[i]);
    if (used > KEY_BYTES_MAX) throw tooLarge();
  }
  return scratch.slice(0, used);
}

/** The bytes of a key that is to be written, or checked: an empty one can't be. */
export function encodeEntryKey(key: unknown): Uint8Array {
  const bytes = encodeKey(key);
  if (bytes.length === 0) throw new TypeError("key cannot be empty");
  return bytes;
}

/** What is being read, and how far it was. */
let source: Uint8Array = scratch;
let at = 0;

/** The key of its bytes. */
export function decodeKey(bytes: Uint8Array): KvKey {
  source = bytes;
  at = 0;
  const key: KvKeyPart[] = [];
  while (at < bytes.length) key.push(readPart(bytes[at++]!));
  return key;
}

/** The part that begins at `start`, and where it ends. */
export function decodePartAt(bytes: Uint8Array, start: number): { part: KvKeyPart; end: number } {
  source = bytes;
  at = start + 1;
  const part = readPart(bytes[start]!);
  return { part, end: at };
}

function readPart(tag: number): KvKeyPart {
  switch (tag) {
    case STRING:
    case BYTES:
      return readEscaped(tag === STRING);
    case NUMBER:
      return readNumber();
    case FALSE:
    case TRUE:
      return tag === TRUE;
    case POSITIVE:
    case NEGATIVE: {
      const length = source[take(1)]!;
      return tag === POSITIVE ? readBigint(length, 0) : readBigint(length ^ 0xff, 0xff);
    }
    case POSITIVE_LONG:
    case NEGATIVE_LONG: {
      const length = source[take(1)]! << 8 | source[take(1)]!;
      return tag === POSITIVE_LONG ? readBigint(length, 0) : readBigint(length ^ 0xffff, 0xff);
    }
  }
  const length = tag - ZERO;
  if (Math.abs(length) > SHORT_BYTES) throw noKey();
  return length < 0 ? readBigint(-length, 0xff) : readBigint(length, 0);
}

/** Goes on by so many bytes; returns where they begin. */
function take(length: number): number {
  const start = at;
  at += length;
  if (at > source.length) throw noKey();
  return start;
}

function readEscaped(isText: boolean): string | Uint8Array {
  const start = at;
  let escapes = 0;
  let end = start;
  for (;; end++) {
    if (end >= source.length) throw noKey();
    if (source[end] !== 0) continue;
    if (source[end + 1] !== 0xff) break;
    escapes++;
    end++;
  }
  at = end + 1;
  if (escapes === 0) return isText ? decodeTextAt(source, start, end) : new Uint8Array(source.subarray(start, end));
  const bytes = new Uint8Array(end - start - escapes);
  let to = 0;
  for (let from = start; from < end; from++) {
    bytes[to++] = source[from]!;
    if (source[from] === 0) from++;
  }
  return isText ? decodeText(bytes) : bytes;
}

function readBigint(length: number, flip: number): bigint {
  if (length === 0) return 0n;
  const start = take(length);
  let hex = "0x";
  for (let i = start; i < at; i++) hex += (source[i]! ^ flip).toString(16).padStart(2, "0");
  return flip === 0 ? BigInt(hex) : -BigInt(hex);
}

const eight = new DataView(new ArrayBuffer(8));

function readNumber(): number {
  const start = take(8);
  const flip = source[start]! < 0x80 ? 0xff : 0;
  eight.setUint8(0, source[start]! ^ (flip === 0 ? 0x80 : 0xff));
  for (let i = 1; i < 8; i++) eight.setUint8(i, source[start + i]! ^ flip);
  return eight.getFloat64(0);
}

function noKey(): HoldfastError {
  return new HoldfastError(
    "CORRUPTION",
    "Cannot read a key: it is none of Deno KV's, though its checksum holds; the database was written to by other means " +
      "(CORRUPTION)",
  );
}
