/**
 * How a commit's sync is made: off the main thread or at once, and whether the next group is written meanwhile.
 *
 * Off the thread others go on meanwhile, and commits gather for the next sync. A writer that is alone, and waits for each
 * commit, has nothing to gain from that and pays for two hops between threads, which take as long as the sync itself on a
 * fast disk. So: at once while one writer alone waits and syncs are short, off the thread as soon as either ends. One slow
 * sync is felt once; after it the thread is not held again for a while.
 *
 * Over simulated files time must not choose: no sync is at once there, and four groups of eight overlap.
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
const REST_COMMITS = 64;

/** Groups are written while others are synced from this many commits on; fewer do not make up for twice the syncs. */
const OVERLAP_COMMITS_MIN = 16;

/** What a commit takes of the main thread, about, with what its writer does: a sync is short if all of them take longer. */
const COMMIT_MS = 0.008;

/** Chooses for each group of commits. */
export class SyncChoice {
  #alone = 0;
  #rest = 0;
  #lastMs = Infinity;
  #groups = 0;
  readonly #isRepeatable: boolean;

  /** `isRepeatable`: over simulated files. */
  constructor(isRepeatable = false) {
    this.#isRepeatable = isRepeatable;
  }

  /** Whether the next sync is made at once. `alone`: it is for one commit, and no other waits behind it. */
  atOnce(alone: boolean): boolean {
    this.#alone = alone ? this.#alone + 1 : 0;
    if (this.#rest > 0) {
      this.#rest--;
      return false;
    }
    return !this.#isRepeatable && this.#alone > ALONE_MIN && this.#lastMs < TRY_BELOW_MS;
  }

  /** Whether a group of so many commits, those being synced among them, is split so that halves go in turn. */
  overlaps(commits: number): boolean {
    if (this.#isRepeatable) return this.#groups++ % 8 >= 4;
    return commits >= OVERLAP_COMMITS_MIN && this.#lastMs < commits * COMMIT_MS;
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
