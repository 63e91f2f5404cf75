/**
 * What is at a path, in words.
 *
 * @module
 */
import type { FileInfo } from "./file_system.ts";

const WORDS: Readonly<Record<FileInfo["kind"], string>> = {
  file: "a file",
  directory: "a directory",
  link: "a link that leads nowhere",
  other: "neither a file nor a directory",
};

/** For messages. */
export function inWords({ kind }: FileInfo): string {
  return WORDS[kind];
}
