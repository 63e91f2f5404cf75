/**
 * How a commit's sync is made: off the main thread, or at once.
 *
 * Off the thread others go on meanwhile, and commits gather for the next sync. A writer that is alone, and waits for each
 * commit, has nothing to gain from that and pays for two hops between threads, which take as long as the sync itself on a
 * fast disk. So: at once while one writer alone waits and syncs are short, off the thread as soon as either ends. One slow
 * sync is felt once; after it the thread is not held again for a while.
 *
 * @module
 */

/** Commits in a row of a writer that is alone before the thread is held for it. */
const ALONE_MIN = 4;

/** A sync off the thread that took less (hops included) may be made at once the next time. */
const TRY_BELOW_MS = 1;

/** One at once that took more is the last for a while: a timer should not notice it. */
const LEAVE_ABOVE_MS = 2;

/** So many commits long. */
const REST_COMMITS = 512;

/** Chooses for each group of commits. */
export class SyncChoice {
  #alone = 0;
  #rest = 0;
  #lastMs = Infinity;

  /** Whether the next sync is made at once. `alone`: it is for one commit, and no other waits behind it. */
  atOnce(alone: boolean): boolean {
    this.#alone = alone ? this.#alone + 1 : 0;
    if (this.#rest > 0) {
      this.#rest--;
      return false;
    }
    return this.#alone > ALONE_MIN && this.#lastMs < TRY_BELOW_MS;
  }

  /** Tells how long it took, ms. */
  took(ms: number, atOnce: boolean): void {
    if (!atOnce) this.#lastMs = ms;
    else if (ms > LEAVE_ABOVE_MS) {
      this.#rest = REST_COMMITS;
      this.#lastMs = Infinity;
    }
  }
}
