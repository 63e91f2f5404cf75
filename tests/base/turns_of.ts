import { setImmediate } from "node:timers";

/** How often the event loop goes round while this runs. */
export async function turnsOf(run: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isRunning = true;
  const count = (): void => {
    if (!isRunning) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await run();
  isRunning = false;
  return turns;
}
