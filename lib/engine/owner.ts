/**
 * Which engine an open database holds, for the floors in between: kept aside, so that no public type shows it.
 *
 * @module
 */
import type { Engine } from "./types.ts";

const engines = new WeakMap<object, Engine>();

/** Notes whose engine it is. */
export function ownEngine(owner: object, engine: Engine): void {
  engines.set(owner, engine);
}

/** The engine of an open database; undefined when it is none. */
export function engineOf(owner: unknown): Engine | undefined {
  return typeof owner === "object" && owner !== null ? engines.get(owner) : undefined;
}
