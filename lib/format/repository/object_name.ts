/**
 * How objects are called: by what they hold, so that equal files are stored once.
 *
 * ```
 * objects/<first two digits>/<name>[.<copy>]
 * name := SHA-256 of the raw bytes, 64 hexadecimal digits; in an encrypted repository its HMAC under the name key
 * copy := 1, 2, ... : another copy of the same bytes, that a full backup keeps for itself; the first copy has no suffix
 * ```
 *
 * The name says nothing of the stored bytes: the same file may be compressed or encrypted to different ones. It is keyed in
 * an encrypted repository, so that who sees the names cannot tell whether a file he knows is among them.
 *
 * Example: the first copy of an empty file, without encryption, is
 * `e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855` below `objects/`.
 *
 * @module
 */
import type { Shape } from "../manifest/json_shape.ts";
import type { KeyRing } from "./ring.ts";
import { pattern } from "./shapes.ts";

const PATH = /^([0-9a-f]{2})\/(\1[0-9a-f]{62})(?:\.([1-9][0-9]{0,8}))?$/;

/** The key of an object below `objects/`. */
export const objectPathShape: Shape<string> = pattern(PATH, "the key of an object");

/** The name of the bytes with this SHA-256 (hexadecimal). */
export function contentName(sha256: string, ring?: KeyRing): string {
  return ring === undefined ? sha256 : ring.nameOf(sha256);
}

/** The key below `objects/` of a copy, 0 the first. */
export function objectPath(name: string, copy = 0): string {
  return `${name.slice(0, 2)}/${name}${copy === 0 ? "" : `.${copy}`}`;
}

/** Takes such a key apart; undefined when it is none. */
export function parseObjectPath(path: string): { name: string; copy: number } | undefined {
  const [, , name, copy] = PATH.exec(path) ?? [];
  return name === undefined ? undefined : { name, copy: Number(copy ?? 0) };
}
