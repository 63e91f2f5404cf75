/**
 * A record as a JSON object, in the words of skv's JSON 1.0 as far as they go.
 *
 * ```
 * {"key":"username","value":"alice","encoding":"text"}               a text
 * {"key":"binary_data","value":"AQIDBA==","encoding":"base64"}       bytes
 * ```
 *
 * What skv has no word for goes into further fields, which its readers pass over, and only where needed: `kind` ("json":
 * the value is JSON text; "text": it is text, though given as base64 for its length), `key_encoding` ("base64": the key
 * is not UTF-8), `namespace` (names, outermost first), `tags`, `expires_at` (ms since the Unix epoch).
 *
 * skv's released code writes objects of its own, which are read too: `{"key","value","is_binary":false}`, and for bytes
 * `{"key","value_b64"}`, with or without `"is_binary":true`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { decodeText, encodeText, isText } from "../../base/bytes.ts";
import { IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT } from "../../format/cell.ts";
import { NAMESPACE_DEPTH_MAX, NAMESPACE_NAME_BYTES_MAX } from "../../format/catalog.ts";
import type { PortableRecord } from "./record.ts";

/** Keys are at most this long, as everywhere in the database. */
const KEY_BYTES_MAX = 65_535;
/** Values are at most this long, as everywhere in the database. */
const VALUE_BYTES_MAX = 256 * 2 ** 20;
/** As at a write: so many tags, each so long. */
const TAGS_MAX = 64;
const TAG_BYTES_MAX = 255;
/**
 * Texts above this are written as base64: escaped, a text can grow sixfold, and the longest allowed one would then
 * exceed the longest string that JavaScript can hold.
 */
const TEXT_BYTES_MAX = 64 * 2 ** 20;

