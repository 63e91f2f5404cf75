/**
 * What a replication knows of its archived log between two merges, so that it asks the store for nothing that it wrote itself:
 * neither for the head of an object, nor for a listing while nothing is due.
 *
 * It decides over reading only. What is merged, and removed, is decided by a listing of that moment.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { LinkedLogObject } from "./merge_plan.ts";
import type { LogObjectSent } from "./shipment.ts";

/** What the head of an object says beside its name. */
export type LogLink = Pick<LinkedLogObject, "previous" | "minTimestamp" | "maxTimestamp">;

/** Kept from one merge to the next. */
export class MergeMemory {
  readonly #links = new Map<string, LogLink>();
  /** The objects that lead up to `#end`; undefined: not known. */
  #chain: LinkedLogObject[] | undefined;
  #end: Pick<HeadDocument, "version" | "chain"> | undefined;

  /** The objects that a head counts, in order; undefined when they have to be listed. */
  chainOf({ version, chain }: HeadDocument): readonly LinkedLogObject[] | undefined {
    return this.#end?.version === version && this.#end.chain === chain ? this.#chain : undefined;
  }

  /** Takes down what a listing, and the merging after it, came to. */
  remember({ version, chain }: HeadDocument, objects: LinkedLogObject[]): void {
    this.#chain = objects;
    this.#end = { version, chain };
    for (const { key, previous, minTimestamp, maxTimestamp } of objects) {
      this.noteLink(key, { previous, minTimestamp, maxTimestamp });
    }
  }

  /** What was shipped lies behind what is known, or it has to be listed: another history, a gap, someone else's shipment. */
  shipped(objects: readonly LogObjectSent[]): void {
    for (const { key, first, last, minTimestamp, maxTimestamp, previous, chain, storedBytes: size } of objects) {
      this.noteLink(key, { previous, minTimestamp, maxTimestamp });
      if (this.#end?.chain !== previous) this.forget();
      this.#chain?.push({ key, first, last, minTimestamp, maxTimestamp, previous, chain, size });
      if (this.#end !== undefined) this.#end = { version: last, chain };
    }
  }

  /** The next merge lists. */
  forget(): void {
    this.#chain = undefined;
    this.#end = undefined;
  }

  /** What the head of an object says, where it is known. */
  linkOf(key: string): LogLink | undefined {
    return this.#links.get(key);
  }

  /** Remembers what the head of an object says. */
  noteLink(key: string, link: LogLink): void {
    this.#links.set(key, link);
  }

  /** Forgets the heads of all others. */
  keepLinks(keys: ReadonlySet<string>): void {
    for (const key of this.#links.keys()) if (!keys.has(key)) this.#links.delete(key);
  }
}
