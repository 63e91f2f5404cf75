/**
 * What the command line has to do with the outside: streams, environment, time, and the wish to end. A test or a program
 * gives its own; `processIo` is that of a process.
 *
 * @module
 */
import type { FileSystem } from "../files/file_system.ts";

/** A stream to write to: those of `node:stream` are such. A terminal says so. */
export interface OutStream {
  /** Whether it is a terminal. */
  isTTY?: boolean | undefined;
  /** How many characters fit a line of it. */
  columns?: number | undefined;
  /** Takes text or bytes; `done` hears when they are out, or why not. */
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
}

/** A stream to read from: those of `node:stream` are such. A terminal says so. */
export interface InStream extends AsyncIterable<Uint8Array | string> {
  /** Whether it is a terminal. */
  isTTY?: boolean | undefined;
}

/** The surroundings of one run. */
export interface CliIo {
  /** What is asked for goes there. */
  stdout: OutStream;
  /** Questions, progress, notes and errors go there. */
  stderr: OutStream;
  /** Values given as `-`, and answers. */
  stdin: InStream;
  /** A variable of the environment; undefined where there is none, or where it may not be looked at. */
  env(name: string): string | undefined;
  /** Ends what is under way; its reason may be an `Interruption`, which says the exit code. */
  signal: AbortSignal;
  /** ms since the Unix epoch. */
  now(): number;
  /** Where databases, repositories in directories and files lie. */
  fileSystem: FileSystem;
}

/** A signal of the system, as the reason of an abort. */
export class Interruption extends Error {
  /** 128 and the signal's number, as shells count. */
  readonly exitCode: number;

  /** For `"SIGINT"` or `"SIGTERM"`. */
  constructor(signal: "SIGINT" | "SIGTERM") {
    super(`interrupted by ${signal}`);
    this.name = "Interruption";
    this.exitCode = signal === "SIGINT" ? 130 : 143;
  }
}
