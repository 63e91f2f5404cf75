/**
 * Commands that go on until they are told to end.
 *
 * @module
 */
import { Interruption } from "../io.ts";
import { EXIT } from "./exit_code.ts";

/** A day: nothing is to be done meanwhile, only the process kept. */
const KEEP_MS = 86_400_000;

/**
 * Resolves when the signal fires, with the exit code that says by what; rejects with `failed`. Until then it keeps the
 * process alive.
 */
export function stopped(signal: AbortSignal, failed?: Promise<never>): Promise<number> {
  // An idle database, replication or schedule does not.
  const keeping = setInterval(() => {}, KEEP_MS);
  const told = new Promise<number>((resolve, reject) => {
    const end = (): void => resolve(codeOf(signal));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    failed?.catch(reject);
  });
  return told.finally(() => clearInterval(keeping));
}

/** The exit code of what went on until the signal fired. */
export function codeOf(signal: AbortSignal): number {
  return signal.reason instanceof Interruption ? signal.reason.exitCode : EXIT.done;
}

/** Waits so long, or until the signal fires; whether there is more to do. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end, { once: true });
  });
  return !signal.aborted;
}
