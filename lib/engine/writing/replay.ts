/**
 * Applying commits again, with their versions and times, over tables and into tables.
 *
 * No log is written: the directory is being made and counts only once all of it is there. So nothing of it may be written
 * to before the end is reached, and after a failure what is in memory is given up, or a later log would lack it.
 *
 * Memory holds what it holds when writing: one memtable being filled, one being written, one that waits. Nobody reads
 * them, so that their memory serves again; they begin small, so that it comes back soon, and little is left to be written
 * once the last commit is there.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { DecodeError } from "../../base/bytes.ts";
import { ClosedError, IntegrityError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import type { IngestInfo } from "../../format/log/batch.ts";
import { Memtable } from "../../tree/memtable/memtable.ts";
import { deletedBy, ingestOf } from "../recovery/recovery.ts";
import type { Store } from "../store.ts";
import type { Commit, CommitEvent, IngestOptions, ReplayOptions } from "../types.ts";
import { applySliced } from "./apply.ts";
import { ingestAgain, type IngestParts } from "./ingest.ts";
import { surveyIngested } from "./survey_ingested.ts";
import { vacate } from "./vacate.ts";

/** Sealed memtables that make a replay wait. */
const SEALED_MAX = 2;

/** The first memtables; the later ones have a third of what came before them, so that long logs make few runs. */
const FIRST_MEMTABLE_BYTES = 16 * 2 ** 20;

/** Applies commits again; see `Engine.replay`. */
export function replay(
  parts: IngestParts,
  commits: AsyncIterable<CommitEvent>,
  options: ReplayOptions,
): Promise<Commit> {
  return parts.queue.exclusive(() => new Replay(parts, options).run(commits));
}

class Replay {
  readonly #parts: IngestParts;
  readonly #store: Store;
  readonly #options: ReplayOptions;
  readonly #slicer: Slicer;
  #last: Commit;
  /** Bytes of memtables that are full. */
  #sealedBytes = 0;
  /** Numbers from here on are given to files of the replay itself. */
  #ownNumbers = 0;

