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
  /** Whether there is still something to do; without it there always is, and a warm-up comes first. */
  more?: () => boolean;
}

/** Lets them work, and measures it. */
export async function work({ clients, seconds, operation, more }: Work): Promise<Omit<Measured, "checked">> {
  if (more === undefined) await run(clients, Math.min(300, seconds * 300), operation, new Latencies(), () => true);
  const latencies = new Latencies();
  const { result: { operations, ms }, loop } = await watched(() =>
    run(clients, seconds * 1000, operation, latencies, more ?? (() => true))
  );
  return { value: operations / ms * 1000, operations, ms, latency: latencies.percentiles(), loop };
}

async function run(
  clients: number,
  forMs: number,
  operation: Operation,
  latencies: Latencies,
  more: () => boolean,
): Promise<{ operations: number; ms: number }> {
  let operations = 0;
  const start = performance.now();
  const client = async () => {
    let at = performance.now();
    for (let n = 1; at - start < forMs && more(); n++) {
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
