/**
 * Hours, days, weeks, months and years of a time zone, as names.
 *
 * ```
 * hour 2026-11-25 13:00+01   with the distance from UTC, for an hour comes twice when summer ends
 * day 2026-11-25   week 2026-W48 (ISO: from Monday, numbered by its Thursday)   month 2026-11   year 2026
 * ```
 *
 * @module
 */
import { DAY_MS } from "../../../../base/duration.ts";

/** A stretch of the calendar. */
export type CalendarUnit = "hour" | "day" | "week" | "month" | "year";

/** Names the stretch of the calendar that a time (ms) lies in. */
export type Calendar = (unit: CalendarUnit, time: number) => string;

/** The calendar of an IANA time zone; `RangeError` for one that this runtime does not know. */
export function calendarOf(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat("en-US-u-ca-iso8601-nu-latn", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (unit, time) => {
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(time)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    const date = `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
    switch (unit) {
      case "hour": {
        const seen = Date.UTC(year, month - 1, day, hour, minute, second);
        return `${date} ${pad(hour)}:00${distance(Math.round((seen - time) / 60_000))}`;
      }
      case "day":
        return date;
      case "week":
        return isoWeek(Date.UTC(year, month - 1, day));
      case "month":
        return date.slice(0, -3);
      case "year":
        return date.slice(0, -6);
    }
  };
}

/** The week of a day, which is given as the UTC midnight of its date. */
function isoWeek(midnight: number): string {
  const weekday = (new Date(midnight).getUTCDay() + 6) % 7; // Monday is 0.
  const thursday = new Date(midnight + (3 - weekday) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${pad(year, 4)}-W${pad(week)}`;
}

function distance(minutes: number): string {
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${minutes < 0 ? "-" : "+"}${pad(hours)}${rest === 0 ? "" : `:${pad(rest)}`}`;
}

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, "0");
}
