/**
 * Shapes that only the documents of a repository need, beside those of `json_shape.ts`: names that become keys of objects
 * or files of a directory, so that no document can point outside of either.
 *
 * @module
 */
import { hex, type Shape, ShapeError } from "../manifest/json_shape.ts";

/** A string that matches; `what` says what it should be. */
export function pattern(expression: RegExp, what: string): Shape<string> {
  return (value, at) => {
    if (typeof value === "string" && expression.test(value)) return value;
    const shown = value === undefined ? "undefined" : JSON.stringify(value);
    throw new ShapeError(`${at} is ${shown.length > 60 ? `${shown.slice(0, 57)}...` : shown}, not ${what}`);
  };
}

/** An object with any names, all of whose values are what `shape` takes. */
export function record<T>(shape: Shape<T>): Shape<Record<string, T>> {
  return (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ShapeError(`${at} is not an object`);
    }
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shape(one, `${at}.${name}`)]));
  };
}

/** A database's, lineage's or repository's id. */
export const id32: Shape<string> = hex(32);

/** A SHA-256. */
export const sha256: Shape<string> = hex(64);

/** A part of a key: letters, digits and `. _ -`, but neither `.` nor `..`. */
export const keyPart: Shape<string> = pattern(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/, "a name of A-Z a-z 0-9 . _ -");

/** The name of a file in a database directory, or "" where there is none. */
export const fileName: Shape<string> = pattern(/^(?!\.)[A-Za-z0-9._-]{0,128}$/, "the name of a file");
