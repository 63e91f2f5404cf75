/**
 * Tuples as keys whose order is the order of the tuples: the bytes of `../kv/keys.ts`, which are those of Deno KV, and the
 * same as text for key spaces whose keys are text.
 *
 * ```
 * text of a key  := part*
 * part           := U+0002 | the string, each U+0000 followed by U+00FF | U+0000
 *                 | the bytes of any other part, each as the character of that number
 * ```
 *
 * (1) Characters in order are their UTF-8 in order, so that the text orders as the bytes do.
 * (2) No part is the beginning of another one but for a string or bytes with a zero, where U+00FF follows; so what
 *     continues a tuple lies between its text and U+0028 behind it, which is above the first character of any part.
 *
 * Example: `["a", 1n, true]` is `"\x02a\0" + "\x15\x01" + "\x27"`.
 *
 * @module
 */
import { compareBytes, concatBytes, DETACHED, isDetached } from "../../base/bytes.ts";
import { describeValue } from "../../base/options.ts";
import { KEY_BYTES_MAX } from "../../db/data/keys.ts";
import { decodeKey, decodePartAt, encodeKey, PARTS_END, STRING } from "../kv/keys.ts";

/** What a tuple is made of. Of parts of different kinds the order is that of this list, but for numbers behind bigints. */
export type TuplePart = Uint8Array | string | number | bigint | boolean;

/** The keys between two others. */
export interface TupleRange<K> {
  /** The first key. */
  start: K;
  /** The first key that is not in the range any more. */
  end: K;
}

/** Tuples as keys, and back. */
export interface TupleKeys<K> {
  /**
   * The key of a tuple of one part or more. `TypeError` for a part that is none, `RangeError` for an empty tuple or one of
   * more than 65,535 bytes.
   */
  encode(parts: readonly TuplePart[]): K;
  /** The tuple of a key; `TypeError` for a key that is none. */
  decode(key: K): TuplePart[];
  /** The keys of all tuples that begin with these parts and go on; with no parts, of all tuples. */
  range(parts: readonly TuplePart[]): TupleRange<K>;
}

const ZERO_CHAR = "\0";
const ESCAPED_ZERO = "\0\xff";
const STRING_CHAR = String.fromCharCode(STRING);
const END_CHAR = String.fromCharCode(PARTS_END);

function checkParts(call: string, parts: unknown): asserts parts is readonly TuplePart[] {
  if (!Array.isArray(parts)) throw new TypeError(`${call}: a tuple must be an array, not ${describeValue(parts)}`);
  for (let i = 0; i < parts.length; i++) {
    const part: unknown = parts[i];
    if (typeof part === "string") {
      if (part.isWellFormed()) continue;
      throw new TypeError(`${call}: part ${i} has a lone surrogate, which is not text`);
    }
    if (typeof part === "number" || typeof part === "bigint" || typeof part === "boolean") continue;
    if (part instanceof Uint8Array) {
      if (!isDetached(part)) continue;
      throw new TypeError(`${call}: part ${i} ${DETACHED}`);
    }
    const remedy = part instanceof Date ? "; give its getTime()" : "";
    throw new TypeError(
      `${call}: part ${i} must be a string, number, bigint, boolean or Uint8Array, not ${describeValue(part)}${remedy}`,
    );
  }
}

/** The bytes of checked parts, of which the length alone can still be wrong. */
function bytesOf(call: string, parts: readonly TuplePart[]): Uint8Array {
  try {
    return encodeKey(parts);
  } catch (cause) {
    throw tooLong(call, cause);
  }
}

function tooLong(call: string, cause?: unknown): RangeError {
  return new RangeError(`${call}: the tuple has more than 65,535 bytes as a key`, { cause });
}

function assertNotEmpty(call: string, parts: readonly TuplePart[]): void {
  if (parts.length === 0) throw new RangeError(`${call}: the tuple is empty; a key has at least one part`);
}

function none(call: string, key: unknown, cause?: unknown): TypeError {
  return new TypeError(`${call}: ${describeValue(key)} is not the key of a tuple`, { cause });
}

/** The text of a tuple. */
function textOf(call: string, parts: readonly TuplePart[]): string {
  let text = "";
  for (const part of parts) {
    if (typeof part === "string") {
      text += STRING_CHAR + (part.includes(ZERO_CHAR) ? part.replaceAll(ZERO_CHAR, ESCAPED_ZERO) : part) + ZERO_CHAR;
    } else text += latin1(bytesOf(call, [part]));
  }
  return text;
}

