/**
 * The pace of reading a database while it is written to.
 *
 * @module
 */
import { Pace, type PaceOptions } from "../base/pace.ts";
import type { Engine } from "../engine/types.ts";

/** A pace that lets writers go first, and compaction where they wait for it. */
export function paceBeside(engine: Engine, options: Pick<PaceOptions, "monotonic" | "delay">): Pace {
  return new Pace({ ...options, activity: () => engine.visibleVersion, isBehind: () => engine.isBehind });
}
