/**
 * What goes on behind the callers' backs: writing sealed memtables, and compaction. Two workers share the main thread,
 * each in slices, so that a long merge never keeps a memtable waiting.
 *
 * A full disk is not a failure: the work is given up, its files removed, and tried again later. Anything else is, and turns
 * the database read-only.
 *
 * @module
 */
import { abortable } from "../../base/abort.ts";
import { ClosedError, NoSpaceError } from "../../base/errors.ts";
import { Slicer, yieldToLoop } from "../../base/yield.ts";
import { compact } from "./compaction.ts";
import { type CompactionPlan, pickCompaction } from "./compaction_picker.ts";
import { flushOldest } from "./flush.ts";
import { dropHistory } from "../log/log_retention.ts";
import { isBehind } from "../writing/stall.ts";
import type { Store } from "../store.ts";
import type { StallReason } from "../types.ts";

/** How long work that found the disk full waits before it tries again by itself, ms. */
const RETRY_MS = 500;

/** How long compaction stands back at most, and how often it looks whether it may go on, ms. */
const DEFERRED_MS_MAX = 2000;
const DEFERRED_LOOK_MS = 5;

/**
 * For so long after opening neither compaction begins nor does a long log go to tables, ms: many programs open a database only
 * to do one thing, and are not to share their time.
 */
export const QUIET_MS = 250;

/** Slices that do not begin while others are to be let pass. */
class DeferredSlicer extends Slicer {
  readonly #isDeferred: () => boolean;
  readonly #wait: () => Promise<void>;

  constructor(now: () => number, isDeferred: () => boolean, wait: () => Promise<void>) {
    super(now);
    this.#isDeferred = isDeferred;
    this.#wait = wait;
  }

  /** Resolves once nothing is to be let pass any more. */
  async letPass(): Promise<void> {
    while (this.#isDeferred()) await this.#wait();
  }

  override async tick(): Promise<void> {
    await this.letPass();
    await super.tick();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, DEFERRED_LOOK_MS));
}

/** The two workers. */
export class Background {
  readonly #store: Store;
  /** False once they won't come. */
  readonly #hasFiles: Promise<boolean>;
  readonly #ends: Promise<false>;
  #stopWaiting: () => void = () => {};
  #closing = false;
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  #exclusive: Promise<unknown> = Promise.resolve();
  #manual = 0;
  #deferrals = 0;
  #deferredUntil = 0;
  /** The newest commit when one last asked to be let pass. */
  #deferredAt = 0;
  readonly #quietTimer: ReturnType<typeof setTimeout> | undefined;
  #waiters: (() => void)[] = [];
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** Why a writer waits for this work just now. */
  stall: StallReason | undefined;

  constructor(store: Store) {
    this.#store = store;
    const { filesLater = Promise.resolve() } = store.settings;
    this.#hasFiles = filesLater.then(() => true, () => false);
    this.#ends = new Promise((resolve) => this.#stopWaiting = () => resolve(false));
    if (store.isRepeatable) return;
    this.#quietTimer = setTimeout(this.defer(), QUIET_MS);
    this.#quietTimer.unref?.();
  }

