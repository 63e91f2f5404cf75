/**
 * Time that a test decides.
 *
 * @module
 */
import type { Timers } from "../../base/timers.ts";
import { yieldToLoop } from "../../base/yield.ts";

/** A clock that stands still until it is told otherwise. */
export class SimulatedTime implements Timers {
  /** ms since the epoch. */
  now: number;
  readonly #due = new Map<number, { at: number; run: () => void; keepAlive: boolean }>();
  #next = 1;

  /** Begins at `now`. */
  constructor(now: number) {
    this.now = now;
  }

  /** The clock, to be passed on. */
  readonly clock: () => number = () => this.now;

  /** See `Timers`. */
  set(ms: number, run: () => void, keepAlive: boolean): () => void {
    const id = this.#next++;
    this.#due.set(id, { at: this.now + Math.ceil(ms), run, keepAlive });
    return () => void this.#due.delete(id);
  }

  /** Timers that keep the process alive. */
  get keeping(): number {
    return [...this.#due.values()].filter(({ keepAlive }) => keepAlive).length;
  }

  /** Lets time go by; `settled` is awaited after every timer that fires. */
  async advance(ms: number, settled: () => Promise<void> | void = turns): Promise<void> {
    const until = this.now + ms;
    for (;;) {
      const [first] = [...this.#due].filter(([, { at }]) => at <= until).sort((a, b) =>
        a[1].at - b[1].at || a[0] - b[0]
      );
      if (first === undefined) break;
      const [id, { at, run }] = first;
      this.#due.delete(id);
      this.now = Math.max(this.now, at);
      run();
      await settled();
    }
    this.now = until;
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await yieldToLoop();
}
