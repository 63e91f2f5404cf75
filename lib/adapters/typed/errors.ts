/**
 * The errors of typed use.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import { keepNames } from "../../base/class_names.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { Key } from "../../db/data/keys.ts";
import { UNREADABLE } from "../kv/structured.ts";
import { writtenPath } from "./path.ts";
import type { StandardIssue } from "./standard_schema.ts";

/** One thing that is wrong with a value. */
export interface ValueIssue {
  /** What the schema says of it. */
  readonly message: string;
  /** The way to it from the value as a whole; [] for the value itself. */
  readonly path: readonly PropertyKey[];
}

/**
 * A value does not match the schema (`INVALID_VALUE`): it was not written, or, with `validateReads`, it was found in the
 * database as something else than the schema says.
 */
export class InvalidValueError extends HoldfastError {
  /** Always `"INVALID_VALUE"`. */
  declare readonly code: "INVALID_VALUE";
  /** All that is wrong. */
  readonly issues: readonly ValueIssue[];
  /** The key of the entry; undefined where there is none, as in `parse`. */
  readonly key: Key | undefined;

  /** Names the call, the key and the first thing that is wrong. */
  constructor(call: string, key: Key | undefined, issues: readonly StandardIssue[]) {
    // The lists of some libraries are of classes of their own.
    const all = issues.map(({ message, path = [] }) => ({ message, path: Array.from(path, stepOf) }));
    const [first = { message: "it is refused", path: [] }] = all;
    const more = all.length > 1 ? ` (and ${all.length - 1} more)` : "";
    const at = key === undefined ? "" : ` ${showKey(key)}`;
    super("INVALID_VALUE", `Cannot ${call}${at}: ${writtenPath(first.path)}: ${first.message}${more} (INVALID_VALUE)`);
    this.issues = all;
    this.key = key;
  }
}

/** A schema answered with a promise where the value is needed at once (`ASYNC_SCHEMA`); `get`, `list` and `set` wait. */
export class AsyncSchemaError extends HoldfastError {
  /** Always `"ASYNC_SCHEMA"`. */
  declare readonly code: "ASYNC_SCHEMA";
  /** Names the call and the key. */
  constructor(call: string, key: Key) {
    super(
      "ASYNC_SCHEMA",
      `Cannot ${call} ${
        showKey(key)
      }: the schema is asynchronous and can't answer at once; use the asynchronous form, or ` +
        "leave validateReads out (ASYNC_SCHEMA)",
    );
  }
}

keepNames({ InvalidValueError, AsyncSchemaError });

/** An error of a codec of ours, with the call and the key that it was about. */
export function atKey(call: string, key: Key, error: unknown): unknown {
  const details = { cause: error };
  const about = `Cannot ${call} ${showKey(key)}`;
  if (error instanceof TypeError) return new TypeError(`${about}: ${error.message}`, details);
  if (error instanceof RangeError) return new RangeError(`${about}: ${error.message}`, details);
  if (!(error instanceof HoldfastError) || !error.message.startsWith(UNREADABLE)) return error;
  return new HoldfastError(error.code, `${about}${error.message.slice(UNREADABLE.length)}`, details);
}

function stepOf(step: PropertyKey | { readonly key: PropertyKey }): PropertyKey {
  return typeof step === "object" ? step.key : step;
}

function showKey(key: unknown): string {
  if (key instanceof Uint8Array) return `0x${toHex(key.subarray(0, 30))}${key.length > 30 ? "..." : ""}`;
  return JSON.stringify(typeof key === "string" && key.length > 60 ? `${key.slice(0, 57)}...` : key) ?? String(key);
}
