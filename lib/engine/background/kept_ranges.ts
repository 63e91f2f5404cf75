/**
 * Deleted ranges on their way into the output of flush and compaction, beside its rows.
 *
 * ```
 * rows          a   c       k l     t         Ranges are taken as the rows reach them, so neither side is gone through at
 * ranges      [a,b)   [d,g)  [l,    z)        once; the output is cut at the beginning of a range, too, once it has many.
 * ```
 *
 * A range may stay away once nothing older can lie below it, or a newer one of the same stripe (see `snapshots.ts`) hides as
 * much.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../../base/bytes.ts";
import {
  type Fragment,
  type FragmentVersion,
  isBelow,
  mergeFragments,
  newestVersion,
} from "../../tree/range_tombstones.ts";
import type { Stripes } from "../version/snapshots.ts";
import type { CoveringRanges } from "./row_filter.ts";
import type { RunFiles, RunOutput } from "./run_output.ts";

/** A table has ranges of about so many bytes at most: all of them are read when it is opened, which takes some ms. */
const PART_BYTES = 2 ** 17;

/** Ranges between two looks at the clock. */
const STEP = 64;

/** What the ranges are taken for. */
export interface KeptRangesOptions {
  /** Which versions nobody can tell apart. */
  stripes: Stripes;
  /** Bytes of a table. */
  tableBytes: number;
  /** Whether nothing older can lie elsewhere from `start` to `end`. */
  isBottom: (start: Uint8Array, end: Uint8Array | undefined) => boolean;
  /** Called every so often; lets the event loop go round where it is due, and throws when the work is no longer wanted. */
  pause: () => Promise<void>;
}

/** The deleted ranges of one output. */
export class KeptRanges implements CoveringRanges {
  readonly #options: KeptRangesOptions;
  readonly #output: RunOutput;
  readonly #sources: Iterator<Fragment, void>;
  #next: Fragment | undefined;
  /** The last one taken: those before it end below the rows to come. */
  #around: Fragment | undefined;
  /** Those of the table being written that are kept, and roughly the bytes they take there. */
  #part: Fragment[] = [];
  #partBytes = 0;
  #step = 0;

  /** `sources`: fragments in key order each; asked for as they are needed. */
  constructor(output: RunOutput, sources: readonly Iterable<Fragment>[], options: KeptRangesOptions) {
    this.#output = output;
    this.#options = options;
    this.#sources = mergeFragments(sources)[Symbol.iterator]();
    this.#advance();
  }

  /** Whether any begin at `key` or below that were not taken. To be asked for each key, in order. */
  reaches(key: Uint8Array): boolean {
    return this.#next !== undefined && compareBytes(this.#next.start, key) <= 0;
  }

  /** Takes all that begin at `key`, the next to be written, or below; undefined: all. */
  async take(key: Uint8Array | undefined): Promise<void> {
    for (let taken = this.#next; taken !== undefined && (key === undefined || this.reaches(key)); taken = this.#next) {
      if (++this.#step % STEP === 0) await this.#options.pause();
      if (this.#partBytes >= Math.min(PART_BYTES, this.#options.tableBytes)) await this.cut(taken.start);
      this.#keep(taken);
      this.#around = taken;
      this.#advance();
    }
  }

  /** The highest version up to `atVersion` that deleted `key`, the last one given to `take` or above; 0: none. */
  coveringVersion(key: Uint8Array, atVersion: number): number {
    const around = this.#around;
    return around !== undefined && isBelow(key, around.end) ? newestVersion(around.versions, atVersion) : 0;
  }

  /** Completes the table being written, in front of `key`. */
  async cut(key: Uint8Array): Promise<void> {
    const part = this.#part;
    this.#part = [];
    this.#partBytes = 0;
    const last = part.at(-1);
    if (last !== undefined && isBelow(key, last.end)) {
      const at = copyBytes(key);
      this.#add({ ...last, start: compareBytes(last.start, at) < 0 ? at : last.start });
      if (compareBytes(last.start, at) < 0) part[part.length - 1] = { ...last, end: at };
      else part.pop();
    }
    await this.#output.cut(part);
  }

  /** Takes the rest and completes the output. */
  async finish(): Promise<RunFiles> {
    await this.take(undefined);
    return await this.#output.finish(this.#part);
  }

  #advance(): void {
    this.#next = this.#sources.next().value ?? undefined;
  }

  #keep({ start, end, versions }: Fragment): void {
    const { stripes, isBottom } = this.#options;
    const kept: FragmentVersion[] = [];
    let bottom: boolean | undefined;
    let seen = -1;
    for (const of of versions) {
      const stripe = stripes.of(of.version);
      if (stripe === seen || (stripe === 0 && (bottom ??= isBottom(start, end)))) continue;
      seen = stripe;
      kept.push(of);
    }
    if (kept.length > 0) this.#add({ start, end, versions: kept });
  }

  #add(fragment: Fragment): void {
    this.#part.push(fragment);
    this.#partBytes += fragment.start.length + (fragment.end?.length ?? 0) + 16 * fragment.versions.length;
  }
}
