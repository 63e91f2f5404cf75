/**
 * The syncs of groups of commits: one after the other, and, where that is faster, with the next group written meanwhile.
 *
 * Many writers that all wait for the same sync leave the processor idle until it ends. Where a sync is short beside what
 * they do, half of them go first: while their sync is under way the others write, and so on in turn. On a slow disk it is
 * better that all gather for one sync.
 *
 * @module
 */
import type { Log } from "../log/log.ts";
import type { Store } from "../store.ts";
import { SyncChoice } from "./sync_choice.ts";

/** What the syncs of groups are made of. */
export class GroupSync {
  readonly #store: Store;
  readonly #log: Log;
  readonly #choice: SyncChoice;
  /** Groups that are being synced while others are written, oldest first: at most two. None of them rejects. */
  readonly #flights: { shown: Promise<void>; commits: number }[] = [];
  /** When the last sync ended: one that waited for it began then. */
  #endedAt = 0;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
    this.#choice = new SyncChoice(store.isRepeatable);
  }

  /** Resolves when no group is under way: all that was written is visible, or the store has failed. */
  async settle(): Promise<void> {
    await this.#flights.at(-1)?.shown;
  }

  /**
   * Waits until the next group may be written, and answers how many commits it takes at most and whether its sync may be
   * left `under way` while the group behind it is written. `waits`: whether its first commit waits for a sync; `queued` tells
   * how many commits there are.
   */
  async turn(waits: boolean, queued: () => number): Promise<{ most: number; underWay: boolean }> {
    // One being synced and one waiting for its turn are enough.
    if (this.#flights.length > 1) await this.#flights[0]!.shown;
    const commits = this.#flights.reduce((sum, flight) => sum + flight.commits, queued());
    const underWay = waits && this.#choice.overlaps(commits);
    if (!underWay) await this.settle();
    return { most: underWay && this.#flights.length === 0 ? Math.ceil(commits / 2) : Infinity, underWay };
  }

  /** Notes a group whose sync is under way; `shown` settles when its commits are visible or refused. */
  leave(shown: Promise<void>, commits: number): void {
    const flight = {
      shown: shown.catch(() => {}).then(() => void this.#flights.splice(this.#flights.indexOf(flight), 1)),
      commits,
    };
    this.#flights.push(flight);
  }

  /** Syncs what is written; `last` is whether no other commit waits behind. After a failed sync the store has failed. */
  async sync(commits: number, last: boolean): Promise<void> {
    const store = this.#store;
    const segment = this.#log.segment!;
    const atOnce = this.#choice.atOnce(commits === 1 && last && !segment.isSyncing);
    const calledAt = store.settings.monotonic();
    try {
      if (atOnce) segment.syncSync();
      else await segment.sync();
      store.manifest.marker.assertOurs();
    } catch (error) {
      store.fail(error);
      throw error;
    }
    store.counters.syncs++;
    const beganAt = Math.max(calledAt, this.#endedAt);
    this.#endedAt = store.settings.monotonic();
    const durationMs = this.#endedAt - beganAt;
    this.#choice.took(durationMs, atOnce);
    store.report({ type: "sync", durationMs, commits });
  }
}