  /** Looks for work. */
  wake(): void {
    if (this.#closing || this.#store.failure !== undefined || this.#store.settings.readOnly) return;
    if (this.#store.sealed.length > 0) {
      this.#flushing ??= this.#guard(() => this.#flushAll()).finally(() => this.#flushing = undefined);
    }
    if (this.#manual === 0 && this.#pick() !== undefined) {
      this.#compacting ??= this.#guard(() => this.#compactAll()).finally(() => this.#compacting = undefined);
    }
  }

  /** Resolves when any piece of work has ended, well or not; at once after a failure, as no more will come. */
  progress(): Promise<void> {
    this.wake();
    if (this.#store.failure !== undefined) return Promise.resolve();
    // A compaction asked for keeps the worker from compacting, so it is what there is to wait for.
    if (this.#flushing === undefined && this.#compacting === undefined && this.#manual === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** After a full disk: tries once more, and says whether that freed the way. */
  async retry(): Promise<boolean> {
    // What is under way may have met the full disk before there was space: only what begins now tells.
    let left = 1 + Number(this.#flushing !== undefined) + Number(this.#compacting !== undefined);
    for (; left > 0; left--) {
      this.#store.full = false;
      await this.progress();
      if (!this.#store.full) return true;
    }
    return false;
  }

  /**
   * Lets work pass that someone waits for: compaction makes no step until the call that is returned, unless there are
   * writers and level 0 has grown to where they have to wait, or it takes too long.
   */
  defer(most: number = DEFERRED_MS_MAX): () => void {
    this.#deferrals++;
    this.#deferredAt = this.#store.visibleVersion;
    this.#deferredUntil = Math.max(this.#deferredUntil, this.#store.settings.monotonic() + most);
    let done = false;
    return () => {
      if (!done) this.#deferrals--;
      done = true;
    };
  }

  /** Whether writers are slowed, because compaction does not keep up with them. */
  get isBehind(): boolean {
    return isBehind(this.#store.version.level0.length, this.#store.settings.level0Tables);
  }

  readonly #isDeferred = (): boolean => {
    const mayBe = this.#deferrals > 0 && !this.#closing && this.#manual === 0;
    if (!mayBe || this.#store.settings.monotonic() >= this.#deferredUntil) return false;
    const writes = this.stall !== undefined || this.#store.visibleVersion > this.#deferredAt;
    return !(writes && this.isBehind);
  };

  #pick(): CompactionPlan | undefined {
    return pickCompaction(this.#store.version, this.#store.settings);
  }

  #slicer(): Slicer {
    return new Slicer(this.#store.settings.monotonic);
  }

  readonly #checkStop = (): void => {
    if (this.#closing) throw new ClosedError("Background work ends: the database is being closed (CLOSED)");
  };

  async #flushAll(): Promise<void> {
    while (this.#store.sealed.length > 0 && !this.#closing) {
      await flushOldest(this.#store, this.#slicer());
      this.#advance();
    }
  }

  async #compactAll(): Promise<void> {
    if (!await Promise.race([this.#hasFiles, this.#ends])) return;
    // Real time would pass at another place in each run.
    const wait = this.#store.isRepeatable ? yieldToLoop : pause;
    const slicer = new DeferredSlicer(this.#store.settings.monotonic, this.#isDeferred, wait);
    for (;;) {
      await slicer.letPass();
      if (this.#closing || this.#manual > 0) return;
      const plan = this.#pick();
      if (plan === undefined) return;
      await compact(this.#store, plan, slicer, this.#checkStop);
      this.#advance();
    }
  }

  #advance(): void {
    if (this.#store.full) {
      this.#store.full = false;
      this.#store.report({ type: "space", full: false });
    }
    this.#tellWaiters();
    this.wake();
  }

  #tellWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof NoSpaceError) {
        if (!this.#store.full) this.#store.report({ type: "space", full: true });
        this.#store.full = true;
        await dropHistory(this.#store).catch((cause) => this.#store.fail(cause));
        this.#retryLater();
      } else if (!this.#closing || !(error instanceof ClosedError)) {
        this.#store.fail(error);
      }
    }
    // After this worker is seen as idle: who was waiting may ask for more at once.
    queueMicrotask(() => this.#tellWaiters());
  }

  #retryLater(): void {
    // Real time would decide what comes first; the next write tries again as well.
    if (this.#retryTimer !== undefined || this.#store.isRepeatable) return;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.wake();
    }, RETRY_MS);
    this.#retryTimer.unref?.();
  }

  /** Waits until all sealed memtables are in tables; throws what kept them from it. */
  async flushed(): Promise<void> {
    while (this.#store.sealed.length > 0) {
      this.#checkStop();
      await this.progress();
      this.#store.assertWritable("flush");
      if (this.#store.full) throw this.#store.noSpace("write tables in");
    }
  }

  /** Gives up the sealed memtables that can't be written. Only when nothing that was promised is in them. */
  async abandon(): Promise<void> {
    await this.#flushing;
    this.#store.sealed = [];
  }

  /**
   * Runs `work` while no compaction does; one such at a time. The signal ends the wait for its turn; `isWanted`, which throws
   * when a plan is not to be carried out any more, is asked in each slice of it.
   */
  alone<T>(
    work: (run: (plan: CompactionPlan, isWanted?: () => void) => Promise<void>) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    this.#manual++;
    const before = this.#exclusive;
    const mine = (async () => {
      try {
        await abortable(before, signal);
        await abortable(Promise.resolve(this.#compacting), signal);
        this.#store.assertWritable("compact");
        // Once closing, nothing may begin: the lock is about to go.
        this.#checkStop();
        return await work(async (plan, isWanted = () => {}) => {
          const checkStop = (): void => {
            this.#checkStop();
            isWanted();
          };
          checkStop();
          await compact(this.#store, plan, this.#slicer(), checkStop);
          this.#advance();
        });
      } finally {
        this.#manual--;
        this.wake();
        this.#tellWaiters();
      }
    })();
    // Who does not wait for its turn any more lets nobody pass those before it.
    this.#exclusive = Promise.allSettled([before, mine]).then(() => {});
    return mine;
  }

  /** No compaction begins by itself until the call that is returned; what is asked for has its turns. */
  holdBack(): () => void {
    this.#manual++;
    return () => {
      this.#manual--;
      this.wake();
      this.#tellWaiters();
    };
  }

  /** The database is being closed: compaction waits for no files any more. */
  stopWaiting(): void {
    this.#stopWaiting();
  }

  /** Gives up compaction, finishes the flush under way. */
  async close(): Promise<void> {
    this.#closing = true;
    this.stopWaiting();
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#quietTimer);
    await this.#flushing;
    await this.#compacting;
    await this.#exclusive;
  }
}
