/**
 * The command line as a process.
 *
 * @module
 */
import process from "node:process";
import { processIo } from "./process_io.ts";
import { runIn } from "./run.ts";

/** Long enough for what was said last to be out, and no longer than one waits after Ctrl-C. */
const END_MS = 100;

/** Runs what the process was started with, and sets its exit code. */
export async function main(): Promise<void> {
  const { io, release } = processIo();
  // Until it is known to be done: what ends because nothing is left that it could wait for has not succeeded.
  process.exitCode = 1;
  try {
    process.exitCode = await runIn(process.argv.slice(2), io);
  } finally {
    release();
    // A terminal or pipe that is still open for reading would keep the process.
    process.stdin.destroy();
    // In Deno it does all the same while a read of a pipe is under way, which may be for ever.
    if (io.signal.aborted) setTimeout(() => process.exit(), END_MS).unref();
  }
}
