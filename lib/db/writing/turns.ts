/**
 * Retries in the order in which they became necessary.
 *
 * Of many that contend for one key, one commits and the others have read what it changed. Were all of them to try again as
 * they like, some would lose as often as they may. So they go one at a time; who meets nobody's conflict never waits here.
 *
 * Whoever has its turn may wait for anything, also for one that stands behind it. So those behind wait on as long as the
 * line moves, each time as long as their patience lasts. Then they go without a turn, and the one they waited for loses its
 * own, or every later one would wait for it again.
 *
 * @module
 */

/** One in the line, or about to join it. */
export interface Place {
  /** Tells it that its turn has come. */
  call?: () => void;
}

/** The line. */
export class Turns {
  /** In order; the first has its turn. */
  readonly #line = new Set<Place>();
  /** How often one has left it on its own. */
  #moves = 0;

  /**
   * Joins the end of the line unless it stands there already. Undefined: nobody is before it. Otherwise resolves when all
   * before it have left, or none did while `patience` lasted; the signal ends that.
   */
  wait(place: Place, patience: (signal: AbortSignal) => Promise<void>): Promise<void> | undefined {
    this.#line.add(place);
    return this.#first === place ? undefined : this.#wait(place, patience);
  }

  /** Lets the next one go, or gives the place up. */
  leave(place: Place): void {
    this.#moves++;
    this.#remove(place);
  }

  get #first(): Place | undefined {
    return this.#line.values().next().value;
  }

  #remove(place: Place): void {
    this.#line.delete(place);
    this.#first?.call?.();
  }

  async #wait(place: Place, patience: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const turn = new Promise<true>((resolve) => place.call = () => resolve(true));
    for (;;) {
      const { first, moves } = { first: this.#first!, moves: this.#moves };
      const enough = new AbortController();
      const isTurn = await Promise.race([turn, patience(enough.signal)]);
      enough.abort();
      if (isTurn) return;
      if (moves !== this.#moves) continue;
      // Unless another has seen to that: it may stand in the line again, further behind.
      if (this.#first === first) this.#remove(first);
      return;
    }
  }
}
