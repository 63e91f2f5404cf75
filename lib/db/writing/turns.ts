/**
 * Retries in the order in which they became necessary.
 *
 * Of many that contend for one key, one commits and the others have read what it changed. Were all of them to try again as
 * they like, some would lose as often as they may. So they go one at a time; to one that loses in its turn as well, all
 * others give way with their commits.
 *
 * Whoever is waited for may wait for anything, also for one that waits for it. Of one that was begun in its function that is
 * known, and it waits for nobody. Otherwise nobody waits for longer than its patience lasts, in the line for each move of it.
 * Who was waited for in vain loses its turn, or its precedence, or every later one would wait for it again.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** One in the line, or about to join it. */
export interface Place {
  /** That in whose function it was begun. */
  readonly within: Place | undefined;
  /** Tells it that its turn has come. */
  call?: () => void;
}

/** Resolves when it ends; the signal ends it too. */
export type Patience = (signal: AbortSignal) => Promise<void>;

/** In whose function something is called. */
const running = new AsyncLocalStorage<Place>();

/** The line, and those that go before it. */
export class Turns {
  /** In order; the first has its turn. */
  readonly #line = new Set<Place>();
  /** How often one has left it on its own. */
  #moves = 0;
  #ended = false;
  /** To which others give way, until it has ended. */
  #preferred: { place: Place; ended: Promise<true> } | undefined;

  /** A place for one that is called here; it stands nowhere yet. */
  place(): Place {
    return { within: running.getStore() };
  }

  /** Calls the function of one that has a place: what is begun in there does not wait for it. */
  run<T>(place: Place, work: () => T): T {
    return running.run(place, work);
  }

  /**
   * Joins the end of the line unless it stands there already. Undefined: nobody is before it. Otherwise resolves when all
   * before it have left, or none did while `patience` lasted.
   */
  wait(place: Place, patience: Patience): Promise<void> | undefined {
    for (let outer = place.within; outer !== undefined; outer = outer.within) {
      if (this.#line.has(outer)) return undefined;
    }
    if (this.#ended) return undefined;
    this.#line.add(place);
    return this.#first === place ? undefined : this.#wait(place, patience);
  }

  /** Lets the next one go, or gives the place up. */
  leave(place: Place): void {
    if (!this.#line.has(place)) return;
    this.#moves++;
    this.#remove(place);
  }

  /** From now on nobody waits for a turn, for nobody has one any more. */
  end(): void {
    this.#ended = true;
    for (const { call } of this.#line) call?.();
  }

  /** Lets others give way to one, until what it answers is called. */
  prefer(place: Place): () => void {
    const { promise: ended, resolve } = Promise.withResolvers<true>();
    const preferred = this.#preferred = { place, ended };
    return () => {
      if (this.#preferred === preferred) this.#preferred = undefined;
      resolve(true);
    };
  }

  /** Undefined: there is none to give way to. Otherwise resolves when that one has ended, or `patience` has. */
  giveWay(patience: Patience): Promise<void> | undefined {
    const preferred = this.#preferred;
    if (preferred === undefined) return undefined;
    for (let outer = running.getStore(); outer !== undefined; outer = outer.within) {
      if (outer === preferred.place) return undefined;
    }
    return comesInTime(preferred.ended, patience).then(() => {
      if (this.#preferred === preferred) this.#preferred = undefined;
    });
  }

  get #first(): Place | undefined {
    return this.#line.values().next().value;
  }

  #remove(place: Place): void {
    this.#line.delete(place);
    this.#first?.call?.();
  }

  async #wait(place: Place, patience: Patience): Promise<void> {
    const turn = new Promise<true>((resolve) => place.call = () => resolve(true));
    for (;;) {
      const { first, moves } = { first: this.#first!, moves: this.#moves };
      if (await comesInTime(turn, patience)) return;
      if (moves !== this.#moves) continue;
      // Unless another has seen to that: it may stand in the line again, further behind.
      if (this.#first === first) this.#remove(first);
      return;
    }
  }
}

async function comesInTime(event: Promise<true>, patience: Patience): Promise<boolean> {
  const enough = new AbortController();
  const came = await Promise.race([event, patience(enough.signal)]);
  enough.abort();
  return came === true;
}
