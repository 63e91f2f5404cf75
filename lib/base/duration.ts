/**
 * Lengths of time as callers write them: `90_000` or `"90s"`.
 *
 * ```
 * duration := number unit        "30d"  "12h"  "1.5h"  "250ms"
 * unit     := ms | s | m | h | d | w | y
 * ```
 *
 * A minute is `m`; there is no unit for months, which have no one length. A day is always 24 hours and a year 365 days:
 * calendars, with their leap days and summer time, are the business of whoever needs one.
 *
 * @module
 */
import { type CheckedOptions, describeValue } from "./options.ts";

/** A length of time: ms, or a number with its unit, such as `"30d"` or `"12h"`. */
export type Duration = number | string;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** A day of 24 hours, in ms. */
export const DAY_MS: number = 24 * HOUR;

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY_MS,
  w: 7 * DAY_MS,
  y: 365 * DAY_MS,
};

/** The longest that is allowed: more than any `Date` reaches, so that no sum with a time loses its milliseconds. */
const DURATION_MAX = 8.64e15;

/** The ms that `text` means, or undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,16}(?:\.\d{1,6})?)(ms|s|m|h|d|w|y)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const ms = Math.round(Number(digits) * UNITS[unit]!);
  return ms <= DURATION_MAX ? ms : undefined;
}

/** A duration in ms; `TypeError` for what is none, `RangeError` below `min` (0 unless given). */
export function durationOption<F extends number | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
  min = 0,
): number | F {
  const value = options[name];
  if (value === undefined) return fallback;
  const ms = typeof value === "string" ? parseDuration(value) : value;
  if (typeof ms !== "number") {
    throw new TypeError(
      `${call}: option "${name}" must be milliseconds or a duration such as "30d", "12h" or "15m", not ${
        describeValue(value)
      }`,
    );
  }
  if (!(ms >= min && ms <= DURATION_MAX)) {
    throw new RangeError(
      `${call}: option "${name}" must be a duration of at least ${formatDuration(min)}, not ${describeValue(value)}`,
    );
  }
  return ms;
}

/** A duration for people, in the largest unit that it fills, with at most one decimal: `"26h"`, `"2.5d"`, `"0s"`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms === 0) return "0s";
  // Two of a unit before it is used, but where it comes out even: "26h" tells more than "1.1d", and "1d" than "24h".
  const unit = (["y", "w", "d", "h", "m", "s"] as const).find((each) =>
    ms >= UNITS[each]! && (each === "y" || each === "w" ? ms % UNITS[each]! === 0 : true) &&
    (ms >= 2 * UNITS[each]! || ms % UNITS[each]! === 0)
  );
  if (unit === undefined) return ms < 2 * SECOND ? `${Math.round(ms)}ms` : `${decimal(ms / SECOND)}s`;
  return `${decimal(ms / UNITS[unit]!)}${unit}`;
}

function decimal(value: number): string {
  return String(Math.round(value * 10) / 10);
}
