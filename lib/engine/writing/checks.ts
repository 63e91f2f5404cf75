/**
 * The checks of commits, and when one that failed is told.
 *
 * A check sees commits that are written and not visible yet. Whoever is told that it failed reads next, to try again: before
 * those commits are visible it would find what it had found before, and fail once more; and a crash might still take away
 * what it was refused for.
 *
 * @module
 */
import { StoreView } from "../read_view.ts";
import type { Store } from "../store.ts";
import type { Commit, CommitOptions } from "../types.ts";

/** A commit that may be refused. */
export interface Checked {
  check: CommitOptions["check"];
  resolve: (commit: Commit | undefined) => void;
  reject: (error: unknown) => void;
}

/** Asks the checks of one group of commits. */
export class Checks {
  readonly #store: Store;
  readonly #refused: Checked[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether a commit may be made behind `version`; one whose check throws fails with that at once. */
  pass(item: Checked, version: number): boolean {
    if (item.check === undefined) return true;
    try {
      if (item.check(new StoreView(this.#store, version))) return true;
      this.#refused.push(item);
    } catch (error) {
      item.reject(error);
    }
    return false;
  }

  /** Tells those that were refused, once all that they were asked over is visible, or has failed. */
  tell(shown: Promise<void>): void {
    const refused = this.#refused;
    if (refused.length === 0) return;
    shown.then(() => this.#store.assertWritable("write")).then(
      () => {
        for (const { resolve } of refused) resolve(undefined);
      },
      (error) => {
        for (const { reject } of refused) reject(error);
      },
    );
  }
}