/** The record as one line of JSON. */
export function recordToJson(record: PortableRecord): string {
  const { kind, value } = record;
  const textKey = isText(record.key);
  const asText = kind !== KIND_BYTES && value.length <= TEXT_BYTES_MAX;
  let out = `{"key":${textKey ? JSON.stringify(decodeText(record.key)) : `"${base64(record.key)}"`}`;
  out += `,"value":${asText ? JSON.stringify(decodeText(value)) : `"${base64(value)}"`}`;
  out += `,"encoding":"${asText ? "text" : "base64"}"`;
  if (kind === KIND_JSON) out += ',"kind":"json"';
  else if (kind === KIND_TEXT && !asText) out += ',"kind":"text"';
  if (!textKey) out += ',"key_encoding":"base64"';
  if (record.namespace.length > 0) out += `,"namespace":${JSON.stringify(record.namespace)}`;
  if (record.tags.length > 0) out += `,"tags":${JSON.stringify(record.tags)}`;
  if (record.expiresAt !== undefined) out += `,"expires_at":${record.expiresAt}`;
  return `${out}}`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/** Takes a parsed record apart; `where` says which one it is ("record 3 of dump.json"). */
export function recordFromJson(object: unknown, where: string): PortableRecord {
  if (typeof object !== "object" || object === null || Array.isArray(object)) {
    throw refusal(where, "it is not an object");
  }
  const fields = object as Record<string, unknown>;
  const key = readKey(fields, where);
  const value = readValue(fields, where);
  if (value.bytes.length > VALUE_BYTES_MAX) {
    throw refusal(where, `its value of ${value.bytes.length} bytes is above the limit of ${VALUE_BYTES_MAX}`);
  }
  const expiresAt = own(fields, "expires_at") ?? undefined;
  if (expiresAt !== undefined && (typeof expiresAt !== "number" || !Number.isSafeInteger(expiresAt) || expiresAt < 0)) {
    throw refusal(where, `its "expires_at" is not a time in ms`);
  }
  return {
    namespace: names(own(fields, "namespace"), where),
    key,
    kind: value.kind,
    value: value.bytes,
    tags: tags(own(fields, "tags"), where),
    expiresAt,
  };
}

/** A field of the object itself, never one of its prototype. */
function own(fields: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function readKey(fields: Record<string, unknown>, where: string): Uint8Array {
  const text = own(fields, "key");
  if (typeof text !== "string") throw refusal(where, 'its "key" is missing or not a string');
  const encoding = own(fields, "key_encoding") ?? "text";
  let key: Uint8Array;
  if (encoding === "text") key = utf8(text, "key", where);
  else if (encoding === "base64") key = fromBase64(text, "key", where);
  else throw unknown(where, "key_encoding", encoding, "text, base64");
  if (key.length === 0 || key.length > KEY_BYTES_MAX) {
    throw refusal(where, `its key has ${key.length} bytes, where 1 to ${KEY_BYTES_MAX} are allowed`);
  }
  return key;
}

function readValue(fields: Record<string, unknown>, where: string): { kind: number; bytes: Uint8Array } {
  const value = own(fields, "value");
  const b64 = own(fields, "value_b64");
  const binary = own(fields, "is_binary");
  const encoding = own(fields, "encoding");
  if (encoding === undefined && typeof b64 === "string" && binary !== false && (b64 !== "" || value === undefined)) {
    return { kind: KIND_BYTES, bytes: fromBase64(b64, "value_b64", where) };
  }
  if (typeof value !== "string") {
    // Go leaves an empty string out when told to omit empty fields.
    if (value === undefined && binary !== undefined) {
      return { kind: binary ? KIND_BYTES : KIND_TEXT, bytes: new Uint8Array(0) };
    }
    throw refusal(where, 'its "value" is missing or not a string');
  }
  const how = encoding ?? (binary === true ? "base64" : "text");
  if (how !== "text" && how !== "base64") throw unknown(where, "encoding", how, "text, base64");
  const bytes = how === "text" ? utf8(value, "value", where) : fromBase64(value, "value", where);
  const kind = own(fields, "kind") ?? (how === "text" ? "text" : "bytes");
  if (kind === "bytes") return { kind: KIND_BYTES, bytes };
  if (kind !== "text" && kind !== "json") throw unknown(where, "kind", kind, "bytes, text, json");
  if (how === "base64" && !isText(bytes)) throw refusal(where, `its value should be ${kind} but is not UTF-8`);
  if (kind === "text") return { kind: KIND_TEXT, bytes };
  try {
    JSON.parse(how === "text" ? value : decodeText(bytes));
  } catch (cause) {
    throw refusal(where, "its value should be JSON but is not", cause);
  }
  return { kind: KIND_JSON, bytes };
}

/** Names of a namespace path; [] when there are none. */
export function names(value: unknown, where: string): string[] {
  return strings(value, "namespace", where, NAMESPACE_NAME_BYTES_MAX, NAMESPACE_DEPTH_MAX);
}

function tags(value: unknown, where: string): string[] {
  return strings(value, "tags", where, TAG_BYTES_MAX, TAGS_MAX);
}

function strings(value: unknown, field: string, where: string, bytesMax: number, countMax: number): string[] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value as unknown[] : [value];
  if (list.length > countMax) throw refusal(where, `its "${field}" has ${list.length} items, more than ${countMax}`);
  return list.map((item) => {
    if (typeof item !== "string") throw refusal(where, `its "${field}" holds something that is not a string`);
    const length = utf8(item, field, where).length;
    if (length === 0 || length > bytesMax) {
      throw refusal(where, `its "${field}" holds a string of ${length} bytes, where 1 to ${bytesMax} are allowed`);
    }
    return item;
  });
}

function utf8(text: string, field: string, where: string): Uint8Array {
  if (!text.isWellFormed()) throw refusal(where, `its "${field}" holds half of a surrogate pair`);
  return encodeText(text);
}

function fromBase64(text: string, field: string, where: string): Uint8Array {
  // A line break now and then is what some encoders write.
  const compact = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) {
    throw refusal(where, `its "${field}" is not base64`);
  }
  const decoded = Buffer.from(compact, "base64");
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.length);
}

function refusal(where: string, what: string, cause?: unknown): IntegrityError {
  return new IntegrityError(`Cannot read ${where}: ${what}; nothing was restored`, { cause });
}

function unknown(where: string, field: string, found: unknown, supported: string): UnsupportedFormatError {
  // Not `String`, which asks the object itself what it is called.
  const shown = JSON.stringify(found).slice(0, 80);
  return new UnsupportedFormatError(
    `Cannot read ${where}: its "${field}" is ${shown}, and this release knows ${supported}; use a newer release`,
    typeof found === "string" ? found.slice(0, 80) : shown,
    supported,
  );
}
