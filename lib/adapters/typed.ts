/**
 * Values of known types: `@holdfast/db/typed`. A namespace or database is given a schema (zod, valibot, arktype, or any
 * other of Standard Schema), a codec, or both: what does not match is refused, and types follow. Beside it: keys of several
 * parts, in order (`tuple`).
 *
 * It loads no package by itself. A schema comes from whoever has one; only `structured()` needs `devalue`.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { typed } from "@holdfast/db/typed";
 * import * as z from "zod";
 *
 * await using db = await DB.open(":memory:");
 * const users = typed(db.namespace("users"), {
 *   schema: z.object({ name: z.string(), role: z.enum(["admin", "guest"]).default("guest") }),
 * });
 * await users.set("ada", { name: "Ada" });
 * const ada = await users.get("ada"); // { name: string; role: "admin" | "guest" } | undefined
 * console.log(ada?.role); // guest
 * ```
 *
 * @module
 */
import { booleanOption, checkOptions, describeValue } from "../base/options.ts";
import type { Key } from "../db/data/keys.ts";
import type { Value } from "../db/data/values.ts";
import { KeySpace } from "../db/key_space.ts";
import { checkCodec, type Codec } from "./typed/codec.ts";
import { Shape } from "./typed/shape.ts";
import { checkSchema, type SchemaInput, type SchemaOutput, type StandardSchema } from "./typed/standard_schema.ts";
import { TypedSpace } from "./typed/typed_space.ts";

export { type Codec, json, structured } from "./typed/codec.ts";
export { AsyncSchemaError, InvalidValueError, type ValueIssue } from "./typed/errors.ts";
export type { TypedView } from "./typed/inside.ts";
export type {
  SchemaInput,
  SchemaOutput,
  StandardIssue,
  StandardResult,
  StandardSchema,
  StandardSchemaFace,
} from "./typed/standard_schema.ts";
export { tuple, type TupleKeys, type TuplePart, type TupleRange } from "./typed/tuple.ts";
export { TypedAtomic } from "./typed/typed_atomic.ts";
export { TypedReader } from "./typed/typed_reader.ts";
export { TypedSnapshot } from "./typed/typed_snapshot.ts";
export { type TypedChange, type TypedItem, TypedSpace } from "./typed/typed_space.ts";
export { TypedTransaction } from "./typed/typed_transaction.ts";

/** Options of `typed` without a schema. */
export interface CodecOptions<T> {
  /** How values are kept. Default: `json()`. */
  codec?: Codec<T> | undefined;
}

/** Options of `typed` with a schema. */
export interface SchemaOptions<S extends StandardSchema> {
  /** What values are. What it makes of a value (defaults filled in, texts turned into numbers) is what is kept. */
  schema: S;
  /** How what it made is kept. Default: `json()`. */
  codec?: Codec<SchemaOutput<S>> | undefined;
  /**
   * Has what is read go through the schema again, for entries that were written by other means or for an older schema: what
   * doesn't match is an `InvalidValueError`, and what the schema makes of it (defaults of new fields) is what is given. The
   * schema must then take what it makes. Default: false.
   */
  validateReads?: boolean | undefined;
}

/**
 * A database or namespace whose values have the types of a schema. Nothing is written or remembered by making one.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { DB } from "@holdfast/db";
 * import { InvalidValueError, typed } from "@holdfast/db/typed";
 * import * as v from "valibot";
 *
 * await using db = await DB.open(":memory:");
 * const points = typed(db.namespace("points"), { schema: v.object({ at: v.tuple([v.number(), v.number()]) }) });
 * await points.set("origin", { at: [0, 0] });
 * await assert.rejects(
 *   points.set("nowhere", { at: [0, "north"] as unknown as [number, number] }),
 *   (error) => error instanceof InvalidValueError && error.message.includes('Cannot set "nowhere": value.at[1]: '),
 * );
 * console.log(await points.count()); // 1
 * ```
 */
export function typed<S extends StandardSchema, K extends Key>(
  space: KeySpace<K>,
  options: SchemaOptions<S>,
): TypedSpace<K, SchemaInput<S>, SchemaOutput<S>>;
/** Without a schema: the type is what you know it to be, nothing checks it, and the codec keeps it. */
export function typed<T = Value, K extends Key = string>(
  space: KeySpace<K>,
  options?: CodecOptions<T>,
): TypedSpace<K, T, T>;
/** As above, where keys are bytes. */
export function typed<T = Value>(
  space: KeySpace<Uint8Array>,
  options?: CodecOptions<T>,
): TypedSpace<Uint8Array, T, T>;
export function typed(space: KeySpace<Key>, options?: object): TypedSpace<Key, unknown, unknown> {
  if (!(space instanceof KeySpace)) {
    throw new TypeError(`typed: expected a database or a namespace, not ${describeValue(space)}`);
  }
  const checked = checkOptions("typed", options, ["schema", "codec", "validateReads"]);
  const schema = checkSchema("typed", checked["schema"]);
  const validateReads = booleanOption("typed", checked, "validateReads", false);
  if (validateReads && schema === undefined) {
    throw new TypeError('typed: option "validateReads" needs a schema to validate by');
  }
  return new TypedSpace(
    space,
    new Shape<unknown, unknown>(schema, checkCodec("typed", checked["codec"]), validateReads),
  );
}
