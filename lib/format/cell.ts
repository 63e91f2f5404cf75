/**
 * A cell: what a row holds beside key, version and time. The same bytes in log, memtable and table.
 *
 * ```
 * cell  := flags u8 | [expiresAt varint]      when flag bit 6 is set, ms since the Unix epoch
 *                   | [tags]                  when flag bit 7 is set
 *                   | payload                 the rest
 * flags := bits 0-1 operation: 0 delete, 1 set, 2 blob pointer
 *          bits 2-5 value kind: 0 bytes, 1 text, 2 JSON, 3-15 kept for codecs
 *          bit 6 has expiry, bit 7 has tags
 * tags  := count u8 | count x (length u8 | UTF-8 bytes)
 * ```
 *
 * The payload of a set is the value's bytes (text and JSON as UTF-8), of a delete nothing, of a blob pointer the
 * pointer (see `blob.ts`). Example: the text "hi" without tags or expiry is `05 68 69`; a delete is `00`.
 *
 * @module
 */
import { ByteReader, type ByteWriter, DecodeError, decodeTextAt, EMPTY_BYTES, varintLength } from "../base/bytes.ts";

/** What a row does to its key. */
export const OP_DELETE = 0;
/** The payload is the value. */
export const OP_SET = 1;
/** The payload points into a blob file. */
export const OP_BLOB = 2;

/** The value is bytes. */
export const KIND_BYTES = 0;
/** The value is a string. */
export const KIND_TEXT = 1;
/** The value is JSON. */
export const KIND_JSON = 2;

const HAS_EXPIRY = 0x40;
const HAS_TAGS = 0x80;

/** The cell of a delete. */
export const DELETE_CELL: Uint8Array = new Uint8Array([OP_DELETE]);

/** A cell taken apart; `payload` is a view. */
export interface Cell {
  /** `OP_DELETE`, `OP_SET` or `OP_BLOB`. */
  op: number;
  /** `KIND_BYTES`, `KIND_TEXT`, `KIND_JSON`. */
  kind: number;
  /** ms since the Unix epoch, when it expires at all. */
  expiresAt: number | undefined;
  /** In the order given at the write. */
  tags: string[];
  /** The value, or the blob pointer. */
  payload: Uint8Array;
}

/** Writes the cell of a set (or, with `op`, of a blob pointer) to `out`. Tags are UTF-8, 1-255 bytes each, at most 64. */
export function writeCell(
  out: ByteWriter,
  kind: number,
  payload: Uint8Array,
  tags: readonly Uint8Array[] = [],
  expiresAt?: number,
  op: number = OP_SET,
): void {
  out.u8(op | (kind << 2) | (expiresAt === undefined ? 0 : HAS_EXPIRY) | (tags.length === 0 ? 0 : HAS_TAGS));
  if (expiresAt !== undefined) out.varint(expiresAt);
  if (tags.length > 0) {
    out.u8(tags.length);
    for (const tag of tags) {
      out.u8(tag.length);
      out.bytes(tag);
    }
  }
  out.bytes(payload);
}

/** How many bytes `writeCell` writes for these. */
export function cellLength(payload: Uint8Array, tags: readonly Uint8Array[] = [], expiresAt?: number): number {
  let length = 1 + payload.length;
  if (expiresAt !== undefined) length += varintLength(expiresAt);
  if (tags.length > 0) {
    length += 1 + tags.length;
    for (const tag of tags) length += tag.length;
  }
  return length;
}

/** The operation in a cell's first byte. */
export function cellOp(flags: number): number {
  return flags & 3;
}

/** The value kind in a cell's first byte. */
export function cellKind(flags: number): number {
  return (flags >>> 2) & 15;
}

/** Whether the cell with this first byte expires. */
export function cellHasExpiry(flags: number): boolean {
  return (flags & HAS_EXPIRY) !== 0;
}

/** Whether the cell with this first byte is a set, and all behind that byte is the value. */
export function isPlainSet(flags: number): boolean {
  return (flags & (3 | HAS_EXPIRY | HAS_TAGS)) === OP_SET;
}

/** When the cell expires, or undefined: read without taking the rest apart. */
export function cellExpiry(cell: Uint8Array): number | undefined {
  return (cell[0]! & HAS_EXPIRY) === 0 ? undefined : new ByteReader(cell, 1).varint();
}

/** Takes a cell apart; throws `DecodeError` when it isn't one. */
export function readCell(cell: Uint8Array): Cell {
  const { payloadStart, ...head } = readCellHead(cell, 0, cell.length);
  return { ...head, payload: payloadStart === cell.length ? EMPTY_BYTES : cell.subarray(payloadStart) };
}

/** A cell but for its payload. */
export interface CellHead extends Omit<Cell, "payload"> {
  /** Where in the bytes the payload begins; it ends with the cell. */
  payloadStart: number;
}

/** As `readCell` for the cell in `bytes[start, end)`, without a view of it. */
export function readCellHead(bytes: Uint8Array, start: number, end: number): CellHead {
  if (start >= end) throw new DecodeError("empty cell", start);
  const flags = bytes[start]!;
  const op = cellOp(flags);
  if (op === 3) throw new DecodeError("unknown operation 3", start);
  const kind = cellKind(flags);
  if ((flags & (HAS_EXPIRY | HAS_TAGS)) === 0) {
    return { op, kind, expiresAt: undefined, tags: [], payloadStart: start + 1 };
  }
  const reader = new ByteReader(bytes, start + 1, end);
  const expiresAt = flags & HAS_EXPIRY ? reader.varint() : undefined;
  const tags: string[] = [];
  if (flags & HAS_TAGS) {
    for (let n = reader.u8(); n > 0; n--) {
      const at = reader.pass(reader.u8());
      tags.push(tagText(bytes, at, reader.at));
    }
  }
  return { op, kind, expiresAt, tags, payloadStart: reader.at };
}

/** Whether the cell in `bytes[start, end)` has this tag (UTF-8); `DecodeError` where the cell ends within its tags. */
export function cellHasTag(bytes: Uint8Array, start: number, end: number, tag: Uint8Array): boolean {
  const flags = bytes[start]!;
  if ((flags & HAS_TAGS) === 0) return false;
  const reader = new ByteReader(bytes, start + 1, end);
  if (flags & HAS_EXPIRY) reader.varint();
  for (let n = reader.u8(); n > 0; n--) {
    const at = reader.pass(reader.u8());
    if (reader.at - at !== tag.length) continue;
    let i = 0;
    while (i < tag.length && bytes[at + i] === tag[i]) i++;
    if (i === tag.length) return true;
  }
  return false;
}

function tagText(bytes: Uint8Array, start: number, end: number): string {
  try {
    return decodeTextAt(bytes, start, end);
  } catch {
    throw new DecodeError("tag is not text", start - 1);
  }
}

/** The same cell with another operation and payload: how a value moves into a blob file and back. */
export function replacePayload(cell: Uint8Array, op: number, payload: Uint8Array): Uint8Array {
  const head = cell.length - readCell(cell).payload.length;
  const out = new Uint8Array(head + payload.length);
  out.set(cell.subarray(0, head));
  out[0] = (cell[0]! & ~3) | op;
  out.set(payload, head);
  return out;
}
