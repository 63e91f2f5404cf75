/**
 * The checks of commits, and when one that failed is told.
 *
 * (1) A check sees commits that are written and not visible yet. Whoever is told that it failed reads next, to try again:
 *     before those commits are visible it would find what it had found before, and fail once more; and a crash might still
 *     take away what it was refused for. So it is told when they are visible.
 * (2) It is told before those who made them: who lost begins again before who won begins anew.
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

/** Asks the checks of commits at their turn. */
export class Checks {
  readonly #store: Store;
  /** Those that were refused over versions that are not visible yet, in their order. */
  #refused: { item: Checked; version: number }[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether a commit may be made behind `version`; one whose check throws fails with that at once. */
  pass(item: Checked, version: number): boolean {
    if (item.check === undefined) return true;
    try {
      if (item.check(new StoreView(this.#store, version))) return true;
      if (version <= this.#store.visibleVersion) item.resolve(undefined);
      else this.#refused.push({ item, version });
    } catch (error) {
      item.reject(error);
    }
    return false;
  }

  /** More has become visible. */
  shown(): void {
    const { visibleVersion } = this.#store;
    if (this.#refused.length === 0) return;
    const told = this.#refused.filter(({ version }) => version <= visibleVersion);
    this.#refused = this.#refused.filter(({ version }) => version > visibleVersion);
    for (const { item } of told) item.resolve(undefined);
  }

  /** What is not visible yet never will be. */
  fail(error: unknown): void {
    for (const { item } of this.#refused) item.reject(error);
  }
}
