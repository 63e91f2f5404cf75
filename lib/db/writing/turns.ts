/**
 * Retries in the order in which they became necessary.
 *
 * Of many that contend for one key, one commits and the others have read what it changed. Were all of them to try again as
 * they like, some would lose as often as they may. So they go one at a time; to one that loses in its turn as well, all
 * others give way with their commits.
 *
 * Whoever is waited for may wait for anything, also for one that waits for it. So nobody waits for longer than its patience
 * lasts, in the line for each move of it. Who was waited for in vain loses its turn, or its precedence, or every later one
 * would wait for it again.
 *
 * @module
 */

/** One in the line, or about to join it. */
export interface Place {
  /** Tells it that its turn has come. */
  call?: () => void;
}

/** Resolves when it ends; the signal ends it too. */
export type Patience = (signal: AbortSignal) => Promise<void>;

/** The line, and those that go before it. */
export class Turns {
  /** In order; the first has its turn. */
  readonly #line = new Set<Place>();
  /** How often one has left it on its own. */
  #moves = 0;
  /** Resolves when the one has ended to which others give way. */
  #preferred: Promise<true> | undefined;

  /**
   * Joins the end of the line unless it stands there already. Undefined: nobody is before it. Otherwise resolves when all
   * before it have left, or none did while `patience` lasted.
   */
  wait(place: Place, patience: Patience): Promise<void> | undefined {
    this.#line.add(place);
    return this.#first === place ? undefined : this.#wait(place, patience);
  }

  /** Lets the next one go, or gives the place up. */
  leave(place: Place): void {
    this.#moves++;
    this.#remove(place);
  }

  /** Lets others give way to one, until what it answers is called. */
  prefer(): () => void {
    let end!: () => void;
    const preferred = this.#preferred = new Promise<true>((resolve) => end = () => resolve(true));
    return () => {
      this.#prefersNoMore(preferred);
      end();
    };
  }

  /** Undefined: there is none to give way to. Otherwise resolves when that one has ended, or `patience` has. */
  giveWay(patience: Patience): Promise<void> | undefined {
    const preferred = this.#preferred;
    return preferred && comesInTime(preferred, patience).then(() => this.#prefersNoMore(preferred));
  }

  #prefersNoMore(preferred: Promise<true>): void {
    if (this.#preferred === preferred) this.#preferred = undefined;
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
