/**
 * Keys and values between Level and Holdfast.
 *
 * Level knows bytes, and strings as their UTF-8; which of both is wanted is said with every read. Holdfast keeps the kind of
 * each value, so text written here is text in exports and for `DB.open`; JSON that was written there reads as its text here.
 *
 * @module
 */
import { copyBytes, decodeTextAt, encodeText } from "../../base/bytes.ts";
import { describeValue } from "../../base/options.ts";
import type { Value } from "../../db/data/values.ts";
import { LevelError } from "./errors.ts";

/** A key or a value, encoded by Level. */
export type Data = string | Uint8Array;

/** What Level wants: a string or bytes. Its third, `"buffer"`, it makes of bytes itself. */
export type Format = "utf8" | "view";

/** Of bytes that are not UTF-8, Level's text has a replacement character for what can't be read, as Node's `Buffer` has. */
const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * What Holdfast is given: strings with what UTF-8 can't hold replaced, as Level does; views of any kind as their bytes.
 * `TypeError` for what an encoding must not make: one of the user's own, or JSON of a function.
 */
export function storable(data: Data | ArrayBufferView): Data {
  if (typeof data === "string") return data.toWellFormed();
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError(`the encoding makes ${describeValue(data)} of it, and neither a string nor bytes`);
}

/** As `storable`, for a key: by Level's name, when it can be none. */
export function storableKey(data: Data | ArrayBufferView): Data {
  try {
    return storable(data);
  } catch (error) {
    throw new LevelError("LEVEL_INVALID_KEY", (error as TypeError).message, error);
  }
}

/** The bytes of a key, in memory of their own. */
export function keyBytes(data: Data | ArrayBufferView): Uint8Array {
  const key = storableKey(data);
  return typeof key === "string" ? encodeText(key) : copyBytes(key);
}

/** What Holdfast gave, as Level wants it. */
export function wanted(value: Value, format: Format): Data {
  if (typeof value === "string") return format === "utf8" ? value : encodeText(value);
  if (value instanceof Uint8Array) return format === "utf8" ? textAt(value, 0) : value;
  const json = JSON.stringify(value);
  return format === "utf8" ? json : encodeText(json);
}

/** The text of bytes from `start` on, as Level reads it. */
export function textAt(bytes: Uint8Array, start: number): string {
  try {
    return decodeTextAt(bytes, start, bytes.length);
  } catch {
    return lossyDecoder.decode(bytes.subarray(start));
  }
}
