/**
 * Codecs: values of a program as values of the database, and back.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import { DEPTH_MAX } from "../../db/data/json.ts";
import type { Storable, Value } from "../../db/data/values.ts";
import { loadStructuredCodec } from "../kv/structured.ts";
import { fromStored, toStored } from "../kv/values.ts";
import { writtenPath } from "./path.ts";

/**
 * Makes of a value what the database keeps, and of that the value again. Both are synchronous and see a value of its own;
 * what `encode` throws is what the writing call rejects with.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { type Codec, typed } from "@holdfast/db/typed";
 *
 * const url: Codec<URL> = {
 *   encode: (value) => value.href,
 *   decode: (stored) => new URL(stored as string),
 * };
 * await using db = await DB.open(":memory:");
 * const links = typed(db.namespace("links"), { codec: url });
 * await links.set("home", new URL("https://example.org/"));
 * console.log((await links.get("home"))?.host); // example.org
 * ```
 */
export interface Codec<T> {
  /** What the database keeps of a value: bytes, a string or JSON. */
  encode(value: T): Storable;
  /** The value of what was kept. */
  decode(stored: Value): T;
}

/**
 * The codec that is used unless another is given: bytes, strings and JSON, as the database keeps them anyway. What JSON
 * would give back as something else (a `Date`, an instance of a class, `undefined` in an array, a property of an array, or
 * one with a symbol for a name) is a `TypeError` with the path to it, so that types stay true. Two things are as
 * `JSON.stringify` has them, as types allow for them: a property that is `undefined` is left out, and -0 becomes 0.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { json } from "@holdfast/db/typed";
 *
 * assert.throws(() => json().encode({ born: new Date() }), /value\.born is a Date/);
 * ```
 */
export function json<T>(): Codec<T> {
  return ours({
    encode(value) {
      if (typeof value !== "string" && !((value as unknown) instanceof Uint8Array)) checkPlain(value, [], new Set());
      return value as Storable;
    },
    decode: (stored) => stored as T,
  });
}

/**
 * The codec for all that can be cloned: `Date`, `Map`, `Set`, `bigint`, `undefined`, `NaN`, errors, typed arrays, cycles.
 * What JSON can say is kept as JSON all the same. The format is that of `@holdfast/db/kv`. It needs the package `devalue`,
 * and rejects with `HoldfastError` (`NOT_INSTALLED`) without it.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { structured, typed } from "@holdfast/db/typed";
 *
 * await using db = await DB.open(":memory:");
 * const people = typed(db.namespace("people"), { codec: await structured<{ born: Date; likes: Set<string> }>() });
 * await people.set("ada", { born: new Date("1815-12-10"), likes: new Set(["looms"]) });
 * console.log((await people.get("ada"))?.born.getUTCFullYear()); // 1815
 * ```
 */
export async function structured<T>(): Promise<Codec<T>> {
  const codec = await loadStructuredCodec("keep values that are more than JSON");
  return ours({
    encode: (value) => toStored(codec, value),
    decode: (stored) => fromStored(codec, stored) as T,
  });
}

/** The codecs that were made here: their errors are told with the call and the key, those of others are left as they are. */
const OURS = new WeakSet<object>();

function ours<T>(codec: Codec<T>): Codec<T> {
  OURS.add(codec);
  return codec;
}

/** Whether a codec was made here. */
export function isOurs(codec: object): boolean {
  return OURS.has(codec);
}

/** A codec that was given as an option, or `json()`; `TypeError` for what is none. */
export function checkCodec(call: string, codec: unknown): Codec<unknown> {
  if (codec === undefined) return json();
  const { encode, decode } = (codec ?? {}) as Partial<Codec<unknown>>;
  if (typeof encode === "function" && typeof decode === "function") return codec as Codec<unknown>;
  const hint = codec instanceof Promise ? "; structured() has to be awaited" : "";
  throw new TypeError(
    `${call}: option "codec" must be an object with encode and decode, not ${describeValue(codec)}${hint}`,
  );
}

/** Refuses what JSON would change without a word; what it can't hold at all, or not so deep, the database itself refuses. */
function checkPlain(value: unknown, path: PropertyKey[], open: Set<object>): void {
  if (typeof value !== "object" || value === null || open.has(value) || path.length > DEPTH_MAX) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isArray = Array.isArray(value);
  const plain = isArray || prototype === null || prototype === Object.prototype;
  if (!plain || typeof (value as { toJSON?: unknown }).toJSON === "function") {
    refuse(path, plain ? "an object with toJSON" : describeValue(value));
  }
  if (isArray) checkArray(value, prototype, path);
  if (Object.getOwnPropertySymbols(value).some((name) => Object.prototype.propertyIsEnumerable.call(value, name))) {
    refuse(path, "an object with a symbol for a name");
  }
  open.add(value);
  for (const name of isArray ? value.keys() : Object.keys(value)) {
    const item = (value as Record<PropertyKey, unknown>)[name];
    path.push(name);
    if (isArray && item === undefined) refuse(path, "undefined");
    checkPlain(item, path, open);
    path.pop();
  }
  open.delete(value);
}

/** Refuses an array that is more than its items. */
function checkArray(array: readonly unknown[], prototype: unknown, path: readonly PropertyKey[]): void {
  const name: unknown = (prototype as { constructor?: { name?: unknown } } | null)?.constructor?.name;
  // By its name: another realm has an Array of its own.
  if (name !== "Array") refuse(path, `an array of the class ${String(name)}`);
  const names = Object.keys(array);
  // Items come first. Those that are missing are refused as what they are, undefined.
  const more = names.at(-1);
  if (more !== undefined && !(Number(more) < array.length)) refuse(path, `an array with the property "${more}"`);
}

function refuse(path: readonly PropertyKey[], what: string): never {
  // A promise is what no codec keeps: somebody has not waited for the value.
  const remedy = what === "a Promise" ? "await it" : "use the codec of structured()";
  throw new TypeError(`${writtenPath(path)} is ${what}, which JSON gives back as something else; ${remedy}`);
}
