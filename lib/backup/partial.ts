/**
 * Telling how far failed work came.
 *
 * @module
 */
import { HoldfastError } from "../base/errors.ts";
import type { ProgressReporter } from "../base/progress.ts";

/** What a backup or restore had done when it failed; of the phase it was in. */
export interface PartialWork {
  /** Bytes done. */
  bytes: number;
  /** Entries or files done. */
  items: number;
}

/** Runs `work`; a Holdfast error that ends it carries `partial`. An abort's reason is passed on untouched. */
export async function withPartial<T>(reporter: ProgressReporter, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HoldfastError && !("partial" in error)) {
      const partial: PartialWork = { bytes: reporter.doneBytes, items: reporter.doneItems };
      Object.defineProperty(error, "partial", { value: partial, enumerable: true, configurable: true, writable: true });
    }
    throw error;
  }
}
