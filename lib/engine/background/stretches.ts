/**
 * The stretches of keys that the tables of a run stand for, one behind the other.
 *
 * ```
 * deleted   [--)    [-----) [--------)   [--) [--) [--) [--)   [-)
 * rows        .  . .    .                               .  . .
 * tables    [1                        )[2             )[3          )
 * ```
 *
 * Each table takes the deleted ranges of its own stretch, so that the stretches together cover what the inputs covered. A
 * stretch ends where its rows are enough for a table, and also where its deleted ranges are: those of a table are written and
 * read as one block.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../../base/bytes.ts";
import type { Slicer } from "../../base/yield.ts";
import type { Fragment, RangeTombstones } from "../../tree/range_tombstones.ts";
import type { RunFiles, RunOutput } from "./run_output.ts";

/** Deleted ranges of so many bytes are enough for a table: to read them holds the event loop for some 10 ms. */
const TOMBSTONE_BYTES_MAX = 2 ** 20;

/** What a fragment takes in a table beside its keys, about: their lengths, a version and a time. */
const FRAGMENT_BYTES = 20;
/** What each version of it takes. */
const VERSION_BYTES = 12;

/** Cuts a run into tables. */
export class Stretches {
  readonly #output: RunOutput;
  readonly #tombstones: RangeTombstones;
  readonly #fragments: readonly Fragment[];
  readonly #bytesMax: number;
  /** Where the stretch begins; undefined: with the first key. */
  #start: Uint8Array | undefined;
  /** The first fragment that is not counted yet, and the bytes of those of the stretch that are. */
  #at = 0;
  #bytes = 0;

  /** `tombstones`: all deleted ranges that go into the run. */
  constructor(output: RunOutput, tombstones: RangeTombstones, tableBytes: number) {
    this.#output = output;
    this.#tombstones = tombstones;
    this.#fragments = tombstones.fragments();
    this.#bytesMax = Math.min(tableBytes, TOMBSTONE_BYTES_MAX);
  }

  /** Where the stretch has to end, at or before `key`, by its deleted ranges; undefined: it doesn't. */
  boundBefore(key: Uint8Array | undefined): Uint8Array | undefined {
    for (; this.#at < this.#fragments.length; this.#at++) {
      const { start, end, versions } = this.#fragments[this.#at]!;
      if (key !== undefined && compareBytes(start, key) > 0) return undefined;
      if (this.#bytes >= this.#bytesMax) return start;
      this.#bytes += start.length + (end?.length ?? 0) + FRAGMENT_BYTES + VERSION_BYTES * versions.length;
    }
    return undefined;
  }

  /** Completes the table of the keys below `key`; the next stretch begins there. */
  async endBefore(key: Uint8Array): Promise<void> {
    const next = copyBytes(key);
    await this.#output.cut(this.#tombstones.clip(this.#start, next));
    this.#start = next;
    this.#bytes = 0;
  }

  /** Completes the last tables. */
  async finish(): Promise<RunFiles> {
    for (let bound = this.boundBefore(undefined); bound !== undefined; bound = this.boundBefore(undefined)) {
      await this.endBefore(bound);
    }
    return await this.#output.finish(this.#tombstones.clip(this.#start, undefined));
  }
}

/** Takes `steps` to their end, with turns of the event loop in between; `checkStop` throws when that is no longer wanted. */
export async function inSlices<T>(steps: Generator<void, T>, slicer: Slicer, checkStop: () => void): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (!slicer.due()) continue;
    await slicer.tick();
    checkStop();
  }
}
