/**
 * Reading what comes through a pipe: standard input by its name, what a shell puts in place of `<(...)`, a fifo.
 *
 * A pipe is no file to a `FileSystem`: it has neither positions nor a length. It is asked without waiting, over and over: a
 * read that waits would hold a thread that nothing can end, and with it the end of the process.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { closeSync, constants, lstatSync, openSync, readSync, statSync } from "node:fs";
import { IOError } from "../base/errors.ts";
import { delayWith, systemTimers } from "../base/timers.ts";
import { failureCode, nodeError } from "./node_errors.ts";

/** As much as a pipe of Linux holds. */
const PIECE_BYTES = 2 ** 16;
/** Short enough that nobody waits for it, and long enough to cost nothing. */
const PAUSE_MS = 5;

/**
 * All that comes through the pipe at `path`, to its end. Throws `IOError` when that is no pipe, or more than `maxBytes`, and
 * the reason of `signal` once that fires.
 */
export async function readPipe(path: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
  const descriptor = attempt(path, () => openPipe(path));
  try {
    const waits = isNamed(path);
    const pieces: Uint8Array[] = [];
    for (let length = 0;;) {
      const piece = new Uint8Array(PIECE_BYTES);
      const count = attempt(path, () => readNow(descriptor, piece));
      if (count === undefined || (count === 0 && length === 0 && waits)) {
        await delayWith(systemTimers, PAUSE_MS, signal);
        continue;
      }
      if (count === 0) return Buffer.concat(pieces);
      length += count;
      if (length > maxBytes) {
        throw new IOError(`Cannot read ${path}: more than the ${maxBytes} bytes it may have (IO)`, { path });
      }
      pieces.push(piece.slice(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

function openPipe(path: string): number {
  // Looked at before it is opened: some devices take that for a command.
  if (statSync(path).isFIFO()) return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  throw new IOError(`Cannot read ${path}: it is neither a plain file nor a pipe (IO)`, { path });
}

/** What is there now; undefined where something may still come. */
function readNow(descriptor: number, into: Uint8Array): number | undefined {
  try {
    return readSync(descriptor, into, 0, into.length, null);
  } catch (error) {
    if (failureCode(error) === "EAGAIN") return undefined;
    throw error;
  }
}

/** Whether it is a fifo with a name of its own, which has no end before somebody has written to it. */
function isNamed(path: string): boolean {
  return !path.startsWith("/dev/") && lstatSync(path).isFIFO();
}

function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw error instanceof IOError ? error : nodeError("read", path, error);
  }
}
