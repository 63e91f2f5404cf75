/**
 * Items as entries: values, expiry, and what is known of them.
 *
 * @module
 */
import { encodeText } from "../../base/bytes.ts";
import { describeValue } from "../../base/options.ts";
import type { Entry } from "../../db/data/entries.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Storable, Value } from "../../db/data/values.ts";
import type { HoldfastItemMeta, HoldfastItemValue } from "./driver_types.ts";

/** A value as `getItem` gives it. Bytes that are no text have replacement characters, as a file read as text has. */
export function itemValue(value: Value | undefined): HoldfastItemValue {
  if (value === undefined) return null;
  return value instanceof Uint8Array ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(value) : value;
}

/** What `setItemRaw` was given, as a value; any kind of memory is bytes. */
export function rawValue(value: unknown): Storable {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value as Storable;
}

/** What to keep beside a value that vanishes after `ttl` seconds. */
export function expiryIn(call: string, ttl: unknown): { expireIn?: number } {
  if (ttl === undefined || ttl === null || ttl === 0) return {};
  if (typeof ttl !== "number") {
    throw new TypeError(`${call}: ttl must be a number of seconds, not ${describeValue(ttl)}`);
  }
  if (!(ttl > 0)) throw new RangeError(`${call}: ttl must be a number of seconds above 0, not ${ttl}`);
  return ttl === Infinity ? {} : { expireIn: Math.min(ttl * 1000, Number.MAX_SAFE_INTEGER) };
}

/** What is known of an entry, at the time `now`. */
export function metaOf(entry: Entry<Key>, now: number): HoldfastItemMeta {
  const { value, timestamp, version, expiresAt } = entry;
  const meta: HoldfastItemMeta = { mtime: new Date(timestamp), size: sizeOf(value), version };
  if (expiresAt !== undefined) meta.ttl = Math.max(0, (expiresAt - now) / 1000);
  return meta;
}

function sizeOf(value: Value): number {
  if (value instanceof Uint8Array) return value.length;
  return encodeText(typeof value === "string" ? value : JSON.stringify(value)).length;
}
