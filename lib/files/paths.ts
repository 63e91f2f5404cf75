/**
 * Joining and splitting paths, thinly, and fixing those that callers give.
 *
 * @module
 */
import * as nodePath from "node:path";
import { schemeOf } from "../base/options.ts";
import type { FileSystem } from "./file_system.ts";

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

/**
 * A path that a caller gave, from the root on: work that takes its time keeps to it, though the process changes its directory
 * meanwhile. Its last part may be a link, and is left as it is. What is no relative path is given back as it came, be it one
 * to refuse.
 */
export function fixedPath<T>(fs: FileSystem, given: T): T | string {
  if (typeof given !== "string" || given === "" || given === ":memory:" || given.includes("\0")) return given;
  if (nodePath.isAbsolute(given) || schemeOf(given) !== undefined) return given;
  // A slash at the end says what is meant.
  return join(fs.resolve(dirname(given)), basename(given), /[/\\]$/.test(given) ? "/" : "");
}
