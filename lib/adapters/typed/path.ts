/**
 * The way to a part of a value, as messages have it: `value.address.lines[2]["post code"]`.
 *
 * @module
 */

/** Names that can follow a dot; all others are written in brackets. */
const PLAIN_NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** A path from the value as a whole, which is `value`. */
export function writtenPath(path: readonly PropertyKey[]): string {
  let out = "value";
  for (const step of path) {
    if (typeof step !== "string") out += `[${String(step)}]`;
    else out += PLAIN_NAME.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  }
  return out;
}
