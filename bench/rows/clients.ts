/**
 * Clients that work at the same time, each one operation after the other, and what each operation took.
 *
 * @module
 */
import { Latencies } from "../latencies.ts";
import { type Measured, turn, watched } from "./row.ts";

/** An operation of some client. It may be over when it returns. */
export type Operation = () => void | Promise<unknown>;

/** A client gives back the turn of the event loop after so many operations that were over at once. */
const OPERATIONS_A_TURN = 16;

/** What clients do. */
export interface Work {
  clients: number;
  seconds: number;
  operation: Operation;
  /** Operations that there are; without end unless given. */
  count?: number;
}

/** Lets them work, and measures it behind a warm-up, which has a quarter of what there is. */
export async function work(
  { clients, seconds, operation, count = Infinity }: Work,
): Promise<Omit<Measured, "checked">> {
  const before = await run(clients, Math.min(300, seconds * 300), operation, new Latencies(), Math.floor(count / 4));
  const latencies = new Latencies();
  const { result: { operations, ms }, loop } = await watched(() =>
    run(clients, seconds * 1000, operation, latencies, count - before.operations)
  );
  return { value: operations / ms * 1000, operations, ms, latency: latencies.percentiles(), loop };
}

async function run(
  clients: number,
  forMs: number,
  operation: Operation,
  latencies: Latencies,
  count: number,
): Promise<{ operations: number; ms: number }> {
  let operations = 0;
  let left = count;
  const start = performance.now();
  const client = async () => {
    let at = performance.now();
    for (let n = 1; at - start < forMs && left-- > 0; n++) {
      const waiting = operation();
      if (waiting !== undefined) await waiting;
      const end = performance.now();
      latencies.add(end - at);
      operations++;
      at = end;
      if (n % OPERATIONS_A_TURN === 0) {
        await turn();
        at = performance.now();
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { operations, ms: performance.now() - start };
}
