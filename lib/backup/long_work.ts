/**
 * What all long calls of this floor take.
 *
 * @module
 */
import { type CheckedOptions, functionOption, signalOption } from "../base/options.ts";
import type { OnProgress } from "../base/progress.ts";

/** Options of long calls. */
export interface LongWorkOptions {
  /** Gives up; the call rejects with the signal's reason and leaves no trace. Ignored once the result is published. */
  signal?: AbortSignal | undefined;
  /** Hears how far the call has come. */
  onProgress?: OnProgress | undefined;
}

/** The names of these options. */
export const LONG_OPTIONS = ["signal", "onProgress"] as const;

/** Checks them. */
export function longOptions(call: string, options: CheckedOptions): LongWorkOptions {
  return { signal: signalOption(call, options), onProgress: functionOption<OnProgress>(call, options, "onProgress") };
}
