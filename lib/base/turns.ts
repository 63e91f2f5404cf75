/**
 * Pieces of work that have their turn one after the other.
 *
 * @module
 */

/** Begins each piece of work when all that came before has ended. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` in its turn. That others failed does not matter to it. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}
