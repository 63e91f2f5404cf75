/**
 * Holds writers back while flush and compaction are behind (see `stall.ts` for when and how long).
 *
 * @module
 */
import { yieldToLoop } from "../../base/yield.ts";
import type { Background } from "../background/background.ts";
import { decideStall, type Stall } from "./stall.ts";
import type { Store } from "../store.ts";

/** What stands between writers and a database that can't keep up. */
export class Throttle {
  readonly #store: Store;
  readonly #background: Background;

  constructor(store: Store, background: Background) {
    this.#store = store;
    this.#background = background;
  }

  /**
   * Resolves when `bytes` may be written. On a full disk that flush can't get past it rejects instead of waiting, unless the
   * write `frees` space.
   */
  async wait(bytes: number, frees: boolean): Promise<void> {
    const store = this.#store;
    const { monotonic } = store.settings;
    store.assertArchiveHasRoom();
    for (let reported = false;;) {
      const stall = this.#decide(bytes);
      if (stall.kind === "none") return;
      if (stall.kind === "delay") return await this.#delay(stall);
      if (store.full && !await this.#background.retry()) {
        // Deletes must get in, or space could never be freed: the memtable grows, by no more than the log finds room for.
        if (frees) return;
        throw store.noSpace("write to");
      }
      if (!reported) store.report({ type: "stall", reason: stall.reason, delayMs: 0 });
      reported = true;
      const started = monotonic();
      this.#background.stall = stall.reason;
      await this.#background.progress();
      this.#background.stall = undefined;
      store.counters.stalledMs += monotonic() - started;
      store.assertWritable("write");
    }
  }

  #decide(bytes: number): Stall {
    const { version, settings, sealed, memtable } = this.#store;
    return decideStall({
      level0: version.level0.length,
      level0Tables: settings.level0Tables,
      sealed: sealed.length,
      memtableShare: memtable.bytes / settings.memtableBytes,
      bytes,
    });
  }

  async #delay(stall: Stall & { kind: "delay" }): Promise<void> {
    const { monotonic } = this.#store.settings;
    const started = monotonic();
    this.#background.wake();
    this.#background.stall = stall.reason;
    // Going round the loop gives compaction its turn, which a timer alone would not.
    while (monotonic() - started < stall.ms) await yieldToLoop();
    this.#background.stall = undefined;
    this.#store.counters.stalledMs += monotonic() - started;
  }
}
