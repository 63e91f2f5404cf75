/**
 * Versionstamps: the version of a commit as 16 hexadecimal digits, and four zeros, as Deno KV has them on disk.
 *
 * @module
 */

/** A version that no commit has. */
const NEVER = -1;

/** The versionstamp of a version. */
export function versionstampOf(version: number): string {
  return `${version.toString(16).padStart(16, "0")}0000`;
}

/** The version of a versionstamp; one that no commit has for a stamp that none can have. `TypeError` when it is none. */
export function versionOf(versionstamp: unknown): number {
  if (typeof versionstamp !== "string" || !/^[0-9a-f]{20}$/i.test(versionstamp)) throw new TypeError("Invalid check");
  const version = Number.parseInt(versionstamp.slice(0, 16), 16);
  return Number.isSafeInteger(version) && versionstamp.endsWith("0000") ? version : NEVER;
}