/** Each byte as the character of that number. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function partsOf(text: string): TuplePart[] {
  // What is above a byte occurs in strings alone, which are not read from here.
  const bytes = Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i) & 0xff);
  const parts: TuplePart[] = [];
  for (let at = 0; at < text.length;) {
    if (bytes[at] !== STRING) {
      const { part, end } = decodePartAt(bytes, at);
      parts.push(part as TuplePart);
      at = end;
      continue;
    }
    let end = text.indexOf(ZERO_CHAR, at);
    while (text[end + 1] === "\xff") end = text.indexOf(ZERO_CHAR, end + 1);
    if (end < 0) throw new TypeError("a string without an end");
    parts.push(text.slice(at + 1, end).replaceAll(ESCAPED_ZERO, ZERO_CHAR));
    at = end + 1;
  }
  return parts;
}

const textKeys: TupleKeys<string> = {
  encode(parts) {
    checkParts("tuple.encode", parts);
    assertNotEmpty("tuple.encode", parts);
    const text = textOf("tuple.encode", parts);
    // Three bytes of UTF-8 at most for each character: short ones need not be counted.
    if (3 * text.length > KEY_BYTES_MAX && utf8Length(text) > KEY_BYTES_MAX) throw tooLong("tuple.encode");
    return text;
  },
  decode(key) {
    if (typeof key !== "string" || key === "") throw none("tuple.decode", key);
    try {
      const parts = partsOf(key);
      if (textOf("tuple.decode", parts) === key) return parts;
    } catch (cause) {
      throw none("tuple.decode", key, cause);
    }
    throw none("tuple.decode", key);
  },
  range(parts) {
    checkParts("tuple.range", parts);
    const text = textOf("tuple.range", parts);
    return { start: text + ZERO_CHAR, end: text + END_CHAR };
  },
};

const byteKeys: TupleKeys<Uint8Array> = {
  encode(parts) {
    checkParts("tuple.bytes.encode", parts);
    assertNotEmpty("tuple.bytes.encode", parts);
    return bytesOf("tuple.bytes.encode", parts);
  },
  decode(key) {
    if (!(key instanceof Uint8Array) || key.length === 0) throw none("tuple.bytes.decode", key);
    try {
      const parts = decodeKey(key) as TuplePart[];
      // The bytes of a number can be written in more than one way; only one of them is in order.
      if (compareBytes(encodeKey(parts), key) === 0) return parts;
    } catch (cause) {
      throw none("tuple.bytes.decode", key, cause);
    }
    throw none("tuple.bytes.decode", key);
  },
  range(parts) {
    checkParts("tuple.bytes.range", parts);
    const bytes = bytesOf("tuple.bytes.range", parts);
    return { start: concatBytes(bytes, Uint8Array.of(0)), end: concatBytes(bytes, Uint8Array.of(PARTS_END)) };
  },
};

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/**
 * Keys of several parts, in the order of the parts: strings by code points, numbers and bigints by their value (-0 below 0,
 * NaN above all), false before true, and a tuple before those that it begins. Of different kinds bytes come first, then
 * strings, bigints, numbers, booleans.
 *
 * `tuple` itself makes text keys; `tuple.bytes` those of key spaces with `keyEncoding: "bytes"`, the same as those of
 * `@holdfast/db/kv` and of Deno KV.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { tuple } from "@holdfast/db/typed";
 *
 * await using db = await DB.open(":memory:");
 * await db.set(tuple.encode(["visits", 7, 2]), "second");
 * await db.set(tuple.encode(["visits", 7, 10]), "tenth");
 * await db.set(tuple.encode(["visits", 70, 1]), "of another");
 * for await (const { key, value } of db.list(tuple.range(["visits", 7]))) {
 *   console.log(tuple.decode(key), value); // [ "visits", 7, 2 ] second, then [ "visits", 7, 10 ] tenth
 * }
 * ```
 */
export const tuple: TupleKeys<string> & {
  /** The same for key spaces whose keys are bytes. */
  readonly bytes: TupleKeys<Uint8Array>;
} = { ...textKeys, bytes: byteKeys };
