/**
 * The command line as a process.
 *
 * @module
 */
import process from "node:process";
import { processIo } from "./process_io.ts";
import { runIn } from "./run.ts";

/** Runs what the process was started with, and sets its exit code. */
export async function main(): Promise<void> {
  const { io, release } = processIo();
  try {
    process.exitCode = await runIn(process.argv.slice(2), io);
  } finally {
    release();
    // A terminal or pipe that is still open for reading would keep the process.
    process.stdin.destroy();
  }
}
