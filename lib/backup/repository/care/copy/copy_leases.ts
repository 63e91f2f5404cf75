/**
 * The leases of a copy, and what it published under them.
 *
 * A pruning whose clock is far ahead may have broken a lease after it was renewed, and not have seen the backups that were
 * published since: those that are not whole then are taken back.
 *
 * @module
 */
import type { RepositoryContext } from "../../core/context.ts";
import { backupKey, pinKey } from "../../core/layout.ts";
import type { Lease } from "../../core/lease.ts";
import { stillWhole } from "../../making/still_whole.ts";

/** So many backups are published before the leases are looked at again: each look is a write. */
const UNPROVEN_MAX = 16;

/** The leases of one run. */
export class CopyLeases {
  readonly #to: RepositoryContext;
  readonly #leases: readonly Lease[];
  /** Backups published since the leases were last seen to hold. */
  #unproven: string[] = [];
  /** Backups pinned since then. */
  #pinned: string[] = [];
  /** Whether they were ever asked: nothing is published before. */
  #asked = false;
  /** Why they don't hold: then all goes that is published behind what went. */
  #lost: unknown;

  /** `leases`: of both sides. `to`: where is published. */
  constructor(leases: readonly Lease[], to: RepositoryContext) {
    this.#leases = leases;
    this.#to = to;
  }

  /** To be called as work goes on. */
  async touch(): Promise<void> {
    for (const lease of this.#leases) await lease.touch();
  }

  /** To be called before a backup is published. */
  async beforeBackup(): Promise<void> {
    if (this.#asked && this.#unproven.length < UNPROVEN_MAX) await this.touch();
    else await this.assertHeld();
  }

  /** A backup was published. */
  published(id: string): void {
    this.#unproven.push(id);
  }

  /** A backup was pinned. */
  pinned(id: string): void {
    this.#pinned.push(id);
  }

  /** Throws unless all leases hold; then what was published since they did, and is not whole, is taken back. */
  async assertHeld(): Promise<void> {
    const published = this.#unproven.splice(0);
    const pinned = this.#pinned.splice(0);
    try {
      if (this.#lost !== undefined) throw this.#lost;
      await Promise.all(this.#leases.map((lease) => lease.assertHeld(true)));
      this.#asked = true;
    } catch (error) {
      this.#lost = error;
      // Another copy may build on what is whole by now.
      const whole = await stillWhole(this.#to, published).catch(() => new Set<string>());
      // Before what they build on, as everywhere.
      for (const id of published.reverse()) {
        if (!whole.has(id)) await this.#to.store.delete(backupKey(id)).catch(() => {});
      }
      for (const id of pinned) await this.#unpinGone(id).catch(() => {});
      throw error;
    }
  }

  async #unpinGone(id: string): Promise<void> {
    const { store } = this.#to;
    if (await store.head(backupKey(id)) === undefined) await store.delete(pinKey(id));
  }

  /** After a failure: takes back what was published under leases that don't hold. */
  async end(): Promise<void> {
    if (this.#unproven.length + this.#pinned.length > 0) await this.assertHeld().catch(() => {}); // The first failure is the one to tell.
  }
}
