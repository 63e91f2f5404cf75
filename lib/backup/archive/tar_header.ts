/**
 * The 512-byte header of a tar member (POSIX ustar) and the extended header (pax) that says what does not fit into it.
 *
 * ```
 * offset  size  field
 *      0   100  name, UTF-8, zero-padded
 *    100     8  mode       octal digits and a zero byte, as all numbers
 *    108     8  owner        116   8  group
 *    124    12  size       up to 8 GiB - 1 in octal; GNU tar: first byte 80 and a big-endian number
 *    136    12  time       seconds since the Unix epoch
 *    148     8  checksum   sum of the header's bytes with this field as spaces
 *    156     1  type       '0' or zero: file, '5' directory, 'x' pax header of the next member, 'g' of all, 'L' GNU long name
 *    157   100  link target
 *    257     8  "ustar" zero "00" (GNU: "ustar  " zero)
 *    265   ...  owner and group names, device numbers
 *    345   155  prefix: stands before the name with a slash between
 * ```
 *
 * A member is its header, then its bytes, zero-padded to a multiple of 512; two blocks of zeros end the archive. A pax
 * header is a member of type 'x' whose bytes are records `LENGTH KEY=VALUE\n`, LENGTH counting the whole record:
 * `19 size=8589934592\n`. The file "a" of 3 bytes begins `61 00 00 ...`, its size field is `"00000000003" 00`.
 *
 * @module
 */
import { DecodeError, decodeText, encodeText } from "../../base/bytes.ts";

/** Everything in a tar file is padded to this. */
export const TAR_BLOCK = 512;
/** What the fields of size and time can say in octal. */
const OCTAL_MAX = 8 ** 11 - 1;

/** A header taken apart. */
export interface TarHeader {
  /** The name, with the prefix before it. */
  name: string;
  /** How many bytes follow. */
  size: number;
  /** The type as its character; "0" for a file. */
  type: string;
}

/** The header blocks of a regular file: a pax header before them where name or size need one. */
export function encodeTarHeader(name: string, size: number, timeMs: number): Uint8Array {
  const nameBytes = encodeText(name);
  const records: string[] = [];
  if (nameBytes.length > 100) records.push(paxRecord("path", name));
  if (size > OCTAL_MAX) records.push(paxRecord("size", String(size)));
  // The field ends in the year 2242.
  const seconds = Math.min(Math.max(0, Math.floor(timeMs / 1000)), OCTAL_MAX);
  const own = ustar(nameBytes.subarray(0, 100), size > OCTAL_MAX ? 0 : size, seconds, "0");
  if (records.length === 0) return own;
  const pax = encodeText(records.join(""));
  const out = new Uint8Array(TAR_BLOCK + padded(pax.length) + TAR_BLOCK);
  out.set(ustar(encodeText("PaxHeader"), pax.length, seconds, "x"));
  out.set(pax, TAR_BLOCK);
  out.set(own, TAR_BLOCK + padded(pax.length));
  return out;
}

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
}

function ustar(name: Uint8Array, size: number, seconds: number, type: string): Uint8Array {
  const block = new Uint8Array(TAR_BLOCK);
  block.set(name);
  octal(block, 100, 8, 0o644);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  octal(block, 124, 12, size);
  octal(block, 136, 12, seconds);
  block[156] = type.charCodeAt(0);
  block.set(encodeText("ustar\x0000"), 257);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  octal(block, 148, 7, sum);
  return block;
}

function octal(block: Uint8Array, at: number, length: number, value: number): void {
  block.set(encodeText(value.toString(8).padStart(length - 1, "0")), at);
  block[at + length - 1] = 0;
}

/** One pax record; its length counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = encodeText(` ${key}=${value}\n`).length;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Takes a header apart; undefined for a block of zeros. Throws `DecodeError` when it is no tar header. */
export function decodeTarHeader(block: Uint8Array): TarHeader | undefined {
  let sum = 0;
  let zeros = true;
  for (let i = 0; i < TAR_BLOCK; i++) {
    const byte = block[i]!;
    if (byte !== 0) zeros = false;
    sum += i >= 148 && i < 156 ? 0x20 : byte;
  }
  if (zeros) return undefined;
  if (number(block, 148, 8) !== sum) throw new DecodeError("the header's checksum is wrong", 148);
  const typeByte = block[156]!;
  const type = typeByte === 0 ? "0" : String.fromCharCode(typeByte);
  let name = text(block, 0, 100);
  // GNU tar puts times where ustar has the prefix; its magic tells them apart.
  if (text(block, 257, 6) === "ustar" && block[263] === 0x30) {
    const prefix = text(block, 345, 155);
    if (prefix !== "") name = `${prefix}/${name}`;
  }
  return { name, size: number(block, 124, 12), type };
}

/** The records of a pax header. Throws `DecodeError` when they don't hold together. */
export function decodePax(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? "" : latin(bytes.subarray(at, space));
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    if (length === 0 || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end) {
      throw new DecodeError("a broken extended header", at);
    }
    const key = latin(bytes.subarray(space + 1, equals));
    // Only what is used must be UTF-8: other keys may hold anything.
    if (key === "path" || key === "size") records.set(key, utf8(bytes.subarray(equals + 1, end - 1), at));
    else records.set(key, "");
    at = end;
  }
  return records;
}

function text(block: Uint8Array, at: number, length: number): string {
  const zero = block.subarray(at, at + length).indexOf(0);
  return utf8(block.subarray(at, at + (zero < 0 ? length : zero)), at);
}

function utf8(bytes: Uint8Array, at: number): string {
  try {
    return decodeText(bytes);
  } catch {
    throw new DecodeError("a name that is not UTF-8", at);
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 1000));
}

/** An octal number padded with spaces or zeros, or GNU's binary form. */
function number(block: Uint8Array, at: number, length: number): number {
  if (block[at]! & 0x80) {
    let value = block[at]! & 0x7f;
    for (let i = at + 1; i < at + length; i++) {
      value = value * 256 + block[i]!;
      if (value > Number.MAX_SAFE_INTEGER) throw new DecodeError("an absurd number", at);
    }
    return value;
  }
  const digits = latin(block.subarray(at, at + length)).replace(/\0.*$/s, "").trim();
  if (!/^[0-7]*$/.test(digits)) throw new DecodeError("a number that is not octal", at);
  return digits === "" ? 0 : parseInt(digits, 8);
}
