/**
 * Values: bytes, text and JSON. The kind is stored with the entry, so what goes in comes out.
 *
 * JSON is what `JSON.stringify` makes of the value, except that it drops or bends nothing silently: NaN, infinities,
 * bigint, functions, symbols, cycles, Map, Set, promises, errors, bytes and lone surrogates are refused with the path to
 * them.
 *
 * @module
 */
import { decodeTextAt, DETACHED, encodeText, isDetached } from "../../base/bytes.ts";
import { HoldfastError, UnsupportedFormatError } from "../../base/errors.ts";
import { copyOut } from "../../base/small_copies.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT } from "../../format/cell.ts";
import { hasLoneSurrogate, nameOf } from "./keys.ts";
import { checkJson, isShared, jsonText } from "./json.ts";

/** What JSON can say. Properties that are `undefined` are left out, as `JSON.stringify` does. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** What an entry holds: bytes, a string, or JSON. */
export type Value = Uint8Array | string | Json;

/**
 * What may be written: a `Value`, or any object that `JSON.stringify` turns into JSON (a class instance, an object with
 * `toJSON` such as a `Date`). What can't be kept is refused with a `TypeError` that names the path to it.
 */
export type Storable = Value | object;

/** The largest value, in bytes (256 MiB): it must fit one log record, one allocation and one string in every runtime. */
export const VALUE_BYTES_MAX: number = 256 * 2 ** 20;

/** A value as it is stored. */
export interface EncodedValue {
  /** `KIND_BYTES`, `KIND_TEXT` or `KIND_JSON`. */
  kind: number;
  /** Its bytes; for bytes the caller's own memory, which whoever keeps them must copy. */
  payload: Uint8Array;
}

function checkSize(call: string, bytes: number): void {
  if (bytes > VALUE_BYTES_MAX) {
    throw new RangeError(`${call}: the value has ${bytes.toLocaleString("en")} bytes; a value has at most 256 MiB`);
  }
}

/** The stored form of a value, or a `TypeError` or `RangeError` that says why there is none. */
export function encodeValue(call: string, value: unknown): EncodedValue {
  if (typeof value === "string") {
    checkSize(call, value.length);
    if (hasLoneSurrogate(value)) {
      throw new TypeError(`${call}: the value has a lone surrogate, which is not text; store it as bytes`);
    }
    const payload = encodeText(value);
    checkSize(call, payload.length);
    return { kind: KIND_TEXT, payload };
  }
  if (value instanceof Uint8Array) {
    if (isDetached(value)) throw new TypeError(`${call}: the value ${DETACHED}`);
    checkSize(call, value.length);
    return { kind: KIND_BYTES, payload: value };
  }
  if (value === undefined) {
    throw new TypeError(`${call}: undefined is no value; use null, or delete the key`);
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || isShared(value)) {
    throw new TypeError(`${call}: the value is ${nameOf(value)}; pass its bytes as a Uint8Array`);
  }
  const text = checkJson(call, value) ? JSON.stringify(value) : jsonText(call, value);
  checkSize(call, text.length);
  const payload = encodeText(text);
  checkSize(call, payload.length);
  return { kind: KIND_JSON, payload };
}

/** The value of stored bytes, sharing no memory with them. */
export function decodeValue(kind: number, payload: Uint8Array): Value {
  return decodeValueAt(kind, payload, 0, payload.length);
}

/** As `decodeValue`, of memory that nobody else has: bytes are given out as they are. */
export function takeValue(kind: number, payload: Uint8Array): Value {
  return kind === KIND_BYTES ? payload : decodeValue(kind, payload);
}

/** As `decodeValue`, of the bytes from `start` to `end`, without a view of them. */
export function decodeValueAt(kind: number, bytes: Uint8Array, start: number, end: number): Value {
  if (kind === KIND_BYTES) return copyOut(bytes, start, end);
  if (kind === KIND_TEXT || kind === KIND_JSON) {
    try {
      const text = decodeTextAt(bytes, start, end);
      return kind === KIND_TEXT ? text : JSON.parse(text);
    } catch (cause) {
      throw new HoldfastError(
        "CORRUPTION",
        `Cannot read the value: it is no ${kind === KIND_TEXT ? "text" : "JSON"}, though its checksum holds; ` +
          "restore a backup or run DB.repair (CORRUPTION)",
        { cause },
      );
    }
  }
  throw new UnsupportedFormatError(
    `Cannot read the value: it is of kind ${kind}, which this release does not know; use a newer one (UNSUPPORTED_FORMAT)`,
    `value kind ${kind}`,
    "value kinds 0 to 2",
  );
}
