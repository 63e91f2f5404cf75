/**
 * What a run needs to repeat: that work which threads of a pool do beside the main thread ends in the same order each time,
 * and that chance comes from a seed.
 *
 * Only simulations (`lib/adapters/testing`) ask for that, and then it is so for the whole process: a run is single-threaded
 * as long as it lasts, and what it encrypts is safe from nobody.
 *
 * @module
 */
import { randomBytes as systemRandomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";

/** By so much a simulated clock goes on whenever it is looked at, ms: slices of work end somewhere in the middle of it. */
const TICK_MS = 0.25;

/** A simulated machine. */
export interface Simulation {
  /** The program ended, however: another one begins, which knows nothing of it. */
  beginProcess(): void;
  /** From here on all is as it was before. */
  end(): void;
}

let seeded: (() => number) | undefined;
let simulatedNow = 0;
/** Stands for the present process. */
let process = {};

/** From now on all is decided by `random` (from 0 up to 1). */
export function beginSimulation(random: () => number): Simulation {
  if (seeded !== undefined) throw new TypeError("another simulation goes on in this process; they can't overlap");
  const real = process;
  const beginProcess = (): void => void (process = {});
  seeded = random;
  simulatedNow = 0;
  beginProcess();
  return {
    beginProcess,
    end: () => {
      seeded = undefined;
      process = real;
    },
  };
}

/** What `beside` does in a pool of threads; in a simulation `atOnce`, which gives the same. */
export async function offload<T>(beside: () => Promise<T>, atOnce: () => T): Promise<T> {
  return seeded === undefined ? await beside() : atOnce();
}

/** Bytes that nobody can foresee; in a simulation those that its seed makes. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const random = seeded;
  if (random === undefined) return new Uint8Array(systemRandomBytes(count));
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

/** From 0 up to 1: for delays, and other things that nobody has to guess. */
export function randomNumber(): number {
  return seeded === undefined ? Math.random() : seeded();
}

/** ms of a clock that only goes forward. */
export function monotonicNow(): number {
  return seeded === undefined ? performance.now() : simulatedNow += TICK_MS;
}

/** What lasts as long as somebody else holds it; in a simulation for good, for nobody knows when garbage is collected. */
export function weakly<T extends object>(value: T): { deref(): T | undefined } {
  return seeded === undefined ? new WeakRef(value) : { deref: () => value };
}

/** What a process as a whole keeps in mind; a simulated one begins with nothing. */
export function ofProcess<T extends object>(make: () => T): () => T {
  const kept = new WeakMap<object, T>();
  return () => {
    const found = kept.get(process) ?? make();
    kept.set(process, found);
    return found;
  };
}
