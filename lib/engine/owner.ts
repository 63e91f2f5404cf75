/**
 * How what holds an open database shows its engine to the floors in between: under a name of ours alone.
 *
 * @module
 */
import type { Engine } from "./types.ts";

/** The name. */
export const ENGINE: unique symbol = Symbol("holdfast engine");

/** What holds an open database. */
export interface EngineOwner {
  /** Its engine. @internal */
  readonly [ENGINE]: Engine;
}
