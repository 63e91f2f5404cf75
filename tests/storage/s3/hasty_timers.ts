/** Timers twenty times as fast as others, for what takes real servers and long waits. */
import { systemTimers, type Timers } from "../../../lib/base/timers.ts";

/** See above. */
export const HASTY: Timers = { set: (ms, run, keepAlive) => systemTimers.set(ms / 20, run, keepAlive) };
