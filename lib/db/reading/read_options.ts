/**
 * What reading calls take beside a key or a range.
 *
 * @module
 */
import { booleanOption, checkOptions, describeValue, numberOption, signalOption } from "../../base/options.ts";
import { refuseOptions } from "../data/ranges.ts";

/** A state of the database that stays readable: a `Snapshot`, as reading calls take it. */
export interface PointInTime {
  /** The version it shows. */
  readonly version: number;
  /** The time of that commit, ms since the Unix epoch. */
  readonly timestamp: number;
}

/** Options of a read. */
export interface ReadOptions {
  /** Reads from this snapshot instead of the present. */
  snapshot?: PointInTime | undefined;
}

/** Options of a list. */
export interface ListOptions extends ReadOptions {
  /** From the last key to the first; the range stays what it is. Default: false. */
  reverse?: boolean | undefined;
  /** At most so many. Default: no limit. */
  limit?: number | undefined;
  /** Ends the iteration: its next step rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A list's options, checked. */
export interface CheckedListOptions {
  /** From the last key to the first. */
  reverse: boolean;
  /** At most so many; `Infinity` for all. */
  limit: number;
  /** The snapshot to read from. */
  snapshot: PointInTime | undefined;
  /** Ends the iteration. */
  signal: AbortSignal | undefined;
}

function snapshotOption(call: string, snapshot: unknown): PointInTime | undefined {
  if (snapshot === undefined) return undefined;
  if (typeof snapshot !== "object" || snapshot === null) {
    throw new TypeError(`${call}: option "snapshot" must be a snapshot, not ${describeValue(snapshot)}`);
  }
  return snapshot as PointInTime;
}

/** The snapshot that a read names; which database it belongs to is checked where it is used. */
export function readOptions(call: string, options: unknown): PointInTime | undefined {
  if (options === undefined) return undefined;
  return snapshotOption(call, checkOptions(call, options, ["snapshot"])["snapshot"]);
}

const LIST_OPTIONS = ["reverse", "limit", "snapshot", "signal"];

/** Checks the options of a list, and that none of them was given as a part of its range. */
export function listOptions(call: string, options: unknown, range: unknown): CheckedListOptions {
  refuseOptions(call, range, LIST_OPTIONS);
  const checked = checkOptions(call, options, LIST_OPTIONS);
  const limit = checked["limit"] === Infinity
    ? Infinity
    : numberOption(call, checked, "limit", Infinity, { min: 0, max: Number.MAX_SAFE_INTEGER });
  return {
    reverse: booleanOption(call, checked, "reverse", false),
    limit,
    snapshot: snapshotOption(call, checked["snapshot"]),
    signal: signalOption(call, checked),
  };
}
