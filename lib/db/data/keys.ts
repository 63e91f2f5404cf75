/**
 * Keys: what users give and get, as the bytes that order them.
 *
 * A key has 1 to 65,535 bytes. A key space either has text keys (strings, stored as UTF-8; bytes are taken too when they
 * are UTF-8) or byte keys (`Uint8Array`; a string is taken as its UTF-8). What comes out has the key space's own type.
 *
 * @module
 */
import { copyBytes, decodeTextAt, DETACHED, encodeText, isDetached, isText } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { KeyEncoding } from "../../engine/types.ts";

/** A key: a string where keys are text, bytes where they are bytes. */
export type Key = string | Uint8Array;

/** The longest key, in bytes: a length fits 16 bits, and longer ones would make index blocks of nothing but keys. */
export const KEY_BYTES_MAX = 65_535;

/** Up to this many characters a loop beats the call into TextEncoder. */
const LOOP_CHARS_MAX = 40;

/** What a value is, for error messages. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === "boolean") return String(value);
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "bigint") return `the bigint ${value}n`;
  if (typeof value !== "object") return `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  const name: unknown = value.constructor?.name;
  if (typeof name !== "string" || name === "" || name === "Object") return "an object";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/** Whether `text` has a surrogate without its other half, which UTF-8 cannot hold. */
export function hasLoneSurrogate(text: string): boolean {
  return !text.isWellFormed();
}

/** `prefix` followed by the UTF-8 of `text`, in memory of its own. */
function appendText(prefix: Uint8Array, text: string): Uint8Array {
  if (text.length <= LOOP_CHARS_MAX) {
    const out = new Uint8Array(prefix.length + text.length);
    out.set(prefix);
    let at = prefix.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return appendBytes(prefix, encodeText(text));
      out[at++] = code;
    }
    return out;
  }
  return appendBytes(prefix, encodeText(text));
}

/** `prefix` followed by `bytes`, in memory of its own. */
function appendBytes(prefix: Uint8Array, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(prefix.length + bytes.length);
  out.set(prefix);
  out.set(bytes, prefix.length);
  return out;
}

/** The bytes of a key or bound behind `prefix`; checks all but the length. */
function encode(call: string, what: string, encoding: KeyEncoding, prefix: Uint8Array, key: unknown): Uint8Array {
  if (typeof key === "string") {
    if (hasLoneSurrogate(key)) {
      throw new TypeError(`${call}: the ${what} ${JSON.stringify(key)} has a lone surrogate, which is not text`);
    }
    return appendText(prefix, key);
  }
  if (!(key instanceof Uint8Array)) {
    const wanted = encoding === "utf8" ? "a string" : "a Uint8Array";
    throw new TypeError(`${call}: the ${what} must be ${wanted}, not ${nameOf(key)}`);
  }
  if (isDetached(key)) throw new TypeError(`${call}: the ${what} ${DETACHED}`);
  if (encoding === "utf8" && !isText(key)) {
    throw new TypeError(`${call}: the ${what} is bytes that are not UTF-8; such keys need keyEncoding "bytes"`);
  }
  return appendBytes(prefix, key);
}

/** The internal key of a user's key: `prefix` and the key's bytes, copied. */
export function encodeKey(call: string, encoding: KeyEncoding, prefix: Uint8Array, key: unknown): Uint8Array {
  const bytes = encode(call, "key", encoding, prefix, key);
  const length = bytes.length - prefix.length;
  if (length === 0) throw new RangeError(`${call}: the key is empty; a key has 1 to 65,535 bytes`);
  if (length > KEY_BYTES_MAX) {
    throw new RangeError(`${call}: the key has ${length.toLocaleString("en")} bytes; a key has 1 to 65,535 bytes`);
  }
  return bytes;
}

/** Memory for short keys that are only looked up, by length. */
const lookups: Uint8Array[] = [];

/** As `encodeKey`, perhaps in memory that the next call overwrites: for lookups that are over by then. */
export function lookupKey(call: string, encoding: KeyEncoding, prefix: Uint8Array, key: unknown): Uint8Array {
  if (typeof key !== "string" || key.length === 0 || key.length > LOOP_CHARS_MAX) {
    return encodeKey(call, encoding, prefix, key);
  }
  const start = prefix.length;
  const length = start + key.length;
  const out = lookups[length] ??= new Uint8Array(length);
  for (let i = 0; i < start; i++) out[i] = prefix[i]!;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    if (code >= 0x80) return encodeKey(call, encoding, prefix, key);
    out[start + i] = code;
  }
  return out;
}

/** The internal key of a bound (`start`, `end`, `prefix`), which may be empty and one byte longer than a key. */
export function encodeBound(
  call: string,
  what: string,
  encoding: KeyEncoding,
  prefix: Uint8Array,
  bound: unknown,
): Uint8Array {
  const bytes = encode(call, what, encoding, prefix, bound);
  const length = bytes.length - prefix.length;
  if (length > KEY_BYTES_MAX + 1) {
    throw new RangeError(`${call}: ${what} has ${length.toLocaleString("en")} bytes; a key has 1 to 65,535 bytes`);
  }
  return bytes;
}

/** The user's key in an internal key, in memory of its own. */
export function decodeKey(encoding: KeyEncoding, internalKey: Uint8Array, prefixLength: number): Key {
  if (encoding === "bytes") return copyBytes(internalKey.subarray(prefixLength));
  try {
    return decodeTextAt(internalKey, prefixLength, internalKey.length);
  } catch (cause) {
    throw new HoldfastError(
      "CORRUPTION",
      "Cannot read a key: it is no text, though its checksum holds; restore a backup or run DB.repair (CORRUPTION)",
      { cause },
    );
  }
}
