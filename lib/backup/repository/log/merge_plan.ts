/**
 * Which objects of an archived log become one: a pure decision.
 *
 * A log that is shipped every second would leave 86,400 objects a day. Once a minute is over its objects become one, once an
 * hour is over those of its minutes, once a day is over those of its hours. So on a day there are at most 23 hours, 59
 * minutes and 60 seconds: 142 objects. Nothing is lost by it: the pieces inside stay as they were, each commit with its time.
 *
 * @module
 */
import type { LogObject } from "./log_chain.ts";

/** An object with what its head says. */
export interface LinkedLogObject extends LogObject {
  /** The chain before it. */
  previous: string;
  /** The time of its first commit, ms. */
  minTimestamp: number;
  /** The time of its last commit, ms. */
  maxTimestamp: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A merged object has no more stored bytes than this. Not larger: a restore to a second of a busy day would read hours for
 * it, and a merge that is cut off begins again. Not smaller: a day of 10 GB still makes 160 objects.
 */
export const MERGED_BYTES_MAX: number = 64 * 2 ** 20;

/** Groups of objects, each to become one. `objects`: one unbroken chain in order. `now`: whose period is not over. */
export function planMerges(objects: readonly LinkedLogObject[], now: number): LinkedLogObject[][] {
  const groups: LinkedLogObject[][] = [];
  let group: LinkedLogObject[] = [];
  let bytes = 0;
  let period = "";
  const finish = (): void => {
    if (group.length > 1) groups.push(group);
    group = [];
    bytes = 0;
  };
  for (const object of objects) {
    const its = periodOf(object.maxTimestamp, now);
    if (its === undefined || its !== period || bytes + object.size > MERGED_BYTES_MAX) finish();
    period = its ?? "";
    if (its === undefined) continue;
    group.push(object);
    bytes += object.size;
  }
  finish();
  return groups;
}

/** The longest period around a time that is over; undefined: not even its minute is. */
function periodOf(time: number, now: number): string | undefined {
  for (const length of [DAY, HOUR, MINUTE]) {
    const index = Math.floor(time / length);
    if (index < Math.floor(now / length)) return `${length} ${index}`;
  }
  return undefined;
}
