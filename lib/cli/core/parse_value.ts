/**
 * Values of options, from text. What makes no sense is a `UsageError` that says what would.
 *
 * @module
 */
import { parseDuration } from "../../base/duration.ts";
import type { OptionSpec, ValueKind } from "./option_spec.ts";
import { UsageError } from "./exit_code.ts";

/** What stands for a value in the help, and on what a mistake is told. */
export const FORMS: Readonly<Record<Exclude<ValueKind, "flag">, { value: string; form: string }>> = {
  text: { value: "TEXT", form: "a text" },
  path: { value: "FILE", form: "a path" },
  count: { value: "N", form: "a whole number such as 10" },
  share: { value: "SHARE", form: "a number from 0 to 1 such as 0.95" },
  bytes: { value: "BYTES", form: 'a number of bytes such as 500000, "64MiB" or "10GB"' },
  duration: { value: "TIME", form: 'a duration such as "90s", "12h" or "30d"' },
  time: { value: "WHEN", form: 'a time such as "2026-11-26T21:30:00Z", "2026-11-26" (UTC), "2h ago" or ms since 1970' },
  choice: { value: "WORD", form: "one of its words" },
};

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** The value that `text` means for an option; `now` is what "2h ago" counts from. */
export function parseValue(spec: OptionSpec, text: string, now: number): string | number {
  const { kind } = spec;
  if (kind === "flag") throw new UsageError(`--${spec.name} takes no value`);
  const value = valueOf(spec, kind, text, now);
  if (value === undefined) {
    const form = kind === "choice" ? `one of ${spec.choices!.join(", ")}` : FORMS[kind].form;
    throw new UsageError(`--${spec.name} takes ${form}, not ${JSON.stringify(text)}`);
  }
  return value;
}

function valueOf(spec: OptionSpec, kind: ValueKind, text: string, now: number): string | number | undefined {
  switch (kind) {
    case "count":
      return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
    case "share":
      return /^(?:0|1|0?\.\d+|1\.0+)$/.test(text) ? Number(text) : undefined;
    case "bytes":
      return parseBytes(text);
    case "duration":
      // Zero needs no unit: "a limit of 0 switches its check off".
      return text.trim() === "0" ? 0 : parseDuration(text.trim());
    case "time":
      return parseTime(text, now);
    case "choice":
      return spec.choices?.includes(text) ? text : undefined;
    case "path":
      return text === "" ? undefined : text;
    default:
      return text;
  }
}

/** `"64MiB"` in bytes; undefined for what is none. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmgt]?i?b)?$/i.exec(text.trim()) ?? [];
  const factor = BYTE_UNITS[unit.toLowerCase()];
  if (digits === undefined || factor === undefined) return undefined;
  const bytes = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A time in ms; undefined for what is none. A date without a time begins that day in UTC, a time without a zone is UTC. */
export function parseTime(text: string, now: number): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "now") return now;
  const before = /^(.*\S) ?ago$/.exec(trimmed)?.[1];
  if (before !== undefined) {
    const ms = parseDuration(before);
    return ms === undefined ? undefined : now - ms;
  }
  if (/^\d{9,15}$/.test(trimmed)) return Number(trimmed);
  const pattern = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?) ?(Z|[+-]\d\d:?\d\d)?)?$/i;
  const [, year, month, day, clock, zone = "Z"] = pattern.exec(trimmed) ?? [];
  if (year === undefined) return undefined;
  const offset = /^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  const time = Date.parse(`${year}-${month}-${day}T${clock ?? "00:00"}${offset}`);
  // Some runtimes let the 31st of a shorter month run on into the next one.
  const exists = Number(day) <= new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number.isNaN(time) || !exists ? undefined : time;
}
