/**
 * What a schema is here: any object with the property `~standard` of Standard Schema, version 1. zod, valibot, arktype and
 * others have it, so none of them is imported, and any of them may be handed in.
 *
 * Only what is called is named; the schemas of these libraries have more and fit all the same.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";

/** A schema of Standard Schema: it takes an `Input` and makes an `Output` of it, or says what is wrong with it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What makes it one. */
  readonly "~standard": StandardSchemaFace<Input, Output>;
}

/** What Standard Schema asks of a schema. */
export interface StandardSchemaFace<Input = unknown, Output = Input> {
  /** The version of Standard Schema. */
  readonly version: 1;
  /** Whose it is, such as `"zod"`. */
  readonly vendor: string;
  /** Judges a value. */
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  /** For the compiler alone. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

/** What a schema says of a value: what it made of it, or what is wrong. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong with a value. */
export interface StandardIssue {
  /** What is wrong. */
  readonly message: string;
  /** The way to it from the value as a whole. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["input"];

/** What a schema makes of it. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];

/** Refuses what is no schema of Standard Schema. */
export function checkSchema(call: string, schema: unknown): StandardSchema | undefined {
  if (schema === undefined) return undefined;
  // arktype's are functions.
  const isHolder = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const face = isHolder ? (schema as Partial<StandardSchema>)["~standard"] : undefined;
  if (typeof face?.validate !== "function") {
    const given = typeof schema === "function" ? "a function without it" : describeValue(schema);
    throw new TypeError(
      `${call}: option "schema" must be a Standard Schema, with the property "~standard", not ${given}`,
    );
  }
  if (face.version !== 1) {
    throw new TypeError(`${call}: option "schema" is of version ${String(face.version)} of Standard Schema, not of 1`);
  }
  return schema as StandardSchema;
}
