/** Time that a test decides: a clock and its timers. */
import { setImmediate, setTimeout } from "node:timers";
import type { Timers } from "../../../lib/base/timers.ts";

/** A clock that stands still until it is told otherwise. */
export class FakeTime implements Timers {
  now: number;
  readonly #due = new Map<number, { at: number; run: () => void; keepAlive: boolean }>();
  #next = 1;

  constructor(now: number) {
    this.now = now;
  }

  readonly clock = (): number => this.now;

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

/** A few turns of the event loop. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(() => resolve()));
}

/** Turns of the event loop until something holds; after the first thousand each waits for the thread pool a little. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 30_000; i++) {
    if (holds()) return;
    if (i < 1000) await turns(1);
    else await new Promise<void>((resolve) => setTimeout(resolve, 1));
  }
  throw new Error("it never came to hold");
}
