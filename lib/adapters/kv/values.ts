/**
 * Values as the database keeps them. What can be kept as it is, is: bytes as bytes, text as text, plain data as JSON, so
 * that an export, a portable backup or `kv.database` shows it as such. All else is an object with one property:
 *
 * ```
 * {"$u64": "42"}        a KvU64
 * {"$kv": "..."}        text of structured.ts: Map, Set, Date, bigint, undefined, NaN, errors, cycles, bytes within ...
 * ```
 *
 * A user's own object of that shape is kept in the second form, so that what is read is never mistaken.
 *
 * @module
 */
import { DEPTH_MAX } from "../../db/data/json.ts";
import type { Json } from "../../db/data/values.ts";
import type { StructuredCodec } from "./structured.ts";
import { KvU64, u64Of } from "./u64.ts";

/** A value in the form in which it is stored. */
export type Stored = Uint8Array | string | Json;

const U64 = "$u64";
const STRUCTURED = "$kv";

/** The stored form of a value, which may share memory with it; `TypeError` for one that can't be kept. */
export function toStored(codec: StructuredCodec, value: unknown): Stored {
  if (typeof value === "string") return value.isWellFormed() ? value : structured(codec, value);
  if (value instanceof Uint8Array) {
    if (!(value.buffer instanceof ArrayBuffer)) throw new TypeError("a view of shared memory could not be cloned.");
    return value;
  }
  const u64 = u64Of(value);
  if (u64 !== undefined) return { [U64]: u64.toString() };
  if (typeof value === "object" && value !== null) {
    if (!isPlain(value, new Set(), 1) || isReserved(value)) return structured(codec, value);
    return value as Json;
  }
  return isPlainLeaf(value) ? value as Json : structured(codec, value);
}

/** The value of its stored form. */
export function fromStored(codec: StructuredCodec, stored: unknown): unknown {
  if (typeof stored !== "object" || stored === null || !isReserved(stored)) return stored;
  const { [U64]: u64, [STRUCTURED]: text } = stored as { [U64]?: unknown; [STRUCTURED]?: unknown };
  const whole = typeof u64 === "string" && /^\d{1,20}$/.test(u64) ? BigInt(u64) : -1n;
  // Twenty digits may say more than 64 bits do.
  if (BigInt.asUintN(64, whole) === whole) return new KvU64(whole);
  return codec.decode(String(text));
}

function structured(codec: StructuredCodec, value: unknown): Stored {
  return { [STRUCTURED]: codec.encode(value) };
}

/** Whether an object has the shape that stands for something else. */
function isReserved(value: object): boolean {
  return (U64 in value || STRUCTURED in value) && Object.keys(value).length === 1;
}

function isPlainLeaf(value: unknown): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "boolean":
      return true;
    default:
      return value === null;
  }
}

/** Whether JSON keeps all that a clone would. `seen`: what was met; an object met twice is one that JSON would double. */
function isPlain(value: object, seen: Set<object>, depth: number): boolean {
  if (seen.has(value) || depth > DEPTH_MAX) return false;
  seen.add(value);
  // JSON would ask it, a clone doesn't.
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return false;
  const keys = Object.keys(value);
  if (Array.isArray(value)) {
    // Holes, or properties beside the items.
    if (keys.length !== value.length) return false;
    for (let i = 0; i < value.length; i++) if (!isPlainItem(value[i], seen, depth)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key of keys) {
    if (!key.isWellFormed() || !isPlainItem((value as Record<string, unknown>)[key], seen, depth)) return false;
  }
  return true;
}

function isPlainItem(item: unknown, seen: Set<object>, depth: number): boolean {
  return typeof item === "object" && item !== null ? isPlain(item, seen, depth + 1) : isPlainLeaf(item);
}
