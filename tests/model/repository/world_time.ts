/** Time that a run decides. */
import { clearImmediate, setImmediate } from "node:timers";
import type { Timers } from "../../../lib/base/timers.ts";
import { FakeTime, turns } from "../../backup/repository/fake_timers.ts";

/** Pauses before another try are shorter than this and over at once, or every call on a failing store would stand still. */
const SHORT_MS = 5000;

/** A clock that may be set forward and back, and timers that don't care. */
export class WorldTime implements Timers {
  readonly #fake: FakeTime;
  /** By how much the clock was set. */
  #offset = 0;
  #latest: number;

  constructor(now: number) {
    this.#fake = new FakeTime(now);
    this.#latest = now;
  }

  readonly clock = (): number => this.#fake.now + this.#offset;

  /** The latest time that anyone may have seen. */
  get latest(): number {
    return this.#latest = Math.max(this.#latest, this.clock());
  }

  set(ms: number, run: () => void, keepAlive: boolean): () => void {
    if (ms >= SHORT_MS) return this.#fake.set(ms, run, keepAlive);
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  }

  /** Lets time go by; `settled` is awaited after every timer that fires. */
  async advance(ms: number, settled: () => Promise<void>): Promise<void> {
    await this.#fake.advance(ms, settled);
  }

  /** Sets the clock: forward, or back by less than nothing. */
  step(ms: number): void {
    this.#latest = this.latest;
    this.#offset += ms;
  }
}

export { turns };
