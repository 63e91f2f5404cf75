/**
 * What a replication knows of its archived log between two merges, so that it asks the store for nothing that it wrote itself:
 * neither for the times of an object, nor for a listing while nothing is due.
 *
 * It decides over reading only. What is merged, and removed, is decided by a listing of that moment.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { TimedLogObject } from "./merge_plan.ts";
import type { LogObjectSent } from "./shipment.ts";

/** The times of an object's first and last commit, ms. */
export type LogTimes = Pick<TimedLogObject, "minTimestamp" | "maxTimestamp">;

/** Kept from one merge to the next. */
export class MergeMemory {
  readonly #times = new Map<string, LogTimes>();
  /** The objects that lead up to `#end`; undefined: not known. */
  #chain: TimedLogObject[] | undefined;
  #end: Pick<HeadDocument, "version" | "chain"> | undefined;

  /** The objects that a head counts, in order; undefined when they have to be listed. */
  chainOf({ version, chain }: HeadDocument): readonly TimedLogObject[] | undefined {
    return this.#end?.version === version && this.#end.chain === chain ? this.#chain : undefined;
  }

  /** Takes down what a listing, and the merging after it, came to. */
  remember({ version, chain }: HeadDocument, objects: TimedLogObject[]): void {
    this.#chain = objects;
    this.#end = { version, chain };
    for (const { key, minTimestamp, maxTimestamp } of objects) this.noteTimes(key, { minTimestamp, maxTimestamp });
  }

  /** What was shipped lies behind what is known, or it has to be listed: another history, a gap, someone else's shipment. */
  shipped(objects: readonly LogObjectSent[]): void {
    for (const { key, first, last, minTimestamp, maxTimestamp, previous, chain, storedBytes: size } of objects) {
      this.noteTimes(key, { minTimestamp, maxTimestamp });
      if (this.#end?.chain !== previous) this.forget();
      this.#chain?.push({ key, first, last, minTimestamp, maxTimestamp, chain, size });
      if (this.#end !== undefined) this.#end = { version: last, chain };
    }
  }

  /** The next merge lists. */
  forget(): void {
    this.#chain = undefined;
    this.#end = undefined;
  }

  /** The times of an object, where they are known. */
  timesOf(key: string): LogTimes | undefined {
    return this.#times.get(key);
  }

  /** Remembers the times of an object. */
  noteTimes(key: string, times: LogTimes): void {
    this.#times.set(key, times);
  }

  /** Forgets the times of all others. */
  keepTimes(keys: ReadonlySet<string>): void {
    for (const key of this.#times.keys()) if (!keys.has(key)) this.#times.delete(key);
  }
}