  constructor(parts: IngestParts, options: ReplayOptions) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#options = options;
    this.#slicer = new Slicer(parts.store.settings.monotonic);
    this.#last = { version: parts.store.visibleVersion, timestamp: parts.store.visibleTimestamp };
  }

  async run(commits: AsyncIterable<CommitEvent>): Promise<Commit> {
    const store = this.#store;
    store.assertWritable("replay");
    const { state } = store.manifest;
    if (state.openLog !== undefined || state.logs.size > 0) {
      throw new TypeError(`replay: ${store.path} has a log; commits are applied to tables alone`);
    }
    state.nextNumber = Math.max(state.nextNumber, this.#options.reserveNumbersTo ?? 0);
    this.#ownNumbers = state.nextNumber;
    // Whatever it had not finished in the end would be thrown away.
    const resume = this.#parts.background.defer(Infinity);
    if (store.memtable.isEmpty) store.memtable = new Memtable(store.spareChunks = []);
    try {
      for await (const commit of commits) {
        const applied = this.#apply(commit);
        if (applied !== undefined) await applied;
      }
      await this.#finish();
    } catch (error) {
      await this.#giveUp();
      throw error;
    } finally {
      store.spareChunks = undefined;
      if (store.memtable.isEmpty) store.memtable = new Memtable();
      resume();
    }
    return this.#last;
  }

  /** To be awaited when it answers with a promise: most commits need none. */
  #apply({ version, timestamp, ops }: CommitEvent): Promise<void> | undefined {
    const last = this.#last;
    if (version !== last.version + 1) {
      throw this.#misfit(`version ${version} follows ${last.version}`);
    }
    if (timestamp < last.timestamp) {
      throw this.#misfit(`version ${version} is of ${timestamp}, before its predecessor's ${last.timestamp}`);
    }
    const { memtable } = this.#store;
    try {
      const info = ingestOf({ version, timestamp, ops, syncedTo: 0 });
      if (info !== undefined) return this.#ingest({ version, timestamp }, info);
      const applied = applySliced(this.#store, ops, version, timestamp, this.#slicer);
      this.#last = { version, timestamp };
      if (applied === undefined && memtable.bytes < this.#memtableBytes && !this.#slicer.due()) return undefined;
      return this.#pause(version, applied);
    } catch (error) {
      throw this.#readable(version, error);
    }
  }

  /** When a memtable is full. */
  get #memtableBytes(): number {
    const { memtableBytes } = this.#store.settings;
    return Math.min(memtableBytes, Math.max(FIRST_MEMTABLE_BYTES, this.#sealedBytes / 3));
  }

  async #pause(version: number, applied: Promise<void> | undefined): Promise<void> {
    await applied?.catch((error) => {
      throw this.#readable(version, error);
    });
    if (this.#store.memtable.bytes >= this.#memtableBytes) await this.#makeRoom();
    this.#checkStop();
    await this.#slicer.tick();
  }

  /** What to throw for an error of applying: operations that can't be read are the commit's fault. */
  #readable(version: number, error: unknown): unknown {
    return error instanceof DecodeError ? this.#misfit(`version ${version} can't be read: ${error.message}`) : error;
  }

  #misfit(detail: string): IntegrityError {
    return new IntegrityError(`Cannot replay commits in ${this.#store.path}: ${detail} (INTEGRITY)`);
  }

  #checkStop(): void {
    throwIfAborted(this.#options.signal);
    if (!this.#parts.queue.closed) return;
    throw new ClosedError(`Cannot replay commits in ${this.#store.path}: it was closed (CLOSED)`);
  }

  #seal(): void {
    const store = this.#store;
    this.#parts.queue.shown(this.#last);
    if (store.memtable.isEmpty) return;
    this.#sealedBytes += store.memtable.bytes;
    store.seal();
    this.#parts.background.wake();
  }

  /** Seals the memtable, and waits while flush and compaction are behind. */
  async #makeRoom(): Promise<void> {
    const store = this.#store;
    this.#seal();
    while (store.sealed.length >= SEALED_MAX || store.version.level0.length >= 3 * store.settings.level0Tables) {
      this.#checkStop();
      await this.#parts.background.progress();
      store.assertWritable("replay");
      if (store.full) throw store.noSpace("replay commits in");
    }
  }

  async #ingest(commit: Commit, info: IngestInfo): Promise<void> {
    const { background } = this.#parts;
    this.#checkStop();
    const taken = this.#claimNumbers(commit.version, info);
    this.#seal();
    await background.flushed();
    await this.#vacate(commit.version, taken);
    await this.#options.ingestFiles(info, commit.version);
    const files = await surveyIngested(this.#store, info);
    const options: IngestOptions = { replace: info.replace, ranges: deletedBy(info) };
    await background.alone(() => ingestAgain(this.#parts, files, options, commit));
    this.#last = commit;
  }

  /** Files keep the numbers they had, because rows point to blob files by number. Gives those that files here have. */
  #claimNumbers(version: number, info: IngestInfo): ReadonlySet<number> {
    const { state } = this.#store.manifest;
    const numbers = [...info.tables, ...info.blobs].map(({ number }) => number);
    for (const number of numbers) {
      if (number >= this.#ownNumbers && number < state.nextNumber) throw this.#given(version, number);
    }
    // Not reserved, but not given out either.
    state.nextNumber = Math.max(state.nextNumber, ...numbers.map((number) => number + 1));
    return new Set(numbers.filter((number) => state.tables.has(number) || state.blobs.has(number)));
  }

  /** The tables may be those of a copy, which numbered its files by itself. */
  async #vacate(version: number, numbers: ReadonlySet<number>): Promise<void> {
    const { background } = this.#parts;
    const [first] = numbers;
    if (first === undefined || await vacate(this.#store, background, numbers, () => this.#checkStop())) return;
    throw this.#given(version, first);
  }

  #given(version: number, number: number): IntegrityError {
    return this.#misfit(`version ${version} takes in file ${number}, and there is one of that number already`);
  }

  async #finish(): Promise<void> {
    const store = this.#store;
    this.#checkStop();
    this.#seal();
    await this.#parts.background.flushed();
    const { version: lastVersion, timestamp: lastTimestamp } = this.#last;
    const { lineage } = this.#options;
    await store.edit(({ database }) => ({
      // Also of commits that left no row behind.
      lastVersion,
      lastTimestamp,
      forked: true,
      ...(lineage === undefined ? {} : { database: { ...database, ...lineage } }),
    }));
  }

  async #giveUp(): Promise<void> {
    const store = this.#store;
    store.memtable = new Memtable();
    store.unseen.clear();
    await this.#parts.background.abandon();
    const { lastVersion: version, lastTimestamp: timestamp } = store.manifest.state;
    this.#parts.queue.shown({ version, timestamp });
  }
}
