/**
 * Joining and splitting paths, thinly: a path stays as the caller wrote it until a file system resolves it.
 *
 * @module
 */
import * as nodePath from "node:path";

/** The path of a name inside a directory, or further down. */
export function join(directory: string, ...names: string[]): string {
  return nodePath.join(directory, ...names);
}

/** The directory that holds `path`; `"."` for a bare name. */
export function dirname(path: string): string {
  return nodePath.dirname(path);
}

/** The last part of `path`. */
export function basename(path: string): string {
  return nodePath.basename(path);
}
