#!/usr/bin/env node
/**
 * The command line: `@holdfast/db/cli`. It is a program, and a function for programs that want it inside them.
 *
 * ```sh
 * deno run -RW jsr:@holdfast/db/cli list ./data
 * npx @holdfast/db list ./data
 * bunx @holdfast/db list ./data
 * ```
 *
 * Every command explains itself: `holdfast backup --help`. It needs the packages `commander`, `cli-progress`,
 * `cli-table3` and `string-width`; nothing else of Holdfast does.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { run } from "@holdfast/db/cli";
 *
 * assert.equal(await run(["set", "./data", "greeting", "hello", "--create"]), 0);
 * assert.equal(await run(["get", "./data", "nothing"]), 1); // prints why on standard error
 * ```
 *
 * @module
 */
import { realpathSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { CliIo } from "./io.ts";
import { main } from "./main.ts";
import { processIo } from "./process_io.ts";
import { runIn } from "./run.ts";

export type { FileHandle, FileInfo, FileLock, FileSystem, MakeOptions, OpenMode } from "../files/file_system.ts";
export { type CliIo, type InStream, Interruption, type OutStream } from "./io.ts";

/**
 * Runs one command line, given without runtime and script: `["get", "./data", "key"]`. Resolves to the exit code: 0 done,
 * 1 failed, 2 asked wrongly, 3 something was found, 130 and 143 ended by SIGINT and SIGTERM. It never rejects and never
 * ends the process. What is left out of `io` is the process's; signals are its own business only when `io` has no `signal`.
 */
export async function run(argv: readonly string[], io: Partial<CliIo> = {}): Promise<number> {
  const { io: whole, release } = processIo(io);
  try {
    return await runIn(argv, whole);
  } finally {
    release();
  }
}

/**
 * Whether this file is the program; Node before 24.2 does not say so itself. What a bundler has put into another file is
 * told that it is one, and is not: the words there are those of a program that only calls `run`.
 */
function isProgram(): boolean {
  const { main: isMain, url } = import.meta as { main?: boolean; url: string };
  if (!/\/lib\/cli\/cli\.[jt]s$/.test(url)) return false;
  if (isMain !== undefined) return isMain;
  const script = process.argv[1];
  return script !== undefined && realpathSync(script) === fileURLToPath(url);
}

// Not awaited: what waits at its top is neither `require`d nor put into a bundle of CommonJS.
if (isProgram()) void main();
