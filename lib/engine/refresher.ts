/**
 * Moving a read-only engine on to what its writer has committed by now.
 *
 * @module
 */
import type { Log } from "./log/log.ts";
import { loadReadOnly } from "./recovery/load.ts";
import type { Store } from "./store.ts";
import type { CommitQueue } from "./writing/commit_queue.ts";

/** What moves one reader on. */
export class Refresher {
  readonly #store: Store;
  readonly #log: Log;
  readonly #queue: CommitQueue;
  readonly #assertOpen: () => void;
  #turn: Promise<void> = Promise.resolve();

  /** `assertOpen` throws once the engine is closed. */
  constructor(store: Store, log: Log, queue: CommitQueue, assertOpen: () => void) {
    this.#store = store;
    this.#log = log;
    this.#queue = queue;
    this.#assertOpen = assertOpen;
  }

  /** Takes over the state of now. In turn: of two at once the one that looked first may come last, and would go back. */
  refresh(): Promise<void> {
    const mine = this.#turn.then(() => this.#refresh());
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #refresh(): Promise<void> {
    this.#assertOpen();
    const { fs, path, settings, cache } = this.#store;
    const { store, log } = await loadReadOnly(fs, path, settings, cache);
    try {
      this.#assertOpen();
    } catch (error) {
      store.version.release();
      throw error;
    }
    this.#store.adopt(store);
    this.#log.adopt(log);
    // In the very step in which the state changes: the catalog is read anew.
    this.#queue.tell({ reset: true, version: store.visibleVersion, timestamp: store.visibleTimestamp });
  }
}
