/**
 * The keys of objects. `log/3f2a/0001-0042.log`: parts of `A-Z a-z 0-9 . _ -`, with a single slash between two of them.
 *
 * All of ASCII, so that the order of strings is the order of their bytes, and no kind of store has to escape anything.
 *
 * @module
 */
import { describeValue } from "../base/options.ts";

/** The longest key, in characters: half of what the buckets allow, which leaves room for a prefix of theirs. */
export const KEY_LENGTH_MAX = 512;

const PART = /^[A-Za-z0-9._-]+$/;

/** Whether this can be a part of a key. */
export function isKeyPart(part: string): boolean {
  return PART.test(part) && part !== "." && part !== "..";
}

/** Whether this can be the key of an object. */
export function isKey(key: string): boolean {
  return key !== "" && key.length <= KEY_LENGTH_MAX && key.split("/").every(isKeyPart);
}

/** Throws `TypeError` unless `key` is the key of an object; `call` names the caller in the message. */
export function checkKey(call: string, key: unknown): asserts key is string {
  if (typeof key !== "string") throw new TypeError(`${call}: key must be a string, not ${describeValue(key)}`);
  if (key === "") throw new TypeError(`${call}: key must not be empty`);
  if (key.length > KEY_LENGTH_MAX) {
    throw new TypeError(`${call}: key must have at most ${KEY_LENGTH_MAX} characters, not ${key.length}`);
  }
  if (!key.split("/").every(isKeyPart)) {
    throw new TypeError(
      `${call}: key must be parts of A-Z a-z 0-9 . _ - with single slashes between, none of them "." or "..", not ` +
        describeValue(key),
    );
  }
}
