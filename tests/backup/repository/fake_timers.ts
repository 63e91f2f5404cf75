/** Time that a test decides: a clock and its timers. */
import { setImmediate, setTimeout } from "node:timers";

export { SimulatedTime as FakeTime } from "../../../lib/adapters/testing/simulated_time.ts";

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
