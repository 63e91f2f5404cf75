/**
 * JSON for programs. One value, one line.
 *
 * Bytes are `{ "base64": "..." }`; in entries, whose fields are named below, they are base64 with a field that says so.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Entry } from "../../db/data/entries.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Value } from "../../db/data/values.ts";

/** An entry as `--json` prints it, and as `import` reads it. */
export interface EntryJson {
  /** The key; base64 when `keyEncoding` says so. */
  key: string;
  /** There when the key is bytes that are no text. */
  keyEncoding?: "base64";
  /** The value; base64 when `encoding` says so. */
  value: unknown;
  /** There when the value is bytes. */
  encoding?: "base64";
  /** The namespaces it lies in, outermost first; absent in the root. */
  namespace?: readonly string[];
  /** Of the commit that wrote it. */
  version?: number;
  /** Of that commit, ms. */
  timestamp?: number;
  /** Absent without any. */
  tags?: readonly string[];
  /** ms, if it expires. */
  expiresAt?: number;
}

/** The entry's JSON form. */
export function entryJson(entry: Entry<Key>, namespace: readonly string[] = []): EntryJson {
  const { key, value, version, timestamp, tags, expiresAt } = entry;
  return {
    ...keyJson(key),
    ...valueJson(value),
    ...(namespace.length === 0 ? {} : { namespace }),
    version,
    timestamp,
    ...(tags.length === 0 ? {} : { tags }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** The fields that say what a key is. */
export function keyJson(key: Key): Pick<EntryJson, "key" | "keyEncoding"> {
  if (typeof key === "string") return { key };
  const text = textOf(key);
  return text === undefined ? { key: base64(key), keyEncoding: "base64" } : { key: text };
}

function valueJson(value: Value): Pick<EntryJson, "value" | "encoding"> {
  return value instanceof Uint8Array ? { value: base64(value), encoding: "base64" } : { value };
}

/** Base64 of bytes. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/** Bytes as text, where they are UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A value as one line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value, plain) ?? "null"}\n`;
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: base64(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return null;
  return value instanceof Error ? { name: value.name, message: value.message } : value;
}
