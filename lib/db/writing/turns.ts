/**
 * Retries in the order in which they became necessary.
 *
 * Of many that contend for one key, one commits and the others have read what it changed. Were all of them to try again as
 * they like, some would lose as often as they may. So they go one at a time. To one that loses in its turn as well, the
 * others give precedence: they wait with their commits, for a moment at most.
 *
 * @module
 */

/** A place in the line. */
export interface Place {
  /** Resolves when all before it have left; undefined when nobody is before it. */
  readonly turn: Promise<void> | undefined;
  /** Lets the next one go, or gives the place up. */
  leave(): void;
}

/** The line. */
export class Turns {
  /** What all but those who `hold` wait for before they commit; undefined: nobody is to be let go first. */
  held: Promise<void> | undefined;
  /** What calls each of them, in order. */
  readonly #line = new Set<() => void>();

  /** Keeps the others waiting, until what it answers is called. */
  hold(): () => void {
    let release!: () => void;
    const held = this.held = new Promise<void>((resolve) => release = resolve);
    return () => {
      if (this.held === held) this.held = undefined;
      release();
    };
  }

  /** A place at its end. */
  join(): Place {
    const line = this.#line;
    let call!: () => void;
    const turn = new Promise<void>((resolve) => call = resolve);
    line.add(call);
    return {
      get turn() {
        return line.values().next().value === call ? undefined : turn;
      },
      leave() {
        line.delete(call);
        line.values().next().value?.();
      },
    };
  }
}
