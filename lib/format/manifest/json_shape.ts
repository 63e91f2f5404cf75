/**
 * Checks that parsed JSON is what it should be, field by field, before anything relies on it. A shape takes a value and
 * where it stands, and returns it in its proper type or throws.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Says what is wrong at which field. */
export class ShapeError extends Error {
  /** Whether it is a field that isn't known here: something newer wrote it. */
  readonly unknownField: string | undefined;

  /** `unknownField` names the field when that is what is wrong. */
  constructor(message: string, unknownField?: string) {
    super(message);
    this.name = "ShapeError";
    this.unknownField = unknownField;
  }
}

/** Returns `value` as a `T`, or throws `ShapeError` naming `at`. */
export type Shape<T> = (value: unknown, at: string) => T;

/** What `object` makes of its fields' shapes. */
export type Shaped<R extends Record<string, Shape<unknown>>> = { [K in keyof R]: ReturnType<R[K]> };

/** A whole number from `min` (0 when left out) to `max` (2^53 - 1). */
export function whole(min = 0, max: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, at) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new ShapeError(`${at} is ${show(value)}, not a whole number from ${min} to ${max}`);
    }
    return value + 0; // JSON has a -0, too.
  };
}

/** True or false. */
export const flag: Shape<boolean> = (value, at) => {
  if (typeof value !== "boolean") throw new ShapeError(`${at} is ${show(value)}, not true or false`);
  return value;
};

/** Any string. */
export const text: Shape<string> = (value, at) => {
  if (typeof value !== "string") throw new ShapeError(`${at} is ${show(value)}, not a string`);
  return value;
};

/** A string of so many lower-case hexadecimal digits. */
export function hex(digits: number): Shape<string> {
  return (value, at) => {
    if (typeof value !== "string" || value.length !== digits || !/^[0-9a-f]*$/.test(value)) {
      throw new ShapeError(`${at} is ${show(value)}, not ${digits} hexadecimal digits`);
    }
    return value;
  };
}

/** One of these strings. */
export function choice<const T extends string>(...choices: T[]): Shape<T> {
  return (value, at) => {
    if (!choices.includes(value as T)) {
      throw new ShapeError(`${at} is ${show(value)}, not one of ${choices.join(", ")}`);
    }
    return value as T;
  };
}

/** Bytes, from base64url without padding. Refuses a second spelling of the same bytes. */
export const base64Bytes: Shape<Uint8Array> = (value, at) => {
  if (typeof value === "string") {
    const decoded = Buffer.from(value, "base64url");
    if (toBase64(decoded) === value) return new Uint8Array(decoded);
  }
  throw new ShapeError(`${at} is ${show(value)}, not base64url`);
};

/** A string that `base64Bytes` reads, left as it is. */
export const base64Text: Shape<string> = (value, at) => {
  base64Bytes(value, at);
  return value as string;
};

/** The string that `base64Bytes` reads. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}

/** Null, or what `shape` takes. */
export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, at) => value === null ? null : shape(value, at);
}

/** An array of what `shape` takes. */
export function list<T>(shape: Shape<T>): Shape<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new ShapeError(`${at} is ${show(value)}, not a list`);
    return value.map((item, i) => shape(item, `${at}[${i}]`));
  };
}

/** An object with all of `required`, any of `optional`, and nothing else. */
export function object<
  R extends Record<string, Shape<unknown>>,
  // deno-lint-ignore ban-types -- no optional fields at all
  O extends Record<string, Shape<unknown>> = {},
>(required: R, optional?: O): Shape<Shaped<R> & Partial<Shaped<O>>> {
  const shapes = new Map<string, Shape<unknown>>(Object.entries({ ...required, ...optional }));
  const names = Object.keys(required);
  return (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ShapeError(`${at} is ${show(value)}, not an object`);
    }
    const out: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(value)) {
      const shape = shapes.get(name);
      const path = at === "" ? name : `${at}.${name}`;
      if (shape === undefined) throw new ShapeError(`${path} is not a known field`, path);
      out[name] = shape(field, path);
    }
    for (const name of names) {
      if (!Object.hasOwn(out, name)) throw new ShapeError(`${at === "" ? name : `${at}.${name}`} is missing`);
    }
    return out as Shaped<R> & Partial<Shaped<O>>;
  };
}

/** What `shape` takes, if `holds` says nothing against it. */
export function where<T>(shape: Shape<T>, problem: (value: T) => string | undefined): Shape<T> {
  return (value, at) => {
    const checked = shape(value, at);
    const found = problem(checked);
    if (found !== undefined) throw new ShapeError(at === "" ? found : `${at}: ${found}`);
    return checked;
  };
}

function show(value: unknown): string {
  const shown = value === undefined ? "undefined" : JSON.stringify(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}
